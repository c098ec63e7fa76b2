// DeepMoji in JavaScript: the original's tokenizer and the network, for files that `npmoji convert` writes.
// No dependencies; runs in browsers and Node. README.md says how it is used and checked.
//
//   const model = new Model(await (await fetch("model.safetensors")).arrayBuffer());
//   model.top("I love mom's cooking");   // [{id: 36, label: "😋", probability: 0.599}, ...]
//
// Parts: text to tokens, tokens to ids, the weights file, the layers, the model.

import { INERT, LETTERS, NO_LETTERS, TRANSLITERATION } from "./unicode52.js";

// Text to tokens ------------------------------------------------------------------------------------------------------

const ASCII = /^[\x00-\x7f]*$/;
const SPACE = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]"; // Python's
const ENDS = new RegExp(`^${SPACE}+|(?<!${SPACE})${SPACE}+$`, "g");
const SPACES = new RegExp(`${SPACE}+`);
const BREAKS = ["\\\\n", "\\n", "\n", "\\\\r", "\\r", "\r", "<br>"]; // those with a backslash are typed out in the text

const split = (text) => text.split(SPACES).filter(Boolean);
const classOf = (ranges) => ranges.replace(/(\w+)(-?) ?/g, "\\u{$1}$2");
const escaped = (text) => text.replace(/[\\\]^-]/g, "\\$&"); // for the inside of [...]

let made; // the tables of unicode52.js as regular expressions and a Map, made for the first text that is not ASCII
function tables() {
  if (made) return made;
  const punctuation = new Map();
  for (const [output, ranges] of Object.entries(TRANSLITERATION))
    for (const range of ranges.split(" ")) {
      const [first, last = first] = range.split("-").map((code) => parseInt(code, 16));
      for (let code = first; code <= last; code++) punctuation.set(String.fromCodePoint(code), output);
    }
  const one = (ranges) => new RegExp(`[${classOf(ranges)}]`, "u");
  const others = new RegExp(`[^${classOf(INERT)}]+`, "gu");
  return (made = { inert: one(INERT), others, letters: one(LETTERS), noLetters: one(NO_LETTERS), punctuation });
}

// What depends on what the original ran on: Python 2.7 with Unicode 5.2, or for torchMoji Python 3 with today's.
const RULES = {
  deepmoji: {
    spaced: (text) => text.replaceAll("\u180e", " "), // whitespace then, not now
    lower: (text) =>
      text.replace(/[A-Z]|[^\x00-\x7f]/gu, (c) =>
        c === "\u0130" ? "i" : c > "\x7f" && tables().inert.test(c) ? c : c.toLowerCase(),
      ),
    normalize: (word) => word.replace(tables().others, (part) => part.normalize("NFKC")),
    // A string of the same length and with the same tokens, in which letters are those of today.
    view: (word) =>
      word.replace(/[^\x00-\x7f]/gu, (c) => {
        const { inert, letters, noLetters } = tables();
        if (letters.test(c)) return "\u00e9";
        return inert.test(c) || noLetters.test(c) ? (c.length > 1 ? "\u{1f600}" : "\u00a3") : c;
      }),
    isNumber: (token) =>
      /^[0-9]+$/.test(token) || token === "\u19da" || (/^\p{Nd}$/u.test(token) && !tables().inert.test(token)),
    shorten,
  },
  torchmoji: {
    spaced: (text) => text,
    lower: (text) => text.toLowerCase(),
    normalize: (word) => word.normalize("NFKC"),
    view: (word) => word,
    isNumber: (token) => /^\p{Nd}+$/u.test(token),
    shorten: (token) => token,
  },
};

// Each run of three or more of a character is taken in order, and all its occurrences, also within longer runs, become
// two characters: 2 floor(n / k) + n mod k of a run of n remain. "aaabaaaaaa" -> "aabaaaa"
const STRETCHED = /([^])\1{2,}/g;
function shorten(token) {
  if (!ASCII.test(token)) return token;
  const runs = [...token.matchAll(STRETCHED)].map(([run, c]) => [c, run.length]);
  if (!runs.length) return token;
  const shortened = new Map(runs.map(([c]) => [c, new Map()])); // character -> length of a run -> what remains of it
  for (const [c, n] of runs) shortened.get(c).set(n, n);
  const longest = new Map([...shortened].map(([c, lengths]) => [c, Math.max(...lengths.keys())]));
  for (const [c, k] of runs) {
    if (k > longest.get(c)) continue;
    const lengths = shortened.get(c);
    for (const [n, m] of lengths) lengths.set(n, Math.floor(m / k) * 2 + (m % k));
    longest.set(c, Math.max(...lengths.values()));
  }
  return token.replace(STRETCHED, (run, c) => c.repeat(shortened.get(c).get(run.length)));
}

