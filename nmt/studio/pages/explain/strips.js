/** A vector as a row of coloured cells. */

import { el } from "../dom.js";
import { fixed } from "../numbers.js";
import { readByKeys } from "../reading.js";
import { diverging, picture } from "../scheme.js";

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
  canvas.read = (x) =>
    read(0, Math.max(0, Math.min(numbers.length - 1, Math.floor(x * numbers.length))));
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
