"""Dual conditional cross-entropy: its formula, and what is kept by it."""

from collections.abc import Iterator
from math import exp
from pathlib import Path
from typing import Any, cast

import numpy
import pytest

from nmt.corpora.clean import TOO_LONG, CrossEntropy, Floats, Models, dual_scores
from nmt.corpora.faults.detectors import CheckLimits, learn_norms
from nmt.corpora.faults.filters import CleanBlock, Kept, Rules, draw_sample, with_usual_norms
from nmt.text.reading.corpus import Pair
from tests.corpora.corpora import as_pairs

PAIRS = [("a", "A"), ("b", "B"), ("c", "C"), ("d", "D"), ("e", "E")]
# The scores are exp(-1), exp(-2), exp(-1), exp(-3), 0.
ENTROPIES = [(1.0, 1.0), (1.0, 2.0 - 1 / 3), (1.0, 1.0), (3.0, 3.0), (TOO_LONG, TOO_LONG)]


def test_the_score_falls_with_the_mean_and_with_the_difference() -> None:
    # |2 - 1| + (2 + 1) / 2 = 2.5, and the same if the models change places.
    found = dual_scores(numpy.array([[2, 1], [1, 2], [0, 0], [1.5, 1.5]], numpy.float32))
    assert found == pytest.approx([exp(-2.5), exp(-2.5), 1, exp(-1.5)])


class Known(CrossEntropy):
    """Knows the cross-entropies of pairs without models."""

    def __init__(self, **settings: float) -> None:
        models = Models(Path("a"), Path("b"), keep_share=None, least_score=None)
        for name, value in settings.items():
            object.__setattr__(models, name, value)
        super().__init__(models, cast(Any, None))

    def entropies(self, block: CleanBlock) -> Floats:
        found = [ENTROPIES[PAIRS.index(kept.pair)] for kept in block.kept]
        return numpy.array(found, numpy.float32).reshape(-1, 2)


def blocks() -> Iterator[CleanBlock]:
    """Yield the pairs in two blocks, and one that other filters have emptied."""
    for first, last in ((0, 2), (2, 2), (2, 5)):
        pairs = enumerate(as_pairs(PAIRS[first:last]), start=first + 1)
        yield CleanBlock([Kept(line, pair, pair, (), 0, 0) for line, pair in pairs], [])


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"least_score": 0.3}, "ac"),
        ({"least_score": 0.1}, "abc"),
        ({"keep_share": 0.2}, "a"),  # of equal scores, the first one
        ({"keep_share": 0.4}, "ac"),
        ({"keep_share": 0.8}, "abcd"),
        ({"keep_share": 0.8, "least_score": 0.1}, "abc"),
        ({}, "abcde"),
    ],
)
def test_the_best_pairs_are_kept_in_order(settings: dict[str, float], kept: str) -> None:
    scores: list[str] = []
    filters = Known(**settings)
    found = [*filters.filtered(blocks, scores.append)]
    assert "".join(pair.pair.source for block in found for pair in block.kept) == kept
    rejected = [pair for block in found for pair in block.rejected]
    assert [pair.line for pair in rejected] == [
        line for line, (source, _) in enumerate(PAIRS, start=1) if source not in kept
    ]
    assert {pair.kind for pair in rejected} <= {"cross_entropy"}
    assert [line.split("\t")[0] for line in scores] == ["line", "1", "2", "3", "4", "5"]
    assert scores[4].split("\t")[1:] == ["0.049787", "3.0000", "3.0000\n"]
    assert filters.scored == 5
    lowest = {"a": exp(-1), "c": exp(-1), "b": exp(-2), "d": exp(-3), "e": 0}[kept[-1]]
    assert filters.lowest_kept == pytest.approx(min(lowest, exp(-2) if "b" in kept else 1))


def test_a_pair_that_no_model_can_read_is_explained() -> None:
    found = [*Known(least_score=0.04).filtered(blocks)]
    assert found[-1].rejected[-1].reason == "more tokens than a model can read"
    assert not found[0].rejected


@pytest.mark.parametrize("count", [150, 450])
@pytest.mark.parametrize("source", ["{:03}", "\u2013 {:03}", "one"])
def test_sources_without_letters_or_with_many_targets_are_sampled(source: str, count: int) -> None:
    rules = Rules(learn_norms([], CheckLimits(sample_pairs=100)), ("length_ratio",))
    targets = [f"{chr(97 + i // 26)}{chr(97 + i % 26)} eins" for i in range(count)]
    pairs = [Pair(source.format(i), target) for i, target in enumerate(targets)]
    assert with_usual_norms(draw_sample(pairs, rules), rules).norms.ratio == 7 / len(pairs[0][0])
