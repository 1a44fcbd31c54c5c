/** Save the picture of the scene as a file. */

import { el, svg } from "../../dom.js";

const STYLES = [
  ...["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "text-anchor"],
  ...["paint-order", "image-rendering", "vector-effect"],
];
const FONT_STYLES = ["font-family", "font-weight"];

/** Let the reader save the scene: PNG of the blocks in space, SVG of the flat drawing. */
export async function savePicture(scene) {
  const { blob, kind } = await pictureOf(scene);
  const link = el("a", { href: URL.createObjectURL(blob), download: `model.${kind}` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** Return {blob, kind} of the picture of a scene. */
export async function pictureOf({ drawing, overlay, stage, isFlat }) {
  const { clientWidth: width, clientHeight: height } = stage;
  const above = withStyles(overlay.element, width, height);
  if (isFlat) {
    drawing.markUnseen(stage.getBoundingClientRect());
    const whole = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}` });
    const flat = withStyles(drawing.element, width, height);
    flat.querySelectorAll("[data-unseen]").forEach((each) => each.remove());
    whole.append(...flat.childNodes, ...above.childNodes);
    return { blob: new Blob([xml(whole)], { type: "image/svg+xml" }), kind: "svg" };
  }
  const blocks = drawing.picture();
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: blocks.width, height: blocks.height });
  const context = canvas.getContext("2d");
  context.fillStyle = getComputedStyle(stage).backgroundColor;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(blocks, 0, 0);
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(xml(above))}`;
  await image.decode();
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return { blob: await new Promise((done) => canvas.toBlob(done, "image/png")), kind: "png" };
}

function xml(element) {
  return new XMLSerializer().serializeToString(element);
}

/** Return a copy of a drawing that carries its own styles, for a file. */
function withStyles(element, width, height) {
  const copy = element.cloneNode(true);
  copy.setAttribute("width", String(width));
  copy.setAttribute("height", String(height));
  const copies = copy.querySelectorAll("*");
  element.querySelectorAll("*").forEach((each, index) => {
    const style = getComputedStyle(each);
    for (const name of each.tagName === "text" ? [...STYLES, ...FONT_STYLES] : STYLES) {
      copies[index].setAttribute(name, style.getPropertyValue(name));
    }
  });
  return copy;
}
