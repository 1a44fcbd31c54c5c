"""Subword models: special ids, round trips, two vocabularies, imported models, bytes."""

import io
import random
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy
import pytest
import sentencepiece

from nmt.config import Recipe, TokenizerSettings
from nmt.decoding.search.rules import special_ids
from nmt.decoding.translator.segments import split_long
from nmt.errors import DamagedError, NmtError
from nmt.recipe.rules import check_recipe
from nmt.recipe.settings import with_settings
from nmt.text.batches import PairDataset
from nmt.text.bpe_dropout import BpeDropout, bpe_dropouts
from nmt.text.encode import WordCache
from nmt.text.shards import flatten
from nmt.text.subwords.learning import learn_subwords
from nmt.text.subwords.tokenizer import (
    BOS,
    EOS,
    LISTED_HEADER,
    PAD,
    PAIR_HEADER,
    SPACE,
    UNK,
    SubwordModel,
    Tokenizer,
    load_tokenizer,
)
from tests.interop.marian_models import TEXTS, learned, list_pieces
from tests.text.conftest import TinyCorpus

LETTERS = "abcdefgäöüßéñøłçœ" + "абвгд" + "αβγδ" + "日本語中文" + "اب" + "😀🎉" + "0123.,!?-'"


def words(seed: int, count: int) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices(LETTERS, k=draw.randint(1, 6))) for _ in range(count)]


@pytest.fixture(scope="module")
def tokenizer() -> SubwordModel:
    return learn_subwords([" ".join(words(seed, 8)) for seed in range(300)], TokenizerSettings(200))


def test_special_pieces_have_the_first_ids(tokenizer: SubwordModel) -> None:
    assert (PAD, UNK, BOS, EOS) == (0, 1, 2, 3)
    assert len(tokenizer) == 200
    names = ["<pad>", "<unk>", "<s>", "</s>"]
    assert [*map(tokenizer.piece, (PAD, UNK, BOS, EOS))] == names
    # They are not decoded, and their names are encoded as text.
    ids = tokenizer.encode(["abc"])[0]
    assert tokenizer.decode([BOS, *ids, EOS, PAD, PAD]) == "abc"
    assert not {PAD, BOS, EOS} & set(tokenizer.encode(["<pad> <s> a </s>"])[0])


def test_decoding_restores_text_of_known_characters(tokenizer: SubwordModel) -> None:
    for seed in range(1000, 1040):
        text = " ".join(words(seed, 1 + seed % 12))
        ids = tokenizer.encode([text])[0]
        assert not {PAD, UNK, BOS, EOS} & set(ids)
        assert tokenizer.decode(ids) == text
        assert sum(tokenizer.piece(number).startswith(SPACE) for number in ids) == 1 + seed % 12
    assert UNK in tokenizer.encode(["a Ж"])[0]


def test_a_list_is_encoded_segment_by_segment_and_white_space_has_no_ids(
    tokenizer: SubwordModel,
) -> None:
    texts = ["", "abc", "日本", "", "ab cd"]
    assert tokenizer.encode(texts, threads=2) == [tokenizer.encode([text])[0] for text in texts]
    spaces = [" ", "\t", "\u3000", "\u00a0", "\u2028", "\u0085", "\x0c", "  \t ", "\x1c\x85"]
    assert tokenizer.encode(spaces) == [[]] * len(spaces)


def test_a_vocabulary_that_does_not_fit_the_text_is_refused() -> None:
    corpus = ["ab abc abcd", "bc bcd"]
    with pytest.raises(NmtError, match=r"vocab_size=500 .*too small.*at most \d+") as error:
        learn_subwords(corpus, TokenizerSettings(500))
    most = int(str(error.value).rpartition(" ")[2])
    assert len(learn_subwords(corpus, TokenizerSettings(most))) == most
    with pytest.raises(NmtError, match=r"vocab_size=8 .*more distinct characters"):
        learn_subwords([LETTERS], TokenizerSettings(8))


@pytest.mark.parametrize(
    "failure", [NmtError("line 2 is bad"), KeyboardInterrupt(), SystemExit(143)]
)
@pytest.mark.parametrize("good", [0, 200])
def test_an_exception_while_reading_stops_the_learning(failure: BaseException, good: int) -> None:
    """SentencePiece fails at once; it would learn from the lines read so far if they just ended."""

    def corpus() -> Iterator[str]:
        for seed in range(good):
            yield " ".join(words(seed, 8))
        raise failure

    with pytest.raises(type(failure)) as error:
        learn_subwords(corpus(), TokenizerSettings(100))
    assert error.value is failure
    assert "Iterator must return" in str(error.value.__cause__)