// The original ignores case throughout, which adds four characters to the ASCII letters: İ ı ſ K.
const L = "A-Za-z\u0130\u0131\u017f\u212a";
const WORD = "[\\p{L}\\p{N}_]";
const BOUNDARY = `(?:(?<=${WORD})(?!${WORD})|(?<!${WORD})(?=${WORD}))`;
const S = "[sS\u017f]";
const URL_ = `(?:[hH][tT][tT][pP]${S}?:\\/\\/|[wW]{3}\\.)[$-_!${L}]+`; // `$-_` is a range
const LOCAL_PART = new RegExp(`[${L}0-9_.+\\-]`); // a character before the @ of an e-mail address
const DOMAIN = `@[${L}0-9\\-]+\\.[${L}0-9.\\-]+${BOUNDARY}`;
const EMAIL = new RegExp(`${BOUNDARY}(?!${URL_})[${L}0-9_.+\\-]+${DOMAIN}`, "uy");
const DOMAINS = new RegExp(DOMAIN, "gu");
const SYMBOLS = escaped("!\"$%&'()*+,-./:;<=>?[\\]^_`{|}~§´ˇ°€"); // not # @ £
const TOKEN = new RegExp(
  [
    URL_, // e-mail addresses come next, see `spans`
    `[${L}]+[\\-_][${L}]+`, // combined words
    `[#@][${L}0-9_]+`, // hashtags, mentions
    `(?:<+\\/?3+)+`, // hearts
    `-_-|[xX]_[xX]|\\^_\\^|[oO][._][oO]|[()][:;]`,
    `(?:>:|[:=;])[\\-,^'"]?(?:[dD]+|[pP]+|[vV]+|[oO]+|\\)+|\\(+|3+|\\/+|\\|+|\\\\+)`, // emoticons
    `[${L}]+'[${L}]+`, // contractions
    `(?:[mM][rR]${S}?|[mM]${S}|[dD][rR]|[pP][rR][oO][fF])\\.`,
    `(?<![.\\p{L}\\p{N}_])(?:[${L}]\\.){2,}`, // abbreviations
    `[0-9]+`,
    `[${L}]+`,
    `([${SYMBOLS}])\\1*`,
    `#+(?![${L}0-9_])|@+(?![${L}0-9_])`, // leave the last one to a hashtag or mention
    `[^]`,
  ].join("|"),
  "uy",
);

// Start and end of each token of a word without whitespace.
function* spans(word) {
  let start = 0;
  for (const [localPart, at] of localParts(word))
    while (start < at) {
      EMAIL.lastIndex = TOKEN.lastIndex = start;
      const end = start >= localPart && EMAIL.test(word) ? EMAIL.lastIndex : TOKEN.test(word) && TOKEN.lastIndex;
      yield [start, end];
      start = end;
    }
}

// Where an e-mail address may start, from and to, for each @ with a domain; finally the end of the word. Trying to
// match one at every token would look ahead through the same characters again and again.
function* localParts(word) {
  let after = 0;
  for (const { index } of word.includes("@") ? [...word.matchAll(DOMAINS)] : []) {
    let first = index;
    while (first > after && LOCAL_PART.test(word[first - 1])) first--;
    yield [first, index];
    after = index + 1;
  }
  yield [word.length, word.length];
}

// The tokens of a word, shortened or replaced by special words.
function* tokensOf(word, rules) {
  const plain = ASCII.test(word);
  const { punctuation } = plain ? {} : tables();
  // Normalisation turns some accents into a space and a combining mark.
  const pieces = plain ? [word] : split(rules.normalize(word).replace(/[^]/gu, (c) => punctuation.get(c) ?? c));
  for (const piece of pieces)
    for (const [start, end] of spans(ASCII.test(piece) ? piece : rules.view(piece))) {
      const token = rules.shorten(piece.slice(start, end));
      if (rules.isNumber(token)) yield "CUSTOM_NUMBER";
      else if (/@[A-Za-z0-9_]/.test(token)) yield "CUSTOM_AT";
      else if (/(?:https?:\/\/|www\.)[$-_a-z!]/.test(token)) yield "CUSTOM_URL";
      else yield token;
    }
}

