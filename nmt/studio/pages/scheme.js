/** Colours of the light and the dark scheme, for what is drawn on a canvas. */

const dark = matchMedia("(prefers-color-scheme: dark)");
const known = new Map(); // colours already asked for: the style sheet is slow to answer
dark.addEventListener("change", () => known.clear());

/** Draw every canvas anew when the scheme changes; each has its own `draw`. */
export function followScheme() {
  onScheme(() => {
    for (const canvas of document.querySelectorAll("canvas")) canvas.draw?.();
  });
}

/** Call something whenever the scheme changes. */
export function onScheme(act) {
  dark.addEventListener("change", act);
}

/** A custom property of the style sheet, `#rrggbb`, as [red, green, blue]. */
export function colour(name) {
  if (!known.has(name)) {
    const text = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    known.set(name, [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16)));
  }
  return known.get(name);
}

/** Between two colours; share 0 is the first. */
export function mix(one, other, share) {
  return one.map((value, index) => value + share * (other[index] - value));
}

/** One of many colours that are told apart: of an attention head, of a run. It follows the scheme. */
export function nthColour(place, alpha = 1) {
  return `hsl(${(217 + place * 137.5) % 360} 72% var(--nth) / ${alpha})`;
}

/** The same as it is now, for a canvas, which knows no custom property. */
export function nthOnCanvas(place, alpha = 1) {
  const now = getComputedStyle(document.documentElement).getPropertyValue("--nth");
  return nthColour(place, alpha).replace("var(--nth)", now);
}

/** [red, green, blue] as CSS writes it. */
export function css(rgb, alpha = 1) {
  return `rgb(${rgb.map(Math.round).join(" ")} / ${alpha})`;
}

/** A weight from 0 to 1 as a shade: small ones are lifted, so that they can be seen. */
export function shade(weight) {
  return Math.max(0, Math.min(1, weight)) ** 0.6;
}

/** A number as a colour: low, zero, high; `scale` is where the colour is full. */
export function diverging(palette, number, scale) {
  const share = Math.max(-1, Math.min(1, number / (scale || 1)));
  return mix(palette.zero, share < 0 ? palette.low : palette.high, Math.abs(share) ** 0.8);
}

/** The three colours of `diverging`, read once a drawing. */
export function divergingPalette() {
  return { low: colour("low"), zero: colour("zero"), high: colour("high") };
}

/** Paint cells, one pixel each, through a function of row and column that gives a colour. */
export function paint(canvas, rows, columns, at) {
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const place = 4 * (row * columns + column);
      image.data.set(at(row, column), place);
      image.data[place + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}
