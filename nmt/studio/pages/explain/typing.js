/** The field in which the reader types: models in workers translate it, and the page follows. */

import { button, byId, el } from "../dom.js";
import { speak } from "../reading.js";
import { comparison, off, offOption, partsGrid } from "./changes.js";
import { searchControls } from "./controls.js";
import { tokenLabel } from "./tokens.js";
import { unpackAll } from "./unpack.js";

const PAUSE_MS = 250; // after the last key, before its text is translated
const NO_WORKER =
  "This browser does not let a page run a model in the background, so nothing can be typed here.";

/** A model in a worker, which answers one question at a time. */
class Engine {
  constructor(live) {
    const script = new Blob([byId("worker").textContent], { type: "text/javascript" });
    this.worker = new Worker(URL.createObjectURL(script));
    this.worker.onmessage = ({ data }) => this.hear(data);
    this.worker.postMessage({ kind: "load", live });
    this.id = 0;
    this.pending = null;
  }

  /** Return a promise of the answer; it is null if it is no longer wanted. */
  ask(text, options, onProgress) {
    this.stop();
    return new Promise((resolve) => {
      this.pending = { id: ++this.id, resolve, onProgress };
      this.worker.postMessage({ kind: "translate", id: this.id, text, options });
    });
  }

  stop() {
    if (!this.pending) return;
    this.worker.postMessage({ kind: "cancel" });
    this.pending.resolve(null);
    this.pending = null;
  }

  hear(reply) {
    if (!this.pending || reply.id !== this.pending.id) return;
    if (reply.kind === "progress") return this.pending.onProgress(reply);
    this.pending.resolve(reply);
    this.pending = null;
  }
}

/**
 * Let the reader type, if the page holds its models; otherwise say why not. `follow` is called when the
 * columns show another translation.
 */
export function startTyping(columns, follow) {
  const still = columns.find(({ data }) => !data.live);
  if (still) {
    const isOne = columns.some(({ data }) => data.live);
    return tell(`${isOne ? `${still.data.model.name}: ` : ""}${still.data.live_reason ?? ""}`);
  }
  try {
    for (const column of columns) column.engine = new Engine(column.data.live);
  } catch {
    return tell(NO_WORKER);
  }
  new Typing(columns, follow);
}

function tell(reason) {
  byId("typing").replaceChildren(el("p.hint", reason));
  byId("typing").hidden = !reason;
}

class Typing {
  constructor(columns, follow) {
    Object.assign(this, { columns, follow, off: new Set(), asked: 0 });
    for (const column of columns) {
      column.engine.worker.onerror = ({ message }) =>
        this.fail(message ? `The model failed: ${message}.` : NO_WORKER);
      Object.assign(column, { forced: [], key: null, whole: null });
      column.live = {
        force: (tokens) => this.force(column, tokens),
        isOff: (name) => this.off.has(name),
        toggle: columns.length === 1 ? (name) => this.toggle(name) : null,
      };
    }
    const { data } = columns[0];
    this.makeField(data);
    this.controls = searchControls(data, () => this.translate());
    byId("settings").append(this.controls.element);
    if (columns.length === 1) this.makeParts(data.model);
    document.body.classList.add("is-live");
    byId("status").textContent = "Change a word: all parts of the page follow.";
    for (const each of document.querySelectorAll(".if-live")) each.hidden = false;
    this.grow();
  }