function* tokens(text, rules) {
  text = rules.lower(rules.spaced(text).replace(ENDS, ""));
  for (const literal of BREAKS) text = text.replaceAll(literal, " CUSTOM_BREAK ");
  for (const word of split(text.replace(/[\ufe00-\ufe0f]/g, ""))) yield* tokensOf(word, rules); // variation selectors
}

// Tokens to ids -------------------------------------------------------------------------------------------------------

const UNKNOWN = 1;

export class Tokenizer {
  // vocabulary: a Map {word -> id}; compat: "deepmoji", or "torchmoji" for that port's ids
  constructor(vocabulary, { maxlen = 30, compat = "deepmoji" } = {}) {
    if (!Object.hasOwn(RULES, compat)) throw new Error(`compat is ${compat}, expected deepmoji or torchmoji`);
    Object.assign(this, { vocabulary, maxlen, compat });
  }

  // All tokens of a text, as they are looked up in the vocabulary.
  words(text) {
    return [...tokens(text, RULES[this.compat])];
  }

  // The ids of its first `maxlen` tokens.
  ids(text) {
    const ids = [];
    for (const token of tokens(text, RULES[this.compat])) {
      if (ids.length === this.maxlen) break;
      ids.push(this.vocabulary.get(token) ?? UNKNOWN);
    }
    return ids;
  }

  // Rows of ids, padded with zeros.
  rows(texts) {
    return texts.map((text) => {
      const row = new Uint16Array(this.maxlen);
      row.set(this.ids(text));
      return row;
    });
  }
}

// " word word ... " in the order of the ids, or JSON {word: id}
export function readVocabulary(text) {
  if (!text.startsWith(" ")) return new Map(Object.entries(JSON.parse(text)));
  return new Map(text.slice(1, -1).split(" ").map((word, id) => [word, id]));
}

// The weights file ----------------------------------------------------------------------------------------------------

const TYPES = { F32: Float32Array, F16: Uint16Array, I8: Int8Array };

// {tensors: {name: {shape, data: Float32Array | Int8Array}}, metadata: {name: text}}
export function readSafetensors(file) {
  const { buffer, byteOffset, byteLength } = ArrayBuffer.isView(file) ? file : new Uint8Array(file);
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  const length = bytes.length < 8 ? NaN : Number(new DataView(buffer, byteOffset).getBigUint64(0, true));
  if (!(8 + length <= bytes.length)) throw new Error("not a safetensors file, or a truncated one");
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  const { __metadata__: metadata = {}, ...entries } = header;
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(entries)) {
    if (!TYPES[dtype]) throw new Error(`tensor ${name} is of type ${dtype}, expected ${Object.keys(TYPES).join(", ")}`);
    const [first, last] = offsets.map((offset) => 8 + length + offset);
    if (last > bytes.length) throw new Error(`truncated: tensor ${name} ends at ${last}, the file at ${bytes.length}`);
    const data = new TYPES[dtype](bytes.slice(first, last).buffer); // a copy is aligned
    tensors[name] = { shape, data: dtype === "F16" ? halves(data) : data };
  }
  return { tensors, metadata };
}

let halfTable; // the value of each of the 65536 IEEE halves
function halves(bits) {
  if (!halfTable) {
    halfTable = new Float32Array(65536);
    for (let i = 0; i < 65536; i++) {
      const exponent = (i >> 10) & 31, mantissa = i & 1023;
      const size = exponent ? (1024 + mantissa) * 2 ** (exponent - 25) : mantissa * 2 ** -24;
      halfTable[i] = (i >> 15 ? -1 : 1) * (exponent === 31 ? (mantissa ? NaN : Infinity) : size);
    }
  }
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) values[i] = halfTable[bits[i]];
  return values;
}

// The file's details of the arithmetic: by the version of Keras, and the config of a full model if there is one.
function behaviour(metadata, outputs) {
  const version = metadata.keras_version ?? "";
  const found = /^(\d+)\.(\d+)/.exec(version);
  const [major, minor] = found ? [Number(found[1]), Number(found[2])] : [2, 0];
  const layers = metadata.config ? JSON.parse(metadata.config).config.layers : [];
  const config = Object.fromEntries(layers.map((layer) => [layer.config.name, layer.config]));
  const gate = config.bi_lstm_0 ? config.bi_lstm_0.layer.config.recurrent_activation : "hard_sigmoid";
  const last = config.softmax?.activation ?? (outputs === 1 || metadata.multi_label === "true" ? "sigmoid" : "softmax");
  if (!["hard_sigmoid", "sigmoid"].includes(gate)) throw new Error(`the LSTMs' gates are ${gate}, not supported`);
  if (!["softmax", "sigmoid"].includes(last)) throw new Error(`the last layer's activation is ${last}, not supported`);
  return {
    gate: GATES[gate === "hard_sigmoid" && major >= 3 ? "hard_sigmoid_keras3" : gate],
    holdsMasked: (major < 2 || (major === 2 && minor < 4)) && !version.endsWith("-tf"),
    last,
  };
}

