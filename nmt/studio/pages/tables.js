/** Build tables. */

import { el } from "./dom.js";

/**
 * Return a table inside a box that scrolls. Columns have numbers, but for those in `texts`; the first
 * one names the rows. A cell or a row that is already an element stays as it is.
 */
export function table(heads, rows, texts = [0], name = "") {
  return el("div.scroll", plainTable(heads, rows, texts, name));
}

/** Return such a table without the box. */
export function plainTable(heads, rows, texts, name = "") {
  const kind = (place) => texts.includes(place) ? null : "n";
  const head = (content, place) =>
    isOne("TH TD", content) ? content : el("th", { scope: "col", class: kind(place) }, content);
  const cell = (content, place) => {
    if (isOne("TH TD", content)) return content;
    return place ? el("td", { class: kind(place) }, content) : rowHead(content);
  };
  return el(
    "table",
    { class: name },
    el("thead", el("tr", ...heads.map(head))),
    el("tbody", ...rows.map((row) => isOne("TR", row) ? row : el("tr", ...row.map(cell)))),
  );
}

function isOne(tags, content) {
  return tags.split(" ").includes(content?.tagName);
}

/** Return the cell that names a row. */
export function rowHead(...content) {
  return el("th", { scope: "row" }, ...content);
}
