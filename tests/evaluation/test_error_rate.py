"""Error rates: edit distance by hand and by its definition, the nearest of several references."""

import random
from collections.abc import Sequence

import pytest

from nmt.evaluation.error_rate import edit_distance, error_metrics
from nmt.evaluation.scores import compared_scores, corpus_scores


def defined_distance(left: Sequence[str], right: Sequence[str]) -> int:
    """The definition, with nothing remembered: slow, and plainly right."""
    if not left or not right:
        return len(left) + len(right)
    if left[0] == right[0]:
        return defined_distance(left[1:], right[1:])
    cut = [(left[1:], right), (left, right[1:]), (left[1:], right[1:])]
    return 1 + min(defined_distance(*each) for each in cut)


@pytest.mark.parametrize(
    ("left", "right", "distance"),
    [
        ("kitten", "sitting", 3),
        ("flaw", "lawn", 2),
        ("", "abc", 3),
        ("abc", "", 3),
        ("", "", 0),
        ("abc", "abc", 0),
        ("abcd", "badc", 3),
    ],
)
def test_distances_by_hand(left: str, right: str, distance: int) -> None:
    assert edit_distance(left, right) == distance
    assert edit_distance(right, left) == distance


@pytest.mark.parametrize("seed", range(60))
def test_distances_by_definition(seed: int) -> None:
    draw = random.Random(seed)
    left, right = (draw.choices("abc", k=draw.randint(0, 6)) for _ in range(2))
    assert edit_distance(left, right) == defined_distance(left, right)


def rates(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    return [score.value for score in corpus_scores(error_metrics(), hypotheses, references)]


def test_rates_by_hand() -> None:
    """1 of 4, 0 of 2 and 2 of 3 tokens are wrong, hence 3 of 9; and 2 of 3 sequences."""
    hypotheses = ["A B X D", "E  F ", "G"]
    references = [["A B C D"], ["E F"], ["G H I"]]
    assert rates(hypotheses, references) == pytest.approx([100 * 3 / 9, 100 * 2 / 3])


def test_the_nearest_reference_counts() -> None:
    """Of the first, the second reference: 1 of 2; of the second, equally near ones: 1 of 3."""
    references = [["A B C", "X Y"], ["P Q R", "P Q R S T"], ["K"]]
    assert rates(["X Z", "P Q R S", "K"], references) == pytest.approx([100 * 2 / 6, 100 * 2 / 3])
    assert rates(["A B C", "P Q R S T", "K"], references) == [0, 0]


def test_empty_outputs_and_references() -> None:
    assert rates([""], [["A B"]]) == [100, 100]
    assert rates(["A B C"], [["A"]]) == [200, 100]
    assert rates(["A"], [[""]]) == [100, 100]
    assert rates([""], [[""]]) == [0, 0]


def test_intervals_and_p_values_are_to_be_had() -> None:
    draw = random.Random(1)
    references = [[" ".join(draw.choices("ABCDEF", k=6))] for _ in range(80)]
    right = [known for (known,) in references]
    half = [text if draw.random() < 0.5 else "A B" for text in right]
    mine, theirs = compared_scores(error_metrics(), [half, right], references)
    assert [score.value for score in theirs] == [0, 0]
    for score in mine:
        assert score.interval
        assert abs(score.interval.mean - score.value) < score.interval.radius < 20
    for score in theirs:
        assert score.p_value is not None
        assert score.p_value < 0.001
        assert "|version:nmt-" in score.signature


def test_lines_of_one_source_are_one_item() -> None:
    """Blank references and those that are there already count for nothing."""
    sources = ["b", "a", "b", "c", "b"]
    references = [["X"], ["Y"], ["Z"], [" "], ["X"]]
    items = error_metrics().items(sources, references)
    assert items.lines == [0, 1, 3]
    assert items.references == [("X", "Z"), ("Y",), ("",)]
    alone = error_metrics().items([], [["X", ""], ["X", "X"]])
    assert alone.lines == [0, 1]
    assert alone.references == [("X",), ("X",)]
