/** The sixth section: the beam search as a tree that grows step by step. */

import { curve, el, inside, plainTable, svg, textWidth } from "../dom.js";
import { fixed, percent } from "../numbers.js";
import { goOnButton, onSecondClick } from "./controls.js";
import { follow } from "./selection.js";
import { Player } from "./player.js";
import { saveControl } from "./save.js";
import { joined, named, tokenLabel, tokenText } from "./tokens.js";
import { growTree, pathTo } from "./tree.js";

const ROW = 28;
const TOP = 20; // the numbers of the steps
const BOX = { least: 36, most: 104, height: 22, font: 13 };
const GAP = 24; // between two steps
const STATUSES = {
  kept: "kept",
  pruned: "pruned",
  finished: "finished",
  open: "unfinished when the search ended",
};
const PLAY_MS = 900;

/** Draw the section. */
export function showBeam(view, data, selection) {
  const beam = new Beam(view, data, selection);
  const end = follow(selection, view, () => beam.follow());
  return () => {
    end();
    beam.player.stop();
  };
}

class Beam {
  constructor(view, data, selection) {
    Object.assign(this, { data, selection, ...growTree(data.beam) });
    this.last = this.steps.length - 1;
    this.chosen = null;
    this.makeControls();
    this.drawing = el("div.scroll.beam-tree", this.makeTree());
    this.detail = el("div.beam-detail", { "aria-live": "polite" });
    this.hypotheses = el("div.scroll");
    view.append(this.controls, legend(), this.drawing, this.detail, this.hypotheses);
    this.draw(this.last);
    this.follow();
  }

  makeControls() {
    this.player = new Player({
      last: this.last,
      unit: "step",
      range: "Step of the search",
      first: PLAY_MS,
      pause: () => PLAY_MS,
      go: (step) => this.go(step),
    });
    this.controls = el(
      "div.controls",
      this.player.buttons,
      el("label.choice", this.player.range, this.player.shown),
      saveControl(this.data.model.name, () => this.tree, () => `beam step ${this.step}`),
    );
  }

  /** Return how many steps of the search are drawn. */
  get step() {
    return this.player.step;
  }

  makeTree() {
    let x = 4;
    this.columns = this.steps.map((nodes) => {
      const widths = nodes.map((node) =>
        textWidth(tokenText(this.data.tokens[node.token]), BOX.font)
      );
      const width = Math.min(BOX.most, Math.max(BOX.least, ...widths) + 14);
      const column = { x, width };
      x += width + GAP;
      return column;
    });
    this.boxes = this.nodes.map((node) => this.box(node));
    const edges = this.nodes.filter((node) => node.parent !== null).map((node) => this.edge(node));
    const marks = this.columns.map(({ x, width }, step) =>
      svg("text.step-number", { x: x + width / 2, y: 12 }, step ? String(step) : "")
    );
    const group = {
      role: "group",
      "aria-label": "The search tree; arrow keys follow its branches",
    };
    this.tree = svg("svg", group, ...edges, ...this.boxes, ...marks);
    this.tree.addEventListener("keydown", (event) => this.move(event));
    return this.tree;
  }

  edge(node) {
    const parent = this.nodes[node.parent];
    const [from, to] = [this.columns[parent.step], this.columns[node.step]];
    const [x0, y0] = [from.x + from.width, TOP + ROW * (parent.row + 0.5)];
    const [x1, y1] = [to.x, TOP + ROW * (node.row + 0.5)];
    const properties = { d: curve(x0, y0, x1, y1), class: node.wins ? "wins" : null };
    node.edge = svg(`path.edge.${node.status}`, properties);
    return node.edge;
  }

