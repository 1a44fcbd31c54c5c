/** The section "In space": the whole model in blocks, with its tour, flow, panel and matrices. */

import { button, el, press, roving, signButton } from "../../dom.js";
import { speak } from "../../reading.js";
import { onScheme } from "../../scheme.js";
import { saveControl } from "../save.js";
import { buildBlocks } from "./blocks.js";
import { around, Camera, surroundings } from "./camera.js";
import { Matrix, movedCell } from "./cell.js";
import { Flat } from "./flat.js";
import { BlockMap, Flow, nameOf } from "./flow.js";
import { KEYS, listeners } from "./input.js";
import { arrange, cellBehind } from "./layout.js";
import { Overlay } from "./overlay.js";
import { describeCell, fillPanel, kindLegends } from "./panel.js";
import { chaptersOf } from "./tour.js";
import { Space } from "./webgl.js";

const FAINT = { later: 0.1, weight: 0.3 };
const PAINT_MS = { moving: 16, still: 120, flat: 400 }; // for blocks, before a frame is shown
const BEAM_STEPS = 6; // that are shown with the last one
const BEGIN =
  "Twelve chapters lead from the words to the translation. Or press ▶ below to play all steps.";
const scenes = new Map(); // by view

onScheme(() => scenes.forEach((scene) => scene.repaint()));

/** Draw the section into a view. A scene that is there already is replaced; what it shows is kept. */
export function showScene(view, data, selection) {
  const before = scenes.get(view);
  before?.dispose();
  scenes.set(view, new SceneView(view, data, selection, before));
}

class SceneView {
  constructor(view, data, selection, before) {
    Object.assign(this, { data, selection });
    this.blocks = buildBlocks(data, selection.live?.isOff);
    this.byId = new Map(this.blocks.map((block) => [block.id, block]));
    this.arrangement = arrange(this.blocks);
    this.fronts = new Map(); // slabs that a chapter brought to the front, by group and part
    this.chapters = chaptersOf(data, selection);
    this.makeElements(view);
    this.camera = new Camera(this.arrangement.bounds, () => this.size());
    this.makeDrawing(location.hash.includes("flat"));
    selection.watch(() => this.invalidate());
    this.observe();
    if (before) this.camera.view = before.camera.view;
    if (Number.isInteger(before?.chapter)) this.visit(before.chapter);
    else this.go(before?.flow.step ?? 0);
  }

  makeElements(view) {
    this.flow = new Flow(this.blocks, (step, plays) => this.go(step, plays));
    this.map = new BlockMap(this.blocks, (block) => this.go(this.flow.stepOf(block)));
    this.overlay = new Overlay(this.arrangement);
    this.stage = el("div.stage", {
      tabindex: "0",
      role: "application",
      "aria-label": "The model in blocks; press ? for the keys",
      on: listeners(this),
    });
    this.panel = el("aside.panel");
    this.help = el("p.note", { hidden: true }, KEYS);
    this.makeTour();
    this.element = el(
      "div.scene",
      this.tour,
      this.story,
      el("div.scene-body", el("div.stage-box", this.stage, this.map.element), this.panel),
      this.flow.element,
      el(
        "div.controls",
        el(
          "div.choice",
          signButton("Zoom in", "+", () => this.zoom(0.8)),
          signButton("Zoom out", "−", () => this.zoom(1.25)),
          button("", { on: { click: () => this.go(0) } }, "Overview"),
          signButton("Show the keys", "?", () => this.showKeys()),
        ),
        saveControl(this.data.model.name, () => this.picture(), () => nameOf(this.current())),
        ...kindLegends(),
      ),
      this.help,
    );
    view.replaceChildren(this.element);
  }

  makeTour() {
    this.buttons = this.chapters.map(({ title }, index) =>
      button(
        ".chapter",
        { "data-rove": "", on: { click: () => this.visit(index) } },
        el("span.soft", `${index + 1} `),
        title,
      )
    );
    this.back = signButton("Chapter before", "←", () => this.visit(this.chapter - 1));
    this.on = button(".next", { on: { click: () => this.goOn() } });
    const group = { role: "group", "aria-label": "Tour" };
    this.tour = el("div.tour.wrap", group, this.on, this.back, ...this.buttons);
    this.story = el("div.story", { "aria-live": "polite" });
  }

