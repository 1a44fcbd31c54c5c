"""Subword models: special ids, round trips, and text that they cannot be learned from."""

import io
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import sentencepiece

from nmt.config import TokenizerSettings
from nmt.errors import NmtError
from nmt.text.learning import learn_subwords
from nmt.text.tokenizer import BOS, EOS, PAD, SPACE, UNK, SubwordModel, load_tokenizer

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
    assert [tokenizer.piece(each) for each in (PAD, UNK, BOS, EOS)] == [
        "<pad>",
        "<unk>",
        "<s>",
        "</s>",
    ]


@pytest.mark.parametrize("seed", range(1000, 1040))
def test_decoding_restores_text_of_known_characters(tokenizer: SubwordModel, seed: int) -> None:
    text = " ".join(words(seed, 1 + seed % 12))
    ids = tokenizer.encode([text])[0]
    assert not {PAD, UNK, BOS, EOS} & set(ids)
    assert tokenizer.decode(ids) == text


def test_encoding_a_list_encodes_each_segment(tokenizer: SubwordModel) -> None:
    texts = ["", "abc", "日本", "", "ab cd"]
    assert tokenizer.encode(texts, threads=2) == [tokenizer.encode([text])[0] for text in texts]
    assert tokenizer.encode(texts)[0] == []


@pytest.mark.parametrize(
    "text", [" ", "\t", "\u3000", "\u00a0", "\u2028", "\u0085", "\x0c", "  \t ", "\x1c\x85"]
)
def test_white_space_has_no_ids(tokenizer: SubwordModel, text: str) -> None:
    assert tokenizer.encode([text]) == [[]]


def test_names_of_special_pieces_are_encoded_as_text(tokenizer: SubwordModel) -> None:
    assert not {PAD, BOS, EOS} & set(tokenizer.encode(["<pad> <s> a </s>"])[0])


def test_special_ids_are_not_decoded(tokenizer: SubwordModel) -> None:
    ids = tokenizer.encode(["abc"])[0]
    assert tokenizer.decode([BOS, *ids, EOS, PAD, PAD]) == "abc"


def test_unknown_characters_become_the_unknown_piece(tokenizer: SubwordModel) -> None:
    assert UNK in tokenizer.encode(["a Ж"])[0]


def test_words_start_with_the_mark_of_a_space(tokenizer: SubwordModel) -> None:
    ids = tokenizer.encode(["abc de"])[0]
    assert sum(tokenizer.piece(each).startswith(SPACE) for each in ids) == 2


def test_learning_is_deterministic() -> None:
    corpus = [" ".join(words(seed, 8)) for seed in range(50)]
    settings = TokenizerSettings(120)
    assert learn_subwords(corpus, settings).model == learn_subwords(corpus, settings).model


def test_a_text_that_is_too_small_names_the_largest_vocabulary() -> None:
    corpus = ["ab abc abcd", "bc bcd"]
    with pytest.raises(NmtError, match=r"vocab_size=500 .*too small.*at most \d+") as error:
        learn_subwords(corpus, TokenizerSettings(500))
    most = int(str(error.value).rpartition(" ")[2])
    assert len(learn_subwords(corpus, TokenizerSettings(most))) == most


def test_a_vocabulary_smaller_than_the_characters_is_refused() -> None:
    with pytest.raises(NmtError, match=r"vocab_size=8 .*more distinct characters"):
        learn_subwords([LETTERS], TokenizerSettings(8))


@pytest.mark.parametrize(
    "failure", [NmtError("line 2 is bad"), KeyboardInterrupt(), SystemExit(143)]
)
@pytest.mark.parametrize("good", [0, 1, 200])
def test_an_exception_while_reading_stops_the_learning(failure: BaseException, good: int) -> None:
    def corpus() -> Iterator[str]:
        for seed in range(good):
            yield " ".join(words(seed, 8))
        raise failure

    with pytest.raises(type(failure)) as error:
        learn_subwords(corpus(), TokenizerSettings(100))
    assert error.value is failure


def test_an_interrupt_does_not_wait_for_a_vocabulary() -> None:
    """SentencePiece fails at once; it would learn from the lines read so far if they just ended."""

    def corpus() -> Iterator[str]:
        yield from (" ".join(words(seed, 8)) for seed in range(200))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as error:
        learn_subwords(corpus(), TokenizerSettings(100))
    assert "Iterator must return" in str(error.value.__cause__)


PHONEMES = ["AH", "B", "CH", "b", "'", "tʰ", "ﬁ", "Ⅳ", "ｅ", "a\u0301", "#1"]


def symbols(seed: int) -> str:
    draw = random.Random(seed)
    return " ".join(draw.choices(PHONEMES, k=draw.randint(1, 9)))


@pytest.mark.parametrize("seed", range(2000, 2020))
def test_word_tokens_restore_each_symbol(seed: int) -> None:
    """A symbol is one token, without Unicode normalisation, and case distinguishes symbols."""
    tokenizer = learn_subwords(map(symbols, range(100)), TokenizerSettings(100, kind="word"))
    text = symbols(seed)
    (ids,) = tokenizer.encode([text])
    assert len(tokenizer) == 4 + len(PHONEMES)
    assert len(ids) == len(text.split())
    assert not {PAD, UNK, BOS, EOS} & set(ids)
    assert tokenizer.decode(ids) == text
    assert tokenizer.encode([f"  {text.replace(' ', '   ')} "]) == [ids]


def test_an_unknown_word_is_one_unknown_token() -> None:
    tokenizer = learn_subwords(["AH B AH"] * 3, TokenizerSettings(100, kind="word"))
    (ids,) = tokenizer.encode(["AH XX B"])
    assert ids[1] == UNK
    assert [tokenizer.piece(ids[0]), tokenizer.piece(ids[2])] == [f"{SPACE}AH", f"{SPACE}B"]


@pytest.mark.parametrize("seed", range(1000, 1010))
def test_character_tokens_restore_the_text(seed: int) -> None:
    corpus = [" ".join(words(number, 8)) for number in range(300)]
    tokenizer = learn_subwords(corpus, TokenizerSettings(37_000, kind="char"))
    text = " ".join(words(seed, 1 + seed % 5))
    (ids,) = tokenizer.encode([text])
    assert len(tokenizer) == 4 + len({*LETTERS}) + 1  # and the space
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
        (b"<html>404</html>", r"is an HTML page.*, not a SentencePiece model"),
        (b"version https://git-lfs.github.com/spec/v1", r"is a pointer of Git LFS .*git lfs pull"),
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
    assert [UNK in each for each in ids] == [False, True]


@pytest.mark.parametrize(
    ("kind", "unknown"),
    [("bpe", ["Ж", "ж", "\0"]), ("char", ["Ж", "ж", "\0"]), ("word", ["Жж", "\0"])],
)
def test_unknown_characters_and_words_are_found(kind: str, unknown: list[str]) -> None:
    settings = TokenizerSettings(kind=kind, vocab_size=15)
    model = learn_subwords(["sun moon"] * 9, settings)
    assert model.unknown("sun Жж moon \x00") == unknown
    assert model.unknown("sun moon") == []
