"""The look of the page of `nmt report`: contrast, widths, names, focus, schemes."""

from pathlib import Path

import pytest

from tests.browser.audit import blank_canvases, faint_texts, tab_stops
from tests.browser.conftest import Browser

LOSS = "[data-figure=loss] .chart"


@pytest.mark.parametrize("dark", [False, True])
def test_texts_have_enough_contrast(browser: Browser, both: Path, dark: bool) -> None:
    """WCAG 2 requires a contrast of 4.5 to 1."""
    browser.open(both, dark=dark)
    assert faint_texts(browser) == {}


def test_tab_visits_the_controls_with_a_visible_focus(browser: Browser, report_page: Path) -> None:
    browser.open(report_page)
    stops = tab_stops(browser)
    assert [stop for stop in stops if not stop[1] or not stop[2]] == []
    assert stops[0][1] == "Diagnosis"


def test_deviations_are_one_column_on_a_small_screen(browser: Browser, report_page: Path) -> None:
    browser.open(report_page, 360)
    row = browser.one("#recipe .deviations tbody tr")
    cells = row.find_elements("css selector", "td")
    assert len({round(each.rect["x"]) for each in cells}) == 1
    name = "return getComputedStyle(arguments[0], '::before').content"
    assert browser.run(name, cells[0]) == '"this run"'
    values = browser.all("#recipe .deviations td:nth-child(2) code")
    heights = {each.text: each.rect["height"] for each in values}
    assert heights["12"] <= 25  # one line


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_the_window(browser: Browser, report_page: Path, width: int, dark: bool) -> None:
    browser.open(report_page, width, dark=dark)
    assert browser.overflow() <= 0
    browser.shoot(f"report-{width}-{'dark' if dark else 'light'}")


def test_every_control_has_a_name(browser: Browser, both: Path) -> None:
    browser.open(both)
    controls = browser.all("button, input, summary, a, .chart")
    assert len(controls) > 15
    assert [each.get_attribute("class") for each in controls if not each.accessible_name] == []


def test_charts_follow_the_scheme(browser: Browser, report_page: Path) -> None:
    pixels = f"return document.querySelector('{LOSS} canvas').toDataURL()"
    browser.open(report_page)
    light = browser.run(pixels)
    scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    browser.until(lambda: browser.run(pixels) != light)
    assert len(browser.all(f"{LOSS} canvas")) == 1


def test_each_section_is_drawn(browser: Browser, report_page: Path) -> None:
    """Each section shows its parts, each with a size, and no canvas is blank."""
    parts = {
        "curves": ".chart canvas",
        "samples": ".sample .translation",
        "recipe": ".deviations tbody tr",
        "corpus": "tbody td",
        "scores": ".evaluation tbody tr",
    }
    browser.open(report_page)
    for view, selector in parts.items():
        boxes = [each.rect for each in browser.all(f"#{view} {selector}") if each.is_displayed()]
        assert boxes, view
        assert all(box["width"] > 5 and box["height"] > 5 for box in boxes), view
        assert blank_canvases(browser, f"#{view}") == []
        browser.shoot(f"report-{view}", f"#{view}")
