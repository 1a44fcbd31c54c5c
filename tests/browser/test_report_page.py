"""The page of `nmt report` in Chromium: curves zoom and read, samples follow the slider."""

import json
import shutil
from pathlib import Path

from nmt.runs.history import read_metrics
from nmt.runs.run_folder import RunFolder
from nmt.studio.report import render_report
from tests.browser.conftest import ARROW_LEFT, END, HOME, Browser

LOSS = "[data-figure=loss] .chart"


def legend(browser: Browser, figure: str = "[data-figure=loss]") -> dict[str, str]:
    """Return the values of a chart's legend at the cursor."""
    names = browser.texts(f"{figure} .u-series .u-label")
    return dict(zip(names, browser.texts(f"{figure} .u-series .u-value"), strict=True))


def test_keys_move_the_cursor_zoom_and_hide_curves(
    browser: Browser, report_page: Path, run: RunFolder
) -> None:
    browser.open(report_page)
    browser.focus(LOSS)
    browser.press(END)
    lines = read_metrics(run.metrics)
    last = next(line for line in reversed(lines) if line["kind"] == "train")
    dev = next(line for line in reversed(lines) if line["kind"] == "dev")
    browser.until(lambda: legend(browser)["update"] == "12")
    assert legend(browser)["train"] == f"{last['loss']:.3f}"
    assert legend(browser)["dev"] == f"{dev['loss']:.3f}"
    speed = legend(browser, "[data-figure=tokens_per_second]")["train"]
    assert speed == f"{last['tokens_per_second']:,}"
    assert browser.text("#spoken").startswith(f"update 12: train {last['loss']:.3f}, dev ")
    browser.press(ARROW_LEFT)
    browser.until(lambda: legend(browser)["update"] == "10")
    for key in (HOME, "+", END):
        browser.press(key)
    zoomed = legend(browser)["update"]
    assert int(zoomed) < 12
    assert legend(browser, "[data-figure=learning_rate]")["update"] == zoomed
    for key in ("0", END):
        browser.press(key)
    browser.until(lambda: legend(browser)["update"] == "12")
    name = f"{LOSS} .u-series:nth-child(2) .u-label"
    browser.focus(name)
    for expected in ("false", "true"):
        browser.press(" ")
        assert browser.one(name).get_attribute("aria-pressed") == expected
        assert bool(browser.all(f"{LOSS} .u-series.u-off")) == (expected == "false")


