"""The pages of `nmt ablate` and `nmt check` in Chromium."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import END, Browser
from tests.browser.test_report_page import legend

LOSS = "#curves-view .charts:nth-of-type(1) [data-figure=loss]"


@pytest.fixture(scope="session")
def results(ablation: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ablation / "ablation.json").read_text(encoding="utf-8"))
    return content


def test_the_table_shows_the_results(
    browser: Browser, ablation_page: Path, results: dict[str, Any]
) -> None:
    browser.open(ablation_page)
    assert browser.texts("#variants tbody th") == [
        "base",
        "model.d_ff=64 (base 32)",
        "train.label_smoothing=0.2 (base 0.1)",
    ]
    losses = [variant["summary"]["loss"] for variant in results["variants"]]
    assert browser.texts("#variants tbody td:nth-child(4)") == [
        f"{loss['mean']:.3f} ({loss['lowest']:.3f} to {loss['highest']:.3f})" for loss in losses
    ]
    assert len(browser.all("#variants .strip circle")) == 6
    assert "compare perplexity" in browser.text("#variants .caution")
    assert browser.texts("#recipes .deviations thead th")[1:4] == [
        variant["name"] for variant in results["variants"]
    ]
    assert len(browser.all("#runs tbody tr")) == 6
    browser.click("#runs tbody tr:nth-child(4) a")
    browser.until(lambda: browser.driver.title == "Report of seed-2")


def test_the_charts_of_each_axis_include_the_base(
    browser: Browser, ablation_page: Path, results: dict[str, Any]
) -> None:
    browser.open(ablation_page)
    assert browser.texts("#curves .axis") == results["axes"]
    assert len(browser.all("#curves canvas")) == 2 * 3
    browser.focus(f"{LOSS} .chart")
    browser.press(END)
    values = legend(browser, LOSS)
    seeds = {
        run["seed"]: run["curves"]["loss"]["values"][-1] for run in results["variants"][0]["runs"]
    }
    assert values["update"] == "12"
    assert values["base, seed 1"] == f"{seeds[1]:.3f}"
    assert float(values["base"]) == pytest.approx((seeds[1] + seeds[2]) / 2, abs=6e-4)
    assert {"model.d_ff=64", "model.d_ff=64, seed 2"} <= values.keys()
    assert not any("smoothing" in name for name in values)


def test_findings_of_a_check_have_examples_and_its_advice_differences(
    browser: Browser, check_page: Path
) -> None:
    browser.open(check_page)
    assert browser.texts("h1") == ["<i>mine</i>"]
    kinds = {finding.get_attribute("data-kind") for finding in browser.all(".finding")}
    assert kinds == {"empty", "invisible", "copied", "duplicates", "markup"}
    assert "<b>bold</b> \\u200btext" in browser.texts(".example .target")
    assert "line 21: target equal to source" in browser.texts(".example .facts")
    assert len(browser.all(".lengths tbody tr")) >= 4
    assert browser.texts("#advice th") == ["vocabulary"]
    assert browser.texts("#advice td") == ["8,000 <b>", "a reason"]
    assert browser.texts("#advice li") == ["The recipe has model.dropout=0.1, not 0.3."]
