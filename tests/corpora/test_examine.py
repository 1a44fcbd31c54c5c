"""Repetition and overlap are found by hashes, and the coverage of a vocabulary is measured."""

import random

import numpy
import pytest

from nmt.config import TokenizerSettings
from nmt.corpora.faults.detectors import CheckLimits
from nmt.corpora.faults.examine import (
    LEAST_SAMPLE,
    Facts,
    examine,
    first_indices,
    hash_text,
    learn_context,
    learn_tokenizer,
    measure_coverage,
    overlaps,
    rare_characters,
    repeated,
)
from nmt.corpora.pairs import Row
from nmt.errors import NmtError
from nmt.text.encode import Chunk
from nmt.text.facts import pair_hashes
from nmt.text.subwords.learning import learn_subwords
from nmt.text.subwords.tokenizer import Tokenizer
from tests.corpora.corpora import Pairs, corpus

LIMITS = CheckLimits()
ROWS: list[Row] = [(number, *pair) for number, pair in enumerate(corpus(300), start=1)]


def hashes(texts: list[str]) -> numpy.ndarray:
    return numpy.array([hash_text(text) for text in texts], numpy.uint64)


def test_repetitions_are_those_of_a_plain_search() -> None:
    draw = random.Random(1)
    texts = [draw.choice("abcdefgh") * draw.randint(1, 9) for _ in range(200)]
    assert first_indices(hashes(texts)).tolist() == [*map(texts.index, texts)]


def test_sides_in_another_order_are_another_pair() -> None:
    first, second = hash_text("a"), hash_text("b")
    sides = numpy.array([[first, second, first, first], [second, first, first, second]])
    assert first_indices(pair_hashes(sides.astype(numpy.uint64))).tolist() == [0, 1, 2, 0]


def facts(pairs: Pairs) -> Facts:
    context = learn_context([], LIMITS)
    sources, targets = ([pair[side] for pair in pairs] for side in (0, 1))
    return examine(Chunk(1, sources, targets), frozenset(), context)


def test_each_kind_of_repetition_is_counted_by_hand() -> None:
    pairs = [
        ("The sun.", "Die Sonne."),
        ("Rain 1", "Regen"),
        ("The sun.", "Die Sonne."),  # the pair of line 1
        ("the  SUN", "die sonne!"),  # near line 1
        ("The sun.", "Sonne"),  # another target for line 1
        ("Snow", "Regen"),  # another source for line 2
    ]
    findings = repeated(facts(pairs), LIMITS)
    assert [(found.kind, found.count, found.examples[0].line) for found in findings] == [
        *(("duplicates", 1, 3), ("near_duplicates", 1, 4)),
        *(("several_targets", 2, 5), ("several_sources", 2, 6)),
    ]
    many = repeated(facts([*corpus(20), *corpus(20)[:5]]), LIMITS)
    (finding,) = [finding for finding in many if finding.kind == "duplicates"]
    assert (finding.severity, finding.count) == ("warning", 5)


def sources(texts: list[str]) -> Facts:
    return facts([(text, f"{number}") for number, text in enumerate(texts)])


def test_overlap_is_exact_or_near_and_names_both_lines() -> None:
    train = sources(["A dog.", "A cat.", "A bird.", "A cat."])
    dev = sources(["No.", "A cat.", "a  DOG!", "Yes.", "Perhaps.", "A cow."])
    exact, near = overlaps(dev, {"other": (sources(["x"]), 0), "train": (train, 0)}, LIMITS)
    assert (exact.kind, exact.count, exact.severity) == ("overlap", 1, "warning")
    assert [(e.line, e.detail) for e in exact.examples] == [(2, "its source is in line 2 of train")]
    assert (near.kind, [e.line for e in near.examples]) == ("near_overlap", [3])


def test_a_dev_set_that_is_mostly_in_train_is_an_error() -> None:
    train = sources(["A dog.", "A cat."])
    (finding,) = overlaps(sources(["A cat.", "A dog.", "No."]), {"train": (train, 0)}, LIMITS)
    assert (finding.severity, finding.count, finding.of) == ("error", 2, 3)
    for dev, own in (([], []), (["A"], []), ([], ["A"])):  # nothing overlaps with nothing
        assert overlaps(sources(dev), {"train": (sources(own), 0)}, LIMITS) == []


@pytest.fixture(scope="module")
def characters() -> Tokenizer:
    segments = [segment for _, *sides in ROWS for segment in sides]
    learned = learn_subwords(segments, TokenizerSettings(vocab_size=200, kind="char"))
    return Tokenizer(learned.sentencepiece)


def test_pieces_for_each_word_are_those_of_the_text(characters: Tokenizer) -> None:
    coverage, findings = measure_coverage(ROWS, characters, LIMITS)
    spelled = sum(len(source) + 1 for _, source, _ in ROWS)  # a space before each word
    words = sum(len(source.split()) for _, source, _ in ROWS)
    assert coverage.pieces_per_word[0] == pytest.approx(spelled / words)
    assert [(finding.kind, finding.count) for finding in findings] == [("pieces", 2)]
    # Text without words has no small pieces.
    assert measure_coverage(ROWS, characters, LIMITS, (True, True))[1] == []
    assert measure_coverage(ROWS, characters, LIMITS, is_subwords=False)[1] == []
    (finding,) = measure_coverage(ROWS, characters, LIMITS, (True, False))[1]
    assert [example.detail[-6:] for example in finding.examples] == ["target"]


def test_unknown_characters_are_named_with_their_lines(characters: Tokenizer) -> None:
    rows = [*ROWS[:99], (777, "\u03b1\u03b2 man", "mann \u03b3")]
    (finding,) = measure_coverage(rows, characters, LIMITS, is_subwords=False)[1]
    assert (finding.kind, finding.severity, finding.count) == ("unknown_characters", "warning", 1)
    (example,) = finding.examples
    assert (example.line, example.detail) == (777, "\u03b1 \u03b2 in the source")


def test_a_vocabulary_is_learned_from_a_sample_unless_it_has_too_many_characters() -> None:
    tokenizer = learn_tokenizer(ROWS)
    coverage, _ = measure_coverage(ROWS, tokenizer, LIMITS)
    assert 100 < len(tokenizer) < 8000
    assert 1 <= min(coverage.pieces_per_word) <= max(coverage.pieces_per_word) < 3
    rows = [
        (n, "".join(chr(0x4E00 + (7 * n + 13 * m) % 9000) for m in range(20)), "x y")
        for n in range(2000)
    ]
    with pytest.raises(NmtError, match="distinct characters"):
        learn_tokenizer(rows)


def test_rare_characters_are_named_with_their_lines() -> None:
    rows: list[Row] = [(n, f"abc {n % 10}", "\u00e4bc") for n in range(LEAST_SAMPLE)]
    assert rare_characters(rows) == []
    rows[5] = (6, "a\u2603\u2603", "b\u2604")
    rows[7] = (8, "a", "b\u2604")
    (finding,) = rare_characters(rows)
    assert (finding.kind, finding.severity, finding.count) == ("rare_characters", "note", 2)
    named = [(example.line, example.detail) for example in finding.examples]
    assert named == [(6, "\u2603 \u2604"), (8, "\u2604")]
    assert rare_characters(rows[1:]) == []  # too few pairs to tell
