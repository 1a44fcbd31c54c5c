"""How well a vocabulary covers a sample of pairs."""

from collections.abc import Iterator

import pytest

from nmt.config import TokenizerSettings
from nmt.corpora.detectors import CheckLimits
from nmt.corpora.examine import (
    LEAST_SAMPLE,
    learn_tokenizer,
    measure_coverage,
    rare_characters,
)
from nmt.corpora.pairs import Row
from nmt.errors import NmtError
from nmt.text.learning import learn_subwords
from nmt.text.tokenizer import Tokenizer
from tests.corpora.corpora import corpus

LIMITS = CheckLimits()
ROWS: list[Row] = [(number, *pair) for number, pair in enumerate(corpus(300), start=1)]


@pytest.fixture(scope="module")
def characters() -> Tokenizer:
    """Return a vocabulary of characters."""

    def segments() -> Iterator[str]:
        for _, source, target in ROWS:
            yield from (source, target)

    learned = learn_subwords(segments(), TokenizerSettings(vocab_size=200, kind="char"))
    return Tokenizer(learned.sentencepiece)


def test_pieces_for_each_word_are_those_of_the_text(characters: Tokenizer) -> None:
    coverage, findings = measure_coverage(ROWS, characters, LIMITS)
    spelled = sum(len(source) + 1 for _, source, _ in ROWS)  # a space before each word
    words = sum(len(source.split()) for _, source, _ in ROWS)
    assert coverage.pieces_per_word[0] == pytest.approx(spelled / words)
    assert [(each.kind, each.count) for each in findings] == [("pieces", 2)]


def test_text_without_words_has_no_small_pieces(characters: Tokenizer) -> None:
    assert measure_coverage(ROWS, characters, LIMITS, (True, True))[1] == []
    assert measure_coverage(ROWS, characters, LIMITS, is_subwords=False)[1] == []
    (finding,) = measure_coverage(ROWS, characters, LIMITS, (True, False))[1]
    assert [each.detail[-6:] for each in finding.examples] == ["target"]


def test_unknown_characters_are_named_with_their_lines(characters: Tokenizer) -> None:
    rows = [*ROWS[:99], (777, "\u03b1\u03b2 man", "mann \u03b3")]
    (finding,) = measure_coverage(rows, characters, LIMITS, is_subwords=False)[1]
    assert (finding.kind, finding.severity, finding.count) == ("unknown_characters", "warning", 1)
    (example,) = finding.examples
    assert (example.line, example.detail) == (777, "\u03b1 \u03b2 in the source")


def test_a_vocabulary_is_learned_from_a_sample() -> None:
    tokenizer = learn_tokenizer(ROWS)
    coverage, _ = measure_coverage(ROWS, tokenizer, LIMITS)
    assert 100 < len(tokenizer) < 8000
    assert all(1 <= each < 3 for each in coverage.pieces_per_word)


def test_text_with_more_characters_than_tokens_has_no_learned_vocabulary() -> None:
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
    assert [(each.line, each.detail) for each in finding.examples] == [
        (6, "\u2603 \u2604"),
        (8, "\u2604"),
    ]
    assert rare_characters(rows[1:]) == []  # too few pairs to tell
