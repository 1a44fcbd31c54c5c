/** Pieces as they are shown everywhere, and the first block: how the text falls into them. */

import { el } from "../../pages/dom.js";
import { grouped } from "../../pages/numbers.js";

const SPACE = "\u2581"; // SentencePiece's mark of a word's beginning
// Scripts that leave no space between words: each of their pieces is shown as a word.
const SPACELESS =
  /^[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u;
const NAMES = { start: "start", end: "end", unknown: "unknown", padding: "padding" };

/** What a piece is called in a label: its text, or what a special one means. */
export function pieceText(piece) {
  if (piece.special) return `⟨${NAMES[piece.special]}⟩`;
  if (piece.text === SPACE) return SPACE;
  if (piece.text.startsWith(SPACE)) return piece.text.slice(1);
  return isPunctuation(piece) ? piece.text : `·${piece.text}`;
}

/** A piece as an element: a dot stands before what goes on with a word. */
export function pieceLabel(piece) {
  if (piece.special) return el("span", { class: "piece special" }, NAMES[piece.special]);
  const text = pieceText(piece);
  const dotted = text !== piece.text && text.startsWith("·");
  return el(
    "span",
    { class: "piece", dir: "auto", title: piece.text },
    dotted ? el("span", { class: "mark" }, "·") : null,
    dotted ? text.slice(1) : text,
  );
}

/** Pieces joined to a text; an end is told of. */
export function joined(ids, pieces) {
  const text = ids.filter((id) => pieces[id].special !== "end").map((id) => {
    return pieces[id].special ? ` ⟨${NAMES[pieces[id].special]}⟩` : pieces[id].text;
  });
  const ends = ids.some((id) => pieces[id].special === "end");
  return el(
    "span",
    { dir: "auto" },
    text.join("").replaceAll(SPACE, " ").trim(),
    ends ? el("span", { class: "piece special" }, " end") : null,
  );
}

function beginsWord(piece) {
  return Boolean(piece.special) || piece.text.startsWith(SPACE);
}

function isPunctuation(piece) {
  return !piece.special && /^\u2581?[^\p{L}\p{M}\p{N}\u2581]+$/u.test(piece.text);
}

/** Places of the pieces of each word, and of punctuation; without special pieces. */
export function words(ids, pieces) {
  const found = [];
  let apart = true;
  let bare = false; // the word is no more than its space yet
  ids.forEach((id, place) => {
    const piece = pieces[id];
    if (piece.special && piece.special !== "unknown") return;
    const begins = beginsWord(piece) || isPunctuation(piece) || SPACELESS.test(piece.text);
    if (!bare && (apart || begins)) found.push([]);
    found.at(-1).push(place);
    apart = isPunctuation(piece);
    bare = piece.text === SPACE;
  });
  return found;
}

/** The text of a word. */
export function wordText(places, ids, pieces) {
  const text = places.map((place) => pieces[ids[place]].special ? "⁇" : pieces[ids[place]].text);
  return text.join("").replaceAll(SPACE, "") || SPACE;
}

/** Both texts in pieces, word by word, with the numbers that the model reads and writes. */
export function showPieces(view, data) {
  view.append(
    el("h3", {}, "What the encoder reads"),
    chips(data.source.ids, data.pieces, "source"),
    el("h3", {}, "What the decoder wrote"),
    chips(data.target.outputs, data.pieces, "target"),
    el(
      "p",
      { class: "note" },
      `The number is the piece's row in ${rowsOf(data.model)}. Both sides end in a piece that ` +
        "says so. From here on ▁ is left out, and a piece that goes on with a word has a dot before it.",
    ),
  );
}

/** The vocabulary, or those of source and target. */
function rowsOf(model) {
  const [source, target] = [model.source_vocabulary, model.vocabulary].map(grouped);
  if (model.joint) return `the vocabulary of ${target}`;
  return `its side's vocabulary, of ${source} for the source and ${target} for the target`;
}

/** A piece as SentencePiece writes it. */
function written(piece) {
  if (piece.special || !piece.text.startsWith(SPACE)) {
    return el("span", { class: "piece" }, piece.special ? pieceLabel(piece) : piece.text);
  }
  const mark = el("span", { class: "mark" }, SPACE);
  return el("span", { class: "piece" }, mark, piece.text.slice(1));
}

function chips(ids, pieces, side) {
  const groups = [...words(ids, pieces).map((places) => places.map((place) => ids[place]))];
  const ends = ids.filter((id) => pieces[id].special === "end");
  const list = el("ol", { class: `chips ${side}`, dir: "auto" });
  for (const group of [...groups, ...ends.map((id) => [id])]) {
    list.append(
      el(
        "li",
        { class: "word" },
        ...group.map((id) =>
          el(
            "span",
            { class: "chip" },
            written(pieces[id]),
            el("small", {}, String(pieces[id].row)),
          )
        ),
      ),
    );
  }
  return list;
}
