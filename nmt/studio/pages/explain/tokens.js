/** How tokens are shown, and the first section: the tokens of both texts. */

import { button, el, press, roving } from "../dom.js";
import { grouped, percent } from "../numbers.js";
import { follow } from "./selection.js";

const SPACE = "\u2581"; // SentencePiece's mark of the beginning of a word
const LANGUAGE = /^>>.+<<$/; // a token that names the language to write
// Scripts without spaces between words: each token is shown as a word.
const SPACELESS =
  /^[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u;

/** Return the label of a token: its text, or the name of a special token. */
export function tokenText(token) {
  if (token.special) return `⟨${token.special}⟩`;
  if (token.text === SPACE || LANGUAGE.test(token.text)) return token.text;
  if (token.text.startsWith(SPACE)) return token.text.slice(1);
  return isPunctuation(token) ? token.text : `·${token.text}`;
}

/** Return the label as an element; a dot marks a token that continues a word. */
export function tokenLabel(token) {
  if (token.special) return el("span.token-text.special", token.special);
  const text = tokenText(token);
  const dotted = text !== token.text && text.startsWith("·");
  const parts = dotted ? [el("span.mark.soft", "·"), text.slice(1)] : [text];
  return el("span.token-text", { dir: "auto", title: token.text }, ...parts);
}

/** Return a token or a word in a frame, so that a sentence or a title can name it. */
export function named(content, side) {
  return el("span.named", { class: side, dir: "auto" }, content);
}

/** Return names of tokens or words, given as [share, name], each with its share. */
export function namedShares(shares, side) {
  return shares.flatMap(([share, name], index) => [
    index ? ", " : "",
    named(name, side),
    ` ${percent(share)}`,
  ]);
}

/** Return a mark of the token that the decoder writes where it reads another. */
export function nextToken(token) {
  return el("span.next", " → ", tokenLabel(token));
}

/** Return the text of tokens, with a mark if it ends. */
export function joined(ids, tokens) {
  const isEnd = (id) => tokens[id].special === "end";
  const text = ids.filter((id) => !isEnd(id)).map((id) =>
    tokens[id].special ? ` ${tokenText(tokens[id])}` : tokens[id].text
  );
  const end = ids.some(isEnd) ? el("span.token-text.special", " end") : null;
  return el("span", { dir: "auto" }, text.join("").replaceAll(SPACE, " ").trim(), end);
}

function isPunctuation(token) {
  return !token.special && /^\u2581?[^\p{L}\p{M}\p{N}\u2581]+$/u.test(token.text);
}

/**
 * Return the positions of the tokens of each word and punctuation mark, as they are read; no special
 * tokens. isBackwards: the last word is written first.
 */
export function words(ids, tokens, isBackwards = false) {
  const found = [];
  let apart = true;
  let bare = false; // the word is only its space so far
  const positions = [...ids.keys()];
  for (const position of isBackwards ? positions.reverse() : positions) {
    const token = tokens[ids[position]];
    if (token.special && token.special !== "unknown") continue;
    const isAlone = isPunctuation(token);
    const begins = token.special || token.text.startsWith(SPACE) || SPACELESS.test(token.text);
    if (!bare && (apart || isAlone || begins)) found.push([]);
    found.at(-1).push(position);
    apart = isAlone;
    bare = token.text === SPACE;
  }
  return found;
}

/** Return the text of a word. */
export function wordText(positions, ids, tokens) {
  const text = positions.map((position) =>
    tokens[ids[position]].special ? "⁇" : tokens[ids[position]].text
  );
  return text.join("").replaceAll(SPACE, "") || SPACE;
}

/** Draw the section: the tokens of both texts, word by word, with their rows. */
export function showTokens(view, data, selection) {
  const groups = ["source", "target"].map((side) => chips(data, selection, side));
  view.append(
    el("h3", "What the encoder reads"),
    groups[0].list,
    el("h3", "What the decoder writes"),
    groups[1].list,
    el(
      "p.note",
      `The number is the token's row in ${vocabularyName(data.model)}. `,
      "Both sides end with an end token. Below, ▁ is left out, and a dot marks a token that " +
        "continues a word. ",
      "A token that you choose is chosen in all parts of the page, and so is the token of the " +
        "other side that is aligned with it.",
    ),
  );
  const mark = () => groups.forEach((each) => each.mark());
  mark();
  return follow(selection, view, mark);
}

/** Describe the vocabulary, or those of source and target. */
function vocabularyName(model) {
  const [source, target] = [model.source_vocabulary, model.vocabulary].map(grouped);
  if (model.joint) return `the vocabulary of ${target}`;
  return `its side's vocabulary, of ${source} for the source and ${target} for the target`;
}

/** Return a token as SentencePiece writes it. */
function written(token) {
  if (token.special) return el("span.token-text", tokenLabel(token));
  if (!token.text.startsWith(SPACE)) return el("span.token-text", token.text);
  return el("span.token-text", el("span.mark.soft", SPACE), token.text.slice(1));
}

/** Return the list of a side's tokens, which can be chosen, and a function that marks the chosen one. */
function chips(data, selection, side) {
  const ids = side === "source" ? data.source.ids : data.target.outputs;
  const isBackwards = side === "target" && data.model.backwards;
  const chip = (position) => {
    const token = data.tokens[ids[position]];
    const choose = () => selection.choose(side, position);
    const properties = { "data-rove": "", "data-position": position, choose };
    return button(".chip", properties, written(token), el("small.soft", String(token.row)));
  };
  const ends = [...ids.keys()].filter((position) => data.tokens[ids[position]].special === "end");
  const groups = [...words(ids, data.tokens, isBackwards), ...ends.map((position) => [position])];
  const list = el("ol.wrap", { class: `chips ${side}`, dir: "auto" });
  list.append(...groups.map((positions) => el("li.word.wrap", ...positions.map(chip))));
  const isChosen = ({ dataset }) => Number(dataset.position) === selection[side];
  const mark = () => {
    press([...list.querySelectorAll(".chip")], isChosen);
    roving(list);
  };
  return { list, mark };
}
