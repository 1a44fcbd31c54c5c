"""Requests with marks: a translator cuts them out and places them in each candidate."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmt.config import TokenizerSettings
from nmt.decoding.marks.marked import Marked
from nmt.decoding.marks.marked_segment import MOST_MARKS, marked_segment, repaired
from nmt.decoding.terms.glossary import Term
from nmt.decoding.translator.requests import Request
from nmt.decoding.translator.translation import Translation
from nmt.decoding.translator.translator import Translator
from nmt.decoding.translator.wanted import Wanted
from nmt.errors import UsageError
from nmt.runs.model_file import AligningAttention
from nmt.runs.trained_model import TrainedModel, load_model
from nmt.text.learning import learn_subwords
from tests.decoding.marking import marked

TEXTS = [
    "sun <b>moon star</b> rain",
    "%s: sun, moon (%s)",
    "<b>sun <i>moon</i></b> <i>star</i> {count} rain.",
    "sun<br/>moon",
    "moon</b> star <i>rain",
    "su<b>n</b> moon",
]


@pytest.fixture(scope="module")
def model(tiny_run: Path) -> TrainedModel:
    """Load the tiny model."""
    return load_model(tiny_run, "cpu")


def translate(
    model: TrainedModel,
    texts: Sequence[str],
    notify: Callable[[str], None] = lambda _: None,
    *,
    n_best: int = 3,
    glossary: Sequence[Term] = (),
    prefix: str = "",
    **settings: Any,
) -> list[Translation]:
    """Translate marked texts."""
    changed = replace(model.recipe.decode, **settings)
    translator = Translator.of(model, changed, notify, Wanted(n_best=n_best), glossary=glossary)
    requests = [Request(each.text, prefix, each.marks) for each in map(marked, texts)]
    return [each for chunk in translator.chunks([requests]) for each in chunk]


@pytest.mark.parametrize("odd_input", ["repair", "as_is"])
def test_each_candidate_has_each_mark_once(model: TrainedModel, odd_input: str) -> None:
    for text, found in zip(TEXTS, translate(model, TEXTS, odd_input=odd_input), strict=True):
        assert len(found.candidates) == 3
        for each in found.candidates:
            assert Marked(each.text, each.marks) == marked(each.text)
            assert sorted(marked(each.text).mark_texts()) == sorted(marked(text).mark_texts())


def test_the_model_reads_the_text_without_marks(model: TrainedModel) -> None:
    """Words and scores are those of the text without marks; its neighbours are as always."""
    (plain,) = translate(model, ["sun moon star rain"])
    found = translate(model, ["sun <b>moon star</b> rain", "sun moon star rain"])
    for own, other in zip(found[0].candidates, plain.candidates, strict=True):
        assert Marked(own.text, own.marks).without_marks().split() == other.text.split()
        assert own.score == pytest.approx(other.score, rel=1e-5)
    assert found[1].candidates[0].text == plain.text
    assert found[1].candidates[0].marks == ()


def test_a_segment_without_words_is_copied(model: TrainedModel) -> None:
    texts = ["%s", "<b>%s</b>: {count} ", "<br/>  5", "%s" * (MOST_MARKS + 1) + " sun"]
    for text, found in zip(texts, translate(model, texts), strict=True):
        (only,) = found.candidates
        assert Marked(only.text, only.marks) == marked(text)


def test_long_segments_prefixes_and_terms(model: TrainedModel) -> None:
    """Translations with marks can have all that others can have."""
    long = " ".join(["sun <b>moon</b>"] * 20)
    notes: list[str] = []
    (found,) = translate(model, [long], notes.append, max_segment_tokens=12)
    assert sorted(marked(found.text).mark_texts()) == sorted(marked(long).mark_texts())
    assert any("translated in" in note for note in notes)
    (found,) = translate(model, ["sun <b>moon</b>"], prefix="STAR LEAF")
    without = Marked(found.text, found.candidates[0].marks).without_marks()
    assert without.startswith("STAR LEAF")
    entries = [Term("moon", ("TREE",), "glossary:1")]
    (found,) = translate(model, ["sun <b>moon</b>"], glossary=entries)
    assert "TREE" in found.text


def test_unknown_words_are_copied_beside_marks(model: TrainedModel) -> None:
    notes: list[str] = []
    texts = ["sun \u2665 <b>moon \u0416\u0416</b> www.sun.org", "sun %s \u0416\u0416.", "%s \u0416"]
    for text, found in zip(texts, translate(model, texts, notes.append), strict=True):
        for each in found.candidates:
            assert Marked(each.text, each.marks) == marked(each.text)
            for symbol in ("\u2665", "\u0416\u0416", "www.sun.org"):
                assert each.text.count(symbol) == text.count(symbol)
    assert any("copied to the translations" in note for note in notes)


def test_capitals_are_read_in_lower_case_and_marks_stay() -> None:
    """A placeholder is no text, so that its letters stay as they are."""
    letters = " ".join(map(chr, range(ord("A"), ord("Z") + 1)))
    subwords = learn_subwords(
        [*["the quick brown fox", "The dog"] * 9, letters], TokenizerSettings(90)
    )
    segment = marked_segment(marked("THE <b>QUICK</b> %s FOX"))
    found = repaired(segment, subwords.encode([segment.text])[0], subwords)
    assert (found.text, found.is_capitals) == ("The quick fox", True)


def test_alignments_are_refused(model: TrainedModel) -> None:
    translator = Translator.of(
        model, model.recipe.decode, lambda _: None, Wanted(alignment=(AligningAttention(0, None),))
    )
    source = marked("sun <b>moon</b>")
    with pytest.raises(UsageError, match="alignments"):
        next(translator.chunks([[Request(source.text, "", source.marks)]]))