PHONEMES = ["AH", "B", "CH", "b", "'", "tʰ", "ﬁ", "Ⅳ", "ｅ", "a\u0301", "#1"]


def symbols(seed: int) -> str:
    draw = random.Random(seed)
    return " ".join(draw.choices(PHONEMES, k=draw.randint(1, 9)))


def test_word_tokens_restore_each_symbol() -> None:
    """A symbol is one token, without Unicode normalisation, and case distinguishes symbols."""
    tokenizer = learn_subwords(map(symbols, range(100)), TokenizerSettings(100, kind="word"))
    assert len(tokenizer) == 4 + len(PHONEMES)
    for text in map(symbols, range(2000, 2020)):
        (ids,) = tokenizer.encode([text])
        assert len(ids) == len(text.split())
        assert not {PAD, UNK, BOS, EOS} & set(ids)
        assert tokenizer.decode(ids) == text
        assert tokenizer.encode([f"  {text.replace(' ', '   ')} "]) == [ids]
    (ids,) = tokenizer.encode(["AH XX B"])
    assert [*map(tokenizer.piece, ids)] == [f"{SPACE}AH", "<unk>", f"{SPACE}B"]


def test_character_tokens_restore_the_text() -> None:
    corpus = [" ".join(words(number, 8)) for number in range(300)]
    tokenizer = learn_subwords(corpus, TokenizerSettings(37_000, kind="char"))
    assert len(tokenizer) == 4 + len({*LETTERS}) + 1  # and the space
    for seed in range(1000, 1010):
        text = " ".join(words(seed, 1 + seed % 5))
        (ids,) = tokenizer.encode([text])
        assert len(ids) == len(text) + 1  # a space goes before the first word
        assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("kind", ["char", "word"])
def test_the_most_frequent_characters_and_words_are_kept(kind: str) -> None:
    corpus = ["a a a a b b b c c d"] * 3
    spare = 1 if kind == "char" else 0  # for the space, the most frequent character
    tokenizer = learn_subwords(corpus, TokenizerSettings(6 + spare + 2, kind=kind))
    assert len(tokenizer) == 8 + spare
    few = learn_subwords(corpus, TokenizerSettings(6 + spare, kind=kind))
    assert len(few) == 6 + spare
    assert UNK not in few.encode(["a b"])[0]
    assert UNK in few.encode(["a d"])[0]


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (None, r"tokenizer\.model does not exist; `nmt prepare` creates it"),
        (b"", r"tokenizer\.model is empty, not a SentencePiece model"),
        (b"\x00junk", r"tokenizer\.model is damaged or is not a SentencePiece model"),
    ],
)
def test_a_file_that_is_not_a_tokenizer_is_refused(
    tmp_path: Path, content: bytes | None, fact: str
) -> None:
    path = tmp_path / "tokenizer.model"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(NmtError, match=fact):
        load_tokenizer(path)


def test_a_tokenizer_with_other_special_ids_is_refused() -> None:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["ab abc abcd"] * 9),
        model_writer=model,
        model_type="bpe",
        vocab_size=12,
        minloglevel=2,
    )
    with pytest.raises(NmtError, match="special ids differ"):
        SubwordModel(model.getvalue())


def test_a_word_of_many_characters_spoils_no_vocabulary_of_words() -> None:
    """SentencePiece would write a model that it cannot load."""
    settings = TokenizerSettings(kind="word", vocab_size=40)
    model = learn_subwords(["sun moon", f"{'x' * 100_000} star"], settings)
    ids = model.encode(["sun moon star", "x" * 100_000])
    assert [UNK in row for row in ids] == [False, True]


@pytest.mark.parametrize(
    ("kind", "unknown"),
    [("bpe", ["Ж", "ж", "\0"]), ("char", ["Ж", "ж", "\0"]), ("word", ["Жж", "\0"])],
)
def test_unknown_characters_and_words_are_found(kind: str, unknown: list[str]) -> None:
    settings = TokenizerSettings(kind=kind, vocab_size=15)
    model = learn_subwords(["sun moon"] * 9, settings)
    assert model.unknown("sun Жж moon \x00") == unknown
    assert model.unknown("sun moon") == []


SIDES = ["sun moon star", "SUN MOON STAR"]


