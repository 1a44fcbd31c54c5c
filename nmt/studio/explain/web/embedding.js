/** The second block: embedding, position and their sum, a token a row. */

import { choice, el } from "../../pages/dom.js";
import { fixed } from "../../pages/numbers.js";
import { pieceLabel, pieceText } from "./pieces.js";
import { fullScale, strip } from "./strips.js";

const SIDES = [
  { value: "source", label: "Source" },
  { value: "target", label: "Translation" },
];

/** Draw the block; the side is chosen. */
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
      `Each strip is a vector of d_model = ${data.model.d_model} numbers; blue is below zero, `,
      "orange above. ",
      data.model.positions === "sinusoidal"
        ? "Along a position's strip, sines and cosines of ever longer waves take turns."
        : "",
    ),
  );
  draw("source");
}

function table(ids, data, side) {
  const parts = data.embedding[side];
  const scales = {};
  for (const [part, tensor] of Object.entries(parts)) {
    scales[part] = fullScale(ids.map((_, place) => tensor.row(place)));
  }
  const cell = (part, place, name) =>
    el("td", { class: "wide" }, strip(parts[part].row(place), { scale: scales[part], name }));
  const column = (part, name) =>
    el("th", { scope: "col" }, name, el("small", {}, ` ±${fixed(scales[part], 1)}`));
  // Rotary positions are not added.
  const added = (...cells) => data.model.positions === "rotary" ? [] : cells;
  const rows = ids.map((id, place) => {
    const name = pieceText(data.pieces[id]);
    return el(
      "tr",
      {},
      el("td", { class: "n soft" }, String(place)),
      el("th", { scope: "row", class: side }, pieceLabel(data.pieces[id])),
      cell("scaled", place, `embedding of ${name}`),
      ...added(
        el("td", { class: "operator" }, "+"),
        cell("position", place, `position ${place}`),
        el("td", { class: "operator" }, "="),
        cell("sum", place, `input of ${name}`),
      ),
    );
  });
  const head = el(
    "tr",
    {},
    el("th", { scope: "col" }, el("span", { class: "unseen" }, "position")),
    el("th", { scope: "col" }, "piece"),
    column("scaled", "its embedding × √d_model"),
    ...added(
      el("td"),
      column("position", "its position"),
      el("td"),
      column("sum", "what the first layer gets"),
    ),
  );
  return el("table", { class: "strips" }, el("thead", {}, head), el("tbody", {}, ...rows));
}
