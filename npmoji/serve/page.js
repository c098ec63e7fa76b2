// The page of `npmoji serve`: at each pause in typing it asks /explain, and has explanation.js show the answer.
"use strict";

const PAUSE = 250; // ms without typing before the server is asked
const SLOW = 400; // ms after which what is shown is marked as old
const AGAIN = [1000, 2000, 4000]; // ms between attempts to reach a server that is gone
const MOST = 100; // classes that are listed
const EXAMPLES = [
  "I love mom's cooking",
  "this is the worst day ever!!!",
  "I love how you never reply back..",
  "so tired, goodnight everyone",
  "soooo funny, can't stop laughing",
];

const input = element("text");
const results = element("results");

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

/* ---- answers ---- */

/** No text: examples instead of results. */
function rest() {
  found = chosen = null;
  results.hidden = true;
  results.removeAttribute("aria-busy");
  element("problem").hidden = true;
  element("examples").hidden = false;
  element("summary").textContent = "";
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

/** Below the examples: what the model chooses from. */
function drawClasses(labels) {
  const classes = element("classes");
  const named = labels[0] === names[0]; // people's own
  classes.hidden = !labels.length;
  classes.classList.toggle("named", named);
  classes.querySelector("p").textContent = `It chooses from ${labels.length} ${named ? "classes" : "emojis"}`;
  const items = labels.slice(0, MOST).map((label, i) => {
    const item = make("li", "", name("bdi", "", label));
    if (!named) item.title = names[i];
    return item;
  });
  classes.querySelector("ul").replaceChildren(...items);
}

/* ---- typing ---- */

/** Put a text there as if it had been typed. */
function put(text) {
  input.value = text;
  input.focus();
  pause();
  ask();
}

function pause() {
  hideTip();
  element("clear").hidden = !input.value;
  wait(PAUSE);
}

input.addEventListener("input", pause);
element("form").addEventListener("submit", (event) => event.preventDefault());
element("clear").addEventListener("click", () => put(""));
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
