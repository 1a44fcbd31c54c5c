/** The attention of one query in one head, number by number: scores, weights and sum of values. */

import { button, el, press, roving } from "../dom.js";
import { fixed } from "../numbers.js";
import { nthColour } from "../scheme.js";
import { tokenLabel, tokenText } from "./tokens.js";
import { fullScale, productRows, strip } from "./strips.js";
import { dot } from "./live/matrix.js";

const KEY = "× k, the key that you choose below";

/** Return the score of a query and a key before softmax: q · k / √dₖ. */
export function score(attended, head, query, key) {
  const q = attended.query.row(head, query);
  return dot(q, attended.key.row(head, key)) / Math.sqrt(q.length);
}

/**
 * Return the table of a head: a query times one key, a row for each key, and the sum below. Keys and
 * values are drawn once; `select` fills in the numbers of a query. The pointer, the focus or a click
 * chooses the key that is multiplied.
 */
export function arithmetic(attention, attended, head, tokens) {
  const all = (tensor) => attention.keys.map((_, key) => tensor.row(head, key));
  const [keys, values] = [all(attended.key), all(attended.value)];
  const valueScale = fullScale(values);
  const keyScale = fullScale(keys);
  let shown = {}; // the query and the key that are multiplied
  const rows = attention.keys.map((id, key) => {
    const name = tokenText(tokens[id]);
    const choose = () => multiply(shown.query, key);
    const pick = button(".pick", { "data-rove": "", choose }, tokenLabel(tokens[id]));
    const row = keyRow(
      el("th", { scope: "row", class: attention.sides[1] }, pick),
      vector(keys[key], keyScale, `key of ${name}`),
      vector(values[key], valueScale, `value of ${name}`),
      key,
      head,
    );
    row.element.addEventListener("pointermove", choose);
    return { ...row, pick };
  });
  const sum = el("td.wide");
  const names = headRow(["key", "k", "q · k", "÷ √dₖ", "softmax", "v"]);
  const top = el("thead");
  const body = el("tbody", ...rows.map((row) => row.element));
  const title = el("th", { scope: "row", colspan: 5 }, "Sum of values, each times its weight");
  const foot = el("tfoot", el("tr", title, sum));
  const element = el("table.strips.arithmetic", top, body, foot);

  /** Show the products of a query and a key, dimension by dimension. */
  function multiply(query, key) {
    if (query === shown.query && key === shown.key) return;
    if (attention.masked && key > query) return;
    shown = { query, key };
    press(rows.map((row) => row.pick), (_, index) => index === key);
    roving(body);
    const [q, k] = [attended.query.row(head, query), keys[key]];
    const both = [attention.queries[query], attention.keys[key]].map((id) => tokens[id]);
    const [of, by] = both.map(tokenText);
    const heads = both.map(tokenLabel).map((label, index) =>
      el("span", { class: attention.sides[index] }, label)
    );
    const note = `q, its query: ${q.length} numbers`;
    top.replaceChildren(
      ...productRows(
        { head: heads[0], numbers: q, name: `query of ${of}`, note },
        { head: heads[1], numbers: k, scale: keyScale, name: `key of ${by}`, note: KEY },
        4,
        ["q · k = ", el("b", fixed(dot(q, k), 2))],
      ),
      names,
    );
  }

  const select = (query) => {
    const name = tokenText(tokens[attention.queries[query]]);
    const q = attended.query.row(head, query);
    const weights = attention.keys.map((_, key) => attended.weights.at(head, query, key));
    rows.forEach((row, key) => {
      if (attention.masked && key > query) row.hide();
      else row.show(dot(q, keys[key]), Math.sqrt(q.length), weights[key]);
    });
    multiply(query, weights.indexOf(Math.max(...weights)));
    const width = values[0].length;
    const gathered = attended.joined.row(query).slice(head * width, (head + 1) * width);
    const drawn = { scale: valueScale, name: `sum of head ${head + 1} for ${name}` };
    sum.replaceChildren(strip(gathered, drawn));
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
      element.classList.add("masked");
      element.replaceChildren(label, unseen);
    },
    show: (dotted, root, share) => {
      element.classList.remove("masked");
      if (unseen.parentNode) element.replaceChildren(label, ...seen);
      product.data = fixed(dotted, 2);
      scaled.data = fixed(dotted / root, 3);
      weight.data = fixed(share, 4);
      bar.style.setProperty("width", `${100 * share}%`);
    },
  };
}
