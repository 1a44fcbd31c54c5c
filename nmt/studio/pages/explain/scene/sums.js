/** Write out how a number was computed, with the numbers of this sentence. */

import { fixed } from "../../numbers.js";
import { dot } from "../unpack.js";

const SHOWN = 3; // products that are written out

const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const gelu = (x) => x * gaussian(x);
export const ACTIVATIONS = {
  relu: { name: "max(0, z)", of: (z) => Math.max(0, z) },
  silu: { name: "z · σ(z)", of: (z) => z * sigmoid(z) },
  gelu: { name: "GELU(z)", of: gelu },
  glu: { name: "σ(z)", of: sigmoid, gates: true },
  reglu: { name: "max(0, z)", of: (z) => Math.max(0, z), gates: true },
  geglu: { name: "GELU(z)", of: gelu, gates: true },
  swiglu: { name: "z · σ(z)", of: (z) => z * sigmoid(z), gates: true },
};

/** Return the probability that a standard normal number is below x (Abramowitz and Stegun, 7.1.26). */
function gaussian(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x) / Math.SQRT2);
  const terms = [0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429];
  const tail = terms.reduceRight((sum, term) => (sum + term) * t, 0) * Math.exp(-x * x / 2);
  return x < 0 ? tail / 2 : 1 - tail / 2;
}

/** Format a number of a sum; small ones keep more digits. */
export function short(number) {
  if (number === null || number === undefined) return "hidden";
  return fixed(number, number !== 0 && Math.abs(number) < 0.01 ? 5 : 3);
}

/** Format a number after an operator: a negative one in brackets. */
export function factor(number) {
  return number < 0 ? `(${short(number)})` : short(number);
}

/** Return the first products of two vectors that are not 0 as text, and their whole sum. */
export function products(one, other) {
  const counting = [...one.keys()].filter((at) => one[at] * other[at] !== 0).slice(0, SHOWN);
  const first = counting.map((at) => `${factor(one[at])} × ${factor(other[at])}`);
  const more = one.length - first.length;
  if (more) first.push(`… (${more} more)`);
  return { text: first.join(" + "), total: dot(one, other) };
}

/** Return the mean of numbers, and the mean of the squares of their distances from it. */
export function spread(numbers) {
  const mean = numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
  const variance = numbers.reduce((sum, each) => sum + (each - mean) ** 2, 0) / numbers.length;
  return { mean, variance };
}

/** Normalise a row: `gain` and `bias` are vectors, `gain` is null if the page has no weights. */
export function normalise(row, { kind, gain, bias, epsilon }) {
  const { mean, variance } = kind === "rms"
    ? { mean: 0, variance: dot(row, row) / row.length }
    : spread(row);
  const size = Math.sqrt(variance + epsilon);
  const values = row.map((each, at) => (each - mean) / size * gain[at] + (bias?.[at] ?? 0));
  return { mean, size, values };
}

/** Return the lines that write out the number at `column` of a normalised row. */
export function normLines(row, column, norm) {
  const isRms = norm.kind === "rms";
  const ones = { ...norm, gain: norm.gain ?? row.map(() => 1), bias: norm.bias };
  const { mean, size, values } = normalise(row, ones);
  const z = short(row[column]);
  const about = isRms
    ? `root of the mean square of the row = ${short(size)}`
    : `the row's mean = ${short(mean)}, its standard deviation = ${short(size)}`;
  const scaled = isRms ? `${z} ÷ ${short(size)}` : `(${z} − ${factor(mean)}) ÷ ${short(size)}`;
  if (!norm.gain) return [about, `${scaled}, then times a learned gain (not in this page)`];
  const shift = norm.bias ? ` + ${factor(norm.bias[column])}` : "";
  return [about, `${scaled} × ${factor(norm.gain[column])}${shift} = ${short(values[column])}`];
}

/** Return the lines that write out a weight of a softmax over `scores`; null scores are masked. */
export function softmaxLines(scores, at, names) {
  if (scores[at] === null) return ["a later position: its score is −∞, so its weight is 0"];
  const seen = scores.map((score, place) => ({ score, place })).filter(({ score }) =>
    score !== null
  );
  const total = seen.reduce((sum, { score }) => sum + Math.exp(score), 0);
  const first = seen.slice(0, SHOWN).map(({ score, place }) =>
    `${short(Math.exp(score))} (${names(place)})`
  );
  const more = seen.length - SHOWN;
  return [
    `exp(${short(scores[at])}) = ${short(Math.exp(scores[at]))}`,
    `sum of the row = ${first.join(" + ")}${more > 0 ? ` + … (${more} more)` : ""} = ${
      short(total)
    }`,
    `${short(Math.exp(scores[at]))} ÷ ${short(total)} = ${short(Math.exp(scores[at]) / total)}`,
  ];
}

/** Return the lines that write out a number of a positional encoding. */
export function positionLines(model, position, column, value) {
  const width = model.d_model;
  if (model.positions === "learned") {
    return [`a number learned for position ${position}: ${short(value)}`];
  }
  const sines = Math.ceil(width / 2);
  const halves = model.positions === "sinusoidal_halves";
  const isSine = halves ? column < sines : column % 2 === 0;
  const pair = halves ? column % sines : Math.floor(column / 2);
  const name = isSine ? "sin" : "cos";
  const angle = position / 10_000 ** (2 * pair / width);
  return [
    `${name}(${position} ÷ 10000^(${2 * pair} ÷ ${width})) = ${name}(${short(angle)}) = ${
      short(isSine ? Math.sin(angle) : Math.cos(angle))
    }`,
  ];
}

/** Return the lines that write out the rotation of a pair of numbers; `pair` are those before it. */
export function rotationLines(pair, position, column, width) {
  const angle = position / 10_000 ** (2 * Math.floor(column / 2) / width);
  const [even, odd] = pair;
  const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
  const first = column % 2 === 0;
  const value = first ? even * cosine - odd * sine : even * sine + odd * cosine;
  const [one, other] = first ? [cosine, sine] : [sine, cosine];
  return [
    `position ${position} turns the pair (${short(even)}, ${short(odd)}) by ${short(angle)} rad:`,
    `${factor(even)} × ${factor(one)} ${first ? "−" : "+"} ${factor(odd)} × ${factor(other)} = ${
      short(value)
    }`,
  ];
}
