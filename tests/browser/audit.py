"""Checks for every page, measured in the browser: contrast, focus, drawings."""

from tests.browser.conftest import TAB, Browser

CONTROLS = {"button", "link", "slider", "image", "DisclosureTriangle", "textbox", "combobox"}

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
  const [r, g, b] = colour.slice(0, 3).map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
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

# Keep each element that gets the focus, its name, and whether that shows; null at the end.
FOLLOW_FOCUS = """
document.activeElement.blur();
scrollTo(0, 0);
window.stops = [];
addEventListener("focusin", ({ target }) => {
  const style = getComputedStyle(target);
  const box = target.querySelector(":scope > rect");
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  const label = target.getAttribute("aria-label") || target.labels?.[0]?.textContent;
  stops.push([
    target.outerHTML.slice(0, 90),
    label || target.textContent.trim(),
    ring || Boolean(box && parseFloat(getComputedStyle(box).strokeWidth) >= 3),
  ]);
});
addEventListener("focusout", ({ relatedTarget }) => relatedTarget ?? stops.push(null));
"""


# Find canvases without a size, or whose pixels all have one colour.
BLANK = """
return [...document.querySelectorAll(`${arguments[0]} canvas`)].filter((canvas) => {
  const box = canvas.getBoundingClientRect();
  if (!box.width || !box.height || !canvas.width || !canvas.height) return true;
  const { width, height } = canvas;
  const copy = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, width, height);
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
    browser.run(FOLLOW_FOCUS)
    found: list[list[str] | None] = []
    while None not in found:
        assert len(found) < most, f"Tab is still on the page after {len(found)} stops"
        browser.press(20 * TAB)
        found = list(browser.run("return stops"))  # type: ignore[call-overload]
    return [
        (str(stop[0]), str(stop[1]), bool(stop[2])) for stop in found[: found.index(None)] if stop
    ]


def nameless_controls(browser: Browser, fewest: int) -> list[object]:
    """Return the roles of controls and pictures that screen readers have no name for.

    fewest: controls that the page has, so that the search is known to work.
    """
    tree = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})
    controls = [
        node
        for node in tree["nodes"]
        if not node["ignored"] and node.get("role", {}).get("value") in CONTROLS
    ]
    assert len(controls) >= fewest
    return [node["role"] for node in controls if not node.get("name", {}).get("value")]


def blank_canvases(browser: Browser, selector: str) -> object:
    """Return the canvases inside an element that show nothing."""
    return browser.run(BLANK, selector)
