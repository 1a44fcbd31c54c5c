/** The fifth section: the probabilities of the next token, step by step, at any temperature. */

import { button, el, press, roving, signButton, slider } from "../dom.js";
import { fixed, percent } from "../numbers.js";
import { rowHead, table } from "../tables.js";
import { goOnButton } from "./controls.js";
import { follow } from "./follow.js";
import { largestProducts, productStrip, signed } from "./products.js";
import { fullScale, strip } from "./strips.js";
import { joined, named, tokenLabel, tokenText } from "./tokens.js";
import { dot } from "./unpack.js";

/** Draw the section. */
export function showProbabilities(view, data, selection) {
  const { steps, temperatures } = data.next_tokens;
  let temperature = temperatures.indexOf(1);
  const go = (step) => selection.choose("target", step);
  const buttons = data.target.outputs.map((id, step) => {
    const properties = { "data-step": step, "data-rove": "", on: { click: () => go(step) } };
    return button(".token.target", properties, tokenLabel(data.tokens[id]));
  });
  const chips = el("div.steps", { role: "group", "aria-label": "Step of decoding" }, ...buttons);
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
  const why = "Reset to temperature 1, which the search uses";
  const reset = signButton(why, "reset", () => resetTemperature());
  const body = el("div.next-tokens");
  view.append(
    el("div.controls", el("div.choice", back, on), heat, reset),
    el("div.scroll", { dir: "auto" }, chips),
    body,
  );
  if (data.model.softmax_bias) {
    view.append(el("p.note", "Each logit contains a bias of its token."));
  }

  function resetTemperature() {
    const input = heat.querySelector("input");
    input.value = String(temperatures.indexOf(1));
    input.dispatchEvent(new Event("input"));
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

/** Return the probability of a token at a temperature: exp(logit / T) over the sum of all tokens. */
export function probability(step, index, temperature, temperatures) {
  return Math.exp(step.logits[index] / temperatures[temperature] - step.log_sums[temperature]);
}

function nextTokens(data, selection, temperature) {
  const { steps, temperatures } = data.next_tokens;
  const position = selection.target;
  const written = data.target.outputs.slice(0, position);
  const step = steps[position];
  const at = temperatures[temperature];
  const shares = step.tokens.map((_, index) => probability(step, index, temperature, temperatures));
  const rest = Math.max(0, 1 - shares.reduce((sum, each) => sum + each, 0));
  const made = el("div.scroll");
  const show = (index) => {
    press(picks, (_, place) => place === index);
    made.replaceChildren(logit(data, position, index));
  };
  const choose = step.tokens.map((_, index) => () => {
    if (picks[index].ariaPressed !== "true") show(index);
  });
  const picks = step.tokens.map((id, index) =>
    button(".pick", { "data-rove": "", choose: choose[index] }, tokenLabel(data.tokens[id]))
  );
  const rows = picks.map((pick, index) => {
    const goOn = goOnButton(selection, data, [...written, step.tokens[index]]);
    const element = row(step, index, shares[index], pick, goOn);
    element.addEventListener("pointermove", choose[index]);
    return element;
  });
  const candidates = table(
    ["token", "logit", at === 1 ? "probability" : `at ${at.toFixed(1)}`, el("td"), el("td")],
    rows,
    [0],
    "next-tokens-table",
  );
  show(step.tokens.indexOf(step.chosen));
  roving(candidates);
  return [
    el(
      "p.so-far",
      { "aria-live": "polite" },
      el("span.soft", "After "),
      named(
        written.length
          ? joined(written, data.tokens)
          : tokenLabel(data.tokens[data.target.inputs[0]]),
        "target",
      ),
      el("span.soft", " the model gives these probabilities"),
    ),
    candidates,
    el(
      "p.note",
      `The other ${(data.model.vocabulary - step.tokens.length).toLocaleString("en")} tokens `,
      `share ${percent(rest)}. Entropy at temperature 1: ${fixed(step.entropy, 2)} bits. `,
      step.rank === 1
        ? "The translation has the most probable token here."
        : `The translation has the token of rank ${step.rank} here: with it, the beam found a ` +
          "sentence with a better score.",
    ),
    made,
  ];
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
    el("td.wide.bar-cell", el("span.bar", { style: { width: `${100 * share}%` } })),
    el("td", goOn),
  );
}

/** Return a table that shows what made the logit of a candidate. */
function logit(data, position, index) {
  const step = data.next_tokens.steps[position];
  const token = data.tokens[step.tokens[index]];
  const vector = data.decoder_output.row(position);
  const line = (head, drawn, ...text) =>
    el("tr", rowHead(head), el("td.wide", drawn), el("td.soft", ...text));
  const output = line(
    "decoder's output",
    strip(vector, {
      scale: fullScale([vector]),
      name: "the decoder's output at this step",
      takesKeys: true,
    }),
    `${vector.length} numbers`,
  );
  const weights = data.live?.weights;
  const matrix = weights?.["embeddings.own_softmax_weight"] ?? weights?.["embeddings.weight"];
  const name = named(tokenLabel(token), "target");
  if (!matrix) {
    const words = "each logit is the sum of its products with a row of the softmax's matrix";
    output.lastChild.replaceChildren(words);
    return el("table.strips.logit", el("tbody", output));
  }
  const row = matrix.row(token.row);
  const bias = weights["embeddings.softmax_bias"]?.at(token.row);
  const sum = dot(vector, row);
  return el(
    "table.strips.logit",
    el(
      "tbody",
      output,
      line(
        el("span", "× row of ", name),
        strip(row, { scale: fullScale([row]), name: `row of ${tokenText(token)}` }),
        `row ${token.row} of the softmax's matrix`,
      ),
      line(
        "products",
        productStrip(vector, row, `products for ${tokenText(token)}`),
        "their sum",
        bias === undefined ? " is the logit " : ` ${fixed(sum, 2)} ${signed(bias, 2)} (bias) = `,
        el("b", { "data-logit": "" }, fixed(sum + (bias ?? 0), 2)),
        `; the largest: ${largestProducts(vector, row, 3)}`,
      ),
    ),
  );
}
