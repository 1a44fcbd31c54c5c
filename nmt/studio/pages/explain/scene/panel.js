/** The panel beside the scene: what a block is, what made a cell, and the Python that computes it. */

import { el } from "../../dom.js";
import { legend } from "../strips.js";
import { fullOf, isShare, painterOf } from "./colours.js";
import { short } from "./sums.js";

const KINDS = [["weights", "weight"], ["activations", "activation"], ["attention", "attention"]];

/** Return what a cell is: its value, row, column and head. */
export function describeCell(block, { slab, row, column }) {
  const part = block.part === "feed_forward" ? "matrix" : "head";
  const head = block.shape[0] > 1 ? `, ${part} ${slab + 1}` : "";
  const value = block.value ? short(block.value(slab, row, column)) : "not in this page";
  if (block.showsText) {
    return `${block.rowName(row)}${block.kind === "beam" ? `: p = ${value}` : ""}`;
  }
  return `${block.rowName(row)}, ${block.columnName(column)}${head}: ${value}`;
}

/** Return the legend of a block's colours, between the names of its ends. */
function ramp(low, high, block) {
  return legend(low, high, () => {
    const full = fullOf(block);
    const paint = painterOf(block, full);
    return (share) => paint(isShare(block) ? share : (2 * share - 1) * full);
  });
}

/** Return the legend of a block's numbers. */
export function blockLegend(block) {
  if (block.showsText || !block.value) return null;
  const full = fullOf(block);
  return isShare(block) ? ramp("0", "1", block) : ramp(short(-full), short(full), block);
}

/** Return the legends of the three kinds of numbers. */
export function kindLegends() {
  return KINDS.map(([name, kind]) => {
    const block = { kind, shape: [1, 1, 1], value: () => 1 };
    return ramp(name, isShare(block) ? "0 to 1" : "− to +", block);
  });
}

/**
 * Fill the panel for a block, or for the overview if it is null, and for one of its cells if there is
 * one. `again`: the panel shows the block already, so that only the cell is new.
 */
export function fillPanel(panel, block, cell, data, again) {
  if (!block) return panel.replaceChildren(...overview(data));
  if (again) return panel.querySelector(".sum").replaceChildren(...sum(block, cell));
  panel.replaceChildren(
    el("h3", block.label, " ", el("span.ref", block.section)),
    el("p.formula", ...raised(block.formula)),
    el("p.shapes", block.shapes),
    el("p", block.text),
    el("p", blockLegend(block)),
    el("div.sum", ...sum(block, cell)),
    ...source(data.code?.[block.codeKey]),
  );
}

/** Return a formula with what follows each ^ raised. */
function raised(formula) {
  return formula.split(/\^(.)/u).map((part, at) => at % 2 ? el("sup", part) : part);
}

function overview({ model, live }) {
  return [
    el("h3", "The whole model"),
    el(
      "p.shapes",
      `${model.encoder_layers} encoder layers, ${model.decoder_layers} decoder layers`,
    ),
    el(
      "p",
      "Each block is a table of numbers; its edges are its true size. The left tower, the encoder, " +
        "reads the source from below upwards. The right tower, the decoder, writes the translation. " +
        "In a tower, the same layer is repeated, each time with its own weights.",
    ),
    el(
      "p",
      "Blocks one behind the other are heads. A matrix of weights stands above what it makes.",
    ),
    live ? "" : el("p", "The weights are not in this page, so their blocks have no numbers."),
  ];
}

/** Return the elements that write out how a cell was computed. */
export function sum(block, cell) {
  if (!cell) {
    return [el("p.soft", "Point at a cell to see what made it; click it to see the whole matrix.")];
  }
  const { lines } = block.made(cell.slab, cell.row, cell.column);
  return [
    el("p.cell-name", { dir: "auto" }, describeCell(block, cell)),
    ...lines.map((line) => el("p.line", line)),
  ];
}

/** Return the lines of Python that compute a block; data.code may have none. */
function source(code) {
  if (!code) return [];
  const where = `${code.file}:${code.first}`;
  return [
    code.pseudo ? el("pre.pseudo", code.pseudo.join("\n")) : null,
    el(
      "details.source",
      el("summary", el("span", "Python: ", el("code", where))),
      el("pre", { tabindex: "0", "aria-label": `Lines of ${where}` }, code.lines.join("\n")),
    ),
  ].filter(Boolean);
}
