"""Two vocabularies: learn one for each language, keep both in one file, encode with both."""

from collections.abc import Sequence

import numpy
import pytest

from nmt.config import TokenizerSettings
from nmt.errors import NmtError
from nmt.text.batches import PairDataset
from nmt.text.bpe_dropout import bpe_dropouts
from nmt.text.learning import learn_subwords
from nmt.text.tokenizer import PAIR_HEADER, Tokenizer
from tests.text.conftest import TinyCorpus, pair_of

SIDES = ["sun moon star", "SUN MOON STAR"]


@pytest.fixture
def tokenizer() -> Tokenizer:
    """Learn lower-case letters for the source and capitals for the target."""
    source, target = (
        learn_subwords([side] * 3, TokenizerSettings(16 + n)) for n, side in enumerate(SIDES)
    )
    return Tokenizer.from_two(source, target)


def test_each_side_has_its_own_vocabulary(tokenizer: Tokenizer) -> None:
    for model, text in zip(tokenizer.sides, SIDES, strict=True):
        assert model.decode(model.encode([text])[0]) == text
    assert "\u2047" in tokenizer.source.decode(tokenizer.source.encode(["STAR"])[0])
    assert len(tokenizer) == 17 == len(tokenizer.target)


def test_both_vocabularies_are_kept_in_one_file(tokenizer: Tokenizer) -> None:
    again = Tokenizer(tokenizer.model)
    assert not again.is_joint
    assert [each.model for each in again.sides] == [each.model for each in tokenizer.sides]


@pytest.mark.parametrize("length", [len(PAIR_HEADER), len(PAIR_HEADER) + 8, len(PAIR_HEADER) + 100])
def test_a_truncated_file_is_refused(tokenizer: Tokenizer, length: int) -> None:
    with pytest.raises(NmtError, match=r"part of x is .* not a SentencePiece model"):
        Tokenizer(tokenizer.model[:length], "x")


def test_each_side_is_encoded_with_its_own_vocabulary(corpus: TinyCorpus) -> None:
    """Both sides of a pair decode to their text; the target lacks the source's letters."""
    corpus.change(joint=False, vocab_size=30)
    prepared = corpus.prepare()
    source, target = prepared.tokenizer.sides
    pair = pair_of(prepared.shards[0], 0)
    line = prepared.shards[0].lines[0] - 1
    for side, model, part in zip(("src", "tgt"), (source, target), pair, strict=True):
        text = (corpus.run.path.parent / f"train.{side}").read_text().splitlines()[line]
        assert model.decode(part) == text
    assert not {"s", "u", "n"} & {target.piece(each) for each in range(len(target))}


def test_a_change_to_two_vocabularies_learns_again(corpus: TinyCorpus) -> None:
    corpus.prepare()
    corpus.change(joint=False, vocab_size=30)
    corpus.prepare()
    assert "30 BPE tokens of each language" in corpus.notes[0]


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
        PairDataset(prepared.shards, prepared.names, each).batch(numpy.arange(5), epoch=1)
        for each in (None, dropouts)
    )

    def texts(rows: Sequence[Sequence[int]], side: int) -> list[str]:
        model = prepared.tokenizer.sides[side]
        assert all(len(model.piece(each)) == 1 or each < 4 for row in rows for each in row)
        return [model.decode(row) for row in rows]

    for side, name in enumerate(("source", "labels")):
        whole, cut = getattr(plain, name).tolist(), getattr(dropped, name).tolist()
        model = prepared.tokenizer.sides[side]
        assert texts(cut, side) == [model.decode(row) for row in whole]
