"""Tokens know the words of the real text that they are part of."""

import random
from pathlib import Path

import pytest

from nmt.config import TokenizerSettings
from nmt.text.subwords.learning import learn_subwords
from nmt.text.subwords.tokenizer import UNK, SubwordModel, load_tokenizer
from nmt.text.subwords.words import find_output_words, find_words, match_words, spell_bytes

# Among them: characters that are normalised, dropped, unknown, white space or the mark of a space.
CHARACTERS = "ab sun  \u00bd\ufb01\u3000\u200b\u00a0\x01\U0001f600\u2581\u00a8\ufdfa\u0300"


@pytest.fixture(scope="module")
def subwords(skilled_run: Path) -> SubwordModel:
    return load_tokenizer(skilled_run / "tokenizer.model").source


def shown(text: str, subwords: SubwordModel) -> list[list[str]]:
    words = text.split()
    return [[words[index] for index in found] for found in find_words(text, subwords).by_token]


def test_each_token_of_a_word_belongs_to_it(subwords: SubwordModel) -> None:
    text = "sun  windy\u3000tree "
    pieces = subwords.pieces(text)
    found = shown(text, subwords)
    assert [*map(list, dict.fromkeys(map(tuple, found)))] == [["sun"], ["windy"], ["tree"]]
    begins = [index for index, piece in enumerate(pieces) if piece.startswith("\u2581")]
    assert [found[index] for index in begins] == [["sun"], ["windy"], ["tree"]]


def test_normalised_and_unknown_characters_stay_in_their_words(subwords: SubwordModel) -> None:
    found = shown("\ufb01 \u00bd \U0001f600\U0001f600 sun", subwords)  # fi, 1/2
    assert {word for (word,) in found} == {"\ufb01", "\u00bd", "\U0001f600\U0001f600", "sun"}


def test_every_token_of_any_text_has_a_word_and_the_words_are_those_of_split(
    subwords: SubwordModel,
) -> None:
    draw = random.Random(1)
    for _ in range(1000):
        text = "".join(draw.choices(CHARACTERS, k=draw.randint(0, 12)))
        ids = subwords.encode([text])[0]
        found = find_words(text, subwords) if ids else None
        if found is not None:
            assert (len(found.by_token), found.count) == (len(ids), len(text.split())), text
            assert all(0 <= own.start < own.stop <= found.count for own in found.by_token), text
        output = find_output_words(ids, subwords)
        assert output.count == len(subwords.decode(ids).split()), text
        assert len(output.by_token) == len(ids)


def test_an_unknown_output_token_is_a_word_of_its_own(subwords: SubwordModel) -> None:
    ids = [*subwords.encode(["SUN"])[0], UNK, *subwords.encode(["TREE"])[0]]
    found = find_output_words(ids, subwords)
    assert found.count == len(subwords.decode(ids).split()) == 3
    assert found.by_token[len(subwords.encode(["SUN"])[0])] == range(1, 2)


def test_an_unknown_token_may_cover_several_words() -> None:
    words = learn_subwords(["sun moon", "moon sun"], TokenizerSettings(20, kind="word"))
    assert find_words("sun x y moon", words).by_token == [range(1), range(1, 3), range(3, 4)]


def test_white_space_belongs_to_the_next_word() -> None:
    found = match_words([(0, 1), (1, 2), (2, 4), (4, 5)], "a bc ")
    assert found.by_token == [range(1), range(1, 2), range(1, 2), range(1, 2)]
    assert match_words([(0, 1)], " ").by_token == [range(0)]


def test_byte_pieces_spell_characters() -> None:
    assert spell_bytes(["<0xC3>", "<0xA9>"]) == "\u00e9"
    assert spell_bytes(["<0xC3>"]) == "\ufffd"
