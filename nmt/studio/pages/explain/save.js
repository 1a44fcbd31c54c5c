/** Save the picture of a section as SVG or PNG, as it is on the page. */

import { button, el, svg } from "../dom.js";

const SCALE = 2; // pixels of a PNG for each of the page
const MARGIN = 12;
const DRAWN = [
  ...["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray"],
  ...["stroke-linecap", "opacity", "font-family", "font-size", "font-weight", "text-anchor"],
];

/**
 * Return buttons that save what `source()` returns: an element, or a canvas, which has no SVG. The
 * file is named after the model and what `fileName()` returns.
 */
export function saveControl(model, source, fileName, kinds = ["PNG", "SVG"]) {
  const save = async (kind) => {
    const shown = source();
    const name = `${model} ${fileName()}`.replace(/[^\p{L}\p{M}\p{N}]+/gu, "-");
    const content = await (kind === "SVG" ? vector(shown) : pixels(shown));
    const link = el("a", {
      href: URL.createObjectURL(content),
      download: `${name}.${kind.toLowerCase()}`,
    });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };
  return el(
    "div.choice.save",
    { role: "group", "aria-label": "Save picture" },
    el("span.name", "Save picture"),
    ...kinds.map((kind) => button("", { on: { click: () => save(kind) } }, kind)),
  );
}

function vector(element) {
  return new Blob([new XMLSerializer().serializeToString(copy(element))], {
    type: "image/svg+xml",
  });
}

async function pixels(element) {
  let canvas = element;
  if (element.tagName !== "CANVAS") {
    const picture = copy(element);
    const image = new Image();
    const text = new XMLSerializer().serializeToString(picture);
    image.src = `data:image/svg+xml,${encodeURIComponent(text)}`;
    await image.decode();
    const [width, height] = ["width", "height"].map((name) => SCALE * picture.getAttribute(name));
    canvas = el("canvas", { width, height });
    canvas.getContext("2d").drawImage(image, 0, 0, width, height);
  }
  return new Promise((resolve) => canvas.toBlob(resolve));
}

/** Return an element as one SVG that needs no style sheet: its texts, boxes, drawings and canvases. */
function copy(element) {
  // What is scrolled out of view has its place in the picture, too.
  const origin = element.getBoundingClientRect();
  const parts = [];
  addParts(element, parts);
  const right = Math.max(...parts.map(({ box }) => box.right)) - origin.left;
  const bottom = Math.max(...parts.map(({ box }) => box.bottom)) - origin.top;
  const [width, height] = [right, bottom].map((size) => Math.ceil(size + 2 * MARGIN));
  const place = `translate(${MARGIN - origin.left} ${MARGIN - origin.top})`;
  const ground = getComputedStyle(document.documentElement).getPropertyValue("--card");
  return svg(
    "svg",
    { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}` },
    svg("rect", { width, height, fill: ground }),
    svg("g", { transform: place }, ...parts.map(({ drawn }) => drawn)),
  );
}

/** Add the parts of an element: each is drawn in the coordinates of the window, and has a box there. */
function addParts(element, parts) {
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  if (style.visibility === "hidden" || style.display === "none" || !box.width) return;
  const { left: x, top: y, width, height } = box;
  if (element.tagName === "CANVAS") return parts.push({ box, drawn: cells(element, box) });
  if (element.tagName === "svg") {
    const scale = element.viewBox.baseVal?.width ? width / element.viewBox.baseVal.width : 1;
    const transform = `translate(${x} ${y}) scale(${scale} 1)`;
    return parts.push({
      box,
      drawn: svg("g", { transform }, ...[...element.children].map(inlined)),
    });
  }
  const isFilled = style.backgroundColor !== "rgba(0, 0, 0, 0)";
  const isFramed = Number.parseFloat(style.borderTopWidth) > 0;
  if (isFilled || isFramed) {
    const fill = isFilled ? style.backgroundColor : "none";
    const stroke = isFramed ? style.borderTopColor : "none";
    const rx = Number.parseFloat(style.borderRadius) || 0;
    const drawn = svg("rect", { x, y, width, height, rx, fill, stroke });
    parts.push({ box, drawn });
  }
  for (const child of element.childNodes) {
    if (child.nodeType === Node.TEXT_NODE) addText(child, style, parts);
    else if (child.nodeType === Node.ELEMENT_NODE) addParts(child, parts);
  }
}

function addText(node, style, parts) {
  const range = document.createRange();
  range.selectNodeContents(node);
  const box = range.getBoundingClientRect();
  if (!box.width || !node.data.trim()) return;
  const isUpright = style.writingMode === "vertical-rl"; // and turned, so that it is read from below
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  parts.push({
    box,
    drawn: svg("text", {
      transform: `translate(${x} ${y})${isUpright ? " rotate(-90)" : ""}`,
      fill: style.color,
      "text-anchor": "middle",
      dy: "0.35em",
      "font-family": style.fontFamily,
      "font-size": style.fontSize,
      "font-weight": style.fontWeight,
      "font-style": style.fontStyle,
    }, node.data),
  });
}

/** Return a copy of an element of a drawing with its styles as attributes. */
function inlined(element) {
  const style = getComputedStyle(element);
  if (style.visibility === "hidden" || style.display === "none") return "";
  const properties = DRAWN.map((name) => [name, style.getPropertyValue(name)]);
  const drawn = element.cloneNode(false);
  for (const { name } of [...drawn.attributes]) {
    if (/^(class|style|role|tabindex|aria-|data-)/.test(name)) drawn.removeAttribute(name);
  }
  for (const [name, value] of properties) drawn.setAttribute(name, value);
  drawn.append(
    ...[...element.childNodes].map((child) =>
      child.nodeType === Node.TEXT_NODE ? child.cloneNode() : inlined(child)
    ),
  );
  return drawn;
}

/** Return the cells of a canvas as squares, which stay sharp at every size. */
function cells(canvas, { left, top, width, height }) {
  const read = el("canvas", { width: canvas.width, height: canvas.height });
  const context = read.getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  const image = context.getImageData(0, 0, read.width, read.height);
  const [across, down] = [width / canvas.width, height / canvas.height];
  const squares = Array.from({ length: canvas.width * canvas.height }, (_, cell) => {
    const [row, column] = [Math.floor(cell / canvas.width), cell % canvas.width];
    return svg("rect", {
      x: left + across * column,
      y: top + down * row,
      width: across,
      height: down,
      fill: `rgb(${image.data.subarray(4 * cell, 4 * cell + 3).join(",")})`,
    });
  });
  return svg("g", { "shape-rendering": "crispEdges" }, ...squares);
}
