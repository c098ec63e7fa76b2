// Checks of npmoji.js against npmoji, for Node:
//
//   node check.mjs layers MODEL.safetensors GOLDEN PORT   the tensors for GOLDEN/tokens.npy, as PORT/*.npy
//                                                         (tokens.npy: of the manifest's texts, by this tokenizer);
//                                                         then: npmoji compare GOLDEN PORT
//   node check.mjs words [COMPAT [MODEL|VOCABULARY.json]] lines of JSON, {"text": ...} or "...", from standard input;
//                                                         {"words": [...], "ids": [...]} for each to standard output
//   node check.mjs time MODEL.safetensors [TEXT]          milliseconds for a text, median of many

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Model, Tokenizer, readVocabulary } from "./npmoji.js";

function readNpy(path) {
  const file = readFileSync(path);
  const start = 10 + file.readUInt16LE(8);
  const head = file.toString("latin1", 10, start);
  const shape = head.match(/'shape': \(([^)]*)\)/)[1].split(",").filter((size) => size.trim()).map(Number);
  if (!head.includes("<i8")) throw new Error(`${path}: expected token ids as int64, found ${head}`);
  const bytes = file.buffer.slice(file.byteOffset + start, file.byteOffset + file.length);
  return { shape, data: Array.from(new BigInt64Array(bytes), Number) };
}

function writeNpy(path, { shape, data }, type = "<f4") {
  const sizes = shape.join(", ") + (shape.length === 1 ? "," : "");
  const text = `{'descr': '${type}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const head = Buffer.from("\x93NUMPY\x01\x00\x76\x00" + text.padEnd(117) + "\n", "latin1");
  writeFileSync(path, Buffer.concat([head, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]));
}

function layers(modelPath, golden, target) {
  const model = new Model(readFileSync(modelPath));
  const { shape, data } = readNpy(join(golden, "tokens.npy"));
  const [N, T] = shape;
  const rows = Array.from({ length: N }, (_, n) => data.slice(n * T, (n + 1) * T));
  mkdirSync(target, { recursive: true });
  for (const [name, tensor] of Object.entries(model.forward(rows))) writeNpy(join(target, `${name}.npy`), tensor);
  const manifest = join(golden, "manifest.json");
  if (model.tokenizer && existsSync(manifest)) { // else nothing is known of the texts; rows of ids have none
    const { texts } = JSON.parse(readFileSync(manifest, "utf-8"));
    texts.forEach(({ text }, n) => text !== null && (rows[n] = model.tokenizer.ids(text)));
    const ids = rows.flatMap((row) => Array.from({ length: T }, (_, t) => BigInt(row[t] ?? 0)));
    writeNpy(join(target, "tokens.npy"), { shape, data: BigInt64Array.from(ids) }, "<i8");
  }
}

function words(compat = "deepmoji", path = undefined) {
  const vocabulary = path === undefined ? new Map() : path.endsWith(".json")
    ? readVocabulary(readFileSync(path, "utf-8"))
    : new Model(readFileSync(path)).tokenizer.vocabulary;
  const tokenizer = new Tokenizer(vocabulary, { compat });
  const found = readFileSync(0, "utf-8").split("\n").filter(Boolean).map((line) => {
    const record = JSON.parse(line);
    const text = record.text ?? record;
    return JSON.stringify({ words: tokenizer.words(text), ids: tokenizer.ids(text) }) + "\n";
  });
  writeFileSync(1, found.join(""));
}

function time(path, text = "I love mom's cooking, but this was the worst day ever! so tired, going to bed now :)") {
  const begin = performance.now();
  const model = new Model(readFileSync(path));
  model.top(text);
  const first = performance.now() - begin;
  const times = Array.from({ length: 200 }, () => {
    const start = performance.now();
    model.top(text);
    return performance.now() - start;
  }).sort((a, b) => a - b);
  const tokens = model.tokenizer.ids(text).length;
  console.log(JSON.stringify({ tokens, first, median: times[100], longest: times[199] }));
}

const commands = { layers, words, time };
const [command, ...given] = process.argv.slice(2);
if (!Object.hasOwn(commands, command)) {
  console.error("usage: node check.mjs layers MODEL GOLDEN PORT | words [COMPAT [VOCABULARY]] | time MODEL [TEXT]");
  process.exit(2);
}
commands[command](...given);
