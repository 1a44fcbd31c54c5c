"""Repetition and overlap are found by hashes, equal to a plain search through texts."""

import random

import numpy

from nmt.corpora.detectors import CheckLimits
from nmt.corpora.examine import (
    Facts,
    examine,
    hash_text,
    learn_context,
    overlaps,
    repeated,
    repeats_of,
)
from nmt.text.encode import Chunk
from nmt.text.facts import pair_hashes
from tests.corpora.corpora import Pairs, corpus

LIMITS = CheckLimits()


def hashes(texts: list[str]) -> numpy.ndarray:
    return numpy.array([hash_text(text) for text in texts], numpy.uint64)


def test_repetitions_are_those_of_a_plain_search() -> None:
    draw = random.Random(1)
    texts = [draw.choice("abcdefgh") * draw.randint(1, 9) for _ in range(200)]
    found = repeats_of(hashes(texts))
    expected = [place for place, text in enumerate(texts) if text in texts[:place]]
    assert found.places.tolist() == expected
    assert found.firsts.tolist() == [texts.index(texts[place]) for place in expected]


def test_sides_in_another_order_are_another_pair() -> None:
    first, second = hash_text("a"), hash_text("b")
    sides = numpy.array([[first, second, first, first], [second, first, first, second]])
    assert repeats_of(pair_hashes(sides.astype(numpy.uint64))).places.tolist() == [3]


def facts(pairs: Pairs) -> Facts:
    context = learn_context([], LIMITS)
    sources, targets = ([pair[side] for pair in pairs] for side in (0, 1))
    return examine(Chunk(1, sources, targets), frozenset(), context)


def counts(pairs: Pairs) -> dict[str, tuple[int, list[int]]]:
    findings = repeated(facts(pairs), LIMITS)
    return {each.kind: (each.count, [e.line for e in each.examples]) for each in findings}


def test_each_kind_of_repetition_is_counted_by_hand() -> None:
    pairs = [
        ("The sun.", "Die Sonne."),
        ("Rain 1", "Regen"),
        ("The sun.", "Die Sonne."),  # the pair of line 1
        ("the  SUN", "die sonne!"),  # near line 1
        ("The sun.", "Sonne"),  # another target for line 1
        ("Snow", "Regen"),  # another source for line 2
    ]
    assert counts(pairs) == {
        "duplicates": (1, [3]),
        "near_duplicates": (1, [4]),
        "several_targets": (2, [5]),
        "several_sources": (2, [6]),
    }


def test_many_repetitions_are_a_warning() -> None:
    pairs = corpus(20)
    findings = repeated(facts([*pairs, *pairs[:5]]), LIMITS)
    (finding,) = [finding for finding in findings if finding.kind == "duplicates"]
    assert (finding.severity, finding.count) == ("warning", 5)


def sources(texts: list[str]) -> Facts:
    return facts([(text, f"{number}") for number, text in enumerate(texts)])


def test_overlap_is_exact_or_near_and_names_both_lines() -> None:
    train = sources(["A dog.", "A cat.", "A bird.", "A cat."])
    dev = sources(["No.", "A cat.", "a  DOG!", "Yes.", "Perhaps.", "A cow."])
    exact, near = overlaps(dev, {"other": sources(["x"]), "train": train}, LIMITS)
    assert (exact.kind, exact.count, exact.severity) == ("overlap", 1, "warning")
    assert [(e.line, e.detail) for e in exact.examples] == [(2, "its source is in line 2 of train")]
    assert (near.kind, [e.line for e in near.examples]) == ("near_overlap", [3])


def test_a_dev_set_that_is_mostly_in_train_is_an_error() -> None:
    train = sources(["A dog.", "A cat."])
    (finding,) = overlaps(sources(["A cat.", "A dog.", "No."]), {"train": train}, LIMITS)
    assert (finding.severity, finding.count, finding.of) == ("error", 2, 3)


def test_nothing_overlaps_with_nothing() -> None:
    assert overlaps(sources([]), {"train": sources([])}, LIMITS) == []
    assert overlaps(sources(["A"]), {"train": sources([])}, LIMITS) == []
    assert overlaps(sources([]), {"train": sources(["A"])}, LIMITS) == []
