/** Create elements and tables; text is always set as text, never as markup. */

const HTML = "http://www.w3.org/1999/xhtml";
const SVG = "http://www.w3.org/2000/svg";

/** Return the element with this id; the page must have it. */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * Create an HTML element: its tag, with classes as in "td.n", its properties, which may be left out,
 * and its children. Properties are attributes, except `on` (listeners by event), `choose` (a listener
 * to the pointer over it, to the focus and to a click) and `style` (CSS properties by name); null and
 * false are left out. Children are nodes or texts; null is left out.
 */
export function el(kind, ...parts) {
  return make(HTML, kind, parts);
}

/** Create an SVG element; see `el`. */
export function svg(kind, ...parts) {
  return make(SVG, kind, parts);
}

/** Return the path of a curve between two points that begins and ends level. */
export function curve(x0, y0, x1, y1) {
  const middle = (x0 + x1) / 2;
  return `M${x0} ${y0}C${middle} ${y0} ${middle} ${y1} ${x1} ${y1}`;
}

const ruler = document.createElement("canvas").getContext("2d");
const widths = new Map(); // measuring is slow

/** Return the width of a bold text in pixels. */
export function textWidth(text, size) {
  const key = `${size} ${text}`;
  if (!widths.has(key)) {
    ruler.font = `600 ${size}px ${getComputedStyle(document.body).fontFamily}`;
    widths.set(key, ruler.measureText(text).width);
  }
  return widths.get(key);
}

function make(namespace, kind, parts) {
  const [tag, ...classes] = kind.split(".");
  const element = document.createElementNS(namespace, tag);
  const hasProperties = parts[0]?.constructor === Object;
  const [properties, ...children] = hasProperties ? parts : [{}, ...parts];
  element.classList.add(...classes);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) {
        element.addEventListener(event, listener);
      }
    } else if (name === "choose") {
      for (const event of ["pointermove", "focus", "click"]) element.addEventListener(event, value);
    } else if (name === "style") {
      for (const [key, text] of Object.entries(value)) {
        element.style.setProperty(key, String(text));
      }
    } else if (name === "class") {
      element.classList.add(...value.split(" ").filter(Boolean));
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
  const stopAt = (place) =>
    items.forEach((item, index) => item.setAttribute("tabindex", index === place ? "0" : "-1"));
  stopAt(Math.max(0, items.findIndex((item) => item.dataset.rove === "here")));
  group.onkeydown = (event) => {
    const from = items.indexOf(event.target.closest("[data-rove]"));
    const leftwards = getComputedStyle(group).direction === "rtl";
    const sideways = leftwards && { ArrowLeft: 1, ArrowRight: -1 }[event.key];
    const step = sideways || arrow(event.key, columns);
    if (from < 0 || step === null) return;
    event.preventDefault();
    const to = inside(from + step, items.length);
    stopAt(to);
    items[to].focus();
  };
}

/** Create a button. */
export function button(kind, properties, ...children) {
  return el(`button${kind}`, { type: "button", ...properties }, ...children);
}

/** Create a button that shows a sign, with a name for screen readers; `act` is called on a click. */
export function signButton(name, sign, act) {
  return button("", { "aria-label": name, on: { click: act } }, sign);
}

/** Press one of the buttons of a group, and make it the group's tab stop if that is `roving`. */
export function press(buttons, isPressed) {
  buttons.forEach((each, index) => {
    each.setAttribute("aria-pressed", String(isPressed(each, index)));
    each.dataset.rove = isPressed(each, index) ? "here" : "";
  });
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

/** Return a place, or the nearest of `count` places. */
export function inside(place, count) {
  return Math.max(0, Math.min(count - 1, place));
}

/**
 * Create a row of buttons, one of them pressed; `options` are pairs of a value and its label. A click
 * calls `change(value)`; the row's `mark(value)` only presses a button.
 */
export function choice(name, options, value, change) {
  const mark = (chosen) => press(buttons, ({ dataset }) => dataset.value === chosen);
  const buttons = options.map(([option, label]) => {
    const click = () => {
      mark(option);
      change(option);
    };
    return button("", { "data-value": option, on: { click } }, label);
  });
  mark(value);
  const group = { role: "group", "aria-label": name };
  return Object.assign(el("div.choice", group, el("span.name", name), ...buttons), { mark });
}

/** Create a slider with its name and, next to it, the meaning of its value. */
export function slider({ name, min, max, step, value, show, change }) {
  const shown = el("output", show(value));
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
  return el("label.choice", el("span.name", name), input, shown);
}

/**
 * Return a table inside a box that scrolls. Columns have numbers, but for those in `texts`; the first
 * one names the rows. A cell or a row that is already an element stays as it is.
 */
export function table(heads, rows, texts = [0], name = "") {
  return el("div.scroll", plainTable(heads, rows, texts, name));
}

/** Return such a table without the box. */
export function plainTable(heads, rows, texts, name = "") {
  const kind = (place) => texts.includes(place) ? null : "n";
  const head = (content, place) =>
    isOne("TH TD", content) ? content : el("th", { scope: "col", class: kind(place) }, content);
  const cell = (content, place) => {
    if (isOne("TH TD", content)) return content;
    return place ? el("td", { class: kind(place) }, content) : rowHead(content);
  };
  return el(
    "table",
    { class: name },
    el("thead", el("tr", ...heads.map(head))),
    el("tbody", ...rows.map((row) => isOne("TR", row) ? row : el("tr", ...row.map(cell)))),
  );
}

function isOne(tags, content) {
  return tags.split(" ").includes(content?.tagName);
}

/** Return the cell that names a row. */
export function rowHead(...content) {
  return el("th", { scope: "row" }, ...content);
}