@pytest.fixture
def two() -> Tokenizer:
    """Learn lower-case letters for the source and capitals for the target."""
    source, target = (
        learn_subwords([side] * 3, TokenizerSettings(16 + n)) for n, side in enumerate(SIDES)
    )
    return Tokenizer.from_two(source, target)


def test_each_side_has_its_own_vocabulary_and_one_file_keeps_both(two: Tokenizer) -> None:
    for model, text in zip(two.sides, SIDES, strict=True):
        assert model.decode(model.encode([text])[0]) == text
    assert "\u2047" in two.source.decode(two.source.encode(["STAR"])[0])
    assert len(two) == 17 == len(two.target)
    again = Tokenizer(two.model)
    assert not again.is_joint
    assert [side.model for side in again.sides] == [side.model for side in two.sides]


@pytest.mark.parametrize("length", [len(PAIR_HEADER), len(PAIR_HEADER) + 8, len(PAIR_HEADER) + 100])
def test_a_truncated_file_is_refused(two: Tokenizer, length: int) -> None:
    with pytest.raises(NmtError, match=r"part of x is .* not a SentencePiece model"):
        Tokenizer(two.model[:length], "x")


def test_the_side_that_is_too_small_is_named(corpus: TinyCorpus) -> None:
    corpus.change(joint=False, vocab_size=500)
    with pytest.raises(NmtError, match=r"from the source side of this corpus: .* too small"):
        corpus.prepare()


@pytest.mark.parametrize("joint", [True, False])
def test_bpe_dropout_uses_each_sides_own_merges(corpus: TinyCorpus, joint: bool) -> None:
    """With all merges dropped, single characters remain, which spell the same text."""
    corpus.change(joint=joint, vocab_size=40 if joint else 30)
    prepared = corpus.prepare()
    dropouts = bpe_dropouts(prepared.tokenizer, 1.0, seed=1)
    plain, dropped = (
        PairDataset(prepared.shards, prepared.names, dropout).batch(numpy.arange(5), epoch=1)
        for dropout in (None, dropouts)
    )
    for model, name in zip(prepared.tokenizer.sides, ("source", "labels"), strict=True):
        whole, cut = getattr(plain, name).tolist(), getattr(dropped, name).tolist()
        assert all(len(model.piece(token)) == 1 or token < 4 for row in cut for token in row)
        assert [*map(model.decode, cut)] == [*map(model.decode, whole)]


LANGUAGES = (">>deu<<", ">>nld<<")


def side(name: str) -> SubwordModel:
    """Return the mapped model of one side, over the vocabulary that both sides share."""
    models = {"source": learned("source", "unigram", 90), "target": learned("target", "bpe", 100)}
    pieces = dict.fromkeys(
        [*LANGUAGES, *list_pieces(models["source"]), *list_pieces(models["target"])]
    )
    return SubwordModel.with_pieces(models[name], [*pieces])


def both() -> Tokenizer:
    return Tokenizer.from_two(side("source"), side("target"))


def test_two_models_share_a_vocabulary_unless_they_have_other_pieces() -> None:
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
    models = learned("source", "unigram", 90), learned("target", "bpe", 100)
    other = Tokenizer.from_two(
        *(SubwordModel.with_pieces(model, list_pieces(model)) for model in models)
    )
    assert not other.is_joint
    assert not Tokenizer(other.model).is_joint
    assert not other.matches(tokenizer)


def test_special_pieces_of_mapped_models_have_the_first_ids() -> None:
    model = side("source")
    pieces = [*map(model.piece, range(5))]
    assert pieces == ["<pad>", "<unk>", "<s>", "</s>", ">>deu<<"]
    assert model.encode_pieces("<pad> <s> >>deu<< nothing </s>") == [UNK, UNK, 4, UNK]
    assert model.decode([PAD, BOS, EOS]) == ""
    for row in model.encode(["<pad>", "</s>", "<s> <unk>", "\u2603<pad>"]):
        assert not {PAD, BOS, EOS} & {*row}


def test_text_that_looks_like_a_language_token_is_text() -> None:
    """So it is with a token of unknown characters, which SentencePiece writes as one piece."""
    source, model = side("source"), learned("source", "unigram", 90)
    unknown = SubwordModel.with_pieces(model, [">>\u2603<<", *list_pieces(model)])
    own = learn_subwords([">>deu<< a letter"] * 3, TokenizerSettings(24), tags=LANGUAGES)
    assert source.language_tokens == own.language_tokens == LANGUAGES
    for subwords in (source, own, unknown):
        ids = [*map(subwords.language_id, subwords.language_tokens)]
        assert ids == subwords.tag_ids() == [*range(4, 4 + len(ids))]
        for token in subwords.language_tokens:
            rows = subwords.encode([f"{token} a letter", f"a {token}", token])
            assert not {*chain.from_iterable(rows)} & {*ids}
    assert ">" in source.unknown(">>deu<< a")


