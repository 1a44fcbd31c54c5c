/** The section "In space": the whole model in blocks, with its tour, flow, panel and matrices. */

import { button, el, press, roving, signButton, svg } from "../../dom.js";
import { legend } from "../strips.js";
import { onScheme } from "../../scheme.js";
import { hideTip, showTip, speak } from "../../reading.js";
import { buildBlocks } from "./blocks.js";
import { openMatrix } from "./cell.js";
import { painterOf } from "./colours.js";
import { Flat } from "./flat.js";
import { BlockMap, chapterButtons, Flow, nameOf } from "./flow.js";
import { around, arrange } from "./layout.js";
import { Overlay } from "./overlay.js";
import { describeCell, fillPanel } from "./panel.js";
import { chaptersOf } from "./tour.js";
import { Space } from "./webgl.js";

const FLY_MS = 900;
const ANGLES = { overview: [-0.3, 0.16], near: [-0.22, 0.14] }; // yaw and pitch
const FAINT = { later: 0.1, weight: 0.3 };
const KINDS = [["weight", "weights"], ["activation", "activations"], ["attention", "attention"]];
const KEYS =
  "Space plays and pauses. ← and → go one block back and forward, Page up and Page down one " +
  "chapter; 1 to 9 choose a chapter. + and − zoom, drag turns, Shift and drag moves, the wheel zooms " +
  "after a click. Shift and arrows move from cell to cell, Enter opens the matrix, Escape shows the " +
  "overview.";
const still = matchMedia("(prefers-reduced-motion: reduce)");
const scenes = new WeakMap(); // by view

/** Draw the section into a view. A scene that is there already is replaced; it keeps its step. */
export function showScene(view, data, selection) {
  const before = scenes.get(view);
  before?.dispose();
  scenes.set(view, new SceneView(view, data, selection, before));
}

class SceneView {
  constructor(view, data, selection, before) {
    Object.assign(this, { data, selection });
    this.blocks = buildBlocks(data);
    this.byId = new Map(this.blocks.map((block) => [block.id, block]));
    this.arrangement = arrange(this.blocks);
    this.frontOf = (block) => this.slabOf(block);
    this.fronts = new Map(); // slabs that a chapter or a cell brought to the front, by block's part
    this.cell = null;
    this.chapters = chaptersOf(data, selection);
    this.chapter = null;
    this.drag = null;
    this.makeElements(view);
    this.makeDrawing();
    this.view = this.aim(null);
    this.undo = [selection.watch(() => this.follow())];
    this.observe();
    this.go(Math.min(before?.flow.step ?? 0, this.flow.steps.length - 1), false);
  }

  makeElements(view) {
    this.flow = new Flow(this.blocks, (step, plays) => this.go(step, plays));
    this.map = new BlockMap(this.blocks, (block) => this.go(this.flow.stepOf(block)));
    this.overlay = new Overlay(this.arrangement, this.frontOf);
    this.stage = el("div.stage", {
      tabindex: "0",
      role: "application",
      "aria-label": "The model in blocks; press ? for the keys",
      on: {
        keydown: (event) => this.key(event),
        pointerdown: (event) => this.press(event),
        pointermove: (event) => this.move(event),
        pointerup: (event) => this.release(event),
        pointercancel: () => this.drag = null,
        pointerleave: () => this.leave(),
        wheel: (event) => this.wheel(event),
      },
    });
    this.panel = el("div.panel-body");
    this.buttons = chapterButtons(this.chapters, (index) => this.visit(index));
    this.tour = el("div.tour", { role: "group", "aria-label": "Chapters of the tour" });
    this.tour.append(...this.buttons);
    this.story = el("div.story", { "aria-live": "polite" });
    this.help = el("p.note.keys", { hidden: true }, KEYS);
    const tools = el(
      "div.controls",
      el("div.choice", ...this.zoomButtons()),
      button(".save", { on: { click: () => this.save() } }, "Save picture"),
      ...KINDS.map(([kind, name]) => kindLegend(kind, name)),
    );
    this.element = el(
      "div.scene",
      this.tour,
      this.story,
      el("div.scene-body", this.stage, el("aside.panel", this.map.element, this.panel)),
      this.flow.element,
      tools,
      this.help,
    );
    view.replaceChildren(this.element);
  }

