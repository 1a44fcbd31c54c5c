/** The fifth section: the probabilities of the next token, step by step, at any temperature. */

import { button, el, press, roving, signButton, slider } from "../dom.js";
import { fixed, percent } from "../numbers.js";
import { rowHead, table } from "../tables.js";
import { goOnButton } from "./controls.js";
import { joined, tokenLabel } from "./tokens.js";
import { fullScale, strip } from "./strips.js";

/** Draw the section. */
export function showProbabilities(view, data, selection) {
  const { steps, temperatures } = data.next_tokens;
  const state = { selection, step: 0, temperature: temperatures.indexOf(1) };
  const buttons = data.target.outputs.map((id, step) => {
    const properties = { "data-step": step, "data-rove": "", on: { click: () => go(step) } };
    return button(".token.target", properties, tokenLabel(data.tokens[id]));
  });
  const chips = el("div.steps", { role: "group", "aria-label": "Step of decoding" }, ...buttons);
  const back = signButton("Previous step", "←", () => go(state.step - 1));
  const on = signButton("Next step", "→", () => go(state.step + 1));
  const heat = slider({
    name: "Temperature",
    min: 0,
    max: temperatures.length - 1,
    step: 1,
    value: state.temperature,
    show: (index) => temperatures[index].toFixed(1),
    change: (index) => {
      state.temperature = index;
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

  function go(step) {
    state.step = Math.max(0, Math.min(steps.length - 1, step));
    draw();
  }

  function draw() {
    press(buttons, (_, step) => step === state.step);
    buttons.forEach((chip, step) => chip.classList.toggle("to-come", step > state.step));
    roving(chips);
    back.disabled = state.step === 0;
    on.disabled = state.step === steps.length - 1;
    body.replaceChildren(...nextTokens(data, state));
  }

  draw();
}

/** Return the probability of a token at a temperature: exp(logit / T) over the sum of all tokens. */
export function probability(step, index, temperature, temperatures) {
  return Math.exp(step.logits[index] / temperatures[temperature] - step.log_sums[temperature]);
}

function nextTokens(data, state) {
  const { steps, temperatures } = data.next_tokens;
  const step = steps[state.step];
  const at = temperatures[state.temperature];
  const shares = step.tokens.map((_, index) =>
    probability(step, index, state.temperature, temperatures)
  );
  const rest = Math.max(0, 1 - shares.reduce((sum, each) => sum + each, 0));
  const written = data.target.outputs.slice(0, state.step);
  const rows = step.tokens.map((id, index) => {
    return row(data, step, id, shares[index], goOnButton(state.selection, data, [...written, id]));
  });
  return [
    el(
      "p.so-far",
      { "aria-live": "polite" },
      el("span.soft", "After "),
      written.length
        ? joined(written, data.tokens)
        : tokenLabel(data.tokens[data.target.inputs[0]]),
      el("span.soft", " the model gives these probabilities"),
    ),
    table(
      ["token", "logit", at === 1 ? "probability" : `at ${at.toFixed(1)}`, el("td"), el("td")],
      rows,
      [0],
      "next-tokens-table",
    ),
    el(
      "p.note",
      `The other ${(data.model.vocabulary - step.tokens.length).toLocaleString("en")} tokens `,
      `share ${percent(rest)}. Entropy at temperature 1: ${fixed(step.entropy, 2)} bits. `,
      step.rank === 1
        ? "The translation has the most probable token here."
        : `The translation has the token of rank ${step.rank} here: with it, the beam found a ` +
          "sentence with a better score.",
    ),
    lastVector(data, state.step),
  ];
}

function row(data, step, id, share, goOn) {
  const chosen = id === step.chosen;
  return el(
    "tr",
    { class: chosen ? "chosen" : null, "data-token": id },
    rowHead(tokenLabel(data.tokens[id]), chosen ? el("span.unseen", " (chosen)") : null),
    el("td.n.soft", fixed(step.logits[step.tokens.indexOf(id)], 2)),
    el("td.n", percent(share)),
    el("td.wide.bar-cell", el("span.bar", { style: { width: `${100 * share}%` } })),
    el("td", goOn),
  );
}

function lastVector(data, step) {
  const numbers = data.decoder_output.row(step);
  const name = "the decoder's output at this step";
  return el(
    "div.last-vector",
    el("span.soft", "Multiplied with all rows: "),
    strip(numbers, { scale: fullScale([numbers]), name, takesKeys: true }),
  );
}
