/** What a token's vector becomes on its way through one layer, line by line. */

import { el } from "../../pages/dom.js";
import { fixed } from "../../pages/numbers.js";
import { nthColour } from "../../pages/scheme.js";
import { fullScale, strip } from "./strips.js";

const SUBLAYERS = {
  encoder: [["self", "Self-attention", "§3.2"]],
  decoder: [["self", "Masked self-attention", "§3.2.3"], [
    "cross",
    "Attention to the encoder",
    "§3.2.3",
  ]],
};

const NORMS = { layer: "LayerNorm", rms: "RMSNorm" };

// What scales the units of a gated feed-forward (Shazeer, 2020).
const GATES = {
  glu: "σ(xW + b)",
  reglu: "max(0, xW + b)",
  geglu: "GELU(xW + b)",
  swiglu: "Swish(xW + b)",
};

/** The way of the token at `place` through a layer; `input` is the tensor that it gets. */
export function ledger(stack, layer, input, place, model) {
  const rows = [line("x", "what comes in", input, place)];
  for (const [kind, name, section] of SUBLAYERS[stack]) {
    rows.push(title(name, section), ...attentionSteps(layer[kind], place, model));
  }
  rows.push(title("Feed-forward", "§3.3"), ...feedForward(layer, place, model));
  return el("table", { class: "strips ledger" }, el("tbody", {}, ...rows));
}

/** What the model's normalisation is called. */
export function normName(model) {
  return NORMS[model.norm_kind];
}

/** How a sub-layer ends: post-norm is the paper's. */
function summed(model) {
  return model.norm === "pre" ? "x + …" : `${normName(model)}(x + …)`;
}

/** What a sub-layer reads where a norm stands before it; else it reads what comes in. */
function read(part, place, model) {
  if (!part.read) return [];
  return [line(`${normName(model)}(x)`, "set to an even scale, to be read", part.read, place)];
}

function attentionSteps(part, place, model) {
  const scaled = model.norm === "pre" ? "" : ", then set to an even scale";
  return [
    ...read(part, place, model),
    line(
      "heads joined",
      "side by side, each gathered what it looked for",
      part.joined,
      place,
      model.heads,
    ),
    line("× Wᴼ", "mixed into one vector", part.projected, place),
    line(summed(model), `added to what came in${scaled}`, part.added, place),
  ];
}

function feedForward(layer, place, model) {
  const hidden = layer.hidden.row(place);
  const active = hidden.filter((each) => each > 0).length;
  const [formula, meaning] = model.activation === "relu"
    ? ["max(0, xW₁ + b₁)", `${active} of ${hidden.length} units speak up for this token`]
    : [
      `${GATES[model.activation]} ⊙ (xV + c)`,
      `${hidden.length} units, each scaled by a gate of its own`,
    ];
  return [
    ...read(layer, place, model),
    line(formula, meaning, layer.hidden, place),
    line("· W₂ + b₂", "and what they say", layer.fed, place),
    line(summed(model), "what goes on to the next layer", layer.output, place),
  ];
}

function title(name, section) {
  return el(
    "tr",
    { class: "sub-layer" },
    el("th", { colspan: 3, scope: "rowgroup" }, name, " ", el("span", { class: "soft" }, section)),
  );
}

function line(formula, meaning, tensor, place, heads = 0) {
  const numbers = tensor.row(place);
  const scale = fullScale([numbers]);
  const drawn = strip(numbers, { scale, name: `${formula}, ${meaning}`, takesKeys: true });
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, el("span", { class: "formula" }, formula), el("small", {}, meaning)),
    el("td", { class: "wide" }, drawn, heads ? headBand(heads) : null),
    el("td", { class: "n soft" }, `${numbers.length} × ±${fixed(scale, 1)}`),
  );
}

/** Which numbers of the joined heads are whose. */
function headBand(heads) {
  const parts = Array.from(
    { length: heads },
    (_, head) => el("span", { style: { background: nthColour(head) } }),
  );
  return el("span", { class: "head-band", "aria-hidden": "true" }, ...parts);
}
