/** Create elements; text is always set as text, never as markup. */

const SVG = "http://www.w3.org/2000/svg";

/** Return the element with this id; the page must have it. */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * Create an HTML element. Properties are attributes, except `on` (listeners by event) and `style`
 * (CSS properties by name); null and false are left out. Children are nodes or texts; null is left
 * out.
 */
export function el(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** Create an SVG element; see `el`. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) {
        element.addEventListener(event, listener);
      }
    } else if (name === "style") {
      for (const [key, each] of Object.entries(value)) {
        element.style.setProperty(key, String(each));
      }
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * Make a group of buttons one tab stop, in which arrow keys move. Up and down move by `columns`; in
 * right-to-left text, the left arrow moves forward. The button with data-rove="here" is the stop.
 */
export function roving(group, columns = 1) {
  const items = [...group.querySelectorAll("[data-rove]")];
  const current = Math.max(0, items.findIndex((item) => item.dataset.rove === "here"));
  items.forEach((item, index) => item.setAttribute("tabindex", index === current ? "0" : "-1"));
  group.onkeydown = (event) => {
    const from = items.indexOf(event.target.closest("[data-rove]"));
    const leftwards = getComputedStyle(group).direction === "rtl";
    const sideways = leftwards && { ArrowLeft: 1, ArrowRight: -1 }[event.key];
    const step = sideways || arrow(event.key, columns);
    if (from < 0 || step === null) return;
    event.preventDefault();
    const to = Math.min(Math.max(from + step, 0), items.length - 1);
    items.forEach((item, index) => item.setAttribute("tabindex", index === to ? "0" : "-1"));
    items[to].focus();
  };
}

/** Return how far a key moves in a group with this many columns; null: it does not move. */
export function arrow(key, columns = 1) {
  const steps = {
    ArrowRight: 1,
    ArrowLeft: -1,
    ArrowDown: columns,
    ArrowUp: -columns,
    Home: -Infinity,
    End: Infinity,
  };
  return key in steps ? steps[key] : null;
}

/** Create a row of buttons, one of them pressed; a click calls `change(value)`. */
export function choice(name, options, value, change) {
  const press = (pressed) => {
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.value === pressed));
    }
    change(pressed);
  };
  const buttons = options.map((option) =>
    el("button", {
      type: "button",
      "aria-pressed": String(option.value === value),
      "data-value": option.value,
      on: { click: () => press(option.value) },
    }, option.label)
  );
  return el(
    "div",
    { class: "choice", role: "group", "aria-label": name },
    el("span", { class: "name" }, name),
    ...buttons,
  );
}

/** Create a slider with its name and, next to it, the meaning of its value. */
export function slider({ name, min, max, step, value, show, change }) {
  const shown = el("output", {}, show(value));
  const input = el("input", {
    type: "range",
    min,
    max,
    step,
    value,
    "aria-label": name,
    "aria-valuetext": show(value),
    on: {
      input: () => {
        const now = Number(input.value);
        shown.textContent = show(now);
        input.setAttribute("aria-valuetext", show(now));
        change(now);
      },
    },
  });
  return el("label", { class: "choice" }, el("span", { class: "name" }, name), input, shown);
}
