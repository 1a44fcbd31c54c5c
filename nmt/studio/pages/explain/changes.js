/** Parts of the model that are switched off, and what that changes. */

import { button, el, plainTable, press, roving, rowHead, table } from "../dom.js";
import { percent } from "../numbers.js";
import { habit } from "./controls.js";
import { probability } from "./probabilities.js";
import { tokenLabel, tokenText } from "./tokens.js";

const SUB_LAYERS = new Map([
  ["self_attention", "self-attention"],
  ["cross_attention", "cross-attention"],
  ["feed_forward", "feed-forward"],
]);
const POSITIONS = "positions";

/** Return the worker's option for the names of parts. */
export function offOption(names) {
  const own = [...names].filter((name) => name !== POSITIONS);
  const isHead = (name) => name.split(".").length === 4;
  return {
    heads: own.filter(isHead),
    residuals: own.filter((name) => !isHead(name)),
    positions: own.length < [...names].length,
  };
}

/** Describe a part: "head 2 of self-attention in encoder layer 1". */
function describe(name) {
  if (name === POSITIONS) return "the positions";
  const [stack, layer, part, head] = name.split(".");
  const place = `${SUB_LAYERS.get(part)} in ${stack} layer ${Number(layer) + 1}`;
  return head ? `head ${Number(head) + 1} of ${place}` : `the residual around ${place}`;
}

/** Say which parts are off. */
export function off(names) {
  const text = names.map(describe).join(" and ");
  const isPlural = names.length > 1 || names[0] === POSITIONS;
  return `${text[0].toUpperCase()}${text.slice(1)} ${isPlural ? "are" : "is"} off`;
}

/** Return tables with a button for each part, and `mark(off)`, which presses those that are off. */
export function partsGrid(model, toggle) {
  const buttons = [];
  const part = (name, label) => {
    const text = `${describe(name)}${habit(model, name, ": ")}`;
    const properties = {
      "aria-label": `switch off ${text}`,
      title: text,
      "data-part": name,
      "data-rove": "",
      on: { click: () => toggle(name) },
    };
    buttons.push(button(".part-switch", properties, label));
    return buttons.at(-1);
  };
  const row = (stack, layer, kind) => {
    const name = `${stack}.${layer}.${kind}`;
    const heads = kind === "feed_forward"
      ? []
      : Array.from({ length: model.heads }, (_, head) => part(`${name}.${head}`, String(head + 1)));
    const title = rowHead(`${layer + 1}  ${SUB_LAYERS.get(kind)}`);
    const cells = el("tr", title, el("td", ...heads), el("td", part(name, "x +")));
    roving(cells);
    return cells;
  };
  const stack = (name, kinds, layers) => {
    const ofLayer = (_, layer) => kinds.map((kind) => row(name, layer, kind));
    const rows = Array.from({ length: layers }, ofLayer);
    return plainTable([`${name} layer`, "heads", "residual"], rows.flat(), [0, 1, 2]);
  };
  const encoder = stack("encoder", ["self_attention", "feed_forward"], model.encoder_layers);
  const decoder = stack("decoder", [...SUB_LAYERS.keys()], model.decoder_layers);
  const left = el("div", encoder, part(POSITIONS, "positions"));
  const element = el("div.scroll.part-switches.wrap", left, decoder);
  const mark = (names) => press(buttons, (each) => names.has(each.dataset.part));
  mark(new Set());
  return { element, mark };
}

/** Return what changed from the whole model's translation to that of `data`. */
export function comparison(whole, data) {
  const changes = probabilityChanges(whole, data.against);
  const isSame = whole.target.outputs.join() === data.target.outputs.join();
  return [
    el("p", isSame ? "The translation stays the same." : "The translation changes:"),
    table(["", "translation"], [
      ["with all parts", marked(whole, data)],
      ["with parts off", marked(data, whole)],
    ], [0, 1]),
    el("p.note", greatestChange(changes)),
    table(["token", "with all parts", "with parts off", el("td")], changes.map(changeRow), [0]),
  ];
}

/** Return the text of a translation, with marks at the tokens that another one lacks. */
function marked(data, other) {
  const left = [...other.target.outputs];
  const parts = data.target.outputs.map((token) => {
    const label = tokenLabel(data.tokens[token]);
    const place = left.indexOf(token);
    if (place < 0) return el("mark", label);
    left.splice(place, 1); // so that a repeated token is marked
    return label;
  });
  return el("span.compared-tokens.wrap", { dir: "auto" }, ...parts);
}

/** Return the probability of each token of the whole model's translation, before and after. */
function probabilityChanges(whole, against) {
  const share = (next, step) => {
    const { tokens, chosen } = next.steps[step];
    return probability(next, step, tokens.indexOf(chosen));
  };
  return whole.target.outputs.map((token, step) => ({
    token: whole.tokens[token],
    before: share(whole.next_tokens, step),
    after: share(against, step),
  }));
}

function greatestChange(changes) {
  const size = ({ before, after }) => Math.abs(after - before);
  const { token, before, after } = changes.toSorted((one, other) => size(other) - size(one))[0];
  const way = after < before ? "falls" : "rises";
  return `Of the translation with all parts, ${tokenText(token)} changes most: its probability ` +
    `${way} from ${percent(before)} to ${percent(after)}.`;
}

function changeRow({ token, before, after }) {
  const bar = (kind, share) => el(`span.bar.${kind}`, { style: { width: `${100 * share}%` } });
  return el(
    "tr",
    rowHead(tokenLabel(token)),
    el("td.n", percent(before)),
    el("td.n", percent(after)),
    el("td.wide.bar-cell", bar("before", before), bar("after", after)),
  );
}
