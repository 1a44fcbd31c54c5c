/** SentencePiece: text to token ids and back, as nmt/text/subwords/tokenizer.py does it. */

import { bytesOf } from "../unpack.js";

const SPACE = "\u2581"; // marks the start of a word
const UNKNOWN = 1;
const [TYPE_TEXT, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_BYTE] = [1, 2, 3, 6]; // SentencePiece's
const SURFACE_OF_UNKNOWN = " \u2047 ";
const SEPARATORS = "\x1c\x1d\x1e\x1f"; // white space in Python, but not in JavaScript
const BLANK = new RegExp(`^[\\p{White_Space}${SEPARATORS}]*$`, "u");
const [encoder, decoder] = [new TextEncoder(), new TextDecoder("utf-8", { ignoreBOM: true })];
const strict = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

/**
 * Replaces characters by rules: the longest sequence at each place that has one.
 *
 * The rules are a trie in a double array (the format of the library Darts-clone), and after it the
 * replacements, which end in a zero byte.
 */
class CharacterMap {
  constructor(bytes) {
    const view = new DataView(bytes.buffer);
    const size = view.getUint32(0, true);
    this.units = Uint32Array.from(
      { length: size / 4 },
      (_, at) => view.getUint32(4 + 4 * at, true),
    );
    this.replacements = bytes.subarray(4 + size);
  }

  /** Return how many bytes the longest rule at `begin` takes, and what replaces them; or null. */
  longest(bytes, begin) {
    const offset = (unit) => (unit >>> 10) << ((unit & 512) >>> 6);
    let [found, place] = [null, offset(this.units[0])];
    for (let at = begin; at < bytes.length; at++) {
      place ^= bytes[at];
      const unit = this.units[place];
      if ((unit & 0x800000ff) >>> 0 !== bytes[at]) break; // the label
      place ^= offset(unit);
      if (unit & 256) { // a rule ends here
        const first = this.units[place] & 0x7fffffff;
        const last = this.replacements.indexOf(0, first);
        found = { length: at + 1 - begin, text: this.replacements.subarray(first, last) };
      }
    }
    return found;
  }
}

/** Return how many bytes the character has that begins with a byte of UTF-8. */
function characterLength(byte) {
  return byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

/** A subword model. */
export class Subwords {
  /** packed: {kind, pieces, scores, types, characters, byte_fallback} of live.py. */
  constructor(packed) {
    Object.assign(this, packed);
    this.map = packed.characters ? new CharacterMap(bytesOf(packed.characters)) : null;
    this.ids = new Map(packed.pieces.map((piece, id) => [piece, id]));
  }

  /** Return the ids of a text; white space alone has none. */
  encode(text) {
    const normal = BLANK.test(text) ? "" : this.normalize(text);
    const ids = [];
    let wasUnknown = false;
    for (const piece of this.segment(normal)) {
      const id = this.ids.get(piece) ?? UNKNOWN;
      const isUnknown = this.types[id] === TYPE_UNKNOWN;
      if (isUnknown && this.byte_fallback) {
        for (const byte of encoder.encode(piece)) {
          const name = `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
          ids.push(this.ids.get(name));
        }
      } else if (!isUnknown || !wasUnknown) { // unknown pieces in a row are one
        ids.push(id);
      }
      wasUnknown = isUnknown;
    }
    return ids;
  }

  /** Return a text in the form in which pieces are found, with U+2581 for spaces. */
  normalize(text) {
    const bytes = encoder.encode(text);
    const parts = [];
    for (let at = 0; at < bytes.length;) {
      const rule = this.map?.longest(bytes, at);
      const length = rule?.length ?? characterLength(bytes[at]);
      parts.push(decoder.decode(rule?.text ?? bytes.subarray(at, at + length)));
      at += length;
    }
    const words = parts.join("").replace(/^ +/, "").replace(/ {2,}/g, " ");
    return ` ${words}`.replaceAll(" ", SPACE).replace(/\u2581+$/, "");
  }

  /** Cut normalised text into pieces. */
  segment(text) {
    if (this.kind === "word") return text.match(/\u2581[^\u2581]*/g) ?? [];
    return this.kind === "char" ? [...text] : this.merge([...text]);
  }

  /** Merge neighbours into pieces, the pair with the best score first: byte-pair encoding. */
  merge(symbols) {
    const scoreOf = (left) => {
      const id = this.ids.get(symbols.slice(left, left + 2).join(""));
      const isPair = left + 1 < symbols.length && this.types[id] === TYPE_TEXT;
      return isPair ? this.scores[id] : -Infinity;
    };
    const scores = symbols.map((_, left) => scoreOf(left));
    for (;;) {
      let best = 0; // of equal scores the leftmost
      for (let left = 1; left < scores.length; left++) {
        if (scores[left] > scores[best]) best = left;
      }
      if (!(scores[best] > -Infinity)) return symbols;
      symbols.splice(best, 2, symbols[best] + symbols[best + 1]);
      scores.splice(best, 1);
      scores[best] = scoreOf(best);
      if (best) scores[best - 1] = scoreOf(best - 1);
    }
  }

  /** Return the text of ids; bytes that are no character become U+FFFD. */
  decode(ids) {
    let text = "";
    let bytes = [];
    const flush = () => {
      text += textOfBytes(bytes);
      bytes = [];
    };
    for (const id of ids) {
      const [piece, type] = [this.pieces[id], this.types[id]];
      if (type === TYPE_BYTE) {
        bytes.push(parseInt(piece.slice(3, 5), 16));
        continue;
      }
      flush();
      if (type === TYPE_UNKNOWN) text += SURFACE_OF_UNKNOWN;
      if (type === TYPE_UNKNOWN || type === TYPE_CONTROL) continue;
      const own = !text && piece.startsWith(SPACE) ? piece.slice(1) : piece;
      text += own.replaceAll(SPACE, " ");
    }
    flush();
    return text;
  }
}

/** Return the characters of bytes in UTF-8, and U+FFFD for each byte that belongs to none. */
function textOfBytes(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length;) {
    const part = Uint8Array.from(bytes.slice(at, at + characterLength(bytes[at])));
    try {
      text += strict.decode(part);
      at += part.length;
    } catch {
      text += "\ufffd";
      at += 1;
    }
  }
  return text;
}
