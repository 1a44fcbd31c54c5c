/** Draw the blocks as flat pictures in SVG, for browsers without WebGL. */

import { svg } from "../../dom.js";
import { bitmap, paintWaiting } from "./colours.js";
import { cellAt, depthOf } from "./layout.js";

const ASIDE = [0.5, 0.45]; // how far right and up a unit of depth is drawn
const PAINT_MS = 400; // each time, the browser draws the whole picture again

/** A drawing in two dimensions, with the methods of `Space`; it shows no yaw and no pitch. */
export class Flat {
  constructor(blocks, { places, plates }, frontOf) {
    Object.assign(this, { blocks, places, frontOf });
    this.world = svg("g");
    this.element = svg("svg.flat", { "aria-hidden": "true" }, this.world);
    this.world.append(...plates.map((plate) =>
      svg("rect", {
        class: `plate ${plate.side}`,
        x: plate.left,
        y: -plate.top,
        width: plate.right - plate.left,
        height: plate.top - plate.bottom,
        fill: `var(--${plate.side})`,
        "fill-opacity": 0.05,
      })
    ));
    this.groups = new Map(blocks.map((block) => [block.id, this.addBlock(block)]));
  }

  addBlock(block) {
    const slabs = Array.from({ length: block.shape[0] }, () => svg("g"));
    const group = svg("g", ...slabs);
    this.world.append(group);
    const each = {
      block,
      group,
      slabs,
      isPainted: false,
      opacity: 1,
      paint: () => this.paint(each),
    };
    return each;
  }

  /** Put the slabs of a block in order: the one that is furthest behind is drawn first. */
  stand(each) {
    const front = this.frontOf(each.block);
    if (each.front === front) return;
    each.front = front;
    const place = this.places.get(each.block.id);
    const depth = (slab) => depthOf(each.block, slab, front);
    const order = [...each.slabs.keys()].sort((one, other) => depth(other) - depth(one));
    for (const slab of order) {
      const [right, up] = ASIDE.map((share) => share * depth(slab));
      const move = `translate(${place.x + right} ${-place.y - place.height - up})`;
      each.slabs[slab].setAttribute("transform", move);
      each.group.append(each.slabs[slab]);
    }
  }

  repaint() {
    for (const each of this.groups.values()) each.isPainted = false;
  }

  paintSome(first) {
    return paintWaiting([...this.groups.values()], first, PAINT_MS);
  }

  paint(each) {
    const { width, height } = this.places.get(each.block.id);
    const canvas = bitmap(each.block);
    const [count, rows] = [each.slabs.length, canvas.height / each.slabs.length];
    const part = document.createElement("canvas");
    Object.assign(part, { width: canvas.width, height: rows });
    const context = part.getContext("2d");
    each.slabs.forEach((slab, index) => {
      context.drawImage(canvas, 0, -index * rows);
      const box = { width, height };
      slab.replaceChildren(
        svg("image", { ...box, href: part.toDataURL(), preserveAspectRatio: "none" }),
        svg("rect", {
          ...box,
          fill: "none",
          "vector-effect": "non-scaling-stroke",
          stroke: "var(--card)",
          "stroke-width": count > 1 ? 1 : 0,
        }),
      );
    });
  }

  render(view, width, height, opacityOf) {
    Object.assign(this, { view, width, height, scale: height / view.height });
    this.element.setAttribute("width", String(width));
    this.element.setAttribute("height", String(height));
    const [left, top] = [width / 2 - view.x * this.scale, height / 2 + view.y * this.scale];
    this.world.setAttribute("transform", `translate(${left} ${top}) scale(${this.scale})`);
    for (const each of this.groups.values()) {
      const opacity = opacityOf(each.block);
      if (opacity !== each.opacity) each.group.setAttribute("opacity", String(opacity));
      each.opacity = opacity;
      this.stand(each);
    }
  }

  project(x, y, z) {
    const { view, scale, width, height } = this;
    return [
      width / 2 + (x - ASIDE[0] * z - view.x) * scale,
      height / 2 - (y - ASIDE[1] * z - view.y) * scale,
    ];
  }

  pick(left, top) {
    const { view, scale, width, height } = this;
    const [x, y] = [view.x + (left - width / 2) / scale, view.y - (top - height / 2) / scale];
    let best = null;
    for (const { block, opacity } of this.groups.values()) {
      if (opacity < 0.1) continue;
      const place = this.places.get(block.id);
      for (let slab = 0; slab < block.shape[0]; slab++) {
        const depth = depthOf(block, slab, this.frontOf(block));
        const cell = cellAt(place, slab, x - ASIDE[0] * depth, y - ASIDE[1] * depth);
        if (cell && depth < (best?.depth ?? Infinity)) best = { ...cell, block, depth };
      }
    }
    return best;
  }

  /** Mark the blocks outside of a box of the window, which a saved picture leaves out. */
  markUnseen({ left, right, top, bottom }) {
    for (const { group } of this.groups.values()) {
      const box = group.getBoundingClientRect();
      const isSeen = box.right > left && box.left < right && box.bottom > top && box.top < bottom;
      group.toggleAttribute("data-unseen", !isSeen);
    }
  }

  dispose() {
    this.element.remove();
  }
}
