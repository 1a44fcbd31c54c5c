/** The steps of a token's vector through one layer, one line for each. */

import { el, rowHead } from "../dom.js";
import { fixed } from "../numbers.js";
import { nthColour } from "../scheme.js";
import { fullScale, madeOf, strip } from "./strips.js";
import { ACTIVATIONS, dot } from "./live/matrix.js";

const SUBLAYERS = {
  encoder: [["self", "Self-attention", "§3.2"]],
  decoder: [
    ["self", "Masked self-attention", "§3.2.3"],
    ["cross", "Cross-attention", "§3.2.3"],
  ],
};

const NORMS = { layer: "LayerNorm", rms: "RMSNorm" };

/**
 * Return a table of the steps of the token at `position` through a layer of the stack. `isOff(name)`
 * says whether the residual of a sub-layer is switched off.
 */
export function layerSteps(data, stack, number, position, isOff = () => false) {
  const { model, live } = data;
  const layer = data[stack][number];
  const side = stack === "encoder" ? "source" : "target";
  const input = number ? data[stack][number - 1].output : data.embedding[side].sum;
  const weights = (name) => live?.weights[`${stack}.${number}.${name}`];
  const rows = [line("x", "input of the layer", input, position)];
  for (const [kind, name, section] of SUBLAYERS[stack]) {
    const out = linear(weights, `${kind}_attention.out`, layer[kind].joined.row(position));
    const sum = summed(model, isOff(`${stack}.${number}.${kind}_attention`));
    rows.push(title(name, section), ...attentionSteps(layer[kind], position, model, out, sum));
  }
  const last = layer[SUBLAYERS[stack].at(-1)[0]];
  const read = (layer.normed ?? last.added).row(position);
  const sum = summed(model, isOff(`${stack}.${number}.feed_forward`));
  const steps = feedForward(layer, position, model, weights, read, sum);
  rows.push(title("Feed-forward", "§3.3"), ...steps);
  return el("table.strips.layer-steps", el("tbody", ...rows));
}

/** Return a linear layer with its input, so that a line can say what made its numbers; null: unknown. */
function linear(weights, name, input, finish) {
  const rows = weights(`${name}.weight`);
  return rows ? madeOf(input, rows, weights(`${name}.bias`), finish) : null;
}

/** Return the name of the model's normalization. */
export function normName(model) {
  return NORMS[model.norm_kind];
}

/** Return the formula of a sub-layer's output; the paper has post-norm. */
function summed(model, isOff) {
  const sum = isOff ? "…" : "x + …";
  return model.norm === "pre" ? sum : `${normName(model)}(${sum})`;
}

/** Return the line of the norm before a sub-layer; a model with post-norm has none. */
function preNorm(part, position, model) {
  const meaning = "normalized input of the sub-layer";
  return part.normed ? [line(`${normName(model)}(x)`, meaning, part.normed, position)] : [];
}

function attentionSteps(part, position, model, out, sum) {
  const normed = model.norm === "pre" ? "" : ", then normalized";
  const added = sum.includes("x +") ? "added to the input" : "not added to the input";
  const heads = "outputs of all heads, concatenated";
  const product = model.attention_bias ? "× Wᴼ + bᴼ" : "× Wᴼ";
  return [
    ...preNorm(part, position, model),
    line("heads joined", heads, part.joined, position, { heads: model.heads }),
    line(product, "projected to d_model", part.projected, position, { made: out }),
    line(sum, `${added}${normed}`, part.added, position),
  ];
}

function feedForward(layer, position, model, weights, input, total) {
  const hidden = layer.hidden.row(position);
  const { formula, gates } = ACTIVATIONS[model.activation];
  const finish = (sum, index) => {
    const [rows, biases] = ["weight", "bias"].map((name) => weights(`feed_forward.inner.${name}`));
    const value = hidden.length + index; // the row of its xV + c
    const factor = gates ? ` × ${fixed(dot(input, rows.row(value)) + biases.at(value), 2)}` : "";
    const filled = formula.replace(/xW₁? \+ b₁?/, fixed(sum, 2));
    return `; ${filled}${factor} = ${fixed(hidden[index], 2)}`;
  };
  const inner = linear(weights, "feed_forward.inner", input, finish);
  const outer = linear(weights, "feed_forward.outer", hidden);
  return [
    ...preNorm(layer, position, model),
    line(...hiddenWords(hidden, model), layer.hidden, position, { made: inner }),
    line("× W₂ + b₂", "projected to d_model", layer.feed_forward, position, { made: outer }),
    line(total, "output of the layer", layer.output, position),
  ];
}

/** Return the formula of the inner layer and a word about its units. */
function hiddenWords(hidden, model) {
  const { formula, gates } = ACTIVATIONS[model.activation];
  if (gates) return [`${formula} ⊙ (xV + c)`, `${hidden.length} units, each with its gate`];
  if (model.activation !== "relu") return [formula, `${hidden.length} units`];
  const active = hidden.filter((each) => each > 0).length;
  return [formula, `${active} of ${hidden.length} units are active for this token`];
}

function title(name, section) {
  const properties = { colspan: 3, scope: "rowgroup" };
  return el("tr.sub-layer", el("th", properties, `${name} `, el("span.soft", section)));
}

function line(formula, meaning, tensor, position, { heads = 0, made = null } = {}) {
  const numbers = tensor.row(position);
  const scale = fullScale([numbers]);
  const name = `${formula}, ${meaning}`;
  const drawn = strip(numbers, { scale, name, takesKeys: true, point: made?.show });
  const sizes = numbers.map(Math.abs);
  made?.show(sizes.indexOf(Math.max(...sizes)));
  return el(
    "tr",
    rowHead(el("span.formula", formula), el("small", meaning)),
    el("td.wide", drawn, heads ? headBand(heads) : null, made?.element ?? null),
    el("td.n.soft", `${numbers.length} × ±${fixed(scale, 1)}`),
  );
}

/** Return a band whose colours show which numbers belong to which head. */
function headBand(heads) {
  const part = (_, head) => el("span", { style: { background: nthColour(head) } });
  const parts = Array.from({ length: heads }, part);
  return el("span.head-band", { "aria-hidden": "true" }, ...parts);
}