  box(node) {
    const token = this.data.tokens[node.token];
    const label = tokenText(token);
    const { x, width } = this.columns[node.step];
    const y = TOP + ROW * (node.row + 0.5) - BOX.height / 2;
    const bar = Math.max(0, (width - 6) * node.share);
    return svg(
      `g.node.${node.status}`,
      {
        class: node.wins ? "wins" : null,
        transform: `translate(${x} ${y})`,
        role: "button",
        tabindex: node.index === 0 ? "0" : "-1",
        "data-node": node.index,
        "aria-label": `${label}, step ${node.step}, ${STATUSES[node.status]}`,
        choose: ({ type }) => {
          const isHeld = this.tree.contains(document.activeElement); // until the reader clicks elsewhere
          if (type !== "pointermove" || !isHeld) this.choose(node);
        },
        on: onSecondClick(() => this.chosen === node, () => this.force(node)),
      },
      svg("rect", { width, height: BOX.height, rx: 6 }),
      svg("rect.share", { y: BOX.height - 3, x: 3, width: bar, height: 2 }),
      svg("text", { x: width / 2, y: BOX.height / 2 + 4 }, fitting(label, width - 8)),
    );
  }

  move(event) {
    const node = this.chosen ?? this.nodes[0];
    const column = this.steps[node.step];
    const best = node.children.toSorted((one, other) => one.row - other.row);
    const to = {
      ArrowLeft: node.parent === null ? null : this.nodes[node.parent],
      ArrowRight: best.find((child) => child.wins) ?? best[0],
      ArrowUp: column[node.row - 1],
      ArrowDown: column[node.row + 1],
    }[event.key];
    if (event.key === "Enter") this.force(node);
    if (!event.key.startsWith("Arrow")) return;
    event.preventDefault();
    if (to && to.step <= this.step) this.boxes[to.index].focus();
  }

  /** Go to a step; its token is chosen in all sections. */
  go(step) {
    this.draw(inside(step, this.steps.length));
    if (this.step > 0) this.selection.choose("target", this.step - 1);
    this.mark(this.step > 0 ? this.winner() : this.nodes[0]);
    this.reveal(this.step < this.last ? this.step : this.chosen.step);
  }

  /** Mark the node of the chosen token; if it is still to come, go to its step. */
  follow() {
    const { target } = this.selection;
    if (target === this.target) return;
    this.target = target;
    this.draw(Math.max(this.step, Math.min(target + 1, this.last)));
    this.mark(this.winner());
    if (!this.drawing.matches(":hover, :focus-within")) this.reveal(this.chosen.step);
  }

  /** Return the last node of the translation up to the chosen token. */
  winner() {
    return this.nodes.findLast((node) => node.wins && node.step <= this.selection.target + 1);
  }

  /** Scroll to a step, and keep as much as possible of the path to it in view. */
  reveal(step) {
    const { x, width } = this.columns[step];
    this.drawing.scrollLeft = x + width + GAP - this.drawing.clientWidth;
  }

  /** Draw the search after a number of steps. */
  draw(step) {
    if (step === this.step) return;
    const name = `step ${step} of ${this.last}`;
    this.player.show(step, name, name);
    const ended = step === this.last;
    const { x, width } = this.columns[step];
    this.tree.setAttribute("width", x + width + 4);
    const rows = Math.max(...this.steps.slice(0, step + 1).map((nodes) => nodes.length));
    this.tree.setAttribute("height", TOP + ROW * rows);
    for (const node of this.nodes) {
      const later = node.step > step;
      const dead = !later && node.status === "kept" && node.lastStep < step && !node.wins;
      for (const part of [this.boxes[node.index], node.edge]) {
        part?.classList.toggle("later", later);
        part?.classList.toggle("dead", dead);
        part?.classList.toggle("won", ended && node.wins);
      }
    }
    this.drawHypotheses();
  }

  /** Choose a node; if it is of the translation, its token is chosen in all sections. */
  choose(node) {
    if (node.step > this.step) return;
    this.mark(node);
    if (node.wins && node.step > 0) this.selection.choose("target", node.step - 1);
  }

  mark(node) {
    if (node === this.chosen) return;
    this.chosen = node;
    const path = new Set(pathTo(this.nodes, node));
    this.nodes.forEach((each) => {
      const box = this.boxes[each.index];
      box.classList.toggle("on-path", path.has(each) || each.parent === null);
      box.classList.toggle("here", each === node);
      box.setAttribute("tabindex", each === node ? "0" : "-1");
      each.edge?.classList.toggle("on-path", path.has(each));
    });
    this.detail.replaceChildren(...this.describe(node));
  }

