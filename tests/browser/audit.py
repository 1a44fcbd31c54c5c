"""Checks for every page, measured in the browser: contrast, focus, drawings."""

from tests.browser.conftest import Browser

TAB = "\ue004"

# Find visible texts with a contrast below 4.5 to 1 (WCAG 2). Disabled buttons are exempt there. The
# background of a text in SVG is the box of its group.
FAINT = r"""
const numbers = (text) => text.match(/[\d.]+/g).map(Number);
const rgba = (text) => {
  const [r, g, b, a = 1] = numbers(text);
  return text.startsWith("color(") ? [255 * r, 255 * g, 255 * b, a] : [r, g, b, a];
};
const over = (one, other) =>
  [0, 1, 2].map((n) => one[n] * one[3] + other[n] * (1 - one[3])).concat(1);
const chain = (element) => element ? [...chain(element.parentElement), element] : [];
const light = (colour) => {
  const [r, g, b] = colour.slice(0, 3).map((each) => each / 255)
    .map((each) => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
};
const found = {};
let count = 0;
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node; node = walker.nextNode();) {
  const element = node.parentElement;
  if (!node.data.trim()) continue;
  if (element.closest("script, style, .unseen, #tip, button:disabled")) continue;
  if (!element.checkVisibility({ visibilityProperty: true })) continue;
  const styles = chain(element).map((each) => getComputedStyle(each));
  const box = element.closest("svg") && element.closest("g")?.querySelector("rect");
  const grounds = styles.map((each) => each.backgroundColor);
  if (box) grounds.push(getComputedStyle(box).fill);
  const behind = grounds.reduce((below, each) => over(rgba(each), below), [255, 255, 255, 1]);
  const own = rgba(element.closest("svg") ? styles.at(-1).fill : styles.at(-1).color);
  own[3] *= styles.reduce((product, each) => product * Number(each.opacity), 1);
  const [low, high] = [light(over(own, behind)), light(behind)].sort((one, other) => one - other);
  count++;
  if (high / low < 4.5) found[`${element.outerHTML.slice(0, 90)}`] = high / low;
}
return [count, found];
"""

# Return the element that has the focus, its name, and whether the focus is visible.
FOCUSED = """
const element = document.activeElement;
if (element === document.body) return null;
const style = getComputedStyle(element);
const box = element.querySelector(":scope > rect");
const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
return [
  element.outerHTML.slice(0, 90),
  element.getAttribute("aria-label") || element.textContent.trim(),
  ring || Boolean(box && parseFloat(getComputedStyle(box).strokeWidth) >= 3),
];
"""


# Find canvases without a size, or whose pixels all have one colour.
BLANK = """
return [...document.querySelectorAll(`${arguments[0]} canvas`)].filter((canvas) => {
  const box = canvas.getBoundingClientRect();
  if (!box.width || !box.height || !canvas.width || !canvas.height) return true;
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const pixels = new Uint32Array(data.buffer);
  return pixels.every((pixel) => pixel === pixels[0]);
}).map((canvas) => canvas.outerHTML.slice(0, 90));
"""


def faint_texts(browser: Browser, fewest: int = 51) -> dict[str, float]:
    """Return the contrast of each text that is too faint, by element.

    fewest: texts that the page has, so that the search is known to work.
    """
    browser.run("for (const each of document.querySelectorAll('details')) each.open = true")
    result = browser.run(FAINT)
    assert isinstance(result, list)
    assert result[0] >= fewest
    return dict(result[1])


def tab_stops(browser: Browser, most: int = 400) -> list[tuple[str, str, bool]]:
    """Press Tab from the top to the end of the page; return element, name, visible focus."""
    browser.run("document.activeElement.blur(); scrollTo(0, 0)")
    found: list[tuple[str, str, bool]] = []
    for _ in range(most):
        browser.press(TAB)
        stop = browser.run(FOCUSED)
        if not isinstance(stop, list):
            return found
        found.append((str(stop[0]), str(stop[1]), bool(stop[2])))
    raise AssertionError(f"Tab is still on the page after {most} stops")


def blank_canvases(browser: Browser, selector: str) -> object:
    """Return the canvases inside an element that show nothing."""
    return browser.run(BLANK, selector)
