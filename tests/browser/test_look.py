"""The look of every page: widths, contrast, names, the order of Tab, schemes and drawings."""

from pathlib import Path

import pytest

from tests.browser.audit import blank_canvases, faint_texts, nameless_controls, tab_stops
from tests.browser.conftest import Browser

# The sections of each page with what they show there.
DRAWN = {
    "explain": {
        "tokens": ".chip",
        "embedding": "td canvas.strip",
        "encoder": ".small-multiple",
        "decoder": ".small-multiple",
        "probabilities": "tbody tr",
        "beam": ".node",
        "alignment": ".word",
    },
    "report": {
        "curves": ".chart canvas",
        "samples": ".sample .translation",
        "recipe": ".deviations tbody tr",
        "corpus": "tbody td",
        "scores": ".evaluation tbody tr",
    },
    "ablation": {"variants": "tbody tr", "curves": ".chart canvas", "runs": "tbody tr"},
    "scale": {
        "pair": "tbody tr",
        "scaling": ".chart canvas",
        "law": "tbody tr",
        "runs": "tbody tr",
    },
    "check": {"texts": ".finding, .lengths tr"},
}


SIZES = """
return [...document.querySelectorAll(arguments[0])].filter((part) => part.checkVisibility())
  .map((part) => part.getBoundingClientRect()).map((box) => Math.min(box.width, box.height));
"""


@pytest.fixture(params=DRAWN)
def kind(request: pytest.FixtureRequest) -> str:
    """Return the kind of a page."""
    return str(request.param)


@pytest.fixture
def any_page(kind: str, request: pytest.FixtureRequest) -> Path:
    """Return a page of each kind."""
    found: Path = request.getfixturevalue(f"{kind}_page")
    return found


@pytest.mark.parametrize(("width", "dark"), [(360, True), (1280, False)])
def test_it_fits_the_window_and_can_be_read(
    browser: Browser, any_page: Path, kind: str, width: int, dark: bool
) -> None:
    """WCAG 2 requires a contrast of 4.5 to 1."""
    browser.open(any_page, width, dark=dark)
    assert browser.overflow() <= 0
    browser.shoot(f"{kind}-{width}-{'dark' if dark else 'light'}")
    if kind == "explain":
        browser.click("#decoder [data-value=self]")  # which hides keys
    assert faint_texts(browser, fewest=20) == {}


def test_each_section_is_drawn(browser: Browser, any_page: Path, kind: str) -> None:
    """Each section shows its parts, each with a size, and no canvas is blank, in both schemes."""
    browser.open(any_page)
    for view, selector in DRAWN[kind].items():
        sizes = list(browser.run(SIZES, f"#{view} :is({selector})"))  # type: ignore[call-overload]
        assert sizes, view
        assert min(sizes) > 5, view
        assert blank_canvases(browser, f"#{view}") == []
        browser.shoot(f"{kind}-{view}", f"#{view}")
    scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    pixels = "return document.querySelector('canvas')?.toDataURL()"
    light = browser.run(pixels)
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    browser.until(lambda: browser.run(pixels) != light or kind == "check")
    for view in DRAWN[kind]:
        assert blank_canvases(browser, f"#{view}") == []


def test_every_control_has_a_name(browser: Browser, any_page: Path, kind: str) -> None:
    browser.open(any_page)
    assert nameless_controls(browser, 1 if kind == "check" else 15) == []
    ids = list(browser.run("return [...document.querySelectorAll('[id]')].map((x) => x.id)"))  # type: ignore[call-overload]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("kind", "first"), [("explain", "Type a sentence in English."), ("report", "Diagnosis")]
)
def test_tab_visits_the_controls_with_a_visible_focus(
    browser: Browser, any_page: Path, kind: str, first: str
) -> None:
    browser.open(any_page)
    stops = tab_stops(browser)
    assert [stop for stop in stops if not stop[1] or not stop[2]] == []
    names = [name for _, name, _ in stops]
    assert names[0].strip().startswith(first)
    if kind == "explain":
        for group in ("Layer 1, head", "Temperature", "Step of the search"):
            assert any(name.startswith(group) for name in names)
        assert len([name for name in names if name.startswith("Layer ")]) == 2  # one a stack


def test_sections_fold(browser: Browser, report_page: Path) -> None:
    browser.open(report_page)
    browser.click("main > details:nth-child(2) summary")
    views = browser.all("main > details > div")
    assert [view.is_displayed() for view in views[:3]] == [True, False, True]
    browser.click("#fold-all")
    assert not any(view.is_displayed() for view in views)
    browser.click("#fold-all")
    assert all(view.is_displayed() for view in views)


def test_deviations_are_one_column_on_a_small_screen(browser: Browser, report_page: Path) -> None:
    browser.open(report_page, 360)
    row = browser.one("#recipe .deviations tbody tr")
    cells = row.find_elements("css selector", "td")
    assert len({round(cell.rect["x"]) for cell in cells}) == 1
    name = "return getComputedStyle(arguments[0], '::before').content"
    assert browser.run(name, cells[0]) == '"this run"'
