"""Facts of a corpus, samples that are spread over it, and settings that suit any text."""

import random
from collections.abc import Sequence

import numpy
import pytest

from nmt.config import TokenizerSettings
from nmt.corpora.faults.filters import SeenHashes
from nmt.corpora.pairs import has_text, learn_from, sample_evenly
from nmt.corpora.presets import CorpusFacts, choose_settings
from nmt.corpora.survey import survey
from nmt.errors import NmtError
from nmt.text.reading.corpus import Pair
from nmt.text.subwords.learning import learn_subwords
from tests.corpora.corpora import as_pairs, corpus

LANGUAGES = ("en", "de")


def test_the_facts_of_a_small_text() -> None:
    pairs = as_pairs([("ab cd", "ab ½"), ("", "x"), ("ab", "cde fgh i")])
    facts, hasher = survey([(LANGUAGES, pairs)], "a text")
    # 3 and 5 words; 7 and 13 characters; half is 1, 2 and a fraction slash; ab, cd, cde, fgh.
    assert facts == CorpusFacts(2, 5, 15, 13, 13, 4)
    assert (hasher.blank, hasher.overlap) == (1, 0)
    assert hasher.usable.tolist() == [True, False, True]


@pytest.mark.parametrize(("target", "odd_input"), [("31", "as_is"), ("13", "repair")])
def test_numbers_are_not_copied_if_the_corpus_rewrites_them(target: str, odd_input: str) -> None:
    facts, _ = survey([(LANGUAGES, as_pairs([*corpus(90), *[("13", target)] * 10]))], "a text")
    assert facts.rewritten == (10 if target == "31" else 0)
    chosen = choose_settings(facts, has_gpu=False)
    assert chosen.value("decode.odd_input") == odd_input


ALPHABETS = ["abcdefghijklmnopqrstuvwxyz", "абвгдежзийклмнопрстуфхцчшщ"]
ALPHABETS += ["".join(map(chr, range(0x4E00, 0x5E00))), "0123456789", "नमस्तेदुनियाकखगघचछज"]
ALPHABETS += ["aàáâäåãbcçdeéèêë\u0300\u0301", ".,!?;:'\"-()", "ﬁ①½Å\u00a0\u3000ｱｲｳ"]
ALPHABETS += ["😀😁😂🤣", "ไทยภาษากขค"]


def words(draw: random.Random, alphabets: Sequence[str]) -> list[str]:
    lengths = [
        draw.randint(1, draw.choice([2, 6, 20])) for _ in range(draw.choice([1, 3, 30, 300]))
    ]
    return ["".join(draw.choices(draw.choice(alphabets), k=length)) for length in lengths]


@pytest.mark.parametrize("seed", range(12))
def test_a_vocabulary_can_be_learned_from_any_text(seed: int) -> None:
    """The part that is trained on has a tenth less text than the part that was looked at."""
    draw = random.Random(seed)
    known = words(draw, draw.sample(ALPHABETS, draw.randint(1, 3)))

    def line() -> str:
        space = draw.choice([" ", " ", "", "  "])
        return space.join(draw.choice(known) for _ in range(draw.randint(1, 8)))

    pairs = [Pair(line(), line()) for _ in range(draw.choice([3, 20, 200, 500]))]
    try:
        facts, _ = survey([(LANGUAGES, pairs)], "a text")
    except NmtError:
        pytest.skip("all lines are blank")
    chosen = choose_settings(facts, has_gpu=False)
    settings = TokenizerSettings(
        vocab_size=chosen.value("tokenizer.vocab_size"),
        character_coverage=chosen.value("tokenizer.character_coverage"),
    )
    trained = pairs[: max(1, len(pairs) * 9 // 10)]
    assert len(learn_subwords([side for pair in trained for side in pair], settings))


def numbered(count: int) -> list[Pair]:
    return [Pair(f"source {number}", f"target {number}") for number in range(count)]


def test_a_small_stream_is_kept_whole_without_blank_pairs() -> None:
    pairs = numbered(10)
    assert sample_evenly(filter(has_text, [*pairs, Pair("", "x"), Pair("x", " ")]), 10) == pairs


@pytest.mark.parametrize("count", [11, 100, 999])
def test_a_sample_is_spread_evenly_and_bounded(count: int) -> None:
    pairs = numbered(count)
    found = [pairs.index(pair) for pair in sample_evenly(pairs, 10)]
    assert 5 <= len(found) <= 10
    (step,) = {*numpy.diff(found).tolist()}
    assert found[0] == 0
    assert count - found[-1] <= step


def test_long_lines_make_a_sample_smaller() -> None:
    found = sample_evenly([Pair("x" * 500, "y" * 500)] * 100, 100, 20_000)
    assert 10 <= len(found) <= 20


def test_a_vocabulary_that_is_too_large_for_the_sample_becomes_smaller() -> None:
    pairs = as_pairs(corpus(40))
    tokenizer = learn_from(pairs, TokenizerSettings(vocab_size=5_000))
    assert 30 < len(tokenizer) < 5_000


def test_every_hash_after_its_first_is_found_whatever_the_blocks() -> None:
    draw = random.Random(1)
    numbers = [draw.randrange(400) for _ in range(1000)]
    expected = [number in numbers[:index] for index, number in enumerate(numbers)]
    for size in (1, 7, 100, 1000):
        seen = SeenHashes()
        found: list[bool] = []
        for begin in range(0, len(numbers), size):
            block = numpy.array(numbers[begin : begin + size], numpy.uint64)
            found += map(bool, seen.add(block))
        assert found == expected
    assert len(SeenHashes().add(numpy.array([], numpy.uint64))) == 0
