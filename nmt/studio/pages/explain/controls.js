/** The settings of the search that the reader can change. */

import { button, choice, el, slider } from "../dom.js";
import { tokenText } from "./tokens.js";

const WIDEST_BEAM = 16; // of nmt/studio/explain/explanation.py
const LONGEST = 500; // tokens

/** Return the controls' element, and `options()`, which returns what the worker needs of them. */
export function searchControls(data, change) {
  const { beam_size: beam, length_penalty: alpha, languages, to } = data.live.decode;
  const others = { maxLength: null, method: "beam", temperature: 1, topK: 10, seed: 1 };
  const start = { beam, alpha, to, ...others };
  const now = { ...start };
  const set = (name) => (value) => {
    now[name] = value;
    change();
  };
  const element = el("div.controls");

  function draw() {
    const range = (name, title, limits, show = String) =>
      slider({ name: title, ...limits, value: now[name], show, change: set(name) });
    const method = choice(
      "Search",
      [["beam", "beam"], ["sample", "sampling"]],
      now.method,
      (value) => {
        now.method = value;
        drawAgain(`[data-value=${value}]`);
      },
    );
    const own = now.method === "beam"
      ? [
        range("beam", "Beam size", { min: 1, max: WIDEST_BEAM, step: 1 }),
        range("alpha", "Length penalty", { min: 0, max: 2, step: 0.1 }, oneDigit),
      ]
      : [
        range("temperature", "Temperature", { min: 0.1, max: 3, step: 0.1 }, oneDigit),
        range("topK", "Top k", { min: 1, max: 50, step: 1 }),
        button(".again", { on: { click: () => set("seed")(now.seed + 1) } }, "Draw again"),
      ];
    const tokens = Object.keys(languages).map((token) => [token, token.slice(2, -2)]);
    const target = tokens.length ? [choice("Language", tokens, now.to, set("to"))] : [];
    const click = () => {
      Object.assign(now, start);
      drawAgain(".reset");
    };
    const reset = button(".reset", { on: { click } }, "Reset");
    element.replaceChildren(...target, method, ...own, lengthField(now, set("maxLength")), reset);
  }

  function drawAgain(focused) {
    draw();
    element.querySelector(focused).focus();
    change();
  }

  draw();
  return { element, options: () => ({ ...now }) };
}

/** Format a number with one digit, but one of the recipe as it is there. */
const oneDigit = (value) => value === Number(value.toFixed(1)) ? value.toFixed(1) : String(value);

/** Return a field for the greatest length; empty, it is that of `nmt translate`. */
function lengthField(now, change) {
  const input = el("input", {
    type: "number",
    min: 1,
    max: LONGEST,
    value: now.maxLength,
    placeholder: "automatic",
    on: {
      input: () => {
        const value = Math.round(input.valueAsNumber);
        change(value >= 1 ? Math.min(value, LONGEST) : null);
      },
    },
  });
  return el("label.choice", el("span.name", "Longest output (tokens)"), input);
}

/**
 * Return a button that forces the first tokens of the translation, so that the model goes on from
 * there; null if the page does not hold the model, and after the end token.
 */
export function goOnButton(selection, data, tokens, label) {
  const last = data.tokens[tokens.at(-1)];
  if (!selection.live || last.special === "end") return null;
  return button(".go-on", {
    "aria-label": `${label}: ${tokenText(last)}`,
    title: "Choose this token, and let the model go on from here",
    "data-force": tokens.at(-1),
    on: { click: () => selection.live.force(tokens) },
  }, label);
}

/** Return listeners by which a click on what is chosen already acts; the first touch only chooses. */
export function onSecondClick(isChosen, act) {
  let wasChosen = false;
  return {
    pointerdown: () => wasChosen = isChosen(),
    click: ({ detail }) => (wasChosen || detail === 0) && act(), // detail 0: a key clicked
  };
}

/** Return a text and what a head, such as "encoder.0.self_attention.2", attends to on the dev set. */
export function habit(model, name, before = "") {
  const place = name.lastIndexOf(".");
  const found = model.head_names[name.slice(0, place)]?.[name.slice(place + 1)];
  return found ? `${before}${found}` : "";
}

/** Return a button that switches a head off or on again; "" if the page does not hold the model. */
export function headSwitch(selection, name) {
  const { isOff, toggle } = selection.live ?? {};
  if (!toggle) return "";
  const properties = { "aria-pressed": String(isOff(name)), on: { click: () => toggle(name) } };
  const label = isOff(name) ? "This head is off" : "Switch this head off";
  return button(".head-switch", properties, label);
}
