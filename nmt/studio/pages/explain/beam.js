/** The sixth section: the beam search as a tree that grows step by step. */

import { el, signButton, svg } from "../dom.js";
import { fixed, percent } from "../numbers.js";
import { plainTable } from "../tables.js";
import { goOnButton } from "./controls.js";
import { joined, tokenLabel, tokenText } from "./tokens.js";
import { growTree, pathTo } from "./tree.js";

const COLUMN = 98;
const ROW = 30;
const BOX = { width: 74, height: 23 };
const STATUSES = {
  kept: "kept",
  pruned: "pruned",
  finished: "finished",
  open: "unfinished when the search ended",
};
const PLAY_MS = 900;

/** Draw the section. */
export function showBeam(view, data, selection) {
  new Beam(view, data, selection).go(Infinity);
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
  }

  makeControls() {
    this.back = signButton("One step back", "←", () => this.go(this.step - 1));
    this.on = signButton("One step forward", "→", () => this.go(this.step + 1));
    this.play = signButton("Play", "▶", () => this.toggle());
    this.at = el("output.soft");
    this.range = el("input", {
      type: "range",
      min: 0,
      max: this.last,
      "aria-label": "Step of the search",
      on: { input: () => this.go(Number(this.range.value)) },
    });
    this.controls = el(
      "div.controls",
      el("div.choice", this.back, this.play, this.on),
      el("label.choice", this.range, this.at),
    );
  }

  toggle() {
    const stop = () => {
      clearInterval(this.timer);
      this.timer = null;
      this.play.textContent = "▶";
      this.play.setAttribute("aria-label", "Play");
    };
    if (this.timer) return stop();
    if (this.step === this.last) this.go(0);
    this.play.textContent = "❚❚";
    this.play.setAttribute("aria-label", "Pause");
    this.timer = setInterval(() => {
      this.go(this.step + 1);
      if (this.step === this.last) stop();
    }, PLAY_MS);
  }

  makeTree() {
    const rows = Math.max(...this.steps.map((step) => step.length));
    const width = COLUMN * this.last + BOX.width + 8;
    const height = ROW * rows + 24;
    const picture = svg("svg", {
      width,
      height,
      role: "group",
      "aria-label": "The search tree; arrow keys follow its branches",
    });
    this.boxes = this.nodes.map((node) => this.box(node));
    const edges = this.nodes.filter((node) => node.parent !== null).map((node) => this.edge(node));
    const marks = this.steps.map((_, step) =>
      svg(
        "text",
        { x: COLUMN * step + BOX.width / 2 + 4, y: height - 6, class: "step-number" },
        step ? String(step) : "",
      )
    );
    picture.append(...edges, ...this.boxes, ...marks);
    picture.addEventListener("keydown", (event) => this.move(event));
    return picture;
  }

  edge(node) {
    const parent = this.nodes[node.parent];
    const [x0, y0] = [COLUMN * parent.step + BOX.width + 4, ROW * (parent.row + 0.5)];
    const [x1, y1] = [COLUMN * node.step + 4, ROW * (node.row + 0.5)];
    const middle = (x0 + x1) / 2;
    const d = `M${x0} ${y0}C${middle} ${y0} ${middle} ${y1} ${x1} ${y1}`;
    node.edge = svg(`path.edge.${node.status}`, { d, class: node.wins ? "wins" : null });
    return node.edge;
  }

  box(node) {
    const token = this.data.tokens[node.token];
    const label = tokenText(token);
    const share = node.parent === null ? 1 : this.share(node);
    const [x, y] = [COLUMN * node.step + 4, ROW * (node.row + 0.5) - BOX.height / 2];
    const width = Math.max(0, (BOX.width - 6) * share);
    return svg(
      `g.node.${node.status}`,
      {
        class: node.wins ? "wins" : null,
        transform: `translate(${x} ${y})`,
        role: "button",
        tabindex: node.index === 0 ? "0" : "-1",
        "data-node": node.index,
        "aria-label": `${label}, step ${node.step}, ${STATUSES[node.status]}`,
        choose: () => this.choose(node),
      },
      svg("rect", { width: BOX.width, height: BOX.height, rx: 6 }),
      svg("rect.share", { y: BOX.height - 3, x: 3, width, height: 2 }),
      svg("text", { x: BOX.width / 2, y: BOX.height / 2 + 4 }, fitting(label, BOX.width - 8)),
    );
  }

  /** Probability of a node's token after its parent. */
  share(node) {
    return Math.exp(node.logProb - this.nodes[node.parent].logProb);
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
    if (!event.key.startsWith("Arrow")) return;
    event.preventDefault();
    if (to && to.step <= this.step) this.boxes[to.index].focus();
  }

  /** Show the search after a number of steps. */
  go(step) {
    this.step = Math.max(0, Math.min(this.last, step));
    this.range.value = String(this.step);
    this.range.setAttribute("aria-valuetext", `step ${this.step} of ${this.last}`);
    this.at.textContent = `step ${this.step} of ${this.last}`;
    this.back.disabled = this.step === 0;
    this.on.disabled = this.step === this.last;
    const ended = this.step === this.last;
    for (const node of this.nodes) {
      const later = node.step > this.step;
      const dead = !later && node.status === "kept" && node.lastStep < this.step && !node.wins;
      for (const part of [this.boxes[node.index], node.edge]) {
        part?.classList.toggle("later", later);
        part?.classList.toggle("dead", dead);
        part?.classList.toggle("won", ended && node.wins);
      }
    }
    const column = this.boxes.find((_, index) => this.nodes[index].step === this.step);
    if (this.step < this.last) column?.scrollIntoView?.({ block: "nearest", inline: "nearest" });
    const won = this.nodes.findLast((node) => node.wins);
    this.choose(ended ? won : this.steps[this.step].find((node) => node.wins) ?? won);
    this.drawHypotheses();
  }

  choose(node) {
    if (node.step > this.step || node === this.chosen) return;
    this.chosen = node;
    const path = new Set(pathTo(this.nodes, node));
    this.nodes.forEach((each) => {
      const box = this.boxes[each.index];
      box.classList.toggle("on-path", path.has(each) || each.parent === null);
      box.setAttribute("tabindex", each === node ? "0" : "-1");
      each.edge?.classList.toggle("on-path", path.has(each));
    });
    this.detail.replaceChildren(...this.describe(node));
  }

  describe(node) {
    if (node.parent === null) return ["The search begins with the start token."];
    const status = node.wins && node.status === "finished"
      ? "finished, and it wins"
      : STATUSES[node.status];
    return [
      el("span.so-far.target", this.text(node)),
      el(
        "span.soft",
        ` · ${status} · p(`,
        tokenLabel(this.data.tokens[node.token]),
        `) = ${percent(this.share(node))} · log p = ${fixed(node.logProb, 3)}` +
          ` · score ${fixed(node.score, 3)}`,
      ),
      goOnButton(this.selection, this.data, pathTo(this.nodes, node).map((each) => each.token)),
    ].filter(Boolean);
  }

  text(node) {
    return joined(pathTo(this.nodes, node).map((each) => each.token), this.data.tokens);
  }

  /** Show the hypotheses after the step, and the reason why the search continues or ends. */
  drawHypotheses() {
    const live = (this.steps[this.step] ?? []).filter((node) =>
      ["kept", "open"].includes(node.status)
    );
    const finished = this.nodes
      .filter((node) => node.status === "finished" && node.step <= this.step)
      .sort((one, other) => other.score - one.score);
    const { size } = this.data.beam;
    const rows = [...finished.slice(0, size), ...live].map((node) => this.row(node));
    const more = finished.length - size;
    const names = ["", "hypothesis", "log p", "length penalty", "score"];
    this.hypotheses.replaceChildren(
      plainTable(names, rows, [0, 1], "hypotheses"),
      el(
        "p.note",
        more > 0 ? `${more} more finished with a lower score. ` : "",
        this.reason(finished),
      ),
    );
  }

  row(node) {
    const wins = this.step === this.last && node.wins && node.status === "finished";
    const live = node.status === "open" ? "unfinished" : "live";
    const state = wins ? "wins" : node.status === "finished" ? "finished" : live;
    return el(
      "tr",
      { class: wins ? "chosen" : null },
      el("td.soft", state),
      el("td.hypothesis", this.text(node)),
      el("td.n", fixed(node.logProb, 3)),
      el("td.n.soft", fixed(this.penalty(node.step), 3)),
      el("td.n", fixed(node.score, 3)),
    );
  }

  penalty(length) {
    return ((5 + length) / 6) ** this.data.beam.alpha;
  }

  reason(finished) {
    const { size, alpha, bounds, max_length: most, stopping } = this.data.beam;
    const [best] = finished;
    const rule = `Beam of ${size}, scores are log p over ((5 + length) / 6)^${alpha}. `;
    if (this.step === 0) return rule;
    const bound = bounds[this.step - 1];
    if (!best) return `${rule}No hypothesis is finished yet.`;
    const could = `The best live hypothesis could reach ${
      fixed(bound, 3)
    } at most, at length ${most}`;
    if (this.step < this.last) {
      return `${rule}${could}: more than ${fixed(best.score, 3)}, so the search continues.`;
    }
    if (bound !== null && bound <= best.score) {
      return `${rule}${could}: no more than ${fixed(best.score, 3)}, so the search ends.`;
    }
    const ends = (reason) => `${rule}${reason}, so the search ends.`;
    if (size === 1 && this.step < most) return ends("A beam of 1 stops at its first output");
    if (stopping === "beam_finished" && finished.length >= size) {
      return ends(`${finished.length} hypotheses are finished, as many as the beam holds`);
    }
    if (this.step === most) return ends(`The greatest length, ${most} tokens, is reached`);
    return ends("No live hypothesis is left");
  }
}

const ruler = el("canvas").getContext("2d");

/** Shorten a text to a width in pixels. */
function fitting(text, width) {
  ruler.font = `600 13px ${getComputedStyle(document.body).fontFamily}`;
  const letters = [...text];
  let shown = text;
  while (letters.length > 1 && ruler.measureText(shown).width > width) {
    letters.pop();
    shown = `${letters.join("")}…`;
  }
  return shown;
}

function legend() {
  const item = (status, text) => el("span", el("i", { class: `swatch ${status}` }), text);
  return el(
    "p.beam-legend.note",
    item("kept", "kept"),
    item("dead", "kept, but pruned later"),
    item("pruned", "pruned"),
    item("finished", "finished"),
    item("wins", "the translation"),
    el("span", "the best is at the top; the bar is the probability of the token"),
  );
}
