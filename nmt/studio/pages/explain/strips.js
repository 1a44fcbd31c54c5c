/** A vector as a row of coloured cells. */

import { arrow, el } from "../dom.js";
import { fixed } from "../numbers.js";
import { showTip, speak } from "../reading.js";
import { diverging, divergingPalette, paint } from "../scheme.js";

/**
 * Return a strip of the numbers; the colour is full at `scale`. The pointer reads a number; arrow keys
 * do as well if the strip `takesKeys`.
 */
export function strip(numbers, { scale, name, takesKeys = false }) {
  const greatest = numbers.reduce((most, each) => Math.max(most, Math.abs(each)), 0);
  const canvas = el("canvas", {
    class: "strip",
    role: "img",
    "aria-label": `${name}: ${numbers.length} numbers, greatest magnitude ${fixed(greatest, 2)}`,
    "data-read": "",
    tabindex: takesKeys ? "0" : null,
  });
  canvas.draw = () => {
    const palette = divergingPalette();
    paint(canvas, 1, numbers.length, (_, column) => diverging(palette, numbers[column], scale));
  };
  canvas.draw();
  const describe = (index) => `dimension ${index}: ${fixed(numbers[index])}`;
  const inside = (index) => Math.max(0, Math.min(numbers.length - 1, index));
  canvas.read = (x) => describe(inside(Math.floor(x * numbers.length)));
  if (takesKeys) readByKeys(canvas, numbers.length, inside, describe);
  return canvas;
}

function readByKeys(canvas, length, inside, describe) {
  let cursor = -1;
  canvas.addEventListener("keydown", (event) => {
    const step = arrow(event.key, 10);
    if (step === null) return;
    event.preventDefault();
    cursor = inside(cursor + step);
    const box = canvas.getBoundingClientRect();
    showTip(describe(cursor), box.left + box.width * (cursor + 0.5) / length, box.bottom - 10);
    speak(describe(cursor));
  });
}

/** Return the magnitude of the full colour: the 99th percentile of the vectors' magnitudes. */
export function fullScale(vectors) {
  const sizes = Float64Array.from(vectors.flat(), Math.abs).sort();
  return sizes[Math.floor(0.99 * (sizes.length - 1))] || 1;
}

/** Return the legend of the colours of strips. */
export function stripLegend(scale) {
  const canvas = el("canvas", { class: "ramp", "aria-hidden": "true" });
  canvas.draw = () => {
    const palette = divergingPalette();
    paint(canvas, 1, 61, (_, column) => diverging(palette, column / 30 - 1, 1));
  };
  canvas.draw();
  return el(
    "span",
    { class: "legend" },
    fixed(-scale, 1),
    canvas,
    fixed(scale, 1),
  );
}
