// How the page of `npmoji serve` shows an explanation. Text only ever becomes text nodes. Offsets are code points, so
// the text is taken apart with Array.from.
"use strict";

const FAINT = 0.04; // the strength from which a word is coloured: 1 is the strongest of the text
const NUMBERED = 0.2; // and from which it has its number behind it
const GAP = 8; // pixels between a word and its numbers
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
const NOTHING = "The model knows none of these words: its answer says nothing about this text.";

const element = (id) => document.getElementById(id);
const tip = element("tip");

let names = []; // of the classes, by id
let found = null; // the explanation that is shown, with its text's characters
let chosen = null; // the id of the class that the reader chose, while there is text

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
  const code = (character) => character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
  return Array.from(word, (character) => `U+${code(character)}`).join(" ");
}

/** A piece of the text, by code points. */
const piece = (start, end) => found.characters.slice(start, end).join("");
const typed = (word) => seen(piece(word.start, word.end));
const percent = (p) => `${(100 * p).toFixed(1)}\u00a0%`;
const calls = (p) => (p.emoji ? (names[p.id] ?? "") : (p.label ?? "") || `class ${p.id}`);
const title = (p) => p.emoji || calls(p);
const selected = () => found.emojis.find((emoji) => emoji.id === chosen) ?? found.emojis[0];
const by = () => document.querySelector("#by input:checked").value;

/** Show everything anew. */
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
  element("emojis-title").textContent = found.emojis[0].emoji ? "Emojis" : "Classes";
  while (list.children.length > found.emojis.length) list.lastChild.remove();
  while (list.children.length < found.emojis.length) list.append(emojiRow());
  found.emojis.forEach((emoji, i) => {
    const [radio, glyph, called, bar, p] = list.children[i].children;
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
  const glyph = make("span", "glyph");
  glyph.ariaHidden = "true"; // its name stands beside it
  const bar = make("span", "bar", make("span"));
  return make("label", "class", radio, glyph, name("span", "called", ""), bar, make("span", "p"));
}

/** The text, its words on a background as strong as they count. Not each in a <bdi>: the words of one text stay in the
 * order in which it was typed. */
function drawWords() {
  const target = selected();
  const attention = by() === "attention";
  const values = attention ? found.words.map((word) => word.attention) : target.contributions;
  const full = Math.max(attention ? 0 : target.p / 10, ...values.map(Math.abs)) || 1;
  const mixed = RIGHT_TO_LEFT.test(found.text);
  const content = [];
  let end = 0;
  let before = null; // the word that another may touch
  found.words.forEach((word, i) => {
    if (!word.used) return; // those beyond the limit follow
    const start = Math.max(word.start, end);
    const touches = before !== null && start === end;
    if (touches) before.classList.add("tight"); // no room between them, so that joined letters stay joined
    else content.push(piece(end, start));
    end = Math.max(word.end, end);
    const written = piece(start, end) || word.text; // a piece may have become several words: it comes once
    const mark = marked(written, i, values[i], Math.abs(values[i]) / full, attention, mixed);
    mark.classList.toggle("tight", touches);
    content.push(mark);
    before = written === "\n" ? null : mark;
    if (before === null) content.push("\n");
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

function marked(written, i, value, strength, attention, mixed) {
  const mark = make("span", "word", seen(written));
  if (strength >= FAINT) {
    mark.classList.add(attention ? "attention" : value < 0 ? "against" : "for");
    mark.style.setProperty("--a", strength.toFixed(3));
  }
  mark.dataset.index = i;
  const number = attention ? (100 * value).toFixed(0) : points(value);
  if (strength >= NUMBERED) mark.append(make("small", "", `\u00a0${number}`), mixed ? direction(written) : "");
  else mark.append(make("bdi", "hidden", ` (${number})`));
  if (!found.words[i].known) {
    mark.classList.add("unknown");
    mark.append(make("bdi", "hidden", " (unknown)"));
  }
  return mark;
}

/** An invisible character with the direction that a word ends in: its number, between them, stays at it. */
function direction(word) {
  const last = Array.from(word).findLast((character) => /\p{L}/u.test(character));
  return last === undefined ? "" : RIGHT_TO_LEFT.test(last) ? "\u200f" : "\u200e";
}

function drawLegend(target, attention) {
  const sample = (classes, strength, text, number) => {
    const mark = make("span", `word ${classes}`, text);
    if (number) mark.append(make("small", "", `\u00a0${number}`));
    mark.style.setProperty("--a", strength);
    return make("li", "", mark);
  };
  const entries = attention
    ? [sample("attention", 1, "attention", "31")]
    : [sample("for", 0.8, "for", "+12"), sample("against", 0.8, "against", "\u221212")];
  const used = found.words.filter((word) => word.used);
  if (used.some((word) => !word.known)) entries.push(sample("unknown", 0, "unknown word"));
  element("legend").replaceChildren(...entries);
  element("meaning").textContent = used.some((word) => word.known) ? meaning(target, attention) : NOTHING;
}

/** What the numbers are, in a sentence. */
function meaning(target, attention) {
  return attention
    ? `How much the network looks at each word, in percent. It is the same whatever it chooses, and does not say \
whether a word speaks for or against that.`
    : `By how many percentage points ${title(target)} is more likely, or less, with the word than without it.`;
}

/** All numbers as a table, which a screen reader and a keyboard can walk through. */
function drawNumbers() {
  const attention = !element("by").hidden;
  const cell = (tag, scope, text, classes) => {
    const made = make(tag, classes, name("bdi", "", text));
    if (scope) made.scope = scope;
    return made;
  };
  const units = `Contributions in percentage points${attention ? ", attention in percent" : ""}`;
  const head = make("tr", "", cell("th", "col", "word"));
  head.append(...found.emojis.map((emoji) => cell("th", "col", title(emoji))));
  if (attention) head.append(cell("th", "col", "attention"));
  const rows = found.words.map((word, i) => {
    if (!word.used) return "";
    const row = make("tr", "", cell("th", "row", typed(word), word.known ? "" : "unknown"));
    row.append(...found.emojis.map((emoji) => cell("td", "", points(emoji.contributions[i]))));
    if (attention) row.append(cell("td", "", (100 * word.attention).toFixed(1)));
    return row;
  });
  const table = [make("caption", "", units), make("thead", "", head), make("tbody", "", ...rows)];
  element("numbers").replaceChildren(...table);
}

/* ---- the numbers of one word, beside it ---- */

function showTip(mark) {
  const word = found.words[mark.dataset.index];
  const target = selected();
  const lines = [name("strong", "", typed(word))];
  if (typed(word).toLowerCase() !== word.text) lines.push(make("span", "", "read as ", name("bdi", "", word.text)));
  if (!word.known) lines.push("unknown: not in the vocabulary");
  lines.push(`${points(target.contributions[mark.dataset.index])} points for ${title(target)}`);
  if (word.attention !== null) lines.push(`${percent(word.attention)} of the attention`);
  tip.replaceChildren(...lines.map((line) => make("div", "", line)));
  tip.hidden = false;
  const box = mark.getClientRects()[0];
  const { offsetWidth: width, offsetHeight: height } = tip;
  const right = document.documentElement.clientWidth - width - GAP;
  const left = Math.max(GAP, Math.min(box.left + (box.width - width) / 2, right));
  const above = box.top - height - GAP;
  tip.style.setProperty("left", `${left}px`);
  tip.style.setProperty("top", `${above < GAP ? box.bottom + GAP : above}px`);
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
element("by").addEventListener("change", drawWords);
