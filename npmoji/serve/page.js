// The page of `npmoji serve`: at each pause in typing it asks /explain and shows the answer. Text only ever becomes
// text nodes. Offsets in answers are code points, so texts are taken apart with Array.from.
"use strict";

const PAUSE = 250; // ms without typing before the server is asked
const SLOW = 400; // ms after which what is shown is marked as old
const FAINT = 0.04; // the strength from which a word is coloured: 1 is the strongest of the text
const NUMBERED = 0.2; // and from which it has its number behind it
const AGAIN = [1000, 2000, 4000]; // ms between attempts to reach a server that is gone
const MOST = 100; // classes that are listed
const EXAMPLES = [
  "I love mom's cooking",
  "this is the worst day ever!!!",
  "I love how you never reply back..",
  "so tired, goodnight everyone",
  "Can't stop laughing at this video, soooo funny",
];

const element = (id) => document.getElementById(id);
const input = element("text");
const results = element("results");
const tip = element("tip");

let names = []; // of the classes, by id, for the 64 emojis
let found = null; // the explanation that is shown
let chosen = null; // the id of the class that the reader chose, while there is text
let request = null; // the AbortController of the one that runs
let timer = 0; // of the pause, or of the next attempt
let attempts = 0; // that failed since the server last answered

/* ---- asking ---- */

function wait(milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(ask, milliseconds);
}

/** Ask about the text as it is now; an older request is dropped. */
async function ask() {
  clearTimeout(timer);
  request?.abort();
  request = null;
  if (!input.value.trim()) return rest();
  const mine = (request = new AbortController());
  const slow = setTimeout(() => results.setAttribute("aria-busy", "true"), SLOW);
  try {
    const answer = await fetch("explain", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ texts: [input.value], target: null }),
      signal: mine.signal,
    });
    const body = await answer.json().catch(unreadable);
    if (mine !== request) return;
    if (attempts) inform(); // it may be another server now
    attempts = 0;
    if (answer.ok && body.results) return show(body.results[0]);
    refused(answer, body);
  } catch (error) {
    if (mine !== request) return; // dropped for a newer one
    complain("The server does not answer. Trying again …");
    wait(AGAIN[Math.min(attempts++, AGAIN.length - 1)]);
  } finally {
    clearTimeout(slow);
    if (mine === request) results.removeAttribute("aria-busy");
  }
}

/** What stands for an answer that is no JSON; one that broke off is an error like none at all. */
function unreadable(error) {
  if (error instanceof SyntaxError) return {};
  throw error;
}

/** The server answered, but not with results: say why, and ask again later if that may help. */
function refused(answer, body) {
  const busy = answer.status === 429 || answer.status === 503;
  const reason = typeof body.error === "string" ? body.error : `an answer that cannot be read, status ${answer.status}`;
  complain(reason.slice(0, 1).toUpperCase() + reason.slice(1) + (busy ? ". Trying again …" : ""));
  if (busy) wait(1000 * Math.min(60, Number(answer.headers.get("Retry-After")) || 2));
}

/** Show a problem instead of looking as if all were well; what was found before stays, marked as old. */
function complain(message) {
  const problem = element("problem");
  if (problem.textContent !== message) problem.textContent = message; // read out once
  problem.hidden = false;
  results.classList.add("old");
}

/** Model and version in the footer. */
async function inform() {
  try {
    const answer = await fetch("info");
    if (!answer.ok) return;
    const info = await answer.json();
    names = info.class_names ?? [];
    const facts = [
      info.model,
      info.vocabulary && `${info.vocabulary.toLocaleString("en")} words`,
      info.classes && `${info.classes} classes`,
      info.engine && `${info.engine} engine`,
      info.version && `npmoji ${info.version}`,
    ];
    element("info").textContent = facts.filter(Boolean).join(" · ");
    drawClasses(info.labels ?? []);
    if (found) draw();
  } catch {
    // the request for a text will say that the server is gone
  }
}

/* ---- showing ---- */

/** A new element with classes and content: text, or elements. */
function make(tag, classes, ...content) {
  const made = document.createElement(tag);
  if (classes) made.className = classes;
  made.append(...content);
  return made;
}

/** The same with text in whatever direction it runs. */
function name(tag, classes, text) {
  const made = make(tag, classes, text);
  made.dir = "auto";
  return made;
}

/** A difference of probabilities in percentage points, with its sign: as many digits as say something. */
function points(difference) {
  const size = 100 * Math.abs(difference);
  const digits = size.toFixed(size >= 9.95 ? 0 : size >= 0.995 ? 1 : 2);
  return Number(digits) ? (difference < 0 ? "\u2212" : "+") + digits : "0";
}

/** A word as it is shown: what nobody would see is spelled out, and a break between lines has a sign. */
function seen(word) {
  if (word === "\n") return "\u21b5";
  if (!/^[\p{C}\p{M}\p{Z}]*$/u.test(word)) return word;
  return Array.from(word, (character) => `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`).join(" ");
}