// Layers --------------------------------------------------------------------------------------------------------------
// Sums are of doubles, results float32. Of an LSTM's matrix (K, 4H), with blocks for the gates i f c o, the four
// numbers of input k and unit j are put together, at 4 (K j + k): a product goes through memory from end to end.

const GATES = {
  hard_sigmoid: (x) => (x <= -2.5 ? 0 : x >= 2.5 ? 1 : 0.2 * x + 0.5), // Keras 2's
  hard_sigmoid_keras3: (x) => (x <= -3 ? 0 : x >= 3 ? 1 : (x + 3) / 6),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
};

function lstmMatrix(tensors, name) {
  const { shape: [K, width], data } = tensors[name];
  const H = width / 4;
  const weights = new Float32Array(data.length);
  for (let k = 0; k < K; k++)
    for (let g = 0; g < 4; g++)
      for (let j = 0; j < H; j++) weights[4 * (K * j + k) + g] = data[k * width + g * H + j];
  const scales = data instanceof Int8Array ? byUnit(tensors[name + "_scale"].data) : null;
  return { K, H, weights, scales, whole: new Float32Array(K) };
}

// Numbers in four blocks, with the four of a unit together.
function byUnit(numbers) {
  const H = numbers.length / 4;
  return numbers.map((_, i) => numbers[(i % 4) * H + (i >> 2)]);
}

// out[to ...] = x[from ...] times a matrix, plus bias[at ...]
function multiply(matrix, x, from, bias, at, out, to) {
  const { K, H, weights, scales, whole } = matrix;
  let scale = 1;
  if (scales) {
    scale = quantise(x, from, K, whole);
    x = whole;
    from = 0;
  }
  const end = from + K;
  for (let j = 0, p = 0; j < 4 * H; j += 4) {
    let i = 0, f = 0, c = 0, o = 0;
    for (let k = from; k < end; k++, p += 4) {
      const value = x[k];
      i += value * weights[p];
      f += value * weights[p + 1];
      c += value * weights[p + 2];
      o += value * weights[p + 3];
    }
    if (scales) {
      i *= Math.fround(scale * scales[j]);
      f *= Math.fround(scale * scales[j + 1]);
      c *= Math.fround(scale * scales[j + 2]);
      o *= Math.fround(scale * scales[j + 3]);
    }
    out[to + j] = i + bias[at + j];
    out[to + j + 1] = f + bias[at + j + 1];
    out[to + j + 2] = c + bias[at + j + 2];
    out[to + j + 3] = o + bias[at + j + 3];
  }
}

// Integers from -127 to 127, the largest magnitude becoming 127; returns the scale. In float32, halves to even.
function quantise(x, from, K, whole) {
  let largest = 0;
  for (let k = 0; k < K; k++) largest = Math.max(largest, Math.abs(x[from + k]));
  const factor = largest <= 1e-30 ? 0 : Math.fround(127 / largest);
  for (let k = 0; k < K; k++) {
    const value = Math.fround(x[from + k] * factor), below = Math.floor(value), rest = value - below;
    whole[k] = rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
  }
  return factor ? Math.fround(largest / 127) : 0;
}

// One direction of one row: `projected` holds x·kernel + bias at slot[t] for each step t; writes every step's output to
// out[start + t stride ...]. A masked step (mask[t] is 0) leaves h and c as they are.
function lstm(way, projected, slot, mask, out, start, stride, backward, { gate, holdsMasked }) {
  const { recurrent, H, h, c, z } = way;
  const T = mask.length;
  h.fill(0);
  c.fill(0);
  for (let step = 0; step < T; step++) {
    const t = backward ? T - 1 - step : step;
    const to = start + t * stride;
    if (mask[t]) {
      multiply(recurrent, h, 0, projected, slot[t] * 4 * H, z, 0);
      for (let j = 0; j < H; j++) {
        c[j] = gate(z[4 * j + 1]) * c[j] + gate(z[4 * j]) * Math.tanh(z[4 * j + 2]);
        h[j] = gate(z[4 * j + 3]) * Math.tanh(c[j]);
      }
    }
    if (mask[t] || holdsMasked) for (let j = 0; j < H; j++) out[to + j] = h[j]; // else 0
  }
}