  showKeys() {
    this.help.hidden = !this.help.hidden;
  }

  makeDrawing(flat) {
    this.drawing?.dispose();
    const lost = () => this.makeDrawing(true);
    const space = flat ? null : Space.make(this.blocks, this.arrangement, lost);
    this.isFlat = !space;
    this.drawing = space ?? new Flat(this.blocks, this.arrangement);
    this.painted = new Set();
    this.stage.replaceChildren(this.drawing.element, this.overlay.element);
    this.invalidate();
  }

  /** Draw only while the stage is in the window. */
  observe() {
    const seen = new IntersectionObserver((entries) => {
      this.isSeen = entries.at(-1).isIntersecting;
      if (this.isSeen) this.invalidate();
      else this.flow.stop();
    }, { rootMargin: "200px" });
    const sized = new ResizeObserver(() => this.fly(false));
    this.observers = [seen, sized];
    for (const observer of this.observers) observer.observe(this.stage);
  }

  dispose() {
    this.isSeen = false;
    this.flow.stop();
    for (const observer of this.observers) observer.disconnect();
    this.drawing.dispose();
  }

  repaint() {
    this.drawing.repaint();
    this.painted.clear();
    this.invalidate();
  }

  // What is shown

  /** Return the block of the step; null in the overview. */
  current() {
    return this.flow.steps[this.flow.step];
  }

  /** Return the slab of a block that stands in front: the chosen head. */
  slabOf(block) {
    if (block.shape[0] === 1 || block.part === "feed_forward") return 0;
    const own = this.fronts.get(`${block.group}.${block.part}`);
    const head = own ?? this.selection[block.group.split(".")[0]].head;
    return Number.isInteger(head) ? Math.min(head, block.shape[0] - 1) : 0;
  }

  /** Show a step of the flow; 0 is the overview. */
  go(step, plays = false) {
    if (!plays) this.flow.stop();
    this.flow.show(step);
    this.chapter = null;
    const block = this.current();
    this.tell(block ? [el("h3", nameOf(block)), el("p", block.text)] : [el("p", BEGIN)], null);
  }

  /** Show a chapter of the tour. */
  visit(index) {
    this.flow.stop();
    const chapter = chaptersOf(this.data, this.selection)[index];
    const block = this.byId.get(chapter.id);
    this.flow.show(this.flow.stepOf(block));
    this.chapter = index;
    const title = `${index + 1}. ${chapter.title}`;
    this.tell([el("h3", title), el("p", { dir: "auto" }, chapter.text)], chapter);
  }

  /** Begin the tour, show its next chapter, or end it. */
  goOn() {
    const next = this.chapter === null ? 0 : this.chapter + 1;
    if (next < this.chapters.length) this.visit(next);
    else this.go(0);
  }

  /** Tell a story, that of a chapter if there is one, and show the block. */
  tell(content, chapter) {
    const block = this.current();
    this.fronts.clear();
    this.links = chapter?.links ?? [];
    this.frame = chapter?.frame ?? null;
    if (chapter?.slab !== undefined) this.fronts.set(`${block.group}.${block.part}`, chapter.slab);
    press(this.buttons, (_, index) => index === this.chapter);
    roving(this.tour);
    this.back.disabled = !this.chapter;
    const isLast = this.chapter === this.chapters.length - 1;
    this.on.textContent = !chapter ? "Start the tour" : isLast ? "End of the tour" : "Next";
    this.story.replaceChildren(...content);
    this.map.show(block);
    this.cell = chapter?.cell ? { block, ...chapter.cell } : null;
    this.shown = null;
    this.fill();
    this.fly(true);
  }

  /** Read a cell: mark what made it, write the sum, and choose its token for the whole page. */
  read(cell, spoken = false) {
    const keys = ["block", "slab", "row", "column"];
    if (keys.every((key) => cell?.[key] === this.cell?.[key])) return;
    this.cell = cell;
    this.fill();
    const side = cell?.block.side;
    if (side && this.selection[side] !== cell.row) this.selection.choose(side, cell.row);
    if (cell && spoken) {
      const { lines } = cell.block.made(cell.slab, cell.row, cell.column);
      speak(`${describeCell(cell.block, cell)}. ${lines.join(". ")}`);
    }
    this.invalidate();
  }

