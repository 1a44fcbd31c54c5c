/** Translate what is typed; answers are always set as text, never as markup. */

const byId = (id) => document.getElementById(id);
const [source, target, text, result] = ["source", "target", "text", "result"].map(byId);
const ALTERNATIVES = 4;

let languages = [];
let limit = Infinity;
let running = null; // aborts the request that is under way

/** Return the JSON of an answer; throws an error with the server's sentence. */
async function ask(path, body, signal) {
  const options = body
    ? {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "Content-Type": "application/json" },
    }
    : {};
  let answer;
  try {
    answer = await fetch(path, { ...options, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the server does not answer");
  }
  const content = await answer.json().catch(() => ({ error: `status ${answer.status}` }));
  if (!answer.ok) throw new Error(content.error);
  return content;
}

/** Replace the options of a select by languages, and keep the chosen one if it is among them. */
function fill(select, codes) {
  const chosen = select.value;
  const names = new Map(languages.map((each) => [each.code, each.name]));
  select.replaceChildren(...codes.map((code) => new Option(names.get(code), code)));
  if (codes.includes(chosen)) select.value = chosen;
}

/** Offer the targets of the source language. */
function offerTargets() {
  const from = languages.find((each) => each.code === source.value);
  fill(target, from ? from.targets : []);
  checkSwap();
}

function checkSwap() {
  const other = languages.find((each) => each.code === target.value);
  byId("swap").disabled = !other?.targets.includes(source.value);
}

function swap() {
  const [from, to] = [target.value, source.value];
  source.value = from;
  offerTargets();
  target.value = to;
  if (result.textContent) text.value = result.textContent;
  show([]);
  count();
  checkSwap();
}

function count() {
  const characters = [...text.value].length;
  const most = Number.isFinite(limit) ? ` of ${limit.toLocaleString("en")}` : "";
  byId("count").textContent = `${characters.toLocaleString("en")}${most} characters`;
}

/** Show translations, the best first. */
function show([best = "", ...others]) {
  result.textContent = best;
  byId("copy").disabled = !best;
  byId("others").hidden = !others.length;
  byId("list").replaceChildren(...others.map((each) => {
    const item = document.createElement("li");
    item.textContent = each;
    return item;
  }));
}

function complain(message) {
  byId("error").textContent = message ? `${message[0].toUpperCase()}${message.slice(1)}.` : "";
}

async function translate() {
  running?.abort();
  const own = running = new AbortController();
  const began = performance.now();
  result.setAttribute("aria-busy", "true");
  complain("");
  try {
    const found = await ask("translate", {
      q: text.value,
      source: source.value,
      target: target.value,
      alternatives: byId("more").checked ? ALTERNATIVES : 0,
      api_key: byId("key").value,
    }, own.signal);
    show([found.translatedText, ...(found.alternatives ?? [])]);
    byId("time").textContent = `${((performance.now() - began) / 1000).toFixed(2)} seconds`;
  } catch (error) {
    if (error.name === "AbortError") return;
    show([]);
    byId("time").textContent = "";
    complain(error.message);
  }
  if (running === own) result.removeAttribute("aria-busy");
}

async function copy() {
  try {
    await navigator.clipboard.writeText(result.textContent);
  } catch {
    // Browsers allow the clipboard only to pages of this machine or with encryption.
    getSelection().selectAllChildren(result);
  }
}

async function start() {
  try {
    const settings = await ask("frontend/settings");
    languages = await ask("languages");
    limit = settings.charLimit > 0 ? settings.charLimit : Infinity;
    byId("key-field").hidden = !settings.keyRequired;
    fill(source, languages.filter((each) => each.targets.length).map((each) => each.code));
    source.value = settings.language.source.code;
    offerTargets();
    target.value = settings.language.target.code;
    checkSwap();
  } catch (error) {
    complain(error.message);
  }
  count();
  document.body.dataset.ready = "";
}

source.addEventListener("change", offerTargets);
target.addEventListener("change", checkSwap);
text.addEventListener("input", count);
byId("swap").addEventListener("click", swap);
byId("copy").addEventListener("click", copy);
byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  translate();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    translate();
  }
});
start();
