"""BPE-dropout equals a plain Algorithm 1, and without drops SentencePiece's own BPE."""

import random
from collections.abc import Sequence
from itertools import pairwise

import numpy
import pytest
from numpy.typing import NDArray

from nmt.config import TokenizerSettings
from nmt.text.bpe_dropout import BpeDropout
from nmt.text.shards import flatten
from nmt.text.subwords.learning import learn_subwords
from nmt.text.subwords.tokenizer import EOS, SPACE, UNK, SubwordModel

pytestmark = pytest.mark.filterwarnings("error")  # numpy warns where a scalar overflows

# SentencePiece learns no piece with two scripts.
ALPHABETS = ["abcdefgäöüßéñøłçœ", "абвгд", "αβγδ", "日本語中文", "اب", "😀🎉", "0123", ".,!?-'"]
MIXED = "".join(ALPHABETS) + "aabЖ☃"  # the last two are unknown
Rows = Sequence[Sequence[int]]


def lexicon() -> list[str]:
    """Return words that are often repeated, so that long pieces are learned."""
    draw = random.Random(1)
    own = [draw.choices(draw.choice(ALPHABETS), k=draw.randint(1, 12)) for _ in range(150)]
    return [*map("".join, own), "aaa", "aaaa", "aaaaaaa", "abab", "ababab"]


@pytest.fixture(scope="module")
def tokenizer() -> SubwordModel:
    draw = random.Random(2)
    return learn_subwords(
        [" ".join(draw.choices(lexicon(), k=10)) for _ in range(400)], TokenizerSettings(600)
    )


@pytest.fixture(scope="module")
def rows(tokenizer: SubwordModel) -> list[list[int]]:
    """Encode segments of known, new and unknown words, and empty segments."""
    draw = random.Random(3)
    texts = []
    for index in range(300):
        new = ["".join(draw.choices(MIXED, k=draw.randint(1, 8))) for _ in range(index % 7)]
        mixed = [*draw.choices(lexicon(), k=draw.randint(0, 12)), *new, "a" * draw.randint(1, 20)]
        texts.append(" ".join(draw.sample(mixed, len(mixed))) if index % 20 else "")
    return tokenizer.encode(texts)


def resegment(
    dropout: BpeDropout, rows: Rows, keys: Sequence[int] | None = None, epoch: int = 0
) -> list[list[int]]:
    """Resegment rows of ids; a row's key is its index unless given."""
    numbers: NDArray[numpy.int64] = numpy.array(range(len(rows)) if keys is None else keys, "i8")
    result = dropout.resegment(flatten(rows), numbers, epoch)
    assert result.ids.dtype == result.lengths.dtype == numpy.int64
    assert result.lengths.sum() == len(result.ids)
    return result.split()


def plain_output(state: int, number: int) -> int:
    """Return an output of SplitMix64, computed with Python's integers."""
    bits = (state + (number + 1) * 0x9E3779B97F4A7C15) % 2**64
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EB % 2**64
    return bits ^ bits >> 31


def plain_word(
    word: list[str], begin: int, ids: dict[str, int], probability: float, stream: int
) -> list[str]:
    """Run Algorithm 1 on one word, whose first symbol is symbol number `begin` of its segment."""
    indices = list(range(begin, begin + len(word)))
    iteration = 0
    while True:
        merges = [
            (ids[word[at] + word[at + 1]], at)
            for at in range(len(word) - 1)
            if word[at] + word[at + 1] in ids
            and (plain_output(plain_output(stream, indices[at]), iteration) >> 11) / 2**53
            >= probability
        ]
        if not merges:
            return word
        at = min(merges)[1]
        word[at : at + 2] = [word[at] + word[at + 1]]
        del indices[at + 1]
        iteration += 1


def plain(
    tokenizer: SubwordModel, row: Sequence[int], probability: float, seed: int, epoch: int, key: int
) -> list[int]:
    """Resegment one segment symbol by symbol; the unknown token is the symbol "<unk>"."""
    pieces = [*map(tokenizer.piece, range(len(tokenizer)))]
    ids = {piece: number for number, piece in enumerate(pieces) if number > EOS}
    stream = plain_output(plain_output(seed, epoch), key)
    symbols = [
        sign for number in row for sign in ([pieces[UNK]] if number == UNK else pieces[number])
    ]
    begins = [at for at, sign in enumerate(symbols) if at == 0 or sign == SPACE]
    result: list[str] = []
    for begin, end in pairwise([*begins, len(symbols)]):
        result += plain_word(symbols[begin:end], begin, ids, probability, stream)
    return [ids.get(piece, UNK) for piece in result]


