/** The fifth block: what the model expects next, step by step and at any temperature. */

import { el, roving, slider } from "../../pages/dom.js";
import { fixed, percent } from "../../pages/numbers.js";
import { joined, pieceLabel } from "./pieces.js";
import { fullScale, strip } from "./strips.js";

/** Draw the block and answer to its controls. */
export function showProbabilities(view, data) {
  const { steps, temperatures } = data.outlook;
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
      pieceLabel(data.pieces[id]),
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
    show: (place) => temperatures[place].toFixed(1),
    change: (place) => {
      state.temperature = place;
      draw();
    },
  });
  const reset = el("button", { type: "button", on: { click: () => cool() } }, "reset");
  reset.setAttribute("aria-label", "Back to temperature 1, which the search uses");
  const body = el("div", { class: "outlook" });
  view.append(
    el("div", { class: "controls" }, el("div", { class: "choice" }, back, on), heat, reset),
    el("div", { class: "scroll", dir: "auto" }, chips),
    body,
  );

  function cool() {
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
    body.replaceChildren(...outlook(data, state));
  }

  draw();
}

/** Probability of a logit at a temperature, by the sum over the whole vocabulary. */
export function probability(step, place, temperature, temperatures) {
  return Math.exp(step.logits[place] / temperatures[temperature] - step.log_sums[temperature]);
}

function outlook(data, state) {
  const { steps, temperatures } = data.outlook;
  const step = steps[state.step];
  const at = temperatures[state.temperature];
  const shares = step.pieces.map((_, place) =>
    probability(step, place, state.temperature, temperatures)
  );
  const rest = Math.max(0, 1 - shares.reduce((sum, each) => sum + each, 0));
  const rows = step.pieces.map((id, place) => row(data, step, id, place, shares[place]));
  const written = data.target.outputs.slice(0, state.step);
  return [
    el(
      "p",
      { class: "so-far", "aria-live": "polite" },
      el("span", { class: "soft" }, "After "),
      written.length
        ? joined(written, data.pieces)
        : pieceLabel(data.pieces[data.target.inputs[0]]),
      el("span", { class: "soft" }, " the model expects"),
    ),
    el(
      "div",
      { class: "scroll" },
      el(
        "table",
        { class: "outlook-table" },
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            el("th", { scope: "col" }, "piece"),
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
      `The other ${(data.model.vocabulary - step.pieces.length).toLocaleString("en")} pieces `,
      `share ${percent(rest)}. Entropy at temperature 1: ${fixed(step.entropy, 2)} bits. `,
      step.rank === 1
        ? "The translation goes on with the likeliest piece."
        : `The translation goes on with the piece of rank ${step.rank}: the beam found a better ` +
          "sentence that way.",
    ),
    lastVector(data, state.step),
  ];
}

function row(data, step, id, place, share) {
  const chosen = id === step.chosen;
  return el(
    "tr",
    { class: chosen ? "chosen" : null, "data-piece": id },
    el(
      "th",
      { scope: "row" },
      pieceLabel(data.pieces[id]),
      chosen ? el("span", { class: "unseen" }, " (chosen)") : null,
    ),
    el("td", { class: "n soft" }, fixed(step.logits[place], 2)),
    el("td", { class: "n" }, percent(share)),
    el(
      "td",
      { class: "wide bar-cell" },
      el("span", { class: "bar", style: { width: `${100 * share}%` } }),
    ),
  );
}

function lastVector(data, step) {
  const numbers = data.last.row(step);
  const name = "the decoder's last vector of this step";
  return el(
    "div",
    { class: "last-vector" },
    el("span", { class: "soft" }, "Compared with all rows: "),
    strip(numbers, { scale: fullScale([numbers]), name, takesKeys: true }),
  );
}
