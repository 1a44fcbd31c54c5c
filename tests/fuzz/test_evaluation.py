"""Fuzz evaluation: any texts have finite scores, valid JSON, and p-values that are exact."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.evaluation import test_sets  # pytest would collect an imported TestSet
from nmt.evaluation.card import Card, as_text, card_json, card_markdown
from nmt.evaluation.evaluate import Scoring, evaluate
from nmt.evaluation.metrics import (
    ERROR_RATE,
    BleuVariant,
    MetricSet,
    choose_metrics,
    translation_metrics,
)
from nmt.evaluation.results import SystemDescription
from tests.evaluation.test_significance import enumerated
from tests.fuzz import fuzz

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]  # minutes on a machine that is busy

TASKS = [
    translation_metrics("de", (BleuVariant("intl", lowercase=True),)),
    choose_metrics("bleu", "zh"),
    choose_metrics(ERROR_RATE, "en"),
]
# One measure in each case, which is three times as fast.
CHOSEN = [replace(task, measures=(measure,)) for task in TASKS for measure in task.measures]
WORDS = ["a", "b", "Haus", "ein", ".", ",", "", " ", "\t", "\r", "-", "a-b", "&quot;", "<b>", "|"]
words = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
any_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=8)
segments = st.one_of(words, words, any_text)


@dataclass(frozen=True)
class Given:
    """A system with given outputs."""

    name: str
    texts: Sequence[str]

    def check(self, test: test_sets.TestSet) -> None:
        """Accept every test set."""

    def outputs(self, test: test_sets.TestSet) -> list[str]:
        return [self.texts[line] for line in test.lines]

    def describe(self) -> SystemDescription:
        return SystemDescription(self.name, "")


@st.composite
def corpora(draw: st.DrawFn) -> tuple[list[str], list[tuple[str, ...]], list[str], list[str]]:
    """Draw sources (or none), references, and two systems' outputs, which are often alike."""
    count = draw(st.integers(1, 3))
    references = draw(st.integers(1, 2))
    column = st.lists(segments, min_size=count, max_size=count)
    columns = [draw(column) for _ in range(references)]
    sources = draw(st.one_of(st.just([]), column))
    first = draw(st.one_of(column, st.just(columns[0])))
    changed = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    new = draw(column)
    other = [right if swap else left for left, right, swap in zip(first, new, changed, strict=True)]
    return sources, list(zip(*columns, strict=True)), first, other


@pytest.fixture(autouse=True, scope="module")
def _few_resamples() -> Iterator[None]:
    """Make intervals cheap; what is tested does not depend on their number."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nmt.evaluation.significance.RESAMPLES", 3)
        yield


@fuzz
@given(corpora(), st.sampled_from(CHOSEN), st.booleans())
def test_any_texts_can_be_scored_and_compared(
    corpus: tuple[list[str], list[tuple[str, ...]], list[str], list[str]],
    metrics: MetricSet,
    compares: bool,
) -> None:
    sources, references, first, other = corpus
    test = test_sets.TestSet.of("t", sources, references)
    others = (Given("other", other),) if compares else ()
    notes: list[str] = []
    scoring = Scoring(others, in_full=True)
    found = evaluate([test], Given("first", first), lambda _: metrics, scoring, notes.append)
    (result,) = found.test_sets
    assert notes == [f"warning: {each}" for each in result.warnings]
    card = Card(found, "", (), {}, None)
    assert as_text(found)
    assert card_markdown(card)
    refuse: Any = pytest.fail  # NaN and Infinity are no JSON
    assert json.loads(card_json(card), parse_constant=refuse)["results"]
    if compares:
        grouped = test.grouped(metrics)
        one, two = ([texts[line] for line in grouped.lines] for texts in (first, other))
        for measure, score in zip(metrics.measures, result.systems[1].scores, strict=True):
            expected = enumerated(measure.metric, one, two, grouped.references)
            assert score.p_value == pytest.approx(expected, abs=1e-12), measure.name