  makeField({ source, model, examples }) {
    this.field = byId("text");
    this.field.value = source.text;
    this.field.addEventListener("input", () => this.wait());
    this.field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      this.begin();
    });
    addEventListener("resize", () => this.grow());
    if (model.source_language) byId("from").textContent = ` in ${language(model.source_language)}`;
    if (!examples?.length) return;
    const example = (text) => {
      const click = () => {
        this.put(text);
        this.begin();
      };
      return button(".example", { dir: "auto", on: { click } }, text);
    };
    byId("examples").append(el("span.soft", "or try"), ...examples.map(example));
  }

  makeParts(model) {
    this.grid = partsGrid(model, (name) => this.toggle(name));
    this.compared = el("div.compared");
    byId("parts").append(el("div.parts.wrap", this.grid.element, this.compared));
    byId("parts").hidden = false;
  }

  put(text) {
    this.field.value = text;
    this.grow();
  }

  /** Make the field as high as its text. */
  grow() {
    this.field.style.height = "auto";
    this.field.style.height = `${this.field.scrollHeight + 4}px`;
  }

  /** Forget what is asked, and ask for the text after a pause. */
  wait() {
    const line = this.field.value.replace(/\s*[\r\n]+\s*/g, " ");
    if (line !== this.field.value) this.field.value = line;
    this.grow();
    this.stop();
    this.forget(); // before a setting asks for the new text
    this.timer = setTimeout(() => this.translate(), PAUSE_MS);
  }

  stop() {
    clearTimeout(this.timer);
    this.asked++;
    for (const { engine } of this.columns) engine.stop();
    this.progress(null);
  }

  /** Translate another text, of which nothing is forced. */
  begin() {
    this.forget();
    this.translate();
  }

  /** Force nothing. */
  forget() {
    for (const column of this.columns) column.forced = [];
  }

  /** Force the first tokens of the translation that the page shows. */
  force(column, tokens) {
    this.put(column.data.source.text);
    column.forced.push(tokens.map((token) => column.data.tokens[token].row));
    Object.assign(column.selection, { side: "target", target: tokens.length }); // the next token
    this.translate();
  }

  toggle(...names) {
    for (const name of names) this.off.delete(name) || this.off.add(name);
    this.translate();
  }

  async translate() {
    this.stop();
    const number = this.asked;
    const text = this.field.value.trim();
    if (!text) return this.fail("Type a sentence.");
    this.progress({ step: 0, most: 1 });
    const replies = await Promise.all(this.columns.map((column) => this.answer(column, text)));
    if (number !== this.asked) return;
    const failed = replies.find(({ kind }) => kind === "failed");
    if (failed) return this.fail(failed.message);
    this.show(replies);
  }

  /** Ask for a translation, first for that of the whole model. */
  async answer(column, text) {
    const prefix = column.forced.at(-1) ?? [];
    const options = { ...this.controls.options(), prefix, against: null };
    const key = JSON.stringify([text, options]);
    const progress = (at) => this.progress(at);
    const ask = async (more) => {
      const reply = await column.engine.ask(text, { ...options, ...more }, progress);
      return reply?.kind === "result" ? { ...reply, data: unpackAll(reply.data) } : reply;
    };
    if (column.key !== key) {
      const whole = await ask({ off: offOption([]) });
      if (whole?.kind !== "result") return whole;
      Object.assign(column, { key, whole });
    }
    if (!this.off.size) return column.whole;
    const { target, tokens } = column.whole.data;
    const against = target.outputs.map((token) => tokens[token].row);
    return ask({ off: offOption(this.off), against });
  }

  async show(replies) {
    const main = document.querySelector("main");
    main.ariaBusy = "true"; // until all sections are drawn
    const to = this.controls.options().to.slice(2, -2);
    const drawn = this.columns.map((column, index) => {
      const { data } = column;
      const model = to ? { ...data.model, target_language: to } : data.model;
      return column.show({ ...data, model, ...replies[index].data });
    });
    this.progress(null);
    byId("status").textContent = summary(replies);
    document.body.classList.remove("is-stale");
    this.follow();
    this.showState();
    speak(`Translation: ${this.columns.map(({ data }) => data.target.text).join("; ")}`);
    const isLast = await Promise.all(drawn);
    if (isLast.every(Boolean)) main.ariaBusy = "false";
  }

  /** Show what is forced and what is off, and what that changes. */
  showState() {
    const forced = this.columns.filter(({ data }) => data.forced?.length);
    const notes = forced.map((column) => this.forcedNote(column));
    if (this.off.size) notes.push(this.offNote());
    const state = byId("live-state");
    const hadFocus = state.contains(document.activeElement);
    state.replaceChildren(...notes);
    if (hadFocus) (state.querySelector("button") ?? this.field).focus({ preventScroll: true });
    if (!this.grid) return;
    this.grid.mark(this.off);
    const [{ whole, data }] = this.columns;
    this.compared.replaceChildren(...this.off.size ? comparison(whole.data, data) : []);
  }

  forcedNote(column) {
    const { data, forced } = column;
    const again = (left) => () => {
      column.forced = left;
      this.translate();
    };
    return el(
      "p.wrap",
      this.columns.length > 1 ? `${data.model.name}: ` : "",
      "you chose ",
      ...data.forced.map((token) => el("span.chip.target", tokenLabel(data.tokens[token]))),
      " and the model went on ",
      button("", { on: { click: again(forced.slice(0, -1)) } }, "Undo"),
      button("", { on: { click: again([]) } }, "Clear"),
    );
  }

  offNote() {
    const names = [...this.off];
    const text = names.length > 2 ? `${names.length} parts are off` : off(names);
    const click = () => this.toggle(...names);
    return el("p.wrap", text, button("", { on: { click } }, "Switch all on"));
  }

  /** Show how far the search is; null: it has ended. */
  progress(at) {
    byId("progress").hidden = !at;
    document.body.classList.toggle("is-busy", Boolean(at));
    if (!at) return;
    byId("progress").max = at.most;
    byId("progress").value = at.step;
    byId("status").textContent = at.step ? `token ${at.step} of at most ${at.most}` : "reading";
  }

  /** Say why the text has no translation; the page keeps the last one. */
  fail(message) {
    this.progress(null);
    const text = `${message} The page still shows the last translation.`;
    byId("status").textContent = text;
    document.body.classList.add("is-stale");
    speak(text);
  }
}

/** Say how much was written, and how long it took. */
function summary(replies) {
  const milliseconds = Math.max(...replies.map((reply) => reply.milliseconds));
  const counts = replies.map(({ data }) => data.target.outputs.length);
  const notes = replies.flatMap(({ data }) => data.notes ?? []);
  const unit = counts.at(-1) === 1 ? "token" : "tokens";
  const time = `${Math.round(milliseconds)} ms`;
  const written = `${counts.join(" and ")} ${unit} written in ${time}, in this page.`;
  return [written, ...new Set(notes)].join(" ");
}

/** Return the English name of a language code. */
function language(code) {
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code);
  } catch {
    return code; // it is not a code of a language
  }
}
