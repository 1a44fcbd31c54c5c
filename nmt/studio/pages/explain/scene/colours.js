/** Colours of the cells: one hue for weights, one for activations and one for attention. */

import { colour, mix, pixels, shade } from "../../scheme.js";
import { fullScale } from "../strips.js";

const STATUS = { kept: "soft", open: "soft", finished: "good", pruned: "line" };
const SHADES = 200; // on each side of zero
const SAMPLE = 1000; // numbers that are read to find the magnitude of the full colour
const MOST = 4096; // pixels of a side of a picture

/** Return the magnitude of a block's full colour. */
export function fullOf(block) {
  if (!block.value || isShare(block)) return 1;
  return block.full ??= sampledScale(block);
}

/** Return the magnitude of the full colour for a sample of a block's numbers. */
function sampledScale(block) {
  const [slabs, rows, columns] = block.shape;
  const count = slabs * rows * columns;
  const step = Math.max(1, Math.floor(count / SAMPLE));
  const numbers = [];
  for (let at = 0; at < count; at += step) {
    const [line, column] = [Math.floor(at / columns), at % columns];
    const value = block.value(Math.floor(line / rows), line % rows, column);
    if (value !== null) numbers.push(value);
  }
  return fullScale([numbers]);
}

/** Return whether the numbers of a block are shares from 0 to 1. */
export function isShare(block) {
  return block.kind === "attention" && block.role !== "scores";
}

/**
 * Return a function from a number to its colour, which is full at `full`; null has the colour of what
 * is hidden. Zero is empty, below it is grey, above it has the hue.
 */
export function painterOf(block, full = fullOf(block)) {
  const [card, hidden, ink] = ["card", "wash", "ink"].map(colour);
  if (block.kind === "token") return () => mix(card, colour(block.side), 0.2);
  const hue = colour(`scene-${block.kind}`);
  if (!block.value) return () => mix(card, hue, 0.25);
  const [none, below] = [mix(card, hue, 0.06), mix(mix(card, ink, 0.55), hue, 0.2)];
  const colours = Array.from({ length: 2 * SHADES + 1 }, (_, at) => {
    const share = at / SHADES - 1;
    return mix(none, share < 0 ? below : hue, shade(Math.abs(share)));
  }); // mixed once: a block has up to a million cells
  return (value) => {
    if (value === null) return hidden;
    return colours[Math.round(SHADES * (1 + Math.max(-1, Math.min(1, value / full))))];
  };
}

/** Return a function from slab, row and column to the colour of a block's cell. */
export function colourOf(block) {
  if (block.nodes) return (_, row) => candidateColour(block.nodes[row]);
  const paint = painterOf(block);
  return (slab, row, column) => paint(block.value?.(slab, row, column) ?? null);
}

function candidateColour(node) {
  const strong = node.wins ? "target" : STATUS[node.status];
  return mix(colour("card"), colour(strong), node.wins ? 0.5 : 0.25);
}

/** Return the image of a slab; one that is too great is drawn with every nth row or column. */
export function slabImage(block, slab) {
  const [, rows, columns] = block.shape;
  const [down, along] = [Math.ceil(rows / MOST), Math.ceil(columns / MOST)];
  const colourAt = colourOf(block);
  const at = (row, column) => colourAt(slab, row * down, column * along);
  return pixels(Math.ceil(rows / down), Math.ceil(columns / along), at);
}