/** A piece of the text, by code points. */
const piece = (start, end) => found.characters.slice(start, end).join("");
const typed = (word) => seen(piece(word.start, word.end));
const percent = (p) => `${(100 * p).toFixed(1)}\u00a0%`;
const calls = (p) => (p.emoji ? (names[p.id] ?? "") : (p.label ?? "") || `class ${p.id}`);
const title = (p) => p.emoji || calls(p);
const selected = () => found.emojis.find((emoji) => emoji.id === chosen) ?? found.emojis[0];
const by = () => document.querySelector("#by input:checked").value;

/** No text: examples instead of results. */
function rest() {
  found = chosen = null;
  results.hidden = true;
  results.removeAttribute("aria-busy");
  element("problem").hidden = true;
  element("examples").hidden = false;
  element("summary").textContent = "";
}

/** Below the examples: what the model chooses from. */
function drawClasses(labels) {
  const classes = element("classes");
  classes.hidden = !labels.length;
  classes.classList.toggle("named", labels[0] === names[0]); // people's own
  classes.querySelector("p").textContent = `It chooses from ${labels.length} ${labels[0] === names[0] ? "classes" : "emojis"}`;
  const items = labels.slice(0, MOST).map((label, i) => {
    const item = make("li", "", name("bdi", "", label));
    if (label !== names[i]) item.title = names[i];
    return item;
  });
  classes.querySelector("ul").replaceChildren(...items);
}

/** An explanation that has just come. */
function show(explanation) {
  found = { ...explanation, characters: Array.from(explanation.text) };
  results.hidden = false;
  results.classList.remove("old");
  element("problem").hidden = true;
  element("examples").hidden = true;
  draw();
  const [first] = found.emojis;
  element("summary").textContent = `${first.emoji} ${calls(first)}, ${percent(first.p)}`;
}

function draw() {
  const attention = found.words.some((word) => word.attention !== null);
  element("by").hidden = !attention;
  if (!attention) document.querySelector("#by input").checked = true;
  hideTip();
  drawEmojis();
  drawWords();
  drawNumbers();
}

/** The most likely classes, in rows that stay, so that the keyboard's focus stays and bars move. */
function drawEmojis() {
  const list = element("emojis");
  while (list.children.length > found.emojis.length) list.lastChild.remove();
  while (list.children.length < found.emojis.length) list.append(emojiRow());
  found.emojis.forEach((emoji, i) => {
    const row = list.children[i];
    const [radio, glyph, called, bar, p] = row.children;
    radio.value = emoji.id;
    radio.checked = emoji === selected();
    glyph.textContent = emoji.emoji;
    glyph.hidden = !emoji.emoji;
    called.textContent = calls(emoji);
    bar.firstChild.style.setProperty("--p", emoji.p);
    p.textContent = percent(emoji.p);
  });
}

function emojiRow() {
  const radio = make("input", "hidden");
  radio.type = "radio";
  radio.name = "emoji";
  radio.addEventListener("change", () => {
    chosen = Number(radio.value);
    hideTip();
    drawWords();
  });
  const bar = make("span", "bar", make("span"));
  return make("label", "class", radio, make("span", "glyph"), name("span", "called", ""), bar, make("span", "p"));
}

/** The text, its words on a background as strong as they count. Not each in a <bdi>: the words of one text stay in the
 * order in which it was typed. */
function drawWords() {
  const target = selected();
  const attention = by() === "attention";
  const values = attention ? found.words.map((word) => word.attention) : target.contributions;
  const full = Math.max(attention ? 0 : target.p / 10, ...values.map(Math.abs)) || 1;
  const content = [];
  let end = 0;
  found.words.forEach((word, i) => {
    if (!word.used) return; // those beyond the limit follow
    const start = Math.max(word.start, end);
    content.push(piece(end, start));
    end = Math.max(word.end, end);
    const written = piece(start, end) || word.text; // a piece may have become several words: it comes once
    content.push(marked(written, i, values[i], Math.abs(values[i]) / full, attention));
    if (written === "\n") content.push("\n");
  });
  const left = found.words.filter((word) => !word.used).length;
  if (left) {
    const limit = `${left} word${left > 1 ? "s" : ""} beyond the limit of ${found.words.length - left}: not read`;
    content.push(" ", make("bdi", "limit", limit), " ", make("s", "unused", piece(end)));
  } else {
    content.push(piece(end));
  }
  element("words").replaceChildren(...content);
  element("words-title").textContent = attention ? "Attention" : `For and against ${title(target)}`;
  drawLegend(target, attention);
}

