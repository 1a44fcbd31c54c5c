"""Bytes spell what the vocabulary does not hold."""

import random

import numpy
import pytest

from nmt.config import Recipe, TokenizerSettings
from nmt.decoding.search.rules import special_ids
from nmt.decoding.translator.segments import split_long
from nmt.errors import NmtError
from nmt.recipe.rules import check_recipe
from nmt.recipe.settings import with_settings
from nmt.text.bpe_dropout import BpeDropout
from nmt.text.encode import WordCache
from nmt.text.learning import learn_subwords
from nmt.text.shards import FlatSegments
from nmt.text.tokenizer import UNK, SubwordModel, Tokenizer

WORDS = "sun moon star <0x41> rain"
CHARACTERS = "abcsunmo 0<>xÄ中国\U0001f600\u0416\u05d0\u20bf\U00020000"


@pytest.fixture(scope="module")
def model() -> SubwordModel:
    return learn_subwords([WORDS] * 9, TokenizerSettings(285, byte_fallback=True))


def texts(seed: int) -> list[str]:
    """Return random texts; white space inside is single spaces, as normalised."""
    draw = random.Random(seed)
    made = ["".join(draw.choices(CHARACTERS, k=draw.randint(1, 30))) for _ in range(100)]
    return [" ".join(text.split()) for text in made]


def byte_id(model: SubwordModel, byte: int) -> int:
    (found,) = (each for each in range(len(model)) if model.piece(each) == f"<0x{byte:02X}>")
    assert model.is_byte(model.piece(found))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_any_text_is_restored(model: SubwordModel, seed: int) -> None:
    for text in texts(seed):
        (ids,) = model.encode([text])
        assert UNK not in ids
        assert model.unknown(text) == []
        assert model.decode(ids) == text


def test_words_are_encoded_one_by_one(model: SubwordModel) -> None:
    assert model.encodes_word_by_word()
    given = texts(7)
    side = WordCache(model).encode(given)
    rows = numpy.split(side.ids, side.lengths.cumsum()[:-1])
    assert [each.tolist() for each in rows] == model.encode(given)


@pytest.mark.parametrize("probability", [0, 0.3, 1])
def test_bpe_dropout_leaves_bytes_alone(model: SubwordModel, probability: float) -> None:
    """Although their names are spelled with characters of the vocabulary."""
    given = texts(8)
    rows = model.encode(given)
    flat = FlatSegments(
        numpy.array([each for row in rows for each in row]), numpy.array([*map(len, rows)])
    )
    keys = numpy.arange(len(rows))
    found = BpeDropout(model, probability, seed=3).resegment(flat, keys, epoch=1)
    cut = numpy.split(found.ids, found.lengths.cumsum()[:-1])
    assert [model.decode(each.tolist()) for each in cut] == given
    if probability == 0:
        assert [each.tolist() for each in cut] == rows


@pytest.mark.parametrize(
    ("sequence", "text"),
    [
        (b"\xf0\x9f\x98\x80", "\U0001f600"),
        (b"\xf0\x9f", "\ufffd\ufffd"),
        (b"\xff\xe4\xb8\xad", "\ufffd\u4e2d"),
        (b"\xc3\x28", "\ufffd("),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),  # half of a surrogate pair
    ],
)
def test_bytes_that_are_no_character_are_decoded_to_valid_text(
    model: SubwordModel, sequence: bytes, text: str
) -> None:
    ids = [byte_id(model, byte) for byte in sequence]
    (sun,) = model.encode(["sun"])
    assert model.decode([*sun, *ids]) == f"sun{text}"
    text.encode("utf-8")


def test_no_output_has_a_byte_that_ends_a_line(model: SubwordModel) -> None:
    never = special_ids(Tokenizer(model.model)).never
    assert {byte_id(model, byte) for byte in b"\n\r\t\0"} <= {*never}
    assert byte_id(model, ord("A")) not in never


def test_the_bytes_of_a_character_stay_together(model: SubwordModel) -> None:
    (ids,) = model.encode(["\u4e2d" * 9])
    for limit in (5, 6, 7, 8):
        parts = split_long(ids, limit, model)
        assert [each for part in parts for each in part] == ids
        assert all(len(part) <= limit for part in parts)
        assert "\ufffd" not in "".join(map(model.decode, parts))


def test_only_bpe_has_bytes_and_they_need_room() -> None:
    settings = {"tokenizer.byte_fallback": True, "tokenizer.kind": "char"}
    with pytest.raises(NmtError, match=r"byte_fallback needs tokenizer\.kind=bpe"):
        check_recipe(with_settings(Recipe("odd"), settings))
    with pytest.raises(NmtError, match="set a larger size"):
        learn_subwords([WORDS] * 9, TokenizerSettings(200, byte_fallback=True))