  zoomButtons() {
    const help = button("", {
      "aria-label": "Keys",
      "aria-expanded": "false",
      on: {
        click: () => {
          this.help.hidden = !this.help.hidden;
          help.setAttribute("aria-expanded", String(!this.help.hidden));
        },
      },
    }, "?");
    this.helpButton = help;
    return [
      signButton("Zoom in", "+", () => this.zoom(0.8)),
      signButton("Zoom out", "−", () => this.zoom(1.25)),
      button("", { on: { click: () => this.go(0) } }, "Overview"),
      help,
    ];
  }

  makeDrawing(flat = location.hash.includes("flat")) {
    this.drawing?.dispose();
    const lost = () => this.makeDrawing(true);
    const make = () => new Flat(this.blocks, this.arrangement, this.frontOf);
    const space = flat ? null : Space.make(this.blocks, this.arrangement, this.frontOf, lost);
    this.drawing = space ?? make();
    this.stage.classList.toggle("is-flat", !space);
    this.stage.replaceChildren(this.drawing.element, this.overlay.element);
    this.invalidate();
  }

  /** Draw only while the section is in the window and has a size. */
  observe() {
    this.isSeen = false;
    const seen = new IntersectionObserver(([entry]) => {
      this.isSeen = entry.isIntersecting;
      if (this.isSeen) this.invalidate();
      else this.flow.stop();
    }, { rootMargin: "200px" });
    seen.observe(this.stage);
    const sized = new ResizeObserver(() => {
      this.view = this.target = this.aim(this.current(), this.frame);
      this.invalidate();
    });
    sized.observe(this.stage);
    this.undo.push(() => seen.disconnect(), () => sized.disconnect());
    onScheme(() => {
      this.drawing.repaint();
      this.invalidate();
    });
  }

  dispose() {
    this.isSeen = false;
    this.flow.stop();
    for (const act of this.undo) act?.();
    this.drawing.dispose();
  }

  // What is shown

  current() {
    return this.flow.steps[this.flow.step];
  }

  /** Return the slab of a block that stands in front: the chosen head. */
  slabOf(block) {
    if (block.shape[0] === 1) return 0;
    const own = this.fronts.get(`${block.group}.${block.part}`);
    if (own !== undefined) return own;
    if (block.part === "feed_forward") return 0;
    const chosen = block.group.startsWith("encoder")
      ? this.selection.encoder
      : this.selection.decoder;
    return Number.isInteger(chosen.head) ? Math.min(chosen.head, block.shape[0] - 1) : 0;
  }

  /** Show a step of the flow; 0 is the overview. */
  go(step, plays = false) {
    if (!plays) this.flow.stop();
    const most = this.flow.steps.length - 1;
    this.flow.show(Math.max(0, Math.min(step, most)));
    this.leaveChapter();
    this.show(null);
  }

  leaveChapter() {
    this.chapter = null;
    this.lights = [];
    this.fronts.clear();
    press(this.buttons, () => false);
    roving(this.tour);
    this.story.replaceChildren(
      el(
        "p",
        "Twelve chapters lead from the words to the translation: ",
        button("", { on: { click: () => this.visit(0) } }, "Start the tour"),
        " Or play all steps below, or point at any cell to see what made it.",
      ),
    );
  }