function bidirectional(tensors, name) {
  return ["forward", "backward"].map((side) => {
    const kernel = lstmMatrix(tensors, `${name}/${side}_kernel`);
    const recurrent = lstmMatrix(tensors, `${name}/${side}_recurrent_kernel`);
    const bias = byUnit(tensors[`${name}/${side}_bias`].data);
    const { H } = kernel;
    return { kernel, recurrent, bias, H, h: new Float32Array(H), c: new Float32Array(H), z: new Float32Array(4 * H) };
  });
}

// DeepMoji's softmax over time: the maximum is of all steps, masked ones too, and epsilon is added to the sum.
function attentionWeights(logits, mask, out) {
  let largest = -Infinity, sum = 1e-7;
  for (const logit of logits) largest = Math.max(largest, logit);
  for (let t = 0; t < mask.length; t++) sum += out[t] = mask[t] ? Math.exp(logits[t] - largest) : 0;
  for (let t = 0; t < mask.length; t++) out[t] /= sum;
}

function softmax(logits, out) {
  let largest = -Infinity, sum = 0;
  for (const logit of logits) largest = Math.max(largest, logit);
  for (let i = 0; i < logits.length; i++) sum += out[i] = Math.exp(logits[i] - largest);
  for (let i = 0; i < logits.length; i++) out[i] /= sum;
}

// The model -----------------------------------------------------------------------------------------------------------

export class Model {
  // file: the bytes of a .safetensors file, an ArrayBuffer or a view of one
  constructor(file, { maxlen = 30 } = {}) {
    const { tensors, metadata } = readSafetensors(file);
    if (metadata.format !== "npmoji 1") throw new Error("not a file of `npmoji convert`: its format is not npmoji 1");
    for (const layer of ["embedding/embeddings", "bi_lstm_0/forward_kernel", "bi_lstm_1/forward_kernel"])
      if (!tensors[layer]) throw new Error(`not the weights of a DeepMoji network: no tensor ${layer}`);
    this.embeddings = tensors["embedding/embeddings"];
    this.lstms = [bidirectional(tensors, "bi_lstm_0"), bidirectional(tensors, "bi_lstm_1")];
    this.attention = tensors["attlayer/kernel"].data;
    this.dense = tensors["softmax/kernel"] && { ...tensors["softmax/kernel"], bias: tensors["softmax/bias"].data };
    this.behaviour = behaviour(metadata, this.dense?.shape[1]);
    this.classes = metadata.classes ? JSON.parse(metadata.classes) : [];
    this.metadata = metadata;
    if (metadata.vocabulary)
      this.tokenizer = new Tokenizer(readVocabulary(metadata.vocabulary), { maxlen, compat: metadata.compat });
  }

