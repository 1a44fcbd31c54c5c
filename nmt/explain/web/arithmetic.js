/** One query of one head, number by number: from its scores to the values it gathers. */

import { el } from "../../pages/dom.js";
import { fixed } from "../../pages/numbers.js";
import { css, nthColour } from "../../pages/scheme.js";
import { pieceLabel, pieceText } from "./pieces.js";
import { fullScale, strip } from "./strips.js";
import { dot } from "./unpack.js";

/** Score of a query and a key before softmax: their product over the root of their width. */
export function score(attended, head, query, key) {
  const q = attended.query.row(head, query);
  return dot(q, attended.key.row(head, key)) / Math.sqrt(q.length);
}

/** The table of a query: a row a key, and the sum below. */
export function arithmetic(look, attended, head, query, pieces) {
  const name = pieceText(pieces[look.queries[query]]);
  const q = attended.query.row(head, query);
  const width = attended.value.shape.at(-1);
  const gathered = attended.joined.row(query).slice(head * width, (head + 1) * width);
  const all = (tensor) => look.keys.map((_, key) => tensor.row(head, key));
  const scales = { k: fullScale(all(attended.key)), v: fullScale(all(attended.value)) };
  const vector = (numbers, scale, what) =>
    el("td", { class: "wide" }, strip(numbers, { scale, name: what }));
  const rows = look.keys.map((id, key) => {
    const label = el("th", { scope: "row", class: look.sides[1] }, pieceLabel(pieces[id]));
    const keyName = pieceText(pieces[id]);
    if (look.masked && key > query) {
      return el(
        "tr",
        { class: "masked" },
        label,
        el("td", { colspan: 5 }, "hidden: not yet written"),
      );
    }
    const k = attended.key.row(head, key);
    const product = dot(q, k);
    const weight = attended.weights.at(head, query, key);
    return el(
      "tr",
      {},
      label,
      vector(k, scales.k, `key of ${keyName}`),
      el("td", { class: "n" }, fixed(product, 2)),
      el("td", { class: "n", "data-score": key }, fixed(product / Math.sqrt(q.length), 3)),
      el("td", { class: "n bar-cell", "data-weight": key }, bar(weight, head), fixed(weight, 4)),
      vector(attended.value.row(head, key), scales.v, `value of ${keyName}`),
    );
  });
  return el(
    "table",
    { class: "strips arithmetic" },
    el(
      "thead",
      {},
      el(
        "tr",
        { class: "query-row" },
        el("th", { scope: "row", class: look.sides[0] }, pieceLabel(pieces[look.queries[query]])),
        vector(q, fullScale([q]), `query of ${name}`),
        el("td", { colspan: 4, class: "soft" }, `← its query q, ${q.length} numbers`),
      ),
      headRow(["key", "k", "q · k", "÷ √dₖ", "softmax", "v"]),
    ),
    el("tbody", {}, ...rows),
    el(
      "tfoot",
      {},
      el(
        "tr",
        {},
        el("th", { scope: "row", colspan: 5 }, "Sum of values, each times its weight"),
        vector(gathered, scales.v, `what head ${head + 1} gathers for ${name}`),
      ),
    ),
  );
}

function headRow(names) {
  const numeric = (name) => ["q · k", "÷ √dₖ", "softmax"].includes(name) ? "n" : null;
  return el(
    "tr",
    {},
    ...names.map((name) => el("th", { scope: "col", class: numeric(name) }, name)),
  );
}

function bar(weight, head) {
  return el("span", {
    class: "bar",
    style: { width: `${100 * weight}%`, background: css(nthColour(head)) },
  });
}
