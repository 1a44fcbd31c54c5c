/** Build tables of numbers. */

import { el } from "../dom.js";

/** Return a table that scrolls; `texts` are the columns without numbers, the first names the rows. */
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
