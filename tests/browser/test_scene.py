"""The scene of `nmt explain`: the model in blocks, with and without WebGL."""

import re
from pathlib import Path

import pytest
import torch

from nmt.studio.explain.explanation import Explanation
from tests.browser.conftest import ARROW_DOWN, ARROW_RIGHT, ENTER, ESCAPE, SHIFT, Browser, write

FAST = "[aria-label=Speed] [data-value='16']"


def show(browser: Browser, page: Path, width: int = 1280, *, flat: bool = False) -> None:
    """Open a page and wait for the first picture of its scene."""
    address = page.resolve().as_uri() + ("#flat" if flat else "")
    browser.open_address("about:blank")  # another fragment alone would not load the page again
    browser.open_address(address, width)
    browser.run("document.querySelector('.stage').scrollIntoView({behavior: 'instant'})")
    browser.until(lambda: bool(browser.texts(".overlay .start")))


def go(browser: Browser, label: str) -> None:
    """Move the timeline to the first block whose name ends in a label."""
    steps = int(str(browser.run("return document.querySelector('.timeline input').max")))
    move = (
        "const range = document.querySelector('.timeline input'); range.value = arguments[0];"
        "range.dispatchEvent(new Event('input')); return range.getAttribute('aria-valuetext')"
    )
    names = (str(browser.run(move, step)) for step in range(steps + 1))
    assert any(name.endswith(label) for name in names), label


def number(text: str) -> float:
    """Parse the last number of a text."""
    return float(re.findall(r"[\u2212-]?\d+\.\d+", text)[-1].replace("\u2212", "-"))


def title(browser: Browser) -> str:
    """Return the name of the block in the panel."""
    return browser.text(".panel h3").split(" §")[0]


def test_the_scene_plays_to_the_end(webgl_browser: Browser, explain_page: Path) -> None:
    browser = webgl_browser
    show(browser, explain_page, flat=True)
    assert browser.all(".stage > canvas") == []
    show(browser, explain_page)
    assert len(browser.all(".stage > canvas")) == 1
    browser.click(FAST)
    browser.focus(".stage")
    browser.press(" ")
    ends = "const r = document.querySelector('.timeline input'); return r.value === r.max"
    browser.until(lambda: bool(browser.run(ends)))
    browser.until(lambda: browser.one(".play").get_attribute("aria-label") == "Play")
    assert "Beam, step" in browser.text(".panel h3")
    browser.press(ESCAPE)
    assert browser.text(".panel h3") == "The whole model"
    browser.shoot("scene-space", ".scene")


def test_each_chapter_tells_what_it_shows(browser: Browser, explain_page: Path) -> None:
    """This browser has no WebGL, so the chapters run on the flat drawing."""
    show(browser, explain_page)
    assert browser.all(".stage svg.flat image")
    browser.shoot("scene-flat", ".scene")
    chapters = browser.texts(".chapter")
    assert len(chapters) == 12
    browser.click(".tour .next")
    told = []
    for chapter in chapters:
        assert browser.text(".story h3") == chapter.replace(" ", ". ", 1)
        browser.until(lambda: title(browser) in browser.texts(".overlay .label.current"))
        told.append(browser.text(".story p"))
        browser.click(".tour .next")
    assert len({*told}) == 12
    assert "NaN" not in "".join(told)
    assert "undefined" not in "".join(told)


def test_a_cell_is_the_sum_that_python_computes(
    browser: Browser, explain_page: Path, explanation: Explanation
) -> None:
    show(browser, explain_page)
    go(browser, "Encoder layer 1: Scores")
    browser.focus(".stage")
    for arrow in (ARROW_RIGHT, ARROW_RIGHT, ARROW_DOWN):  # the first one reads the first cell
        browser.press(SHIFT + arrow)
    seen = explanation.recording.attention["encoder.0.self_attention"]
    head = int(browser.text(".panel .cell-name").partition("head ")[2].partition(":")[0]) - 1
    query, key = seen.query[head, 1], seen.key[head, 1]
    product = float(query @ key)
    lines = browser.texts(".sum .line")
    assert number(lines[0]) == pytest.approx(product, abs=2e-3)
    assert number(lines[1]) == pytest.approx(product / len(query) ** 0.5, abs=2e-3)
    browser.press(ENTER)
    assert browser.text("dialog .cell-name") == browser.text(".panel .cell-name")
    browser.press(ARROW_RIGHT)
    product = float(query @ seen.key[head, 2])
    assert number(browser.texts("dialog .line")[0]) == pytest.approx(product, abs=2e-3)
    browser.press(ESCAPE)
    browser.run("document.querySelector('#encoder').scrollIntoView({behavior: 'instant'})")
    chosen = f"#encoder [aria-label='Layer 1, head {head + 1}'][aria-pressed=true]"
    browser.until(lambda: bool(browser.all(chosen)))
    go(browser, "Encoder layer 1: Attention weights")
    browser.focus(".stage")
    browser.press(SHIFT + ARROW_RIGHT)
    weight = torch.tensor(number(browser.texts(".sum .line")[-1]))
    assert float(weight) == pytest.approx(float(seen.weights[head, 0, 0]), abs=2e-3)


def test_each_model_of_a_comparison_is_drawn(
    webgl_browser: Browser, explanation: Explanation, tmp_path: Path
) -> None:
    show(webgl_browser, write(tmp_path, explanation, explanation, names=["one", "two"]))
    assert len(webgl_browser.all(".stage > canvas")) == 2


def test_the_scene_fits_a_narrow_screen(browser: Browser, explain_page: Path) -> None:
    show(browser, explain_page, 360)
    assert browser.overflow() <= 0
    browser.click(".tour .next")
    assert browser.overflow() <= 0
    stage, panel = browser.one(".stage").rect, browser.one(".panel").rect
    assert stage["y"] + stage["height"] <= panel["y"]
