/** The fifth section: the probabilities of the next token, step by step, at any temperature. */

import { el, roving, slider } from "../dom.js";
import { fixed, percent } from "../numbers.js";
import { joined, tokenLabel } from "./tokens.js";
import { fullScale, strip } from "./strips.js";

/** Draw the section. */
export function showProbabilities(view, data) {
  const { steps, temperatures } = data.next_tokens;
  const state = { step: 0, temperature: temperatures.indexOf(1) };
  const chips = el("div", { class: "steps", role: "group", "aria-label": "Step of decoding" });
  const buttons = data.target.outputs.map((id, step) =>
    el(
      "button",
      {
        type: "button",
        class: "token target",
        "data-rove": "",
        "data-step": step,
        on: { click: () => go(step) },
      },
      tokenLabel(data.tokens[id]),
    )
  );
  chips.append(...buttons);
  const [back, on] = [["Previous step", -1, "←"], ["Next step", 1, "→"]].map(([name, by, sign]) =>
    el(
      "button",
      { type: "button", "aria-label": name, on: { click: () => go(state.step + by) } },
      sign,
    )
  );
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
  const reset = el("button", { type: "button", on: { click: () => resetTemperature() } }, "reset");
  reset.setAttribute("aria-label", "Reset to temperature 1, which the search uses");
  const body = el("div", { class: "next-tokens" });
  view.append(
    el("div", { class: "controls" }, el("div", { class: "choice" }, back, on), heat, reset),
    el("div", { class: "scroll", dir: "auto" }, chips),
    body,
  );
  if (data.model.softmax_bias) {
    view.append(el("p", { class: "note" }, "Each logit contains a bias of its token."));
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
    buttons.forEach((button, step) => {
      button.setAttribute("aria-pressed", String(step === state.step));
      button.classList.toggle("to-come", step > state.step);
      button.dataset.rove = step === state.step ? "here" : "";
    });
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
  const rows = step.tokens.map((id, index) => row(data, step, id, index, shares[index]));
  const written = data.target.outputs.slice(0, state.step);
  return [
    el(
      "p",
      { class: "so-far", "aria-live": "polite" },
      el("span", { class: "soft" }, "After "),
      written.length
        ? joined(written, data.tokens)
        : tokenLabel(data.tokens[data.target.inputs[0]]),
      el("span", { class: "soft" }, " the model gives these probabilities"),
    ),
    el(
      "div",
      { class: "scroll" },
      el(
        "table",
        { class: "next-tokens-table" },
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            el("th", { scope: "col" }, "token"),
            el("th", { scope: "col", class: "n" }, "logit"),
            el(
              "th",
              { scope: "col", class: "n" },
              at === 1 ? "probability" : `at ${at.toFixed(1)}`,
            ),
            el("td"),
          ),
        ),
        el("tbody", {}, ...rows),
      ),
    ),
    el(
      "p",
      { class: "note" },
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

function row(data, step, id, index, share) {
  const chosen = id === step.chosen;
  return el(
    "tr",
    { class: chosen ? "chosen" : null, "data-token": id },
    el(
      "th",
      { scope: "row" },
      tokenLabel(data.tokens[id]),
      chosen ? el("span", { class: "unseen" }, " (chosen)") : null,
    ),
    el("td", { class: "n soft" }, fixed(step.logits[index], 2)),
    el("td", { class: "n" }, percent(share)),
    el(
      "td",
      { class: "wide bar-cell" },
      el("span", { class: "bar", style: { width: `${100 * share}%` } }),
    ),
  );
}

function lastVector(data, step) {
  const numbers = data.decoder_output.row(step);
  const name = "the decoder's output at this step";
  return el(
    "div",
    { class: "last-vector" },
    el("span", { class: "soft" }, "Multiplied with all rows: "),
    strip(numbers, { scale: fullScale([numbers]), name, takesKeys: true }),
  );
}
