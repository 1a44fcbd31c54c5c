"""BPE-dropout equals a plain Algorithm 1, SentencePiece's own BPE, and odds worked out by hand."""

import random
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy
import pytest
from numpy.typing import NDArray

from nmt.config import TokenizerSettings
from nmt.text.bpe_dropout import BpeDropout, split_mix, unsigned
from nmt.text.learning import learn_subwords
from nmt.text.shards import FlatSegments
from nmt.text.tokenizer import EOS, SPACE, UNK, SubwordModel

pytestmark = pytest.mark.filterwarnings("error")  # numpy warns where a scalar overflows

# SentencePiece learns no piece with two scripts.
ALPHABETS = ["abcdefgäöüßéñøłçœ", "абвгд", "αβγδ", "日本語中文", "اب", "😀🎉", "0123", ".,!?-'"]
MIXED = "".join(ALPHABETS)
UNKNOWN = "Ж☃"
Rows = Sequence[Sequence[int]]


def words(draw: random.Random, count: int, alphabets: list[str], longest: int) -> list[str]:
    return [
        "".join(draw.choices(draw.choice(alphabets), k=draw.randint(1, longest)))
        for _ in range(count)
    ]


def lexicon() -> list[str]:
    """Return words that are often repeated, so that long pieces are learned."""
    return [
        *words(random.Random(1), 150, ALPHABETS, 12),
        "aaa",
        "aaaa",
        "aaaaaaa",
        "abab",
        "ababab",
    ]


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
    for index in range(400):
        known = draw.choices(lexicon(), k=draw.randint(0, 12))
        others = words(draw, draw.randint(0, 4), [*ALPHABETS, MIXED], 8)
        unknown = words(draw, index % 3, ["aab" + UNKNOWN], 6)
        mixed = [*known, *others, *unknown, "a" * draw.randint(1, 20)]
        texts.append(" ".join(draw.sample(mixed, len(mixed))) if index % 20 else "")
    return tokenizer.encode(texts)


def resegment(
    dropout: BpeDropout, rows: Rows, keys: Sequence[int] | None = None, epoch: int = 0
) -> list[list[int]]:
    """Resegment rows of ids; a row's key is its index unless given."""
    segments = FlatSegments(
        numpy.array([each for row in rows for each in row], numpy.int64),
        numpy.array([len(row) for row in rows], numpy.int64),
    )
    numbers: NDArray[numpy.int64] = numpy.array(range(len(rows)) if keys is None else keys, "i8")
    result = dropout.resegment(segments, numbers, epoch)
    assert result.ids.dtype == result.lengths.dtype == numpy.int64
    assert result.lengths.sum() == len(result.ids)
    ends = numpy.cumsum(result.lengths)
    return [
        result.ids[end - length : end].tolist()
        for end, length in zip(ends, result.lengths, strict=True)
    ]


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
    pieces = [tokenizer.piece(each) for each in range(len(tokenizer))]
    ids = {piece: each for each, piece in enumerate(pieces) if each > EOS}
    stream = plain_output(plain_output(seed, epoch), key)
    symbols = [char for each in row for char in ([pieces[UNK]] if each == UNK else pieces[each])]
    begins = [at for at, each in enumerate(symbols) if at == 0 or each == SPACE]
    result: list[str] = []
    for begin, end in pairwise([*begins, len(symbols)]):
        result += plain_word(symbols[begin:end], begin, ids, probability, stream)
    return [ids.get(piece, UNK) for piece in result]


def test_the_generator_is_split_mix_64() -> None:
    # The first five outputs for this seed, as published with many implementations.
    assert split_mix(unsigned(1234567), numpy.arange(5, dtype=numpy.uint64)).tolist() == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@pytest.mark.parametrize("probability", [0.0, 0.05, 0.3, 0.8, 1.0])
