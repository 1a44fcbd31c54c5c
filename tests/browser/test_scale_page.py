"""The page of `nmt scale` in Chromium."""

import json
from pathlib import Path

from tests.browser.conftest import END, Browser
from tests.browser.test_report_page import legend


def test_charts_and_tables_show_the_runs_and_the_law(
    browser: Browser, scale_page: Path, scaled: Path
) -> None:
    content = json.loads((scaled / "scale.json").read_text(encoding="utf-8"))
    browser.open(scale_page)
    assert len(browser.all("#runs tbody tr")) == len(content["runs"]) + 1
    assert browser.texts("#pair tbody td:nth-child(4)") == ["2 of 2"]
    [check], [law] = content["checks"], content["laws"].values()
    assert browser.texts("#law thead th")[2:7] == [*"EAaBb"]
    assert f"{check['loss']:.3f}" in browser.texts("#law td")
    browser.focus("[data-figure=N] .chart")
    browser.press(END)
    shown = legend(browser, "[data-figure=N]")
    predicted = next(curve for curve in law["curves"] if curve["over"] == "N")["value"][-1]
    assert shown["tiny, predicted"] == f"{check['loss']:.3f}"
    assert shown["tiny, law"] == f"{predicted:.3f}"


def test_the_text_of_a_section_is_no_markup(
    browser: Browser, scale_page: Path, tmp_path: Path
) -> None:
    """The page is made again from what is there; so the section is put into its data here."""
    title, chart = "<i>Distance</i>", {"label": "<b>far</b>", "kind": "run", "colour": "target"}
    section = {
        "id": "other",
        "title": title,
        "texts": ["one"],
        "tables": [{"heads": ["words", "right"], "rows": [["<b>1</b>", "0.9"]]}],
        "charts": [
            {"title": title, "over": "words", "series": [{**chart, "x": [1, 2], "value": [3, 4]}]}
        ],
    }
    added = json.dumps(section).replace("<", "\\u003c")
    text = scale_page.read_text(encoding="utf-8").replace('"sections":[', f'"sections":[{added},')
    (tmp_path / "more.html").write_text(text, encoding="utf-8")
    browser.open(tmp_path / "more.html")
    assert browser.texts("#other h2") == [title]
    assert browser.texts("#other .figures tbody th") == ["<b>1</b>"]
    assert "<b>far</b>" in legend(browser, "#other")
