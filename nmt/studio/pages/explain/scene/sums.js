/** Write out how a number was computed, with the numbers of this sentence. */

import { fixed } from "../../numbers.js";
import { dot } from "../live/matrix.js";

const SHOWN = 3; // products that are written out

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

/** Return the lines that write out the number at `column` of a row that is normalised. */
export function normLines(row, column, { kind, gain, bias, epsilon }) {
  const isRms = kind === "rms";
  const { mean, variance } = isRms
    ? { mean: 0, variance: dot(row, row) / row.length }
    : spread(row);
  const size = Math.sqrt(variance + epsilon);
  const z = short(row[column]);
  const about = isRms
    ? `root of the mean square of the row = ${short(size)}`
    : `the row's mean = ${short(mean)}, its standard deviation = ${short(size)}`;
  const scaled = isRms ? `${z} ÷ ${short(size)}` : `(${z} − ${factor(mean)}) ÷ ${short(size)}`;
  const learned = isRms ? "a learned gain" : "a learned gain, plus a learned shift";
  if (!gain) return [about, `${scaled}, then times ${learned} (not in this page)`];
  const value = (row[column] - mean) / size * gain[column] + (bias?.[column] ?? 0);
  const shift = bias ? ` + ${factor(bias[column])}` : "";
  return [about, `${scaled} × ${factor(gain[column])}${shift} = ${short(value)}`];
}

/** Return the lines that write out a weight of a softmax over `scores`; null scores are masked. */
export function softmaxLines(scores, at, names) {
  if (scores[at] === null) return ["a later position: its score is −∞, so its weight is 0"];
  const seen = scores.map((score, place) => ({ score, place })).filter(({ score }) =>
    score !== null
  );
  const sum = seen.reduce((total, { score }) => total + Math.exp(score), 0);
  const terms = seen.slice(0, SHOWN).map(({ score, place }) =>
    `${short(Math.exp(score))} (${names(place)})`
  );
  if (seen.length > SHOWN) terms.push(`… (${seen.length - SHOWN} more)`);
  const own = Math.exp(scores[at]);
  return [
    `exp(${short(scores[at])}) = ${short(own)}`,
    `sum of the row = ${terms.join(" + ")} = ${short(sum)}`,
    `${short(own)} ÷ ${short(sum)} = ${short(own / sum)}`,
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
  const term = `${position} ÷ 10000^(${2 * pair} ÷ ${width})`;
  return [`${name}(${term}) = ${name}(${short(angle)}) = ${short(Math[name](angle))}`];
}

/** Return the lines that write out the rotation of a pair of numbers; `pair` are those before it. */
export function rotationLines(pair, position, column, width) {
  const angle = position / 10_000 ** (2 * Math.floor(column / 2) / width);
  const [even, odd] = pair;
  const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
  const first = column % 2 === 0;
  const value = first ? even * cosine - odd * sine : even * sine + odd * cosine;
  const [one, other] = first ? [cosine, sine] : [sine, cosine];
  const terms = [`${factor(even)} × ${factor(one)}`, `${factor(odd)} × ${factor(other)}`];
  return [
    `position ${position} turns the pair (${short(even)}, ${short(odd)}) by ${short(angle)} rad:`,
    `${terms.join(first ? " − " : " + ")} = ${short(value)}`,
  ];
}
