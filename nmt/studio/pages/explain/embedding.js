/** The second section: embedding, position and their sum, one row for each token. */

import { choice, el } from "../dom.js";
import { fixed } from "../numbers.js";
import { tokenLabel, tokenText } from "./tokens.js";
import { fullScale, strip } from "./strips.js";

const SIDES = [
  { value: "source", label: "Source" },
  { value: "target", label: "Translation" },
];

/** Draw the section; its control chooses the side. */
export function showEmbedding(view, data) {
  const body = el("div", { class: "scroll" });
  const draw = (side) => {
    const ids = side === "source" ? data.source.ids : data.target.inputs;
    body.replaceChildren(table(ids, data, side));
  };
  view.append(
    el("div", { class: "controls" }, choice("Side", SIDES, "source", draw)),
    body,
    el(
      "p",
      { class: "note" },
      `Each strip is a vector of d_model = ${data.model.d_model} numbers. Blue is below zero, `,
      "orange is above. ",
      data.model.positions.startsWith("sinusoidal")
        ? "A position is made of sines and cosines with increasing wavelengths."
        : "",
    ),
  );
  draw("source");
}

function table(ids, data, side) {
  const parts = data.embedding[side];
  const scales = {};
  for (const [part, tensor] of Object.entries(parts)) {
    scales[part] = fullScale(ids.map((_, position) => tensor.row(position)));
  }
  const cell = (part, position, name) =>
    el("td", { class: "wide" }, strip(parts[part].row(position), { scale: scales[part], name }));
  const column = (part, name) =>
    el("th", { scope: "col" }, name, el("small", {}, ` ±${fixed(scales[part], 1)}`));
  // Rotary positions are not added.
  const added = (...cells) => data.model.positions === "rotary" ? [] : cells;
  const rows = ids.map((id, position) => {
    const name = tokenText(data.tokens[id]);
    return el(
      "tr",
      {},
      el("td", { class: "n soft" }, String(position)),
      el("th", { scope: "row", class: side }, tokenLabel(data.tokens[id])),
      cell("scaled", position, `embedding of ${name}`),
      ...added(
        el("td", { class: "operator" }, "+"),
        cell("position", position, `position ${position}`),
        el("td", { class: "operator" }, "="),
        cell("sum", position, `input of ${name}`),
      ),
    );
  });
  const head = el(
    "tr",
    {},
    el("th", { scope: "col" }, el("span", { class: "unseen" }, "position")),
    el("th", { scope: "col" }, "token"),
    column("scaled", "embedding × √d_model"),
    ...added(
      el("td"),
      column("position", "position"),
      el("td"),
      column("sum", "input of the first layer"),
    ),
  );
  return el("table", { class: "strips" }, el("thead", {}, head), el("tbody", {}, ...rows));
}
