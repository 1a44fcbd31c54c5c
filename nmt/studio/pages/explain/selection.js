/** The one selection of the page: a token of each side, and a head of each stack. */

import { inside } from "../dom.js";

const SIDES = { source: "target", target: "source" };

/**
 * What is chosen: `source` and `target` are positions, of which `side` was chosen last; position t of
 * the target reads target.inputs[t] and writes target.outputs[t]. `encoder` and `decoder` are the
 * heads shown: {kind, layer, head}, head may be "all".
 */
export class Selection {
  /** Begin with the second token of the target; `before` is an earlier selection to go on from. */
  constructor(data, before = null) {
    this.data = data;
    this.watchers = [];
    this.linked = null;
    this.live = null; // what a section can ask of a model in the page; see typing.js
    this.encoder = before?.encoder ?? distinctHead(data, "encoder", "self");
    this.decoder = before?.decoder ?? distinctHead(data, "decoder", "cross");
    this.side = before?.side ?? "target";
    this[this.side] = Math.min(before?.[before.side] ?? 1, this.count(this.side) - 1);
    this.align();
  }

  /** Call a function after each change. */
  watch(act) {
    this.watchers.push(act);
  }

  /** Choose a token; the other side follows to the token that is aligned with it. */
  choose(side, position) {
    if (side === this.side && position === this[side]) return;
    this.set({ side, [side]: position });
  }

  /** Change properties, and those of a linked selection of another model. */
  set(changes) {
    this.take(changes);
    this.linked?.take(changes);
  }

  take(changes) {
    Object.assign(this, changes);
    this[this.side] = inside(this[this.side], this.count(this.side));
    for (const stack of ["encoder", "decoder"]) { // a linked model can have more layers and heads
      const { kind, layer, head } = this[stack];
      const nearest = head === "all" ? head : Math.min(head, this.data.model.heads - 1);
      this[stack] = { kind, layer: Math.min(layer, this.data[stack].length - 1), head: nearest };
    }
    this.align();
    for (const act of this.watchers) act(this);
  }

  /** Return the number of positions of a side. */
  count(side) {
    return side === "source" ? this.data.source.ids.length : this.data.target.outputs.length;
  }

  /** Move the side that was not chosen last. */
  align() {
    const weight = alignmentWeight(this.data);
    const chosen = this[this.side];
    const of = this.side === "target" ? (s) => weight(chosen, s) : (t) => weight(t, chosen);
    const other = SIDES[this.side];
    const weights = Array.from({ length: this.count(other) }, (_, position) => of(position));
    const words = weights.length > 1 ? weights.slice(0, -1) : weights; // without the end token
    const isEnd = chosen === this.count(this.side) - 1;
    this[other] = isEnd ? weights.length - 1 : words.indexOf(Math.max(...words));
  }
}

/** Return a function from a target and a source position to the attention that aligns words. */
function alignmentWeight(data) {
  const { layer, head } = data.model.alignment;
  const { weights } = data.decoder[layer].cross;
  const heads = head === null ? [...Array(data.model.heads).keys()] : [head];
  return (target, source) => heads.reduce((sum, each) => sum + weights.at(each, target, source), 0);
}

/**
 * Return the head to show first: the one whose queries attend with the greatest weights to the most
 * different keys, other than themselves.
 */
function distinctHead(data, stack, kind) {
  let best = { kind, layer: 0, head: 0, value: -1 };
  data[stack].forEach((each, layer) => {
    const { weights } = each[kind];
    const [heads, queries] = weights.shape;
    for (let head = 0; head < heads; head++) {
      const greatest = new Map();
      for (let query = 0; query < queries; query++) {
        const row = weights.row(head, query);
        const weight = Math.max(...row);
        const key = row.indexOf(weight);
        if (kind === "self" && key === query) continue;
        greatest.set(key, Math.max(weight, greatest.get(key) ?? 0));
      }
      const value = [...greatest.values()].reduce((sum, weight) => sum + weight, 0);
      if (value > best.value) best = { kind, layer, head, value };
    }
  });
  return { kind, layer: best.layer, head: best.head };
}

/** Call `act` after changes of the selection; return a function that ends this. */
export function follow(selection, view, act) {
  let [isSeen, isLate] = [true, false];
  const catchUp = () => {
    if (isLate) act();
    isLate = false;
  };
  const observer = new IntersectionObserver((entries) => {
    isSeen = entries.at(-1).isIntersecting;
    if (isSeen) catchUp();
  }, { rootMargin: "100px" });
  observer.observe(view);
  addEventListener("beforeprint", catchUp);
  selection.watch(() => {
    isLate = true;
    // The observer reports later than a key can move the focus into the section.
    if (isSeen || view.matches(":hover, :focus-within")) catchUp();
  });
  return () => {
    observer.disconnect();
    removeEventListener("beforeprint", catchUp);
  };
}