@pytest.mark.parametrize(
    ("sentencepiece", "pieces", "reason"),
    [
        (b"nothing", ["a"], "is a text file, not a SentencePiece model"),
        (learned("source", "unigram", 90), ["a", "b", "a"], "has a piece twice"),
    ],
)
def test_bad_parts_are_refused(sentencepiece: bytes, pieces: list[str], reason: str) -> None:
    with pytest.raises(DamagedError, match=reason):
        SubwordModel.with_pieces(sentencepiece, pieces)
    with pytest.raises(DamagedError, match="is damaged"):
        Tokenizer(LISTED_HEADER + b"\0" * 8)


WORDS = "sun moon star <0x41> rain"
CHARACTERS = "abcsunmo 0<>xÄ中国\U0001f600\u0416\u05d0\u20bf\U00020000"


@pytest.fixture(scope="module")
def model() -> SubwordModel:
    return learn_subwords([WORDS] * 9, TokenizerSettings(285, byte_fallback=True))


def texts(seed: int) -> list[str]:
    draw = random.Random(seed)
    made = ["".join(draw.choices(CHARACTERS, k=draw.randint(1, 30))) for _ in range(100)]
    return [" ".join(text.split()) for text in made]


def byte_id(model: SubwordModel, byte: int) -> int:
    name = f"<0x{byte:02X}>"
    assert model.is_byte(name)
    (found,) = (number for number in range(len(model)) if model.piece(number) == name)
    return found


def test_any_text_is_restored(model: SubwordModel) -> None:
    given = [text for seed in range(5) for text in texts(seed)]
    rows = model.encode(given)
    assert not any(UNK in row for row in rows)
    assert not any(map(model.unknown, given))
    assert [*map(model.decode, rows)] == given
    # So are words that are encoded one by one.
    assert model.encodes_word_by_word()
    assert WordCache(model).encode(given).split() == rows


@pytest.mark.parametrize("probability", [0, 0.3, 1])
def test_bpe_dropout_leaves_bytes_alone(model: SubwordModel, probability: float) -> None:
    """Although their names are spelled with characters of the vocabulary."""
    given = texts(8)
    rows = model.encode(given)
    keys, dropout = numpy.arange(len(rows)), BpeDropout(model, probability, seed=3)
    cut = dropout.resegment(flatten(rows), keys, epoch=1).split()
    assert [*map(model.decode, cut)] == given
    assert probability or cut == rows


@pytest.mark.parametrize(
    ("sequence", "text"),
    [
        (b"\xf0\x9f\x98\x80", "\U0001f600"),
        (b"\xf0\x9f", "\ufffd\ufffd"),
        (b"\xff\xe4\xb8\xad", "\ufffd\u4e2d"),
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


def test_no_output_has_a_byte_or_piece_that_ends_a_line(model: SubwordModel) -> None:
    never = special_ids(Tokenizer(model.model)).never
    assert {byte_id(model, byte) for byte in b"\n\r\t\0"} <= {*never}
    assert byte_id(model, ord("A")) not in never
    own = learned("source", "unigram", 90)
    assert SubwordModel.with_pieces(own, ["a", "b\nc", "\u2028", "d"]).control_ids() == [5, 6]


def test_the_bytes_of_a_character_stay_together(model: SubwordModel) -> None:
    (ids,) = model.encode(["\u4e2d" * 9])
    for limit in (5, 6, 7, 8):
        parts = split_long(ids, limit, model)
        assert [*chain.from_iterable(parts)] == ids
        assert all(len(part) <= limit for part in parts)
        assert "\ufffd" not in "".join(map(model.decode, parts))


def test_only_bpe_has_bytes_and_they_need_room() -> None:
    settings = {"tokenizer.byte_fallback": True, "tokenizer.kind": "char"}
    with pytest.raises(NmtError, match=r"byte_fallback needs tokenizer\.kind=bpe"):
        check_recipe(with_settings(Recipe("odd"), settings))
    with pytest.raises(NmtError, match="set a larger size"):
        learn_subwords([WORDS] * 9, TokenizerSettings(200, byte_fallback=True))