function marked(written, i, value, strength, attention) {
  const mark = make("span", "word", seen(written));
  if (strength >= FAINT) {
    mark.classList.add(attention ? "attention" : value < 0 ? "against" : "for");
    mark.style.setProperty("--a", strength.toFixed(3));
  }
  mark.classList.toggle("short", written.length < 20); // its number is not to go to the next line alone
  mark.dataset.index = i;
  const number = attention ? (100 * value).toFixed(0) : points(value);
  mark.append(strength >= NUMBERED ? make("small", "", number) : make("bdi", "hidden", ` (${number})`));
  if (!found.words[i].known) {
    mark.classList.add("unknown");
    mark.append(make("bdi", "hidden", " (unknown)"));
  }
  return mark;
}

function drawLegend(target, attention) {
  const sample = (classes, strength, text, number) => {
    const mark = make("span", `word ${classes}`, text);
    if (number) mark.append(make("small", "", number));
    mark.style.setProperty("--a", strength);
    return make("li", "", mark);
  };
  const entries = attention
    ? [sample("attention", 1, "attention", "31")]
    : [sample("for", 0.8, "for", "+12"), sample("against", 0.8, "against", "\u221212")];
  if (found.words.some((word) => word.used && !word.known)) entries.push(sample("unknown", 0, "unknown word"));
  element("legend").replaceChildren(...entries);
  const known = found.words.some((word) => word.used && word.known);
  element("meaning").textContent = !known
    ? "The model knows none of these words: its answer says nothing about this text."
    : attention
      ? "How much the network looks at each word, in percent. It is the same for every emoji, and does not say whether a word speaks for or against one."
      : `By how many percentage points ${title(target)} is more likely, or less, with the word than without it.`;
}

/** All numbers as a table, which a screen reader and a keyboard can walk through. */
function drawNumbers() {
  const attention = !element("by").hidden;
  const cell = (tag, scope, text, classes = "number") => {
    const made = make(tag, classes, name("bdi", "", text));
    if (scope) made.scope = scope;
    return made;
  };
  const caption = make("caption", "", "Contributions in percentage points" + (attention ? ", attention in percent" : ""));
  const head = make("tr", "", cell("th", "col", "word", ""));
  head.append(...found.emojis.map((emoji) => cell("th", "col", title(emoji))));
  if (attention) head.append(cell("th", "col", "attention"));
  const rows = found.words.map((word, i) => {
    const row = make("tr", "", cell("th", "row", typed(word), word.known ? "" : "unknown"));
    row.append(...found.emojis.map((emoji) => cell("td", "", points(emoji.contributions[i]))));
    if (attention) row.append(cell("td", "", (100 * word.attention).toFixed(1)));
    return row;
  });
  element("numbers").replaceChildren(caption, make("thead", "", head), make("tbody", "", ...rows.filter((_, i) => found.words[i].used)));
}

/* ---- the numbers of one word, beside it ---- */

function showTip(mark) {
  const word = found.words[mark.dataset.index];
  const target = selected();
  const lines = [name("strong", "", typed(word))];
  if (typed(word).toLowerCase() !== word.text) lines.push(make("span", "", "read as ", name("bdi", "", word.text)));
  if (!word.known) lines.push("not in the vocabulary");
  lines.push(`${points(target.contributions[mark.dataset.index])} points for ${title(target)}`);
  if (word.attention !== null) lines.push(`${percent(word.attention)} of the attention`);
  tip.replaceChildren(...lines.map((line) => make("div", "", line)));
  tip.hidden = false;
  const box = mark.getClientRects()[0];
  const { offsetWidth: width, offsetHeight: height } = tip;
  const left = Math.max(8, Math.min(box.left + box.width / 2 - width / 2, document.documentElement.clientWidth - width - 8));
  const above = box.top - height - 8;
  tip.style.setProperty("left", `${left}px`);
  tip.style.setProperty("top", `${above < 8 ? box.bottom + 8 : above}px`);
}

function hideTip() {
  tip.hidden = true;
}

for (const kind of ["pointerover", "click"]) {
  document.addEventListener(kind, (event) => {
    const mark = event.target instanceof Element ? event.target.closest("#words .word") : null;
    if (mark) showTip(mark);
    else if (!tip.hidden) hideTip();
  });
}
document.addEventListener("keydown", (event) => event.key === "Escape" && hideTip());
document.addEventListener("scroll", hideTip, { passive: true });

/* ---- typing ---- */

/** Put a text there as if it had been typed. */
function put(text) {
  input.value = text;
  input.focus();
  pause();
  ask();
}

function pause() {
  element("clear").hidden = !input.value;
  wait(PAUSE);
}

input.addEventListener("input", pause);
element("form").addEventListener("submit", (event) => event.preventDefault());
element("clear").addEventListener("click", () => put(""));
element("by").addEventListener("change", drawWords);
document.querySelector("#examples ul").append(
  ...EXAMPLES.map((text) => {
    const button = make("button", "", text);
    button.type = "button";
    button.addEventListener("click", () => put(text));
    return make("li", "", button);
  }),
);
inform();
if (input.value) put(input.value);
