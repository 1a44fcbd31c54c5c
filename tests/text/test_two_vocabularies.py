"""A vocabulary for each language: what is learned, encoded, kept in one file, and refused."""

from collections.abc import Sequence
from dataclasses import replace

import numpy
import pytest

from nmt.config import TokenizerSettings
from nmt.errors import NmtError
from nmt.text.batches import PairDataset
from nmt.text.bpe_dropout import bpe_dropouts
from nmt.text.tokenizer import PAIR, Tokenizer, joined, learn
from tests.text.conftest import TinyCorpus

SIDES = ["sun moon star", "SUN MOON STAR"]


@pytest.fixture
def tokenizer() -> Tokenizer:
    """Lower-case letters in the source, capitals in the target."""
    source, target = (learn([side] * 3, TokenizerSettings(16 + n)) for n, side in enumerate(SIDES))
    return joined(source, target)


def separate(corpus: TinyCorpus) -> TinyCorpus:
    """The corpus, its recipe asking for two vocabularies."""
    settings = replace(corpus.recipe.tokenizer, joint=False, vocab_size=30)
    corpus.recipe = replace(corpus.recipe, tokenizer=settings)
    return corpus


def test_each_side_has_its_own_pieces(tokenizer: Tokenizer) -> None:
    for pieces, text in zip(tokenizer.sides, SIDES, strict=True):
        assert pieces.decode(pieces.encode([text])[0]) == text
    assert "\u2047" in tokenizer.source.decode(tokenizer.source.encode(["STAR"])[0])
    assert len(tokenizer) == 17 == len(tokenizer.target)


def test_two_are_kept_in_one_file(tokenizer: Tokenizer) -> None:
    again = Tokenizer(tokenizer.model)
    assert not again.is_joint
    assert [each.model for each in again.sides] == [each.model for each in tokenizer.sides]


@pytest.mark.parametrize("length", [len(PAIR), len(PAIR) + 8, len(PAIR) + 100])
def test_a_file_that_was_cut_off_is_refused(tokenizer: Tokenizer, length: int) -> None:
    with pytest.raises(NmtError, match="part of x is not a SentencePiece model"):
        Tokenizer(tokenizer.model[:length], "x")


def test_a_corpus_is_encoded_by_each(corpus: TinyCorpus) -> None:
    """The pairs come back as they were, and neither side knows the other's letters."""
    prepared = separate(corpus).prepare()
    source, target = prepared.tokenizer.sides
    ids, middle = prepared.shards[0].pair(0)
    line = prepared.shards[0].lines[0] - 1
    for side, pieces, part in (("src", source, ids[:middle]), ("tgt", target, ids[middle:])):
        text = (corpus.run.path.parent / f"train.{side}").read_text().splitlines()[line]
        assert pieces.decode(part.tolist()) == text
    assert not {"s", "u", "n"} & {target.piece(each) for each in range(len(target))}


def test_asking_for_two_learns_anew(corpus: TinyCorpus) -> None:
    corpus.prepare()
    separate(corpus).prepare()
    assert "30 BPE tokens of each language" in corpus.notes[0]


def test_the_side_that_is_too_small_is_named(corpus: TinyCorpus) -> None:
    separate(corpus)
    settings = replace(corpus.recipe.tokenizer, vocab_size=500)
    corpus.recipe = replace(corpus.recipe, tokenizer=settings)
    with pytest.raises(NmtError, match="from the source side of this corpus: it is too small"):
        corpus.prepare()


@pytest.mark.parametrize("joint", [True, False])
def test_bpe_dropout_cuts_each_side_by_its_own_merges(corpus: TinyCorpus, joint: bool) -> None:
    """All merges dropped, single characters are left; they spell the same text."""
    prepared = (corpus if joint else separate(corpus)).prepare()
    dropouts = bpe_dropouts(prepared.tokenizer, 1.0, seed=1)
    plain, dropped = (
        PairDataset(prepared.shards, prepared.names, each).batch(numpy.arange(5), epoch=1)
        for each in (None, dropouts)
    )

    def texts(rows: Sequence[Sequence[int]], side: int) -> list[str]:
        pieces = prepared.tokenizer.sides[side]
        assert all(len(pieces.piece(each)) == 1 or each < 4 for row in rows for each in row)
        return [pieces.decode(row) for row in rows]

    for side, name in enumerate(("source", "labels")):
        whole, cut = getattr(plain, name).tolist(), getattr(dropped, name).tolist()
        pieces = prepared.tokenizer.sides[side]
        assert texts(cut, side) == [pieces.decode(row) for row in whole]
