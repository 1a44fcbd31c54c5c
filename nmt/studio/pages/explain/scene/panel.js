/** The panel beside the scene: what a block is, what made a cell, and the Python that computes it. */

import { el } from "../../dom.js";
import { legend } from "../strips.js";
import { fullOf, isShare, painterOf } from "./colours.js";
import { short } from "./sums.js";

/** Return what a cell is: its value, row, column and head. */
export function describeCell(block, { slab, row, column }) {
  const head = block.shape[0] > 1 ? `, slab ${slab + 1} of ${block.shape[0]}` : "";
  const value = block.value ? short(block.value(slab, row, column)) : "not in this page";
  if (block.showsText) {
    return `${block.rowName(row)}${block.kind === "beam" ? `: p = ${value}` : ""}`;
  }
  return `${block.rowName(row)}, ${block.columnName(column)}${head}: ${value}`;
}

/** Return the legend of a block's colours. */
export function blockLegend(block) {
  if (block.showsText || !block.value) return null;
  if (isShare(block)) return legend("0", "1", () => painterOf(block));
  const full = fullOf(block);
  return legend(short(-full), short(full), () => {
    const paint = painterOf(block, full);
    return (share) => paint((2 * share - 1) * full);
  });
}

/** Fill the panel for a block, and for one of its cells if there is one. */
export function fillPanel(panel, block, cell, code) {
  panel.replaceChildren(
    el("h3", block.label, " ", el("span.ref", block.section)),
    el("p.formula", block.formula),
    el("p.shapes", block.shapes),
    el("p", block.text),
    el("p", blockLegend(block)),
    el("div.sum", ...sum(block, cell)),
    ...source(code?.[block.codeKey]),
  );
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
