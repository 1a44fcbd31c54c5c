/** Tables of figures. */

import { el } from "../../pages/dom.js";

/** A table in a box that scrolls; `texts` are the columns that hold no number, the first names rows. */
export function table(name, heads, texts, rows) {
  const kind = (place) => texts.includes(place) ? null : "n";
  const cell = (content, place) =>
    place === 0 ? el("th", { scope: "row" }, content) : el("td", { class: kind(place) }, content);
  return el(
    "div",
    { class: "scroll" },
    el(
      "table",
      { class: name },
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          ...heads.map((head, place) => el("th", { scope: "col", class: kind(place) }, head)),
        ),
      ),
      el("tbody", {}, ...rows.map((cells) => el("tr", {}, ...cells.map(cell)))),
    ),
  );
}