  describe(node) {
    if (node.parent === null) return ["The search begins with the start token."];
    const wins = node.wins && node.status === "finished";
    const status = wins ? "finished, and it wins" : STATUSES[node.status];
    return [
      named(this.text(node), "target"),
      el(
        "span.soft",
        ` · ${status} · p(`,
        named(tokenLabel(this.data.tokens[node.token]), "target"),
        `) = ${percent(node.share)} · log p = ${fixed(node.logProb, 3)}` +
          ` · score ${fixed(node.score, 3)} `,
      ),
      this.goOn(node) ?? "",
    ];
  }

  /** Return a button that forces the tokens up to a node; see controls.js. */
  goOn(node) {
    const tokens = pathTo(this.nodes, node).map((each) => each.token);
    return goOnButton(this.selection, this.data, tokens, "go on from here");
  }

  /** Let the model go on from a node that is not of its translation. */
  force(node) {
    if (!node.wins) this.goOn(node)?.click();
  }

  text(node) {
    return joined(pathTo(this.nodes, node).map((each) => each.token), this.data.tokens);
  }

  /** Show the hypotheses after the step, and the reason why the search continues or ends. */
  drawHypotheses() {
    const live = this.steps[this.step].filter(({ status }) => ["kept", "open"].includes(status));
    const finished = this.nodes
      .filter((node) => node.status === "finished" && node.step <= this.step)
      .sort((one, other) => other.score - one.score);
    const { size } = this.data.beam;
    const rows = [...finished.slice(0, size), ...live].map((node) => this.row(node));
    const more = finished.length - size;
    const names = ["", "hypothesis", "log p", "length penalty", "score"];
    const others = more > 0 ? `${more} more finished with a lower score. ` : "";
    this.hypotheses.replaceChildren(
      plainTable(names, rows, [0, 1], "hypotheses"),
      el("p.note", others, this.reason(finished)),
    );
  }

  row(node) {
    const wins = this.step === this.last && node.wins && node.status === "finished";
    const state = wins ? "wins" : node.status === "finished" ? "finished" : "unfinished";
    return el(
      "tr",
      { class: wins ? "chosen" : null },
      el("td.soft", state),
      el("td.hypothesis", this.text(node)),
      el("td.n", fixed(node.logProb, 3)),
      el("td.n.soft", fixed(node.penalty, 3)),
      el("td.n", fixed(node.score, 3)),
    );
  }

  reason(finished) {
    const { method, size, alpha, bounds, max_length: most, stopping } = this.data.beam;
    if (method === "sample") return "Sampling draws one token after the other: one hypothesis.";
    const [best] = finished;
    const rule = `Beam size ${size}; the score is log p ÷ ((5 + length) / 6)^${alpha}. `;
    if (this.step === 0) return rule;
    const bound = bounds[this.step - 1];
    if (!best) return `${rule}No hypothesis is finished yet.`;
    const [reached, score] = [bound, best.score].map((each) => fixed(each, 3));
    const could = `${rule}An unfinished hypothesis can reach ${reached} at most, at length ${most}`;
    if (this.step < this.last) return `${could}: more than ${score}, so the search continues.`;
    if (bound !== null && bound <= best.score) {
      return `${could}: no more than ${score}, so the search ends.`;
    }
    const ends = (reason) => `${rule}${reason}, so the search ends.`;
    if (size === 1 && this.step < most) return ends("A beam of 1 stops at its first output");
    if (stopping === "beam_finished" && finished.length >= size) {
      return ends(`${finished.length} hypotheses are finished, as many as the beam holds`);
    }
    if (this.step === most) return ends(`The greatest length, ${most}, is reached`);
    return ends("No unfinished hypothesis is left");
  }
}

/** Shorten a text to a width in pixels. */
function fitting(text, width) {
  const letters = [...text];
  let shown = text;
  while (letters.length > 1 && textWidth(shown, BOX.font) > width) {
    letters.pop();
    shown = `${letters.join("")}…`;
  }
  return shown;
}

function legend() {
  const item = (status, text) => el("span", el("i", { class: `swatch ${status}` }), text);
  return el(
    "p.beam-legend.note.wrap",
    item("kept", "kept"),
    item("dead", "kept, but pruned later"),
    item("pruned", "pruned"),
    item("finished", "finished"),
    item("wins", "the translation"),
    el("span", "the best is at the top; the bar is the probability of the token"),
  );
}
