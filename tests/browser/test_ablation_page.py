"""The page of `nmt ablate` in Chromium: table, strips, curves and links to the pages of runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import Browser
from tests.browser.test_report_page import END

LOSS = "#curves-view .charts:nth-of-type(1) [data-figure=loss]"


@pytest.fixture(scope="session")
def page(ablation: Path) -> Path:
    return ablation / "ablation.html"


@pytest.fixture(scope="session")
def results(ablation: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ablation / "ablation.json").read_text(encoding="utf-8"))
    return content


def test_the_table_shows_the_results(browser: Browser, page: Path, results: dict[str, Any]) -> None:
    browser.open(page)
    assert browser.texts("#variants tbody th") == [
        "base",
        "model.d_ff=64 (base 32)",
        "train.label_smoothing=0.2 (base 0.1)",
    ]
    first = [variant["summary"]["loss"] for variant in results["variants"]]
    shown = browser.texts("#variants tbody td:nth-child(4)")
    assert shown == [
        f"{each['mean']:.3f} ({each['lowest']:.3f} to {each['highest']:.3f})" for each in first
    ]
    assert len(browser.all("#variants .strip circle")) == 6
    assert "compare perplexity" in browser.text("#variants .caution")
    assert len(browser.all("#runs tbody tr")) == 6
    assert browser.texts("#recipes .deviations thead th")[1:4] == [
        variant["name"] for variant in results["variants"]
    ]


def test_the_charts_of_each_axis_include_the_base(
    browser: Browser, page: Path, results: dict[str, Any]
) -> None:
    browser.open(page)
    assert browser.texts("#curves .axis") == results["axes"]
    assert len(browser.all("#curves canvas")) == 2 * 3
    browser.focus(f"{LOSS} .chart")
    browser.press(END)
    names = browser.texts(f"{LOSS} .u-label")
    values = dict(zip(names, browser.texts(f"{LOSS} .u-value"), strict=True))
    base = results["variants"][0]
    seeds = {run["seed"]: run["curves"]["loss"]["values"][-1] for run in base["runs"]}
    assert values["update"] == "12"
    assert values["base, seed 1"] == f"{seeds[1]:.3f}"
    assert float(values["base"]) == pytest.approx((seeds[1] + seeds[2]) / 2, abs=6e-4)
    assert {"model.d_ff=64", "model.d_ff=64, seed 2"} <= values.keys()
    assert not any("smoothing" in name for name in names)


def test_a_click_opens_the_report_of_a_run(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.click("#runs tbody tr:nth-child(4) a")
    browser.until(lambda: browser.driver.title == "Report of seed-2")
    assert browser.text("#recipe code") != ""


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_the_window(browser: Browser, page: Path, width: int, dark: bool) -> None:
    browser.open(page, width, dark=dark)
    assert browser.overflow() <= 0
    browser.shoot(f"ablation-{width}-{'dark' if dark else 'light'}")
    if width > 1000:
        browser.shoot(f"ablation-whole-{'dark' if dark else 'light'}", "main")


def test_every_control_has_a_name(browser: Browser, page: Path) -> None:
    browser.open(page)
    controls = browser.all("button, input, summary, a, .chart, .strip")
    assert len(controls) > 20
    assert [each.get_attribute("class") for each in controls if not each.accessible_name] == []