  fill() {
    const block = this.cell?.block ?? this.current();
    fillPanel(this.panel, block, this.cell, this.data, block === this.shown);
    this.shown = block;
  }

  firstCell() {
    const block = this.current();
    return { block, slab: block.front, row: 0, column: 0 };
  }

  /** Move the cell that is read; the first move reads the first cell of the block. */
  moveCell(down, right) {
    const block = this.current();
    if (!block) return;
    const isRead = this.cell?.block === block;
    this.read(isRead ? movedCell(block, this.cell, down, right) : this.firstCell(), true);
  }

  /** Open the matrix of a cell, and choose its head for the whole page. */
  open({ block, ...cell }) {
    const [stack, layer] = block.group.split(".");
    if (block.shape[0] > 1 && block.part !== "feed_forward") {
      this.selection.set({ [stack]: { kind: block.part, layer: Number(layer), head: cell.slab } });
    }
    new Matrix(block, cell, (other) => this.read({ block, ...other })).open(this.element);
  }

  // The camera

  size() {
    const { clientWidth, clientHeight } = this.stage;
    return { width: clientWidth || 800, height: clientHeight || 520 };
  }

  /** Fly to the current block, or to the overview. */
  fly(smoothly) {
    const block = this.current();
    const box = block ? this.boxOf(block) : this.arrangement.bounds;
    const target = this.camera.towards(box, block ? "near" : "overview");
    this.camera.fly(target, smoothly && this.isSeen);
    this.invalidate();
  }

  boxOf(block) {
    const placesOf = (blocks) => blocks.map(({ place }) => place);
    if (this.frame) {
      const { top, ...box } = around(placesOf(this.frame.map((id) => this.byId.get(id))));
      return { ...box, top: Math.min(top, this.arrangement.bounds.top) }; // not a whole vocabulary
    }
    if (block.kind === "beam") {
      const steps = this.blocks.filter(({ kind }) => kind === "beam");
      const at = steps.indexOf(block) + 1;
      const first = Math.max(0, at - BEAM_STEPS);
      return around(placesOf(steps.slice(first, Math.max(at, BEAM_STEPS))));
    }
    const inputs = block.inputs.map((id) => this.byId.get(id));
    const step = Math.min(this.selection.target, block.shape[2] - 1);
    return surroundings(block, inputs, block.chosen?.(step) ?? 0);
  }

  zoom(factor) {
    this.camera.zoom(factor);
    this.invalidate();
  }

  // Pictures

  invalidate() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      if (this.isSeen && this.stage.clientWidth) this.draw();
    });
  }

  /** Return the stage, drawn at once: WebGL forgets its picture. */
  picture() {
    this.draw();
    return this.stage;
  }

  /** Return the cell at a point of the picture; null if there is none. */
  cellAt(point) {
    return cellBehind(this.drawing, this.blocks, point);
  }

  draw() {
    const moves = this.camera.advance();
    for (const block of this.blocks) block.front = this.slabOf(block);
    const isUnpainted = this.paintSome(PAINT_MS[this.isFlat ? "flat" : moves ? "moving" : "still"]);
    const { width, height } = this.size();
    this.drawing.render(this.camera.view, width, height, (each) => this.opacityOf(each));
    this.overlay.draw(this, width, height);
    if (moves || isUnpainted) this.invalidate();
  }

  /** Paint blocks, first the current one and its inputs; return whether some are left. */
  paintSome(milliseconds) {
    const until = performance.now() + milliseconds;
    const current = this.current();
    const first = current ? [current, ...current.inputs.map((id) => this.byId.get(id))] : [];
    for (const block of [...first, ...this.blocks]) {
      if (this.painted.has(block)) continue;
      if (performance.now() > until) return true;
      this.drawing.paint(block);
      this.painted.add(block);
    }
    return false;
  }

  opacityOf(block) {
    const current = this.current();
    if (!current || block === current || current.inputs.includes(block.id)) return 1;
    if (block.kind === "weight") return FAINT.weight;
    return this.flow.stepOf(block) <= this.flow.step ? 1 : FAINT.later;
  }
}