def test_a_drag_zooms_all_charts(browser: Browser, report_page: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    browser.open(report_page)
    over = browser.one(f"{LOSS} .u-over")
    browser.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", over)
    width = over.size["width"]
    actions = ActionChains(browser.driver)
    actions.move_to_element_with_offset(over, -width // 3, 0).click_and_hold()
    actions.move_by_offset(width // 4, 0).move_by_offset(5, 0).release().perform()
    browser.focus("[data-figure=score] .chart")
    browser.focus(LOSS)
    browser.press(END)
    assert int(legend(browser)["update"]) < 12
    assert legend(browser, "[data-figure=learning_rate]")["update"] == legend(browser)["update"]


def test_the_slider_shows_earlier_translations(
    browser: Browser, report_page: Path, run: RunFolder
) -> None:
    browser.open(report_page)
    validations = [line for line in read_metrics(run.metrics) if line["kind"] != "train"]
    slider = browser.one("#samples input[type=range]")
    average, first = validations[-1], validations[0]
    for validation, key, name in ((average, None, "average"), (first, HOME, "update 6")):
        if key:
            slider.send_keys(key)
        assert slider.get_attribute("aria-valuetext") == name
        shown = browser.texts("#samples .translation > .line span[dir]")
        expected = [sample["translation"] for sample in validation["samples"]]
        assert [text.split() for text in shown] == [text.split() for text in expected]
    assert browser.texts("#samples .line.source [dir]") == [
        sample["source"] for sample in validations[0]["samples"]
    ]


def test_settings_corpus_and_evaluation_cards_are_shown(
    browser: Browser, report_page: Path
) -> None:
    browser.open(report_page)
    assert "model.heads" in browser.texts("#recipe .deviations th code")
    assert browser.texts("#corpus tbody td")[0] == "120"
    assert "held out" in browser.text("#scores .evaluation")
    assert browser.texts("#scores .evaluation tbody td")[:3] == [
        "12.35",
        "12.30 ± 0.90",
        "nrefs:1|case:mixed",
    ]
    assert "from 0" in browser.text("#scores .evaluation details")
    assert "<b>held out</b>" in browser.text("#scores pre")
    browser.click("#recipe details.section:nth-of-type(4) summary")
    assert "max_updates" in browser.one("#recipe details[open].section").text


def changed(run: RunFolder, folder: Path, metric: str, lines: list[dict[str, object]]) -> RunFolder:
    """Copy a run with another metric and other lines of metrics.jsonl."""
    shutil.copytree(run.path, folder)
    copied = RunFolder(folder)
    recipe = copied.recipe.read_text().replace('metric = "bleu"', f'metric = "{metric}"')
    copied.recipe.write_text(recipe)
    copied.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return copied


def written(folder: Path, *runs: RunFolder) -> Path:
    """Write the report of runs into a folder; return its path."""
    page = folder / "page.html"
    page.write_text(render_report([*runs]), encoding="utf-8")
    return page


def test_two_runs_of_different_tasks_stand_side_by_side(
    browser: Browser, run: RunFolder, tmp_path: Path
) -> None:
    """Each metric has its chart, and each segment the languages of its run."""
    lines = [
        {("token_error_rate" if key == "bleu" else key): value for key, value in line.items()}
        for line in read_metrics(run.metrics)
    ]
    other = changed(run, tmp_path / "phonemes", "error_rate", lines)
    recipe = other.recipe.read_text().replace('target_language = "de"', 'target_language = "fi"')
    other.recipe.write_text(recipe)
    browser.open(written(tmp_path, run, other))
    titles = browser.texts("[data-figure=score] h3")
    assert titles == ["BLEU of the dev set", "token error rate of the dev set"]
    assert browser.texts("[data-figure=score] .u-label") == [
        *("update", "tiny, dev", "tiny, average"),
        *("update", "phonemes, dev", "phonemes, average"),
    ]
    assert {"tiny, train", "phonemes, train"} <= legend(browser).keys()
    languages = [line.get_attribute("lang") for line in browser.all(".line.reference [lang]")]
    assert (languages.count("de"), languages.count("fi")) == (6, 6)
    assert browser.texts("#recipe .deviations thead th")[1:3] == ["tiny", "phonemes"]
    rows = browser.texts("#recipe .deviations tr.differs")
    assert any(row.startswith("data.metricbleuerror_ratebleu") for row in rows)
    browser.shoot("report-two-runs")


def test_a_segment_that_occurs_twice_in_the_dev_set(
    browser: Browser, run: RunFolder, tmp_path: Path
) -> None:
    two = [
        {"source": "a", "references": ["A"], "translation": translation}
        for translation in ("first", "second")
    ]
    lines: list[dict[str, object]] = [
        {"kind": "dev", "update": update, "loss": 1, "samples": two} for update in (1, 2)
    ]
    browser.open(written(tmp_path, changed(run, tmp_path / "twice", "bleu", lines)))
    assert browser.texts("#samples .translation > .line [dir]") == ["first", "second"]
    assert browser.all("#samples .versions") == []


def test_findings_of_a_run_without_any_validation(
    browser: Browser, run: RunFolder, tmp_path: Path
) -> None:
    line = next(line for line in read_metrics(run.metrics) if line["kind"] == "train")
    losses = enumerate((3.0, 3.0, 3.0, 9.0, 9.0, 9.0), 1)
    lines = [{**line, "update": update, "perplexity": 2.718**loss} for update, loss in losses]
    started = changed(run, tmp_path / "started", "bleu", lines)
    (started.path / "card.json").unlink()
    browser.open(written(tmp_path, started))
    assert browser.texts("#findings h3")[-1] == (
        "warning: the learning rate is too high, since update 3"
    )
    assert browser.texts("#findings dt")[-3:] == ["Seen", "Meaning", "To do"]
    assert browser.text("#samples-view") == "No validation yet."
    assert browser.text("#scores-view").startswith("No validation yet.")
    assert browser.all("#scores table") == []
    assert browser.all("[data-figure=score]") == []
    assert len(browser.all("#curves .chart")) == 5