  /** Show a chapter of the tour. */
  visit(index) {
    this.flow.stop();
    this.chapters = chaptersOf(this.data, this.selection);
    const chapter = this.chapters[index];
    this.flow.show(this.flow.stepOf(this.byId.get(chapter.id)));
    this.leaveChapter();
    this.chapter = index;
    this.lights = chapter.lights ?? [];
    const block = this.current();
    if (chapter.slab !== undefined) this.fronts.set(`${block.group}.${block.part}`, chapter.slab);
    press(this.buttons, (_, at) => at === index);
    roving(this.tour);
    const last = index === this.chapters.length - 1;
    this.story.replaceChildren(
      el("h3", `${index + 1}. ${chapter.title}`),
      el("p", { dir: "auto" }, chapter.text),
      el(
        "p",
        index ? button("", { on: { click: () => this.visit(index - 1) } }, "Back") : null,
        " ",
        button(
          "",
          { on: { click: () => last ? this.go(0) : this.visit(index + 1) } },
          last ? "End of the tour" : "Next",
        ),
      ),
    );
    const cell = this.lights.find(({ id, column }) => id === block.id && column !== undefined);
    this.show(cell ? { block, slab: cell.slab, row: cell.row, column: cell.column } : null);
  }

  /** Show the current block, with a cell or none, and fly to it. */
  show(cell) {
    const block = this.current();
    this.cell = cell;
    this.map.show(block);
    fillPanel(this.panel, block ?? this.blocks[0], cell, this.data.code);
    if (!block) this.panel.replaceChildren(...overviewText(this.data));
    this.fly(this.aim(block));
  }

  /** Read a cell: mark what made it, and write the sum. */
  read(cell, spoken = false) {
    const same = cell && this.cell &&
      ["block", "slab", "row", "column"].every((key) => cell[key] === this.cell[key]);
    if (same) return;
    this.cell = cell;
    const block = cell?.block ?? this.current();
    if (block) fillPanel(this.panel, block, cell, this.data.code);
    else this.panel.replaceChildren(...overviewText(this.data));
    if (cell && spoken) {
      const { lines } = cell.block.made(cell.slab, cell.row, cell.column);
      speak(`${describeCell(cell.block, cell)}. ${lines.join(". ")}`);
    }
    this.invalidate();
  }

  /** Follow the selection of the page. */
  follow() {
    this.fronts.clear();
    this.invalidate();
  }

  /** Choose the token and the head of a cell for the whole page. */
  choose({ block, slab, row }) {
    if (block.shape[0] > 1 && block.part !== "feed_forward") {
      const [stack, layer] = block.group.split(".");
      const chosen = { layer: Number(layer), head: slab };
      if (stack === "decoder") chosen.kind = block.part;
      this.selection.set({ [stack]: chosen });
    }
    if (block.side) this.selection.choose(block.side, row);
  }

  // The camera

  /** Return the view that shows a block and what it is computed from; null: everything. */
  aim(block) {
    const { width, height } = this.size();
    let box = this.arrangement.bounds;
    if (block) box = this.surroundings(block);
    const [yaw, pitch] = block ? ANGLES.near : ANGLES.overview;
    const room = block ? 1.3 : 1.12;
    const tall = Math.max(box.top - box.bottom, (box.right - box.left) * height / width);
    return {
      x: (box.left + box.right) / 2,
      y: (box.bottom + box.top) / 2,
      height: Math.max(70, tall * room),
      yaw,
      pitch,
    };
  }

  /** Return a box around a block and those of its inputs that are near. */
  surroundings(block) {
    const { places } = this.arrangement;
    const place = places.get(block.id);
    const first = { ...place };
    if (place.height > 400) {
      const middle = Math.min(place.height, this.arrangement.bounds.top) / 2;
      Object.assign(first, { y: middle - 200, height: 400 });
    }
    let box = around([first]);
    const weight = this.blocks.find(({ above }) => above === block.id);
    for (const id of [...block.inputs, weight?.id].filter(Boolean)) {
      const near = places.get(id);
      const both = around([first, near, {
        x: box.left,
        y: box.bottom,
        width: box.right - box.left,
        height: box.top - box.bottom,
      }]);
      if (both.right - both.left < 460 && both.top - both.bottom < 260) box = both;
    }
    if (block.kind === "beam") box.left = Math.min(box.left, box.right - 420);
    return box;
  }

  size() {
    const { clientWidth, clientHeight } = this.stage;
    return { width: clientWidth || 800, height: clientHeight || 520 };
  }

