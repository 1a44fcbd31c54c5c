"""The page of `nmt check` in Chromium: findings with their examples, and contrast."""

from dataclasses import replace
from pathlib import Path

import pytest

from nmt.corpora.check import Task, check_corpus
from nmt.corpora.detectors import CheckLimits
from nmt.corpora.report import Advice, Advised, Difference
from nmt.studio.check_page import render_check
from nmt.text.corpus import ParallelText
from tests.browser.audit import faint_texts
from tests.browser.conftest import Browser
from tests.corpora.corpora import corpus, write


@pytest.fixture(scope="session")
def check_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the page of a corpus with some faults."""
    folder = tmp_path_factory.mktemp("check")
    pairs = corpus(400)
    pairs[10] = ("", pairs[10][1])
    pairs[20] = ("<b>bold</b> \u200btext", "<b>bold</b> \u200btext")
    pairs[40] = pairs[5]
    task = Task((ParallelText(write(folder, pairs), "train"),), recipe="<i>mine</i>")
    advised = [Advised(each, "8,000 <b>", "a reason", {}) for each in ("vocabulary", "time")]
    differences = (Difference("model.dropout", 0.1, 0.3),)
    advice = Advice(400, tuple(advised), None, differences, ("A note.",))
    report = replace(check_corpus(task, CheckLimits(language_sample=0)), advice=advice)
    page = folder / "check.html"
    page.write_text(render_check(report), "utf-8")
    return page


def test_findings_have_examples(browser: Browser, check_page: Path) -> None:
    browser.open(check_page)
    assert browser.texts("h1") == ["<i>mine</i>"]
    kinds = [each.get_attribute("data-kind") for each in browser.all(".finding")]
    assert {*kinds} == {"empty", "invisible", "copied", "duplicates", "markup"}
    assert "<b>bold</b> \\u200btext" in browser.texts(".example .target")
    assert "line 21: target equal to source" in browser.texts(".example .facts")
    assert len(browser.all(".lengths tbody tr")) >= 4


def test_advice_is_a_table_with_differences(browser: Browser, check_page: Path) -> None:
    browser.open(check_page)
    assert browser.texts("#advice th") == ["vocabulary", "time"]
    assert browser.texts("#advice td")[:2] == ["8,000 <b>", "a reason"]
    assert browser.texts("#advice li") == ["The recipe has model.dropout=0.1, not 0.3."]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_texts_have_contrast(browser: Browser, check_page: Path, dark: bool) -> None:
    browser.open(check_page, dark=dark)
    assert faint_texts(browser, 20) == {}
