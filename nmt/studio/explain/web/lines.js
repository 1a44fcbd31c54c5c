/** Attention as lines from each query to the keys it attends to, as in the paper's figures 3 to 5. */

import { el, roving, svg } from "../../pages/dom.js";
import { fixed } from "../../pages/numbers.js";
import { nthColour } from "../../pages/scheme.js";
import { pieceLabel } from "./pieces.js";

const WIDTH = 124;
const FAINTEST = 0.04; // weights below are no lines; the numbers beside the keys tell them all

/**
 * Two columns of tokens with lines between them. `look` has queries and keys (ids), names of both
 * sides, `heads` (those shown) and weight(head, query, key). `change` is told the query chosen.
 */
export function attentionLines(look, pieces, change) {
  const rowHeight = Math.max(look.queries.length, look.keys.length) > 26 ? 21 : 26;
  const queries = look.queries.map((id, place) =>
    el(
      "button",
      {
        type: "button",
        class: `token ${look.sides[0]}`,
        "data-rove": "",
        "data-query": place,
        "aria-pressed": "false",
        on: {
          pointermove: () => change(place),
          focus: () => change(place),
          click: () => change(place),
        },
      },
      pieceLabel(pieces[id]),
      look.outputs
        ? el("span", { class: "next" }, " → ", pieceLabel(pieces[look.outputs[place]]))
        : null,
    )
  );
  const keys = look.keys.map((id) => keyRow(pieces[id], look.sides[1]));
  const height = rowHeight * Math.max(queries.length, keys.length);
  const drawing = svg("svg", {
    width: WIDTH,
    height,
    viewBox: `0 0 ${WIDTH} ${height}`,
    preserveAspectRatio: "none", // it is narrower on a small screen
    "aria-hidden": "true",
  });
  // Drawn once: of each query what is faint, behind the strong lines of the one chosen.
  const faint = look.queries.map((_, query) => faintLines(look, query, rowHeight));
  const strong = svg("g");
  drawing.append(...faint, strong);
  const left = el("div", { class: "queries", role: "group", "aria-label": "Attending token" });
  left.append(...queries);
  roving(left);
  const element = el(
    "div",
    { class: "lines", style: { "--row": `${rowHeight}px` } },
    left,
    drawing,
    el("div", { class: "keys" }, ...keys.map((key) => key.element)),
  );
  const select = (query) => {
    queries.forEach((button, place) => {
      button.setAttribute("aria-pressed", String(place === query));
      button.dataset.rove = place === query ? "here" : "";
    });
    if (!left.contains(document.activeElement)) roving(left);
    keys.forEach((key, place) => key.show(mean(look, query, place)));
    faint.forEach((lines, place) => lines.classList.toggle("chosen", place === query));
    strong.replaceChildren(...strongLines(look, query, rowHeight));
  };
  return { element, select };
}

function keyRow(piece, side) {
  const number = el("span", { class: "weight" });
  const element = el("div", { class: `token ${side}` }, number, pieceLabel(piece));
  return {
    element,
    show: (weight) => {
      number.textContent = weight === null ? "" : fixed(weight, 2);
      element.style.setProperty("--weight", String(weight ?? 0));
      element.classList.toggle("hidden-key", weight === null);
    },
  };
}

/** The mean weight of the heads shown; null where the key is hidden from the query. */
export function mean(look, query, key) {
  if (look.masked && key > query) return null;
  return look.heads.reduce((sum, head) => sum + look.weight(head, query, key), 0) /
    look.heads.length;
}

/** A query's lines while another is chosen: the mean of the heads shown. */
function faintLines(look, query, rowHeight) {
  const weights = look.keys.map((_, key) => mean(look, query, key) ?? 0);
  return svg("g", {}, ...linesFrom(query, weights, FAINTEST, rowHeight, null));
}

/** The chosen query's lines, of each head in its own colour. */
function strongLines(look, query, rowHeight) {
  return look.heads.flatMap((head) => {
    const weights = look.keys.map((_, key) => look.weight(head, query, key));
    return linesFrom(query, weights, FAINTEST / 4, rowHeight, head);
  });
}

function linesFrom(query, weights, least, rowHeight, head) {
  return weights.flatMap((weight, key) =>
    weight >= least ? [line(query, key, rowHeight, weight, head)] : []
  );
}

function line(query, key, rowHeight, weight, head) {
  const [from, to] = [query, key].map((row) => rowHeight * (row + 0.5));
  const path = svg("path", {
    d: `M0 ${from}C${WIDTH / 2} ${from} ${WIDTH / 2} ${to} ${WIDTH} ${to}`,
    class: head === null ? "faint" : "strong",
  });
  path.style.setProperty("stroke-width", String(head === null ? 1 : 1 + 4 * weight));
  path.style.setProperty(
    "stroke-opacity",
    String(head === null ? 0.4 * weight : 0.15 + 0.85 * weight ** 0.7),
  );
  if (head !== null) path.style.setProperty("stroke", nthColour(head));
  return path;
}