@pytest.mark.parametrize(
    ("probability", "seed", "epoch"), [(0.0, 5, 2), (0.3, -1, 0), (0.8, 2**63, 1), (1.0, 0, 12)]
)
def test_resegmenting_equals_algorithm_1(
    tokenizer: SubwordModel, rows: list[list[int]], probability: float, seed: int, epoch: int
) -> None:
    """Whatever the seed, the epoch, the keys, the order and the pieces before."""
    dropout = BpeDropout(tokenizer, probability, seed)
    keys = [*range(-100, 198), 2**62, 2**31 - 1]
    result = resegment(dropout, rows, keys, epoch)
    assert result == [
        plain(tokenizer, row, probability, seed, epoch, key)
        for row, key in zip(rows, keys, strict=True)
    ]
    assert resegment(dropout, result[::-1], keys[::-1], epoch) == result[::-1]
    assert resegment(dropout, rows[7:8], keys[7:8], epoch) == result[7:8]
    # The text does not change; at the ends are the tokenizer's own pieces, and characters.
    assert (result == rows) == (probability == 0)
    assert [*map(tokenizer.decode, result)] == [*map(tokenizer.decode, rows)]
    assert sum(row.count(UNK) for row in result) == sum(row.count(UNK) for row in rows) > 100
    longest = max(len(tokenizer.piece(number)) for row in result for number in row if number != UNK)
    assert longest == 1 if probability == 1 else longest > 8 or probability > 0


@pytest.fixture(scope="module")
def two_merges() -> SubwordModel:
    made = learn_subwords(["eab fab gab hab iab jcd kcd lcd"], TokenizerSettings(19))
    assert [*map(made.piece, (4, 5))] == ["ab", "cd"]
    assert all(len(made.piece(number)) == 1 for number in range(6, 19))
    return made


EMPTY: list[list[list[int]]] = [[], [[]], [[], [], [UNK], []]]


def test_segments_may_be_empty_and_do_not_merge_with_each_other(tokenizer: SubwordModel) -> None:
    dropout = BpeDropout(tokenizer, 0.5, seed=1)
    assert [resegment(dropout, rows) for rows in EMPTY] == EMPTY
    pieces = [*map(tokenizer.piece, range(len(tokenizer)))]
    a, aa = pieces.index("a"), pieces.index("aa")
    assert "aaaa" in pieces
    # Without the mark of a space, only the end of the segment ends a word.
    found = resegment(BpeDropout(tokenizer, 0.0, seed=1), [[a], [a, a], [], [a, a], [a]])
    assert found == [[a], [aa], [], [aa], [a]]


def test_special_pieces_are_neither_split_nor_merged() -> None:
    # The letters of "<unk>", "</s>" and the tag are tokens.
    made = learn_subwords(["< > u n k / s kn us"], TokenizerSettings(14), tags=["<us>"])
    tag = made.tag_id("<us>")
    assert tag is not None
    special = [tag, UNK, EOS, *made.encode(["s"])[0], UNK, UNK]
    for probability in (0.0, 1.0):
        (result,) = resegment(BpeDropout(made, probability, seed=1), [special])
        expected = ["<us>", "<unk>", "</s>", SPACE, "s", "<unk>", "<unk>"]
        assert [*map(made.piece, result)] == expected


def test_a_piece_stays_whole_if_one_of_its_characters_is_not_a_piece(
    two_merges: SubwordModel,
) -> None:
    class Without(SubwordModel):
        def piece(self, piece_id: int) -> str:
            return super().piece(piece_id).replace("b", "x" if piece_id > 5 else "b")

    made = Without(two_merges.model)
    rows = made.encode(["ab cd"])
    assert resegment(BpeDropout(made, 0.0, seed=1), rows) == rows
    (result,) = resegment(BpeDropout(made, 1.0, seed=1), rows)
    assert [*map(made.piece, result)] == [SPACE, "ab", SPACE, "c", "d"]
