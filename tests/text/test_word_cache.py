"""Encoding word by word gives the ids of whole segments, whatever the text."""

import unicodedata

import numpy
import pytest

from nmt.config import TokenizerSettings
from nmt.text import encode
from nmt.text.encode import WordCache
from nmt.text.learning import learn_subwords
from nmt.text.tokenizer import SubwordModel
from tests.conftest import WORDS

SPACES = [" ", "  ", "\t", "\u00a0", "\u3000", "\u0085", "\u200b", "\u2028", "\u2581", "\r"]
MARKS = [chr(each) for each in range(0x250, 0x3100) if unicodedata.combining(chr(each))]
TEXT = [*WORDS, *"\u4e2d\u6587\u00e4\u00a8\u1fed\ufb01\u0000\U0001f600", *MARKS, "Aa" * 300]


def learn(kind: str = "bpe", vocab_size: int = 60) -> SubwordModel:
    text = [" ".join(WORDS), " ".join(WORDS).upper(), "\u00e4 \u4e2d"]
    return learn_subwords(text, TokenizerSettings(kind=kind, vocab_size=vocab_size))


def rows(model: WordCache, segments: list[str]) -> list[list[int]]:
    """Return the ids of each segment."""
    side = model.encode(segments)
    return [each.tolist() for each in numpy.split(side.ids, side.lengths.cumsum()[:-1])]


def random_segments(seed: int, count: int = 300) -> list[str]:
    draw = numpy.random.default_rng(seed)

    def part() -> str:
        return str(draw.choice(SPACES if draw.random() < 0.4 else TEXT))

    return ["".join(part() for _ in range(draw.integers(12))) for _ in range(count)]


@pytest.mark.parametrize("kind", ["bpe", "char", "word"])
@pytest.mark.parametrize("most", [0, 100, 10**6])
def test_words_give_the_ids_of_their_segment(
    kind: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words are remembered, or forgotten after each chunk or now and then."""
    monkeypatch.setattr(encode, "MOST_IDS", most)
    model = learn(kind)
    assert model.encodes_word_by_word() == (kind == "bpe")
    cache = WordCache(model)
    for seed in range(4):
        segments = random_segments(seed)
        assert rows(cache, segments) == model.encode(segments)


def test_every_character_beside_a_space() -> None:
    model = learn()
    cache = WordCache(model)
    characters = [chr(each) for each in range(0x20000) if not 0xD800 <= each < 0xE000]
    for start in range(0, len(characters), 40_000):
        some = characters[start : start + 40_000]
        segments = [f"sun {each} {each}moon{each} sun" for each in some]
        assert rows(cache, segments) == model.encode(segments)


def test_a_word_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = learn()
    cache = WordCache(model)
    asked: list[str] = []
    encode_words = model.encode_words

    def counted(words: list[str], threads: int = 1) -> list[list[int]]:
        asked.extend(words)
        return encode_words(words, threads)

    monkeypatch.setattr(model, "encode_words", counted)
    for _ in range(3):
        cache.encode(["sun moon sun", "moon star"])
    assert sorted(asked) == ["moon", "star", "sun"]


def test_no_segments_have_no_ids() -> None:
    for kind in ("bpe", "word"):
        cache = WordCache(learn(kind))
        assert rows(cache, [""]) == [[]]
        assert rows(cache, ["", " ", "\u0085"]) == [[], [], []]
