/** Vectors as rows of coloured cells, and what made a number: the products of two vectors. */

import { el, inside, rowHead } from "../dom.js";
import { fixed } from "../numbers.js";
import { readByKeys } from "../reading.js";
import { diverging, picture } from "../scheme.js";
import { dot } from "./live/matrix.js";

/**
 * Return a strip of the numbers; the colour is full at `scale`. The pointer reads a number; arrow keys
 * do as well if the strip `takesKeys`. `describe(index)` returns the text of a number, and
 * `point(index)` is called when it is read.
 */
export function strip(numbers, { scale, name, takesKeys = false, describe, point }) {
  const greatest = numbers.reduce((most, each) => Math.max(most, Math.abs(each)), 0);
  const properties = {
    role: "img",
    "aria-label": `${name}: ${numbers.length} numbers, greatest magnitude ${fixed(greatest, 2)}`,
    "data-read": "",
    tabindex: takesKeys ? "0" : null,
  };
  const canvas = picture("canvas.strip", properties, 1, numbers.length, () => {
    const shade = diverging(scale);
    return (_, column) => shade(numbers[column]);
  });
  const read = (_, index) => {
    point?.(index);
    return describe?.(index) ?? `dimension ${index}: ${fixed(numbers[index])}`;
  };
  canvas.read = (x) => read(0, inside(Math.floor(x * numbers.length), numbers.length));
  if (takesKeys) readByKeys(canvas, 1, numbers.length, read);
  return canvas;
}

/** Return the magnitude of the full colour: the 99th percentile of the vectors' magnitudes. */
export function fullScale(vectors) {
  const sizes = Float64Array.from(vectors.flat(), Math.abs).sort();
  return sizes[Math.floor(0.99 * (sizes.length - 1))] || 1;
}

/** Return the legend of a colour scale: its ends and a ramp; `painter()` colours shares of 1. */
export function legend(low, high, painter) {
  const ramp = picture("canvas.ramp", { "aria-hidden": "true" }, 1, 61, () => {
    const shade = painter();
    return (_, column) => shade(column / 60);
  });
  return el("span.legend.soft", low, ramp, high);
}

/** Return the legend of the colours of strips. */
export function stripLegend(scale) {
  return legend(fixed(-scale, 1), fixed(scale, 1), () => {
    const shade = diverging(1);
    return (share) => shade(2 * share - 1);
  });
}

/**
 * Return three rows of a table: two vectors, each {head, numbers, scale, name, note}, and their
 * products, with what `sum` says; texts span the other columns.
 */
export function productRows(one, other, columns, sum) {
  const row = (head, drawn, ...text) => {
    const said = el("td.soft", { colspan: columns }, el("div", ...text));
    return el("tr.product-row", rowHead(head), el("td.wide", drawn), said);
  };
  const vector = ({ head, numbers, scale, name, note }) =>
    row(head, strip(numbers, { scale: scale ?? fullScale([numbers]), name }), note);
  const products = one.numbers.map((value, index) => value * other.numbers[index]);
  const describe = (index) => {
    const factors = [one, other].map(({ numbers }) => fixed(numbers[index], 2)).join(" × ");
    return `dimension ${index}: ${factors} = ${fixed(products[index])}`;
  };
  const name = `products of ${one.name} and ${other.name}`;
  const drawn = strip(products, { scale: fullScale([products]), name, describe, takesKeys: true });
  const largest = `; the largest: ${largestProducts(one.numbers, other.numbers, 2)}`;
  return [vector(one), vector(other), row("products", drawn, "their sum is ", ...sum, largest)];
}

/** Name the largest products of two vectors and their dimensions. */
function largestProducts(one, other, most = 4) {
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
  const element = el("small.made.soft");
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
