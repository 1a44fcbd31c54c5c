"""SentencePiece models with the ids of another vocabulary: those of imported models."""

import pytest

from nmt.errors import DamagedError
from nmt.text.tokenizer import BOS, EOS, LISTED_HEADER, PAD, UNK, SubwordModel, Tokenizer
from nmt.text.words import find_output_words, find_words
from tests.interop.marian_models import TEXTS, learned, pieces_of

LANGUAGES = (">>deu<<", ">>nld<<")
ODD_TEXTS = [
    *TEXTS["source"],
    *TEXTS["target"],
    "",
    "x",
    "Zażółć gęślą 日本語 \U0001f600 \u2603",
    "  two   spaces\tand a tab  ",
    "\ufb01\u2460\u00bd \uff21\uff22 e\u0301",
    "a\u200bb\u00ad c\ufeff",
    "\u2581 \u2581\u2581a <unk> >> << >>",
    ">>deu<< The garden",
    ">>deu<<garden",
    ">>deu<<",
    ">>xyz<< The garden",
    "The >>deu<< garden",
    ">>deu<< >>nld<< garden",
]


def side(name: str) -> SubwordModel:
    """Return the mapped model of one side, over the vocabulary that both sides share."""
    models = {"source": learned("source", "unigram", 90), "target": learned("target", "bpe", 100)}
    pieces = dict.fromkeys([*LANGUAGES, *pieces_of(models["source"]), *pieces_of(models["target"])])
    return SubwordModel.with_pieces(models[name], [*pieces])


def both() -> Tokenizer:
    """Return a tokenizer of two SentencePiece models and one vocabulary."""
    return Tokenizer.from_two(side("source"), side("target"))


def test_two_models_share_a_vocabulary() -> None:
    tokenizer = both()
    again = Tokenizer(tokenizer.model)
    assert again.is_joint
    assert again.matches(tokenizer)
    assert again.source is not again.target
    assert not again.source.matches(again.target)
    assert len(again) == len(again.source) == len(again.target)
    ids = again.target.encode(TEXTS["target"])
    assert [*map(again.target.decode, ids)] == TEXTS["target"]
    assert ids != again.source.encode(TEXTS["target"])


def test_other_pieces_are_another_vocabulary() -> None:
    own, theirs = learned("source", "unigram", 90), learned("target", "bpe", 100)
    tokenizer = Tokenizer.from_two(
        SubwordModel.with_pieces(own, pieces_of(own)),
        SubwordModel.with_pieces(theirs, pieces_of(theirs)),
    )
    assert not tokenizer.is_joint
    assert not Tokenizer(tokenizer.model).is_joint
    assert not tokenizer.matches(both())


def test_special_pieces_have_the_first_ids() -> None:
    model = side("source")
    pieces = [*map(model.piece, range(5))]
    assert pieces == ["<pad>", "<unk>", "<s>", "</s>", ">>deu<<"]
    assert model.encode_pieces("<pad> <s> >>deu<< nothing </s>") == [UNK, UNK, 4, UNK]
    assert model.decode([PAD, BOS, EOS]) == ""


@pytest.mark.parametrize("text", ["<pad>", "</s>", "<s> <unk>", "\u2603<pad>"])
def test_names_of_special_pieces_are_text(text: str) -> None:
    for model in both().sides:
        assert not {PAD, BOS, EOS} & {*model.encode([text])[0]}


def test_a_language_token_is_one_token_at_the_beginning() -> None:
    model = side("source")
    plain, marked, inside = model.encode(["a letter", ">>deu<< a letter", "a >>deu<< letter"])
    assert marked == [4, *plain]
    assert 4 not in inside
    assert model.language_tokens == LANGUAGES
    assert model.language_token(">>nld<< a") == ">>nld<<"
    assert model.language_token("a >>nld<<") == ""
    assert model.pieces(">>deu<< a")[0] == ">>deu<<"
    assert model.unknown(">>xyz<< a \u2603") == [">>xyz<<", "\u2603"]


def test_tokens_belong_to_words() -> None:
    model = side("source")
    text = ">>deu<< The old \u2603\u2603 garden"
    words = find_words(text, model)
    assert words.count == 5
    assert words.by_token[0] == range(1)
    assert {each for own in words.by_token for each in own} == {*range(5)}
    ids = model.encode(["The old garden"])[0]
    assert find_output_words(ids, model).count == 3


def test_pieces_with_line_ends_are_never_written() -> None:
    own = learned("source", "unigram", 90)
    model = SubwordModel.with_pieces(own, ["a", "b\nc", "\u2028", "d"])
    assert model.control_ids() == [5, 6]


@pytest.mark.parametrize(
    ("sentencepiece", "pieces", "reason"),
    [
        (b"nothing", ["a"], "is a text file, not a SentencePiece model"),
        (learned("source", "unigram", 90), ["a", "b", "a"], "has a piece twice"),
    ],
    ids=["foreign", "twice"],
)
def test_bad_parts_are_refused(sentencepiece: bytes, pieces: list[str], reason: str) -> None:
    with pytest.raises(DamagedError, match=reason):
        SubwordModel.with_pieces(sentencepiece, pieces)


def test_damaged_bytes_are_refused() -> None:
    with pytest.raises(DamagedError, match="is damaged"):
        Tokenizer(LISTED_HEADER + b"\0" * 8)