  // Every layer's output for rows of token ids, all of one length: {name: {shape, data: Float32Array}}, by the names
  // that `npmoji golden` uses.
  forward(rows) {
    const N = rows.length, T = N ? rows[0].length : 0;
    const [V, E] = this.embeddings.shape;
    const [H0, H1] = this.lstms.map(([way]) => way.H);
    const tensor = (...shape) => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b)) });
    const activation = tensor(N, T, E), bi_lstm_0 = tensor(N, T, 2 * H0), bi_lstm_1 = tensor(N, T, 2 * H1);
    const attention_logits = tensor(N, T), attention = tensor(N, T), attlayer = tensor(N, 2 * H1 + 2 * H0 + E);

    // What depends on a token alone is computed once for each that occurs: tanh of its embedding, and its projections.
    const slots = new Map();
    for (const row of rows) {
      if (row.length !== T) throw new Error(`rows of ${T} and of ${row.length} ids, expected one length`);
      for (const id of row) {
        if (!(Number.isInteger(id) && id >= 0 && id < V)) throw new Error(`token id ${id}, expected 0 to ${V - 1}`);
        if (!slots.has(id)) slots.set(id, slots.size);
      }
    }
    const vectors = new Float32Array(slots.size * E);
    const projected = this.lstms[0].map((way) => new Float32Array(slots.size * 4 * way.H));
    for (const [id, slot] of slots) {
      for (let e = 0; e < E; e++) vectors[slot * E + e] = Math.tanh(this.embeddings.data[id * E + e]);
      if (id)
        this.lstms[0].forEach((way, d) =>
          multiply(way.kernel, vectors, slot * E, way.bias, 0, projected[d], slot * 4 * H0),
        );
    }
    const again = this.lstms[1].map((way) => new Float32Array(T * 4 * way.H));
    const steps = Uint32Array.from({ length: T }, (_, t) => t);

    for (let n = 0; n < N; n++) {
      const mask = Uint8Array.from(rows[n], (id) => (id ? 1 : 0)); // zeros may stand anywhere
      const slot = Uint32Array.from(rows[n], (id) => slots.get(id));
      for (let t = 0; t < T; t++)
        activation.data.set(vectors.subarray(slot[t] * E, slot[t] * E + E), (n * T + t) * E);
      this.lstms[0].forEach((way, d) =>
        lstm(way, projected[d], slot, mask, bi_lstm_0.data, n * T * 2 * H0 + d * H0, 2 * H0, d, this.behaviour),
      );
      this.lstms[1].forEach((way, d) => {
        for (let t = 0; t < T; t++)
          if (mask[t]) multiply(way.kernel, bi_lstm_0.data, (n * T + t) * 2 * H0, way.bias, 0, again[d], t * 4 * H1);
        lstm(way, again[d], steps, mask, bi_lstm_1.data, n * T * 2 * H1 + d * H1, 2 * H1, d, this.behaviour);
      });

      // Attention, over [bi_lstm_1, bi_lstm_0, activation].
      const parts = [bi_lstm_1, bi_lstm_0, activation].map(({ shape, data }) => {
        const size = T * shape[2];
        return { width: shape[2], data: data.subarray(n * size, (n + 1) * size) };
      });
      const logits = attention_logits.data.subarray(n * T, (n + 1) * T);
      const weights = attention.data.subarray(n * T, (n + 1) * T);
      for (let t = 0; t < T; t++) {
        let sum = 0, at = 0;
        for (const { width, data } of parts)
          for (let i = 0; i < width; i++) sum += data[t * width + i] * this.attention[at++];
        logits[t] = sum;
      }
      attentionWeights(logits, mask, weights);
      let at = n * attlayer.shape[1];
      for (const { width, data } of parts)
        for (let i = 0; i < width; i++) {
          let sum = 0;
          for (let t = 0; t < T; t++) sum += weights[t] * data[t * width + i];
          attlayer.data[at++] = sum;
        }
    }
    const layers = { activation, bi_lstm_0, bi_lstm_1, attention_logits, attention, attlayer };
    return this.dense ? { ...layers, ...this.classify(attlayer) } : layers;
  }

  // The last layer alone: features (N, F) to {logits, softmax}, both (N, C).
  classify({ shape: [N, F], data }) {
    const C = this.dense.shape[1];
    const logits = { shape: [N, C], data: new Float32Array(N * C) };
    const probabilities = { shape: [N, C], data: new Float32Array(N * C) };
    for (let n = 0; n < N; n++) {
      for (let c = 0; c < C; c++) {
        let sum = this.dense.bias[c];
        for (let f = 0; f < F; f++) sum += data[n * F + f] * this.dense.data[f * C + c];
        logits.data[n * C + c] = sum;
      }
      const [from, to] = [logits, probabilities].map((one) => one.data.subarray(n * C, (n + 1) * C));
      if (this.behaviour.last === "softmax") softmax(from, to);
      else for (let c = 0; c < C; c++) to[c] = GATES.sigmoid(from[c]);
    }
    return { logits, softmax: probabilities };
  }

  // For each text the output of a layer, by default its features: Float32Arrays.
  encode(texts, layer = "attlayer") {
    if (!this.tokenizer) throw new Error("the file has no vocabulary: give `forward` rows of token ids");
    return texts.map((text) => this.forward(this.tokenizer.rows([text]))[layer].data);
  }

  // For each text the probabilities of the classes.
  predict(texts) {
    return this.encode(texts, "softmax");
  }

  // A text's k most likely classes, best first: [{id, label, probability}, ...]
  top(text, k = 5) {
    return this.best(this.predict([text])[0], k);
  }

  best(probabilities, k = 5) {
    const [p] = probabilities;
    const all = probabilities.length === 1 && this.classes.length === 2 ? [1 - p, p] : [...probabilities];
    const ids = all.map((_, id) => id).sort((a, b) => all[b] - all[a] || a - b);
    return ids.slice(0, k).map((id) => ({ id, label: this.classes[id] ?? String(id), probability: all[id] }));
  }
}
