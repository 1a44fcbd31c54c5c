/** The second section: embedding, position and their sum, one row for each token. */

import { button, choice, el, plainTable, press, roving } from "../dom.js";
import { fixed } from "../numbers.js";
import { follow } from "./selection.js";
import { nextToken, tokenLabel, tokenText } from "./tokens.js";
import { fullScale, strip } from "./strips.js";

const SIDES = [["source", "Source"], ["target", "Translation"]];

/** Draw the section; its control chooses the side. */
export function showEmbedding(view, data, selection) {
  const body = el("div.scroll");
  let shown;
  const draw = (side) => {
    shown = side;
    body.replaceChildren(vectors(data, side, selection));
    mark();
  };
  const mark = () => {
    const rows = [...body.querySelectorAll("tbody tr")];
    const isChosen = (_, position) => position === selection[shown];
    rows.forEach((row, position) => row.classList.toggle("chosen", isChosen(row, position)));
    press([...body.querySelectorAll("[data-rove]")], isChosen);
    roving(body);
  };
  view.append(
    el("div.controls", choice("Side", SIDES, "source", draw)),
    body,
    el(
      "p.note",
      `Each strip is a vector of d_model = ${data.model.d_model} numbers. Blue is below zero, `,
      "orange is above; ± gives the number that has the full colour. ",
      data.model.positions.startsWith("sinusoidal")
        ? "A position is made of sines and cosines with increasing wavelengths."
        : "",
    ),
  );
  draw("source");
  return follow(selection, view, mark);
}

function vectors(data, side, selection) {
  const ids = side === "source" ? data.source.ids : data.target.inputs;
  const parts = data.embedding[side];
  const scales = {};
  for (const [part, tensor] of Object.entries(parts)) {
    scales[part] = fullScale(ids.map((_, position) => tensor.row(position)));
  }
  const cell = (part, position, name) =>
    el("td.wide", strip(parts[part].row(position), { scale: scales[part], name }));
  const column = (part, name) =>
    el("th", { scope: "col" }, name, el("small", ` ±${fixed(scales[part], 1)}`));
  // Rotary positions are not added.
  const added = (...cells) => data.model.positions === "rotary" ? [] : cells;
  const rows = ids.map((id, position) => {
    const name = tokenText(data.tokens[id]);
    const choose = () => selection.choose(side, position);
    return el(
      "tr",
      { on: { pointermove: choose } },
      el("td.n.soft", String(position)),
      el(
        "th",
        { scope: "row", class: side },
        button(".pick", { "data-rove": "", choose }, tokenLabel(data.tokens[id])),
        side === "target" ? nextToken(data.tokens[data.target.outputs[position]]) : null,
      ),
      cell("scaled", position, `embedding of ${name}`),
      ...added(
        el("td.operator.soft", "+"),
        cell("position", position, `position ${position}`),
        el("td.operator.soft", "="),
        cell("sum", position, `input of ${name}`),
      ),
    );
  });
  const heads = [
    el("span.unseen", "position"),
    "token",
    column("scaled", "embedding × √d_model"),
    ...added(
      el("td"),
      column("position", "position"),
      el("td"),
      column("sum", "input of the first layer"),
    ),
  ];
  return plainTable(heads, rows, [...heads.keys()], "strips");
}
