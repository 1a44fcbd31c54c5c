"""Metrics: variants of BLEU; error rates, with several references and repeated sources."""

import random
from collections.abc import Sequence

import pytest

from nmt.evaluation import test_sets  # pytest would collect an imported TestSet
from nmt.evaluation.metrics import edit_distance, error_metrics, split_compounds
from nmt.evaluation.scores import corpus_scores, exact_matches
from nmt.evaluation.significance import compared_scores


@pytest.mark.parametrize(
    ("tokens", "split"),
    [
        ("rich-text format", "rich ##AT##-##AT## text format"),
        ("a - b -c d-", "a - b -c d-"),
        ("U-Bahn-Station", "U ##AT##-##AT## Bahn ##AT##-##AT## Station"),
        # As in the authors' Perl script: each letter belongs to one match only.
        ("a-b-c", "a ##AT##-##AT## b-c"),
        ("--- x--y", "- ##AT##-##AT## - x ##AT##-##AT## -y"),
        ("", ""),
    ],
)
def test_hyphens_within_words_become_tokens(tokens: str, split: str) -> None:
    assert split_compounds(tokens) == split


def distance_by_definition(left: Sequence[str], right: Sequence[str]) -> int:
    """Return the edit distance by its recursive definition, which is slow."""
    if not left or not right:
        return len(left) + len(right)
    if left[0] == right[0]:
        return distance_by_definition(left[1:], right[1:])
    cut = [(left[1:], right), (left, right[1:]), (left[1:], right[1:])]
    return 1 + min(distance_by_definition(*texts) for texts in cut)


@pytest.mark.parametrize("seed", range(12))
def test_edit_distances_equal_the_definition(seed: int) -> None:
    draw = random.Random(seed)
    left, right = (draw.choices("abc", k=draw.randint(0, 6)) for _ in range(2))
    assert edit_distance(left, right) == distance_by_definition(left, right)
    assert edit_distance(left, []) == len(left)


def rates(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    return [score.value for score in corpus_scores(error_metrics(), hypotheses, references)]


def test_rates_by_hand() -> None:
    """1 of 4, 0 of 2 and 2 of 3 tokens are wrong, so 3 of 9; 2 of 3 sequences are wrong."""
    hypotheses = ["A B X D", "E  F ", "G"]
    references = [["A B C D"], ["E F"], ["G H I"]]
    assert rates(hypotheses, references) == pytest.approx([100 * 3 / 9, 100 * 2 / 3])


def test_the_nearest_reference_counts() -> None:
    """The first output is nearest to its second reference: 1 of 2 tokens is wrong.

    The second output has two equally near references, of which the first counts: 1 of 3.
    """
    references = [["A B C", "X Y"], ["P Q R", "P Q R S T"], ["K"]]
    assert rates(["X Z", "P Q R S", "K"], references) == pytest.approx([100 * 2 / 6, 100 * 2 / 3])
    assert rates(["A B C", "P Q R S T", "K"], references) == [0, 0]


def test_empty_outputs_and_references() -> None:
    assert rates([""], [["A B"]]) == [100, 100]
    assert rates(["A B C"], [["A"]]) == [200, 100]
    assert rates(["A"], [[""]]) == [100, 100]
    assert rates([""], [[""]]) == [0, 0]


def test_error_rates_have_intervals_and_p_values() -> None:
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


def test_lines_with_one_source_are_one_segment() -> None:
    """Blank and repeated references are dropped."""
    sources = ["b", "a", "b", "c", "b"]
    references = [("X",), ("Y",), ("Z",), (" ",), ("X",)]
    scored = test_sets.TestSet.of("x", sources, references).grouped(error_metrics())
    assert scored.sources == ["b", "a", "c"]
    assert scored.lines == [0, 1, 3]
    assert scored.references == [("X", "Z"), ("Y",), ("",)]
    alone = test_sets.TestSet.of("x", [], [("X", ""), ("X", "X")]).grouped(error_metrics())
    assert alone.lines == [0, 1]
    assert alone.references == [("X",), ("X",)]


def test_a_label_counts_a_segment_once_and_the_end_of_a_document_never() -> None:
    given = ["a", "b", ""], [["a"], ["c"], [" "]]
    (found,) = exact_matches(*given, ["all", "all all", ""])
    assert (found.label, found.right, found.segments) == ("all", 1, 2)


def test_exact_matches_are_the_sequences_without_error_and_keep_all_labels() -> None:
    sources, labels = ["read", "read", "cat"], ["past", "present", "noun"]
    references = [("R EH D",), ("R IY D",), ("K AE  T",)]
    test = test_sets.TestSet.of("x", sources, references, labels).grouped(error_metrics())
    outputs = ["R IY D", "K AE T"]
    assert rates(outputs, [[*references] for references in test.references])[1] == 0
    found = {count.label: count for count in exact_matches(outputs, test.references, test.labels)}
    assert {label: (count.right, count.segments) for label, count in found.items()} == {
        "all": (2, 2),
        "noun": (1, 1),
        "past": (1, 1),
        "present": (1, 1),
    }
