/** The steps of a token's vector through one layer, one line for each. */

import { el } from "../dom.js";
import { fixed } from "../numbers.js";
import { rowHead } from "../tables.js";
import { nthColour } from "../scheme.js";
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

// Activations without a gate.
const ACTIVATIONS = {
  relu: "max(0, xW₁ + b₁)",
  silu: "SiLU(xW₁ + b₁)",
  gelu: "GELU(xW₁ + b₁)",
};

// The gates of a gated feed-forward sub-layer (Shazeer, 2020).
const GATES = {
  glu: "σ(xW + b)",
  reglu: "max(0, xW + b)",
  geglu: "GELU(xW + b)",
  swiglu: "Swish(xW + b)",
};

/** Return a table of the steps of the token at `position`; `input` is the input of the layer. */
export function layerSteps(stack, layer, input, position, model) {
  const rows = [line("x", "input of the layer", input, position)];
  for (const [kind, name, section] of SUBLAYERS[stack]) {
    rows.push(title(name, section), ...attentionSteps(layer[kind], position, model));
  }
  rows.push(title("Feed-forward", "§3.3"), ...feedForward(layer, position, model));
  return el("table.strips.layer-steps", el("tbody", ...rows));
}

/** Return the name of the model's normalization. */
export function normName(model) {
  return NORMS[model.norm_kind];
}

/** Return the formula of a sub-layer's output; the paper has post-norm. */
function summed(model) {
  return model.norm === "pre" ? "x + …" : `${normName(model)}(x + …)`;
}

/** Return the line of the norm before a sub-layer; a model with post-norm has none. */
function preNorm(part, position, model) {
  if (!part.normed) return [];
  return [
    line(`${normName(model)}(x)`, "normalized input of the sub-layer", part.normed, position),
  ];
}

function attentionSteps(part, position, model) {
  const normed = model.norm === "pre" ? "" : ", then normalized";
  return [
    ...preNorm(part, position, model),
    line(
      "heads joined",
      "outputs of all heads, concatenated",
      part.joined,
      position,
      model.heads,
    ),
    line(
      model.attention_bias ? "× Wᴼ + bᴼ" : "× Wᴼ",
      "projected to d_model",
      part.projected,
      position,
    ),
    line(summed(model), `added to the input${normed}`, part.added, position),
  ];
}

function feedForward(layer, position, model) {
  return [
    ...preNorm(layer, position, model),
    line(...hiddenWords(layer.hidden.row(position), model), layer.hidden, position),
    line("· W₂ + b₂", "projected to d_model", layer.feed_forward, position),
    line(summed(model), "output of the layer", layer.output, position),
  ];
}

/** Return the formula of the inner layer and a word about its units. */
function hiddenWords(hidden, model) {
  const gate = GATES[model.activation];
  if (gate) return [`${gate} ⊙ (xV + c)`, `${hidden.length} units, each with its gate`];
  const active = hidden.filter((each) => each > 0).length;
  return [
    ACTIVATIONS[model.activation],
    model.activation === "relu"
      ? `${active} of ${hidden.length} units are active for this token`
      : `${hidden.length} units`,
  ];
}

function title(name, section) {
  return el(
    "tr.sub-layer",
    el("th", { colspan: 3, scope: "rowgroup" }, name, " ", el("span.soft", section)),
  );
}

function line(formula, meaning, tensor, position, heads = 0) {
  const numbers = tensor.row(position);
  const scale = fullScale([numbers]);
  const drawn = strip(numbers, { scale, name: `${formula}, ${meaning}`, takesKeys: true });
  return el(
    "tr",
    rowHead(el("span.formula", formula), el("small", meaning)),
    el("td.wide", drawn, heads ? headBand(heads) : null),
    el("td.n.soft", `${numbers.length} × ±${fixed(scale, 1)}`),
  );
}

/** Return a band whose colours show which numbers belong to which head. */
function headBand(heads) {
  const parts = Array.from(
    { length: heads },
    (_, head) => el("span", { style: { background: nthColour(head) } }),
  );
  return el("span.head-band", { "aria-hidden": "true" }, ...parts);
}
