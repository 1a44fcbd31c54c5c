/** What made a number: the products of two vectors, dimension by dimension, and their sum. */

import { el } from "../dom.js";
import { fixed } from "../numbers.js";
import { fullScale, strip } from "./strips.js";
import { dot } from "./unpack.js";

/** Return a strip of the products of two vectors; each tells its factors. */
export function productStrip(one, other, name) {
  const products = one.map((value, index) => value * other[index]);
  const describe = (index) =>
    `dimension ${index}: ${fixed(one[index], 2)} × ${fixed(other[index], 2)} = ` +
    fixed(products[index], 3);
  return strip(products, { scale: fullScale([products]), name, describe });
}

/** Name the largest products of two vectors and their dimensions. */
export function largestProducts(one, other, most = 4) {
  const products = one.map((value, index) => [value * other[index], index]);
  const largest = products.toSorted((a, b) => Math.abs(b[0]) - Math.abs(a[0])).slice(0, most);
  return largest.map(([product, index], place) =>
    `${signed(product, 2)} (${place ? "" : "dimension "}${index})`
  ).join(", ");
}

/** Format a number with its sign, for a sum. */
export function signed(number, digits) {
  return `${number < 0 ? "" : "+"}${fixed(number, digits)}`;
}

/**
 * Return a line that says what made the number at an index of a linear layer's output, and a function
 * that shows another index. `rows` and `biases` are the layer's; biases may be missing. `finish(total,
 * index)` says what the layer's total becomes.
 */
export function madeOf(input, rows, biases, finish = () => "") {
  const element = el("small.made");
  const show = (index) => {
    const row = rows.row(index);
    const sum = dot(input, row);
    const bias = biases ? biases.at(index) : null;
    const total = bias === null ? "" : `, ${signed(bias, 2)} (bias) makes ${fixed(sum + bias, 2)}`;
    element.replaceChildren(
      el("b", `number ${index}: `),
      `${input.length} products add up to ${fixed(sum, 2)}${total}${finish(sum + bias, index)}. `,
      `The largest: ${largestProducts(input, row)}`,
    );
  };
  return { element, show };
}
