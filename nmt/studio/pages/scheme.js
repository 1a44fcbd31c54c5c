/** Colours of the light and the dark scheme, for drawing on a canvas. */

import { el } from "./dom.js";

const dark = matchMedia("(prefers-color-scheme: dark)");
const known = new Map(); // by name; reading from the style sheet is slow
dark.addEventListener("change", () => known.clear());

/** Call a function whenever the scheme changes. */
export function onScheme(act) {
  dark.addEventListener("change", act);
}

/** Return a custom property of the style sheet, `#rrggbb`, as [red, green, blue]. */
export function colour(name) {
  if (!known.has(name)) {
    const text = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    known.set(name, [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16)));
  }
  return known.get(name);
}

/** Mix two colours; share 0 is the first, 1 the second. */
export function mix(one, other, share) {
  return one.map((value, index) => value + share * (other[index] - value));
}

/** Return the colour of the nth attention head or run, in CSS; it follows the scheme. */
export function nthColour(index, alpha = 1) {
  return `hsl(${(217 + index * 137.5) % 360} 72% var(--nth) / ${alpha})`;
}

/** Return the nth colour in the current scheme, for a canvas: it has no custom properties. */
export function nthOnCanvas(index, alpha = 1) {
  const now = getComputedStyle(document.documentElement).getPropertyValue("--nth");
  return nthColour(index, alpha).replace("var(--nth)", now);
}

/** Return [red, green, blue] in CSS. */
export function css(rgb, alpha = 1) {
  return `rgb(${rgb.map(Math.round).join(" ")} / ${alpha})`;
}

/** Return the shade of a weight from 0 to 1; small weights are raised so that they are visible. */
export function shade(weight) {
  return Math.max(0, Math.min(1, weight)) ** 0.6;
}

/** Return a function from a number to its colour between low, zero and high, full at `scale`. */
export function diverging(scale) {
  const [low, zero, high] = ["low", "zero", "high"].map(colour);
  return (number) => {
    const share = Math.max(-1, Math.min(1, number / (scale || 1)));
    return mix(zero, share < 0 ? low : high, Math.abs(share) ** 0.8);
  };
}

/**
 * Return a canvas with cells of one pixel each, drawn now and by its function `draw`. `painter()`
 * reads the colours, and returns a function from row and column to the colour of a cell.
 */
export function picture(kind, properties, rows, columns, painter) {
  const canvas = el(kind, properties);
  canvas.draw = () => paint(canvas, pixels(rows, columns, painter()));
  canvas.draw();
  return canvas;
}

/** Return an image with a pixel for each cell, in the colour that `at(row, column)` returns. */
export function pixels(rows, columns, at) {
  const image = new ImageData(columns, rows);
  image.data.fill(255);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const rgb = at(row, column);
      const offset = 4 * (row * columns + column);
      for (let part = 0; part < 3; part++) image.data[offset + part] = rgb[part];
    }
  }
  return image;
}

/** Draw an image on a canvas, which gets its size. */
export function paint(canvas, image) {
  Object.assign(canvas, { width: image.width, height: image.height });
  canvas.getContext("2d").putImageData(image, 0, 0);
}
