/** Small pictures of all heads of all layers; a click on one shows it in full. */

import { el, roving } from "../dom.js";
import { nthColour } from "../scheme.js";
import { thumbnail } from "./matrix.js";

export const ALL = "all";

/**
 * Return a grid: a row for each layer, a column for each head and one for the mean of all heads.
 * `weights(layer)` returns the weights of a layer. `pick(layer, head)` is called on a click; head may
 * be ALL.
 */
export function headMap({ layers, heads, rows, columns, masked, weights }, pick) {
  const buttons = [];
  const element = el("div", {
    class: "head-map",
    role: "group",
    "aria-label": "Layer and head",
    style: { "--heads": heads + 1 },
  });
  element.append(el("span", { class: "corner" }));
  for (let head = 0; head < heads; head++) {
    element.append(el("span", { class: "axis" }, String(head + 1)));
  }
  element.append(el("span", { class: "axis" }, "all"));
  for (let layer = 0; layer < layers; layer++) {
    element.append(el("span", { class: "axis" }, String(layer + 1)));
    const tensor = weights(layer);
    for (let head = 0; head <= heads; head++) {
      const which = head < heads ? head : ALL;
      const value = (row, column) => {
        if (masked && column > row) return null;
        if (which !== ALL) return tensor.at(head, row, column);
        let sum = 0;
        for (let each = 0; each < heads; each++) sum += tensor.at(each, row, column);
        return sum / heads;
      };
      const button = el(
        "button",
        {
          type: "button",
          class: "small-multiple",
          "data-rove": "",
          "data-layer": layer,
          "data-head": which,
          "aria-label": `Layer ${layer + 1}, ${which === ALL ? "all heads" : `head ${head + 1}`}`,
          on: { click: () => pick(layer, which) },
        },
        thumbnail(rows, columns, value),
      );
      if (which !== ALL) button.style.setProperty("--head", nthColour(head));
      buttons.push(button);
      element.append(button);
    }
  }
  const select = (layer, head) => {
    for (const button of buttons) {
      const chosen = button.dataset.layer === String(layer) && button.dataset.head === String(head);
      button.setAttribute("aria-pressed", String(chosen));
      button.dataset.rove = chosen ? "here" : "";
    }
    roving(element, heads + 1);
  };
  return { element, select };
}
