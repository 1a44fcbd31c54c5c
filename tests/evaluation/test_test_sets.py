"""Warnings about test sets and translations: texts that are not what was meant."""

from collections.abc import Sequence

from nmt.evaluation import test_sets  # pytest would collect an imported TestSet
from nmt.evaluation.test_sets import output_warnings, reference_warnings


def a_set(sources: Sequence[str], *references: str) -> test_sets.TestSet:
    """Return a test set named "t" with one reference for each segment."""
    return test_sets.TestSet.of("t", sources, [(each,) for each in references])


def test_well_made_texts_have_no_warning() -> None:
    test = a_set(["a", "", "b"], "A", "", "B")
    assert reference_warnings(test) == []
    assert output_warnings(test, "out", ["x", "", "y"]) == []


def test_references_that_are_all_blank() -> None:
    test = a_set(["a", "b"], "", " \t")
    assert reference_warnings(test) == ["every reference of t is blank: the scores are meaningless"]
    assert output_warnings(test, "out", ["x", "y"]) == []


def test_a_second_reference_may_be_blank() -> None:
    test = test_sets.TestSet.of("t", [], [("a", ""), ("", "b")])
    assert reference_warnings(test) == []
    assert output_warnings(test, "out", ["x", "y"]) == []


def test_blank_lines_on_one_side_are_counted() -> None:
    test = a_set(["a", "", "", "b"], "A", "B", "C", " ")
    assert reference_warnings(test) == [
        "t: sources blank where the reference is not: 2 (first: line 2)",
        "t: references blank where the source is not: 1 (first: line 4)",
    ]
    # The blank translations of blank sources are right.
    assert output_warnings(test, "out", ["", "", "", "x"]) == [
        "t: translations of out blank where the reference is not: 1 (first: line 1)"
    ]


def test_blank_lines_without_sources() -> None:
    test = a_set([], "A", "", "C")
    assert reference_warnings(test) == []
    assert output_warnings(test, "out", ["x", "y", ""]) == [
        "t: references blank where the translation of out is not: 1 (first: line 2)",
        "t: translations of out blank where the reference is not: 1 (first: line 3)",
    ]


def test_blank_translations() -> None:
    test = a_set([], "A", "B")
    assert output_warnings(test, "out", ["", " "]) == ["t: every translation of out is blank"]


def test_texts_that_equal_the_sources() -> None:
    test = a_set(["a", "b"], "A", "b")
    assert reference_warnings(test) == []
    assert output_warnings(test, "out", ["a", "b"]) == [
        "t: every translation of out equals its source"
    ]
    assert output_warnings(test, "out", ["a", "B"]) == []
    same = a_set(["a", "b"], "a", "b")
    assert reference_warnings(same) == [
        "t: every reference equals its source: is the file of references the right one?"
    ]
