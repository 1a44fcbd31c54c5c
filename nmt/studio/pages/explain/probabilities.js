/** The fifth section: the probabilities of the next token, step by step, at any temperature. */

import { button, el, press, roving, rowHead, signButton, slider, table } from "../dom.js";
import { fixed, grouped, percent } from "../numbers.js";
import { goOnButton, onSecondClick } from "./controls.js";
import { follow } from "./selection.js";
import { fullScale, productRows, signed, strip } from "./strips.js";
import { joined, named, tokenLabel, tokenText } from "./tokens.js";
import { dot } from "./live/matrix.js";

/** Draw the section. */
export function showProbabilities(view, data, selection) {
  const { steps, temperatures } = data.next_tokens;
  let temperature = temperatures.indexOf(1);
  const go = (step) => selection.choose("target", step);
  const buttons = data.target.outputs.map((id, step) => {
    const properties = { "data-step": step, "data-rove": "", on: { click: () => go(step) } };
    return button(".token.target", properties, tokenLabel(data.tokens[id]));
  });
  const chips = el(
    "div.steps.wrap",
    { role: "group", "aria-label": "Step of decoding" },
    ...buttons,
  );
  const back = signButton("Previous step", "←", () => go(selection.target - 1));
  const on = signButton("Next step", "→", () => go(selection.target + 1));
  const heat = slider({
    name: "Temperature",
    min: 0,
    max: temperatures.length - 1,
    step: 1,
    value: temperature,
    show: (index) => temperatures[index].toFixed(1),
    change: (index) => {
      temperature = index;
      draw();
    },
  });
  const reset = signButton("Reset to temperature 1", "reset", () => {
    const input = heat.querySelector("input");
    input.value = String(temperatures.indexOf(1));
    input.dispatchEvent(new Event("input"));
  });
  const body = el("div.next-tokens");
  view.append(
    el("div.controls", el("div.choice", back, on), heat, reset),
    el("div.scroll", { dir: "auto" }, chips),
    body,
  );
  if (data.model.softmax_bias) {
    view.append(el("p.note", "Each logit contains a bias of its token."));
  }

  function draw() {
    const chosen = selection.target;
    press(buttons, (_, step) => step === chosen);
    buttons.forEach((chip, step) => chip.classList.toggle("to-come", step > chosen));
    roving(chips);
    back.disabled = chosen === 0;
    on.disabled = chosen === steps.length - 1;
    body.replaceChildren(...nextTokens(data, selection, temperature));
  }

  draw();
  return follow(selection, view, draw);
}

/** Return the probability of a step's token at a temperature: exp(logit / T) over the sum of all. */
export function probability({ steps, temperatures }, step, index, at = temperatures.indexOf(1)) {
  return Math.exp(steps[step].logits[index] / temperatures[at] - steps[step].log_sums[at]);
}

function nextTokens(data, selection, temperature) {
  const { steps, temperatures } = data.next_tokens;
  const position = selection.target;
  const step = steps[position];
  const at = temperatures[temperature];
  const share = (_, index) => probability(data.next_tokens, position, index, temperature);
  const shares = step.tokens.map(share);
  const rest = Math.max(0, 1 - shares.reduce((sum, each) => sum + each, 0));
  const made = el("div.scroll");
  const show = (index) => {
    press(picks, (_, place) => place === index);
    made.replaceChildren(logit(data, position, index));
  };
  const written = data.target.outputs.slice(0, position);
  const { tokens } = data;
  const before = position ? joined(written, tokens) : tokenLabel(tokens[data.target.inputs[0]]);
  const picks = [];
  const rows = step.tokens.map((id, index) => {
    const isPicked = () => picks[index].ariaPressed === "true";
    const choose = () => isPicked() || show(index);
    const goOn = goOnButton(selection, data, [...written, id], "choose");
    const on = onSecondClick(isPicked, () => id === step.chosen || goOn?.click());
    picks.push(button(".pick", { "data-rove": "", choose, on }, tokenLabel(tokens[id])));
    const element = row(step, index, shares[index], picks[index], goOn);
    element.addEventListener("pointermove", choose);
    return element;
  });
  const heads = ["token", "logit", at === 1 ? "probability" : `at ${at.toFixed(1)}`, el("td")];
  const candidates = table(heads, rows, [0], "next-tokens-table");
  show(step.tokens.indexOf(step.chosen));
  roving(candidates);
  return [
    el(
      "p.so-far",
      { "aria-live": "polite" },
      el("span.soft", "After "),
      named(before, "target"),
      el("span.soft", " the model gives these probabilities"),
    ),
    candidates,
    el(
      "p.note",
      `The other ${grouped(data.model.vocabulary - step.tokens.length)} tokens `,
      `share ${percent(rest)}. Entropy at temperature 1: ${fixed(step.entropy, 2)} bits. `,
      rankNote(data, position),
    ),
    made,
  ];
}

/** Say how probable the token of the translation is among all, and why it was taken. */
function rankNote({ next_tokens: { steps }, forced, beam }, position) {
  const { rank } = steps[position];
  if (position < (forced?.length ?? 0)) return `You chose the token of rank ${rank}.`;
  if (rank === 1) return "The translation has the most probable token here.";
  const wasDrawn = beam.method === "sample" && "it was drawn at random";
  const isFull = position === beam.max_length - 1 && "the greatest length is reached";
  const why = isFull || wasDrawn || "with it, the beam found a sentence with a better score";
  return `The translation has the token of rank ${rank} here: ${why}.`;
}

function row(step, index, share, pick, goOn) {
  const id = step.tokens[index];
  const chosen = id === step.chosen;
  return el(
    "tr",
    { class: chosen ? "chosen" : null, "data-token": id },
    rowHead(pick, chosen ? el("span.unseen", " (chosen)") : null),
    el("td.n.soft", fixed(step.logits[index], 2)),
    el("td.n", percent(share)),
    el("td.wide.bar-cell", el("span.bar", { style: { width: `${100 * share}%` } }), goOn),
  );
}

/** Return a table that shows what made the logit of a candidate. */
function logit(data, position, index) {
  const token = data.tokens[data.next_tokens.steps[position].tokens[index]];
  const numbers = data.decoder_output.row(position);
  const weights = data.live?.weights;
  const matrix = weights?.["embeddings.own_softmax_weight"] ?? weights?.["embeddings.weight"];
  const name = "the decoder's output at this step";
  if (!matrix) {
    const drawn = strip(numbers, { scale: fullScale([numbers]), name, takesKeys: true });
    return el("div.note", "The decoder's output:", drawn);
  }
  const row = matrix.row(token.row);
  const bias = weights["embeddings.softmax_bias"]?.at(token.row);
  const sum = dot(numbers, row);
  const biased = bias === undefined ? "" : `${fixed(sum, 2)}, ${signed(bias, 2)} (bias) makes `;
  const of = el("span", "× row of ", named(tokenLabel(token), "target"));
  const note = `row ${token.row} of the ${data.model.tied ? "embedding" : "softmax's own"} matrix`;
  const rows = productRows(
    { head: "decoder's output", numbers, name, note: `${numbers.length} numbers` },
    { head: of, numbers: row, name: `the row of ${tokenText(token)}`, note },
    1,
    [biased, "the logit ", el("b", { "data-logit": "" }, fixed(sum + (bias ?? 0), 2))],
  );
  return el("table.strips.logit", el("tbody", ...rows));
}
