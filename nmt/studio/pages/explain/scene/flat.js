/** Draw the blocks as flat pictures in SVG, for browsers without WebGL. */

import { el, svg } from "../../dom.js";
import { paint } from "../../scheme.js";
import { slabImage } from "./colours.js";
import { depthOf } from "./layout.js";

const ASIDE = [0.5, 0.45]; // how far right and up a unit of depth is drawn

/** A drawing in two dimensions, with the methods of `Space`; it shows no yaw and no pitch. */
export class Flat {
  constructor(blocks, { plates }) {
    this.blocks = blocks;
    this.world = svg("g", { "image-rendering": "pixelated" });
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
    return { block, group, slabs, opacity: 1 };
  }

  /** Put the slabs of a block in order: the one that is furthest behind is drawn first. */
  stand(each) {
    const { front, place } = each.block;
    if (each.front === front) return;
    each.front = front;
    const depth = (slab) => depthOf(each.block, slab);
    const order = [...each.slabs.keys()].sort((one, other) => depth(other) - depth(one));
    for (const slab of order) {
      const [right, up] = ASIDE.map((share) => share * depth(slab));
      const move = `translate(${place.left + right} ${-place.top - up})`;
      each.slabs[slab].setAttribute("transform", move);
      each.group.append(each.slabs[slab]);
    }
  }

  /** Draw the cells of a block in the colours of the scheme. */
  paint(block) {
    const { left, right, bottom, top } = block.place;
    const box = { width: right - left, height: top - bottom };
    const { slabs } = this.groups.get(block.id);
    const frame = {
      fill: "none",
      "vector-effect": "non-scaling-stroke",
      stroke: "var(--card)",
      "stroke-width": slabs.length > 1 ? 1 : 0,
    };
    slabs.forEach((slab, index) =>
      slab.replaceChildren(
        svg("image", { ...box, href: imageOf(block, index), preserveAspectRatio: "none" }),
        svg("rect", { ...box, ...frame }),
      )
    );
  }

  repaint() {} // the plates have colours of the style sheet

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
      each.group.setAttribute("display", this.isSeen(each) ? "inline" : "none");
      this.stand(each);
    }
  }

  /** Return whether a part of a block is in the picture. */
  isSeen({ block }) {
    const { place, front, shape: [slabs] } = block;
    const back = -depthOf(block, (front + slabs - 1) % slabs);
    const [left, bottom] = this.project(place.left, place.bottom, 0);
    const [right, top] = this.project(place.right, place.top, back);
    return right > 0 && left < this.width && bottom > 0 && top < this.height;
  }

  project(x, y, z) {
    const { view, scale, width, height } = this;
    return [
      width / 2 + (x - ASIDE[0] * z - view.x) * scale,
      height / 2 - (y - ASIDE[1] * z - view.y) * scale,
    ];
  }

  behind(left, top) {
    const { view, scale, width, height } = this;
    const [x, y] = [view.x + (left - width / 2) / scale, view.y - (top - height / 2) / scale];
    return (z) => [x + ASIDE[0] * z, y + ASIDE[1] * z];
  }

  dispose() {
    this.element.remove();
  }
}

/** Return the address of a picture of a slab, a pixel for each cell. */
function imageOf(block, slab) {
  const canvas = el("canvas");
  paint(canvas, slabImage(block, slab));
  return canvas.toDataURL();
}
