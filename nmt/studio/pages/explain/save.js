/** Save the picture of a section as SVG or PNG, as it is on the page. */

import { button, el, svg } from "../dom.js";

const SCALE = 2; // pixels of a PNG for each of the page
const MARGIN = 12;
const MOST_CELLS = 10_000; // of a canvas that becomes squares; a larger one becomes an image
const STYLES = (
  "fill fill-opacity stroke stroke-width stroke-opacity stroke-dasharray stroke-linecap opacity " +
  "font-family font-size font-weight font-style text-anchor"
).split(" ");

/**
 * Return buttons that save the element that `source()` returns. The file is named after the model and
 * what `fileName()` returns.
 */
export function saveControl(model, source, fileName) {
  const save = async (kind) => {
    const picture = drawn(source());
    const content = kind === "SVG"
      ? new Blob([picture.text], { type: "image/svg+xml" })
      : await pixels(picture);
    const name = `${model} ${fileName()}`.replace(/[^\p{L}\p{M}\p{N}]+/gu, "-").slice(0, 120);
    const href = URL.createObjectURL(content);
    el("a", { href, download: `${name}.${kind.toLowerCase()}` }).click();
    setTimeout(() => URL.revokeObjectURL(href), 10_000);
  };
  const buttons = ["PNG", "SVG"].map((kind) =>
    button("", { on: { click: () => save(kind) } }, kind)
  );
  const properties = { role: "group", "aria-label": "Save picture" };
  return el("div.choice.save", properties, el("span.name", "Save picture"), ...buttons);
}

async function pixels({ width, height, text }) {
  const image = el("img", { src: `data:image/svg+xml,${encodeURIComponent(text)}` });
  await image.decode();
  const canvas = el("canvas", { width: SCALE * width, height: SCALE * height });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve));
}

/** Return an element as the text of an SVG that needs no style sheet, and its size. */
function drawn(element) {
  const { left, top } = element.getBoundingClientRect();
  const parts = partsOf(element);
  const size = (side, first) => Math.max(...parts.map(({ box }) => box[side])) - first + 2 * MARGIN;
  const [width, height] = [size("right", left), size("bottom", top)].map(Math.ceil);
  const fill = getComputedStyle(document.documentElement).getPropertyValue("--card");
  const ground = svg("rect", { width, height, fill });
  const transform = `translate(${MARGIN - left} ${MARGIN - top})`;
  const content = svg("g", { transform }, ...parts.map(({ part }) => part));
  const viewBox = `0 0 ${width} ${height}`;
  const picture = svg("svg", { width, height, viewBox }, ground, content);
  return { width, height, text: new XMLSerializer().serializeToString(picture) };
}

/** Return the visible parts of a node as SVG in the coordinates of the window, with their boxes. */
function partsOf(node) {
  if (node.nodeType === Node.TEXT_NODE) return textOf(node);
  const style = getComputedStyle(node);
  const box = node.getBoundingClientRect();
  if (style.visibility === "hidden" || !box.width) return [];
  if (node.tagName === "CANVAS") return [{ box, part: cellsOf(node, box) }];
  const { x, y, width, height } = box;
  if (node.tagName === "svg") {
    const across = width / (node.viewBox.baseVal?.width || width); // it is narrower on a small screen
    const transform = `translate(${x} ${y}) scale(${across} 1)`;
    return [{ box, part: svg("g", { transform }, ...[...node.children].map(inlined)) }];
  }
  const [fill, frame] = [style.backgroundColor, Number.parseFloat(style.borderTopWidth)];
  const stroke = frame ? style.borderTopColor : "none";
  const rx = Number.parseFloat(style.borderRadius) || 0;
  const ground = { box, part: svg("rect", { x, y, width, height, rx, fill, stroke }) };
  const isSeen = frame || fill !== "rgba(0, 0, 0, 0)";
  return [...(isSeen ? [ground] : []), ...[...node.childNodes].flatMap(partsOf)];
}

function textOf(node) {
  const range = document.createRange();
  range.selectNodeContents(node);
  const box = range.getBoundingClientRect();
  if (!box.width || !node.data.trim()) return [];
  const style = getComputedStyle(node.parentElement);
  const turned = style.writingMode === "vertical-rl" ? " rotate(-90)" : "";
  const place = `translate(${box.x + box.width / 2} ${box.y + box.height / 2})${turned}`;
  const part = svg("text", { dy: "0.35em", transform: place }, node.data);
  setStyles(part, style);
  part.setAttribute("fill", style.color);
  part.setAttribute("text-anchor", "middle");
  return [{ box, part }];
}

/** Return a copy of a node of a drawing with its styles as attributes. */
function inlined(node) {
  if (node.nodeType === Node.TEXT_NODE) return node.cloneNode();
  const style = getComputedStyle(node);
  if (style.visibility === "hidden" || style.display === "none") return "";
  const copy = node.cloneNode(false);
  for (const { name } of [...copy.attributes]) {
    if (/^(class|style|role|tabindex|aria-|data-)/.test(name)) copy.removeAttribute(name);
  }
  setStyles(copy, style);
  copy.append(...[...node.childNodes].map(inlined));
  return copy;
}

function setStyles(part, style) {
  for (const name of STYLES) part.setAttribute(name, style.getPropertyValue(name));
}

/** Return the cells of a canvas as squares, which stay sharp at every size. */
function cellsOf(canvas, box) {
  const { width, height } = canvas;
  if (width * height > MOST_CELLS) {
    const { x, y } = box;
    const size = { x, y, width: box.width, height: box.height, preserveAspectRatio: "none" };
    return svg("image", { ...size, href: canvas.toDataURL(), "image-rendering": "pixelated" });
  }
  const copy = el("canvas", { width, height }).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, width, height);
  const [across, down] = [box.width / width, box.height / height];
  const squares = Array.from({ length: width * height }, (_, cell) => {
    const [x, y] = [box.x + across * (cell % width), box.y + down * Math.floor(cell / width)];
    const fill = `rgb(${data.subarray(4 * cell, 4 * cell + 3).join()})`;
    return svg("rect", { x, y, width: across, height: down, fill });
  });
  return svg("g", { "shape-rendering": "crispEdges" }, ...squares);
}