  /** Move to a view; without motion if the reader does not want it. */
  fly(target) {
    this.target = target;
    this.from = { ...this.view };
    this.started = still.matches || !this.isSeen ? -Infinity : performance.now();
    this.invalidate();
  }

  /** Return whether the camera still moves. */
  advance() {
    if (!this.target) return false;
    const share = Math.min(1, (performance.now() - this.started) / FLY_MS);
    const eased = share < 0.5 ? 4 * share ** 3 : 1 - (2 - 2 * share) ** 3 / 2;
    for (const key of Object.keys(this.target)) {
      const [from, to] = [this.from[key], this.target[key]];
      this.view[key] = key === "height" ? from * (to / from) ** eased : from + (to - from) * eased;
    }
    if (share === 1) this.target = null;
    return share < 1;
  }

  zoom(factor) {
    this.fly({ ...(this.target ?? this.view), height: this.view.height * factor });
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

  draw() {
    const moves = this.advance();
    const block = this.current();
    const wanted = block ? [block.id, ...block.inputs] : this.blocks.map(({ id }) => id);
    const unpainted = this.drawing.paintSome(wanted);
    const { width, height } = this.size();
    this.drawing.render(this.view, width, height, (each) => this.opacityOf(each));
    this.drawOverlay(width, height);
    if (moves || unpainted) this.invalidate();
  }

  opacityOf(block) {
    const { step } = this.flow;
    if (step === 0) return 1;
    const current = this.current();
    if (block === current || current.inputs.includes(block.id)) return 1;
    if (block.kind === "weight") return FAINT.weight;
    return this.flow.stepOf(block) <= step ? 1 : FAINT.later;
  }

  drawOverlay(width, height) {
    const { overlay, blocks } = this;
    const current = this.current();
    overlay.begin(this.drawing, width, height);
    for (const wire of this.arrangement.wires) overlay.wire(wire);
    this.markSelection();
    for (const light of this.litParts()) overlay.frame("light", this.byId.get(light.id), light);
    if (current) overlay.frame("current", current, { slab: this.slabOf(current) });
    if (this.cell) this.markCell();
    const visible = blocks.filter((block) => this.opacityOf(block) > 0.2);
    for (const block of visible.filter(({ showsText }) => showsText)) overlay.cellTexts(block);
    if (this.cell) {
      overlay.names(this.cell.block);
      overlay.label(this.cell.block, "label.current", true);
    }
    if (current) {
      overlay.names(current);
      overlay.label(current, "label.current", true);
    }
    this.titles();
    for (const block of visible) overlay.label(block, "label", false);
    overlay.end();
  }

  /** Mark the chosen token of each side in all blocks. */
  markSelection() {
    const { selection } = this;
    for (const block of this.blocks) {
      if (!block.side || this.opacityOf(block) < 0.2) continue;
      const row = selection[block.side];
      if (row === null || row === undefined || row >= block.shape[1]) continue;
      this.overlay.frame(`mark.${block.side}`, block, { slab: this.slabOf(block), row });
    }
    for (const block of this.blocks.filter(({ looked }) => looked)) {
      for (const row of block.looked) this.overlay.frame(`mark.${block.group}`, block, { row });
    }
  }

  litParts() {
    const { cell } = this;
    if (!cell) return this.lights;
    const { lights } = cell.block.made(cell.slab, cell.row, cell.column);
    return [...lights, ...this.lights];
  }

  markCell() {
    const { block, slab, row, column } = this.cell;
    const { lights } = block.made(slab, row, column);
    for (const light of lights) {
      this.overlay.link("link", [this.byId.get(light.id), light], [block, { slab, row, column }]);
    }
    this.overlay.frame("cell", block, { slab, row, column });
  }

  /** Write the names of the great parts. */
  titles() {
    const { overlay, arrangement } = this;
    for (const plate of arrangement.plates) {
      const [stack, layer] = plate.group.split(".");
      const name = { source: "Source", target: "Translation" }[stack] ??
        `${stack === "encoder" ? "Encoder" : "Decoder"} layer ${Number(layer) + 1}`;
      const point = this.drawing.project(plate.left + 8, plate.top - 8, -90);
      overlay.write(`title.${plate.side}`, name, [point[0], point[1] + 14], { size: 14 });
    }
    for (
      const [id, name] of [["source.embedding", "Embedding matrix"], [
        "softmax.softmax.probabilities",
        "Softmax",
      ], ["beam.beam.0", "Beam search"]]
    ) {
      const block = this.byId.get(id);
      if (!block) continue;
      const [point] = overlay.corners(block);
      overlay.write("title", name, [point[0], Math.max(point[1] - 6, 18)], { size: 14 });
    }
    if (this.flow.step === 0) {
      const corners = overlay.corners(this.byId.get("source.embedding.tokens"));
      const point = [corners[3][0], corners[3][1] + 18];
      overlay.write("title.start", "▲ start here", point, { size: 14, force: true });
    }
  }

  // Pointer and keys

  at(event) {
    const box = this.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  press(event) {
    if (event.button > 1) return;
    this.stage.setPointerCapture(event.pointerId);
    const pans = event.shiftKey || event.button === 1 || this.drawing instanceof Flat;
    this.drag = { pans, x: event.clientX, y: event.clientY, moved: 0 };
  }

  move(event) {
    const { drag } = this;
    if (!drag) {
      const cell = this.drawing.pick(...this.at(event));
      this.read(cell);
      if (cell) {
        showTip(
          `${nameOf(cell.block)} · ${describeCell(cell.block, cell)}`,
          event.clientX,
          event.clientY,
        );
      } else hideTip();
      return;
    }
    const [right, down] = [event.clientX - drag.x, event.clientY - drag.y];
    Object.assign(drag, { x: event.clientX, y: event.clientY });
    drag.moved += Math.abs(right) + Math.abs(down);
    this.target = null;
    if (drag.pans) {
      const unit = this.view.height / this.size().height;
      this.view.x -= right * unit;
      this.view.y += down * unit;
    } else {
      this.view.yaw = Math.max(-1.3, Math.min(1.3, this.view.yaw - right / 250));
      this.view.pitch = Math.max(-0.6, Math.min(1.2, this.view.pitch + down / 250));
    }
    this.invalidate();
  }

  release(event) {
    const wasClick = this.drag && this.drag.moved < 5;
    this.drag = null;
    if (!wasClick) return;
    const cell = this.drawing.pick(...this.at(event));
    if (!cell) return;
    this.choose(cell);
    this.open(cell);
  }

  leave() {
    hideTip();
    if (!this.drag && document.activeElement !== this.stage) this.read(null);
  }

  open(cell) {
    hideTip();
    openMatrix(
      this.element,
      cell.block,
      cell,
      (other) => this.read({ block: cell.block, ...other }),
    );
  }

  wheel(event) {
    if (!event.ctrlKey && document.activeElement !== this.stage) return;
    event.preventDefault();
    this.target = null;
    this.view.height = Math.max(20, Math.min(2e4, this.view.height * Math.exp(event.deltaY / 700)));
    this.invalidate();
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const act = this.keys(event)[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  keys({ shiftKey, key }) {
    const chapter = this.chapter ?? -1;
    const visit = (index) => () =>
      this.visit(Math.max(0, Math.min(this.chapters.length - 1, index)));
    const steps = {
      ArrowLeft: () => this.go(this.flow.step - 1),
      ArrowRight: () => this.go(this.flow.step + 1),
      ArrowUp: () => this.zoom(0.8),
      ArrowDown: () => this.zoom(1.25),
    };
    const cells = {
      ArrowLeft: () => this.moveCell(0, -1),
      ArrowRight: () => this.moveCell(0, 1),
      ArrowUp: () => this.moveCell(-1, 0),
      ArrowDown: () => this.moveCell(1, 0),
    };
    return {
      ...(shiftKey ? cells : steps),
      " ": () => this.flow.toggle(),
      "+": () => this.zoom(0.8),
      "-": () => this.zoom(1.25),
      "?": () => this.helpButton.click(),
      Enter: () => this.current() && this.open(this.cell ?? this.firstCell()),
      Escape: () => this.go(0),
      PageDown: visit(chapter + 1),
      PageUp: visit(chapter - 1),
      ...(/^[1-9]$/.test(key) ? { [key]: visit(Number(key) - 1) } : {}),
    };
  }

  firstCell() {
    const block = this.current();
    return { block, slab: this.slabOf(block), row: 0, column: 0 };
  }

  moveCell(down, right) {
    const block = this.current();
    if (!block) return;
    const from = this.cell?.block === block ? this.cell : null;
    const inside = (place, count) => Math.max(0, Math.min(count - 1, place));
    const [, rows, columns] = block.shape;
    this.read(
      from
        ? {
          ...from,
          row: inside(from.row + down, rows),
          column: inside(from.column + right, columns),
        }
        : this.firstCell(),
      true,
    );
  }

  // Saving

  /** Save the picture: PNG of the scene, SVG of the flat drawing. */
  async save() {
    const { blob, kind } = await this.picture();
    const link = el("a", { href: URL.createObjectURL(blob), download: `model.${kind}` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  /** Return the picture as a file. */
  async picture() {
    const { width, height } = this.size();
    const above = withStyles(this.overlay.element, width, height);
    if (this.drawing instanceof Flat) {
      const whole = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
      whole.append(
        ...withStyles(this.drawing.element, width, height).childNodes,
        ...above.childNodes,
      );
      return { blob: new Blob([xml(whole)], { type: "image/svg+xml" }), kind: "svg" };
    }
    const canvas = document.createElement("canvas");
    const scene = this.drawing.picture();
    Object.assign(canvas, { width: scene.width, height: scene.height });
    const context = canvas.getContext("2d");
    context.fillStyle = getComputedStyle(this.stage).backgroundColor;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(scene, 0, 0);
    const image = new Image();
    image.src = `data:image/svg+xml,${encodeURIComponent(xml(above))}`;
    await image.decode();
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
    return { blob, kind: "png" };
  }
}

function xml(element) {
  return new XMLSerializer().serializeToString(element);
}

/** Return a copy of a drawing that carries its own styles, for a file. */
function withStyles(element, width, height) {
  const copy = element.cloneNode(true);
  for (const [name, value] of Object.entries({ width, height })) {
    copy.setAttribute(name, String(value));
  }
  const [from, to] = [element, copy].map((each) => [...each.querySelectorAll("*")]);
  from.forEach((each, index) => {
    const style = getComputedStyle(each);
    for (
      const name of [
        "fill",
        "fill-opacity",
        "stroke",
        "stroke-width",
        "stroke-opacity",
        "text-anchor",
      ]
    ) {
      to[index].setAttribute(name, style.getPropertyValue(name));
    }
    if (each.tagName === "text") {
      to[index].setAttribute("font-family", style.fontFamily);
      to[index].setAttribute("font-weight", style.fontWeight);
    }
  });
  return copy;
}

function kindLegend(kind, name) {
  const block = { kind, role: kind === "attention" ? "weights" : "", value: () => 0 };
  return legend(name, kind === "attention" ? "0 to 1" : "− to +", () => {
    const paint = painterOf(block, 1);
    return (share) => paint(kind === "attention" ? share : 2 * share - 1);
  });
}

function overviewText({ model }) {
  return [
    el("h3", "The whole model"),
    el(
      "p.shapes",
      `${model.encoder_layers} encoder layers, ${model.decoder_layers} decoder layers`,
    ),
    el(
      "p",
      "Each block is a table of numbers; its edges are its true size, and a square is one number. The " +
        "left tower, the encoder, reads the source from below upwards. The right tower, the decoder, " +
        "writes the translation. Each tower repeats the same layer.",
    ),
    el(
      "p",
      "Blocks one behind the other are heads. A matrix of weights stands above what it makes. Point " +
        "at a cell to see what made it.",
    ),
  ];
}