def test_resegmenting_equals_algorithm_1(
    tokenizer: SubwordModel, rows: list[list[int]], probability: float
) -> None:
    dropout = BpeDropout(tokenizer, probability, seed=5)
    assert resegment(dropout, rows, epoch=2) == [
        plain(tokenizer, row, probability, seed=5, epoch=2, key=key) for key, row in enumerate(rows)
    ]


def test_probability_0_gives_the_tokenizers_own_pieces(
    tokenizer: SubwordModel, rows: list[list[int]]
) -> None:
    assert max(len(tokenizer.piece(each)) for row in rows for each in row) > 8
    assert resegment(BpeDropout(tokenizer, 0.0, seed=1), rows) == rows


def test_probability_1_gives_single_characters(
    tokenizer: SubwordModel, rows: list[list[int]]
) -> None:
    result = resegment(BpeDropout(tokenizer, 1.0, seed=1), rows)
    for row, new in zip(rows, result, strict=True):
        assert all(each == UNK or len(tokenizer.piece(each)) == 1 for each in new)
        assert [tokenizer.piece(each) for each in new if each != UNK] == [
            char for each in row if each != UNK for char in tokenizer.piece(each)
        ]


@pytest.mark.parametrize("probability", [0.1, 0.5, 1.0])
def test_the_text_does_not_change(
    tokenizer: SubwordModel, rows: list[list[int]], probability: float
) -> None:
    result = resegment(BpeDropout(tokenizer, probability, seed=1), rows)
    assert result != rows
    assert [tokenizer.decode(row) for row in result] == [tokenizer.decode(row) for row in rows]
    assert sum(row.count(UNK) for row in result) == sum(row.count(UNK) for row in rows) > 100


def test_the_result_does_not_depend_on_the_pieces_before(
    tokenizer: SubwordModel, rows: list[list[int]]
) -> None:
    dropout = BpeDropout(tokenizer, 0.2, seed=1)
    assert resegment(dropout, resegment(dropout, rows, epoch=1)) == resegment(dropout, rows)


def test_a_segment_does_not_depend_on_its_batch(
    tokenizer: SubwordModel, rows: list[list[int]]
) -> None:
    dropout = BpeDropout(tokenizer, 0.3, seed=1)
    together = resegment(dropout, rows, epoch=4)
    order = random.Random(4).sample(range(len(rows)), len(rows))
    shuffled = resegment(dropout, [rows[each] for each in order], order, epoch=4)
    assert shuffled == [together[each] for each in order]
    another = BpeDropout(tokenizer, 0.3, seed=1)
    for key, row in enumerate(rows):
        assert resegment(another, [row], [key], epoch=4) == [together[key]]


def test_seed_epoch_and_key_change_the_pieces(
    tokenizer: SubwordModel, rows: list[list[int]]
) -> None:
    keys = list(range(len(rows)))
    first = resegment(BpeDropout(tokenizer, 0.5, seed=1), rows, keys)
    others = [
        resegment(BpeDropout(tokenizer, 0.5, seed=2), rows, keys),
        resegment(BpeDropout(tokenizer, 0.5, seed=1), rows, keys, epoch=1),
        resegment(BpeDropout(tokenizer, 0.5, seed=1), rows, [key + 1 for key in keys]),
    ]
    for other in others:
        long = [new != old for row, new, old in zip(rows, other, first, strict=True) if row[10:]]
        assert sum(long) > 0.98 * len(long) > 200


def test_any_integer_can_be_a_seed_or_a_key(tokenizer: SubwordModel, rows: list[list[int]]) -> None:
    results = [
        tuple(resegment(BpeDropout(tokenizer, 0.5, seed), [rows[1]], [key])[0])
        for seed in (0, -1, 2**31 - 1, 2**63)
        for key in (0, -1, 2**62)
    ]
    assert len(set(results)) == 12


