/** The attention of one query in one head, number by number: scores, weights and sum of values. */

import { el } from "../dom.js";
import { fixed } from "../numbers.js";
import { nthColour } from "../scheme.js";
import { tokenLabel, tokenText } from "./tokens.js";
import { fullScale, strip } from "./strips.js";
import { dot } from "./unpack.js";

/** Return the score of a query and a key before softmax: q · k / √dₖ. */
export function score(attended, head, query, key) {
  const q = attended.query.row(head, query);
  return dot(q, attended.key.row(head, key)) / Math.sqrt(q.length);
}

/**
 * Return the table of a head: a row for each key, and the sum below. Keys and values are drawn once;
 * `select` fills in the numbers of a query.
 */
export function arithmetic(selection, attended, head, tokens) {
  const all = (tensor) => selection.keys.map((_, key) => tensor.row(head, key));
  const [keys, values] = [all(attended.key), all(attended.value)];
  const valueScale = fullScale(values);
  const keyScale = fullScale(keys);
  const rows = selection.keys.map((id, key) => {
    const name = tokenText(tokens[id]);
    return keyRow(
      el("th", { scope: "row", class: selection.sides[1] }, tokenLabel(tokens[id])),
      vector(keys[key], keyScale, `key of ${name}`),
      vector(values[key], valueScale, `value of ${name}`),
      key,
      head,
    );
  });
  const queryRow = el("tr.query-row");
  const sum = el("td.wide");
  const element = el(
    "table.strips.arithmetic",
    el("thead", queryRow, headRow(["key", "k", "q · k", "÷ √dₖ", "softmax", "v"])),
    el("tbody", ...rows.map((row) => row.element)),
    el(
      "tfoot",
      el("tr", el("th", { scope: "row", colspan: 5 }, "Sum of values, each times its weight"), sum),
    ),
  );
  const select = (query) => {
    const token = tokens[selection.queries[query]];
    const name = tokenText(token);
    const q = attended.query.row(head, query);
    queryRow.replaceChildren(
      el("th", { scope: "row", class: selection.sides[0] }, tokenLabel(token)),
      vector(q, fullScale([q]), `query of ${name}`),
      el("td", { colspan: 4, class: "soft" }, `← its query q, ${q.length} numbers`),
    );
    rows.forEach((row, key) => {
      if (selection.masked && key > query) row.hide();
      else row.show(dot(q, keys[key]), Math.sqrt(q.length), attended.weights.at(head, query, key));
    });
    const width = values[0].length;
    const gathered = attended.joined.row(query).slice(head * width, (head + 1) * width);
    const label = `sum of head ${head + 1} for ${name}`;
    sum.replaceChildren(strip(gathered, { scale: valueScale, name: label }));
  };
  return { element, select };
}

function vector(numbers, scale, name) {
  return el("td.wide", strip(numbers, { scale, name }));
}

function headRow(names) {
  const kinds = { "q · k": "n", "÷ √dₖ": "n", softmax: "n", v: "wide" };
  return el("tr", ...names.map((name) => el("th", { scope: "col", class: kinds[name] }, name)));
}

/** Return the row of a key; if a mask hides the key from the query, the row says so. */
function keyRow(label, keyStrip, valueStrip, key, head) {
  const bar = el("span.bar", { style: { background: nthColour(head) } });
  const [product, scaled, weight] = ["", "", ""].map((text) => document.createTextNode(text));
  const seen = [
    keyStrip,
    el("td.n", product),
    el("td.n", { "data-score": key }, scaled),
    el("td.n.bar-cell", { "data-weight": key }, bar, weight),
    valueStrip,
  ];
  const unseen = el("td", { colspan: 5 }, "hidden: a later position");
  const element = el("tr", label, ...seen);
  return {
    element,
    hide: () => {
      element.className = "masked";
      element.replaceChildren(label, unseen);
    },
    show: (dotted, root, share) => {
      element.className = "";
      if (unseen.parentNode) element.replaceChildren(label, ...seen);
      product.data = fixed(dotted, 2);
      scaled.data = fixed(dotted / root, 3);
      weight.data = fixed(share, 4);
      bar.style.setProperty("width", `${100 * share}%`);
    },
  };
}
