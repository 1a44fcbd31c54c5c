/** Colours of the cells: one hue for weights, one for activations and one for attention. */

import { colour, mix, shade } from "../../scheme.js";

const STATUS = { kept: "soft", open: "soft", finished: "good", pruned: "line" };
const SHADES = 200; // on each side of zero
const SAMPLE = 4000; // numbers that are read to find the greatest usual magnitude

/** Return the magnitude of a block's full colour: the 99th percentile of its magnitudes. */
export function fullOf(block) {
  const [slabs, rows, columns] = block.shape;
  const count = slabs * rows * columns;
  const step = Math.max(1, Math.floor(count / SAMPLE));
  const sizes = [];
  for (let at = 0; at < count; at += step) {
    const value = block.value(
      Math.floor(at / (rows * columns)),
      Math.floor(at / columns) % rows,
      at % columns,
    );
    if (value !== null) sizes.push(Math.abs(value));
  }
  sizes.sort((one, other) => one - other);
  return sizes[Math.floor(0.99 * (sizes.length - 1))] || 1;
}

/** Return whether the numbers of a block are shares from 0 to 1. */
export function isShare(block) {
  return block.kind === "attention" && block.role !== "scores";
}

/** Return a function from a number to its colour; null has the colour of what is hidden. */
export function painterOf(block, full = block.value && !isShare(block) ? fullOf(block) : 1) {
  const [card, hidden, ink] = ["card", "wash", "ink"].map(colour);
  if (block.kind === "token") return () => mix(card, colour(block.side), 0.2);
  const hue = colour(`scene-${block.kind}`);
  if (!block.value) return () => mix(card, hue, 0.25);
  if (isShare(block)) {
    return (value) => value === null ? hidden : mix(card, hue, 0.06 + 0.94 * shade(value));
  }
  return signed(card, hue, ink, hidden, full);
}

/** Return the painter of signed numbers: zero is empty, below it is grey, above it has the hue. */
function signed(card, hue, ink, hidden, full) {
  const [none, below] = [mix(card, hue, 0.06), mix(mix(card, ink, 0.55), hue, 0.2)];
  return (value) => {
    if (value === null) return hidden;
    const share = Math.max(-1, Math.min(1, value / full));
    return mix(none, share < 0 ? below : hue, shade(Math.abs(share)));
  };
}

/** Return the colour of a candidate of the beam. */
export function candidateColour(node) {
  const strong = node.wins ? "target" : STATUS[node.status];
  return mix(colour("card"), colour(strong), node.wins ? 0.5 : 0.25);
}

/**
 * Return the pixels of all slabs of a block, one above the other, for a picture of at most `most`
 * pixels a side. A greater block is drawn with every nth row or column.
 */
export function pixels(block, most = 4096) {
  const [slabs, rows, columns] = block.shape;
  const [down, along] = [Math.ceil(slabs * rows / most), Math.ceil(columns / most)];
  const [height, width] = [Math.ceil(rows / down), Math.ceil(columns / along)];
  const content = new Uint8ClampedArray(4 * width * height * slabs);
  const paint = quick(block);
  let offset = 0;
  for (let slab = 0; slab < slabs; slab++) {
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const value = block.value?.(slab, row * down, column * along) ?? null;
        const rgb = block.nodes ? candidateColour(block.nodes[row]) : paint(value);
        for (let at = 0; at < 3; at++) content[offset + at] = rgb[at];
        content[offset + 3] = 255;
        offset += 4;
      }
    }
  }
  return { width, height: height * slabs, content };
}

/** Return the painter of a block from a table of colours: it is called a million times. */
function quick(block) {
  const full = block.value && !isShare(block) ? fullOf(block) : 1;
  const paint = painterOf(block, full);
  const table = Array.from({ length: 2 * SHADES + 1 }, (_, at) => paint((at / SHADES - 1) * full));
  const hidden = paint(null);
  return (value) => {
    if (value === null) return hidden;
    return table[Math.round(SHADES * (1 + Math.max(-1, Math.min(1, value / full))))];
  };
}

/** Return a canvas with one pixel for each cell; slabs are one above the other. */
export function bitmap(block) {
  const { width, height, content } = pixels(block);
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(new ImageData(content, width, height), 0, 0);
  return canvas;
}

/**
 * Call `paint` of those {block, isPainted, paint} that are not painted, those of blocks in `first`
 * before the others, for some milliseconds; return whether some are left.
 */
export function paintWaiting(all, first, milliseconds) {
  const until = performance.now() + milliseconds;
  const waiting = all.filter(({ isPainted }) => !isPainted);
  const wanted = ({ block }) => Number(first.includes(block.id));
  waiting.sort((one, other) => wanted(other) - wanted(one));
  for (const each of waiting) {
    if (performance.now() > until) return true;
    each.paint();
    each.isPainted = true;
  }
  return false;
}