# The only merges are "ab" and "cd"; "ab" has the higher priority. (p: drop, q: keep.)
p = Fraction(3, 10)
q = 1 - p
ODDS = {
    "ab": {"ab": q, "a b": p},
    # Both merge if ab is kept and then cd; or if only cd is kept and then ab. A dropped merge gets
    # another draw while other merges remain: if it were dropped for good, the odds would be q**2.
    "abcd": {"ab cd": q * q + p * q * q, "ab c d": q * p, "a b cd": p * q * p, "a b c d": p * p},
    # Of merges of equal priority the leftmost comes first.
    "abab": {"ab ab": q * q + p * q * q, "ab a b": q * p, "a b ab": p * q * p, "a b a b": p * p},
    # A merge in one word gives no second draw to another word.
    "ab cd": {"ab _ cd": q * q, "ab _ c d": q * p, "a b _ cd": p * q, "a b _ c d": p * p},
}


@pytest.fixture(scope="module")
def two_merges() -> SubwordModel:
    made = learn_subwords(["eab fab gab hab iab jcd kcd lcd"], TokenizerSettings(19))
    assert [made.piece(each) for each in (4, 5)] == ["ab", "cd"]
    assert all(len(made.piece(each)) == 1 for each in range(6, 19))
    return made


@pytest.mark.parametrize("text", ODDS)
def test_odds_worked_out_by_hand(two_merges: SubwordModel, text: str) -> None:
    assert sum(ODDS[text].values()) == 1
    n = 20_000
    result = resegment(
        BpeDropout(two_merges, float(p), seed=1), n * two_merges.encode([text]), epoch=1
    )
    counts = Counter(
        " ".join(two_merges.piece(each).replace(SPACE, "_") for each in row[1:]) for row in result
    )
    assert counts.keys() == ODDS[text].keys()
    for pieces, odds in ODDS[text].items():
        assert abs(counts[pieces] - n * odds) < 4 * float(n * odds * (1 - odds)) ** 0.5


def test_empty_segments_and_batches(tokenizer: SubwordModel) -> None:
    dropout = BpeDropout(tokenizer, 0.5, seed=1)
    assert resegment(dropout, []) == []
    assert resegment(dropout, [[]]) == [[]]
    assert resegment(dropout, [[], [], [UNK], []]) == [[], [], [UNK], []]


def test_segments_do_not_merge_with_each_other(tokenizer: SubwordModel) -> None:
    pieces = [tokenizer.piece(each) for each in range(len(tokenizer))]
    a, aa = pieces.index("a"), pieces.index("aa")
    assert "aaaa" in pieces
    # Without the mark of a space, only the end of the segment ends a word.
    rows = [[a], [a, a], [], [a, a], [a]]
    assert resegment(BpeDropout(tokenizer, 0.0, seed=1), rows) == [[a], [aa], [], [aa], [a]]


def test_special_pieces_are_neither_split_nor_merged() -> None:
    made = learn_subwords(
        ["< > u n k / s kn us"], TokenizerSettings(13)
    )  # the letters of "<unk>", "</s>"
    special = [UNK, EOS, *made.encode(["s"])[0], UNK, UNK]
    for probability in (0.0, 1.0):
        (result,) = resegment(BpeDropout(made, probability, seed=1), [special])
        assert [made.piece(each) for each in result] == [
            *("<unk>", "</s>", SPACE, "s", "<unk>", "<unk>")
        ]


def test_a_piece_stays_whole_if_one_of_its_characters_is_not_a_piece(
    two_merges: SubwordModel,
) -> None:
    class Without(SubwordModel):
        """A model without the character b, so that "ab" cannot be split."""

        def piece(self, piece_id: int) -> str:
            return super().piece(piece_id).replace("b", "x" if piece_id > 5 else "b")

    made = Without(two_merges.model)
    rows = made.encode(["ab cd"])
    assert resegment(BpeDropout(made, 0.0, seed=1), rows) == rows
    (result,) = resegment(BpeDropout(made, 1.0, seed=1), rows)
    assert [made.piece(each) for each in result] == [SPACE, "ab", SPACE, "c", "d"]
