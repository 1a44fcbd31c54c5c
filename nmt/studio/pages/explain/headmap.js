/** Small pictures of all heads of all layers; a click on one shows it in full. */

import { button, el, press, roving } from "../dom.js";
import { nthColour } from "../scheme.js";
import { thumbnail } from "./matrix.js";

export const ALL = "all";

/**
 * Return a grid: a row for each layer, a column for each head and one for the mean of all heads.
 * `weights(layer)` returns the weights of a layer; `habit(layer, head)` names what a head
 * attends to. `pick(layer, head)` is called on a click; head may be ALL.
 */
export function headMap({ layers, heads, rows, columns, masked, weights, habit }, pick) {
  const axis = (text) => el("span.axis.soft", String(text));
  const all = [...Array(heads).keys()];
  const small = (layer, which, value) =>
    button(
      ".small-multiple",
      {
        "data-rove": "",
        "data-layer": layer,
        "data-head": which,
        "aria-label": `Layer ${layer + 1}, ${which === ALL ? "all heads" : `head ${which + 1}`}`,
        title: which === ALL ? "" : habit(layer, which),
        style: which === ALL ? {} : { "--head": nthColour(which) },
        on: { click: () => pick(layer, which) },
      },
      thumbnail(rows, columns, (row, column) => masked && column > row ? null : value(row, column)),
    );
  const buttons = Array.from({ length: layers }, (_, layer) => {
    const tensor = weights(layer);
    const sum = (row, column) =>
      all.reduce((total, head) => total + tensor.at(head, row, column), 0);
    return [
      ...all.map((head) => small(layer, head, (row, column) => tensor.at(head, row, column))),
      small(layer, ALL, (row, column) => sum(row, column) / heads),
    ];
  });
  const element = el(
    "div.head-map",
    { role: "group", "aria-label": "Layer and head", style: { "--heads": heads + 1 } },
    el("span.corner"),
    ...[...all.map((head) => head + 1), "all"].map(axis),
    ...buttons.flatMap((row, layer) => [axis(layer + 1), ...row]),
  );
  const select = (layer, head) => {
    press(
      buttons.flat(),
      ({ dataset }) => dataset.layer === String(layer) && dataset.head === String(head),
    );
    roving(element, heads + 1);
  };
  return { element, select };
}
