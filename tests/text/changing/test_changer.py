"""Pairs are changed by seed, epoch and pair alone, and only in ways that a training may see."""

from collections.abc import Sequence
from dataclasses import replace

import numpy
import pytest
import torch

from nmt.config import TextFiles
from nmt.text.batches import PairDataset
from nmt.text.bpe_dropout import bpe_dropouts
from nmt.text.changing.changer import PairChanger
from nmt.text.plan import plan_epoch
from nmt.text.prepare import Prepared
from nmt.text.tokenizer import UNK
from tests.text.conftest import TinyCorpus

ALL = ("upper_case", "title_case", "typos", "placeholders", "tags")
TAG = "<BT>"


def prepared_with(
    corpus: TinyCorpus,
    shares: dict[str, float],
    vocab_size: int = 180,
    train: tuple[TextFiles, ...] = (),
) -> Prepared:
    """Prepare a tiny corpus for a training with these probabilities."""
    settings = {f"augment_{way}": share for way, share in shares.items()}
    corpus.recipe = replace(
        corpus.recipe,
        train=replace(corpus.recipe.train, **settings),  # type: ignore[arg-type]
    )
    corpus.change(vocab_size=vocab_size)
    return corpus.prepare(train=train or corpus.recipe.data.train)


def dataset_of(corpus: TinyCorpus, prepared: Prepared, *, is_guided: bool = False) -> PairDataset:
    """Return the pairs as a training reads them."""
    train = corpus.recipe.train
    return PairDataset(
        prepared.shards,
        prepared.names,
        bpe_dropouts(prepared.tokenizer, train.bpe_dropout, train.seed),
        alignments=prepared.alignments,
        changer=PairChanger(prepared.tokenizer, corpus.recipe),
        is_guided=is_guided,
    )


def texts_of(
    dataset: PairDataset, prepared: Prepared, indices: Sequence[int], epoch: int = 0
) -> list[tuple[str, str]]:
    """Return the texts of pairs."""
    sides = zip(prepared.tokenizer.sides, dataset.pairs(numpy.array(indices), epoch), strict=True)
    source, target = (
        [model.decode(ids.tolist()) for ids in numpy.split(side.ids, side.lengths.cumsum()[:-1])]
        for model, side in sides
    )
    return [*zip(source, target, strict=True)]


@pytest.mark.parametrize("joint", [True, False], ids=["joint", "two"])
def test_a_change_depends_on_seed_epoch_and_pair_alone(corpus: TinyCorpus, joint: bool) -> None:
    corpus.change(joint=joint)
    prepared = prepared_with(corpus, dict.fromkeys(ALL, 0.4))
    dataset = dataset_of(corpus, prepared)
    everything = texts_of(dataset, prepared, range(len(dataset)))
    some = [7, 3, 12]
    assert texts_of(dataset, prepared, some) == [everything[each] for each in some]
    assert texts_of(dataset_of(corpus, prepared), prepared, [3])[0] == everything[3]
    assert texts_of(dataset, prepared, range(len(dataset)), epoch=1) != everything
    corpus.recipe = replace(corpus.recipe, train=replace(corpus.recipe.train, seed=2))
    assert texts_of(dataset_of(corpus, prepared), prepared, range(len(dataset))) != everything


@pytest.mark.parametrize("way", ALL)
def test_about_the_share_is_changed_in_each_way(corpus: TinyCorpus, way: str) -> None:
    prepared = prepared_with(corpus, {way: 0.5}, 180 if way in ("placeholders", "tags") else 60)
    plain = PairDataset(prepared.shards, prepared.names)
    dataset = dataset_of(corpus, prepared)
    indices = range(len(dataset))
    before = texts_of(plain, prepared, indices)
    changed = total = 0
    for epoch in range(4):
        for old, new in zip(before, texts_of(dataset, prepared, indices, epoch), strict=True):
            total += 1
            changed += old != new
            if old == new:
                continue
            if way == "upper_case":
                assert new == (old[0].upper(), old[1].upper())
            elif way == "title_case":
                assert new == (old[0].title(), old[1])  # its letters are upper case
            elif way == "typos":
                assert new[1] == old[1]
                assert len(new[0].split()) == len(old[0].split())
            else:
                assert len(new[0]) > len(old[0]) or way == "placeholders"
                assert new[0] != old[0]
                assert new[1] != old[1]
    # A mark finds no place in a pair without suitable links.
    assert (0.2 if way in ("tags", "typos") else 0.4) < changed / total < 0.6


def test_no_probability_changes_nothing(corpus: TinyCorpus) -> None:
    prepared = corpus.prepare()
    assert not prepared.alignments
    plain, changing = PairDataset(prepared.shards, prepared.names), dataset_of(corpus, prepared)
    indices = numpy.arange(len(plain))
    for one, other in zip(plain.pairs(indices, 0), changing.pairs(indices, 0), strict=True):
        assert numpy.array_equal(one.ids, other.ids)


def test_a_tag_stays_before_its_source(corpus: TinyCorpus) -> None:
    (own,) = corpus.recipe.data.train
    tagged = (own, TextFiles(source="dev.src", target="dev.tgt", tag=TAG))
    prepared = prepared_with(corpus, {"upper_case": 1, "tags": 1}, train=tagged)
    tag = prepared.tokenizer.source.tag_id(TAG)
    dataset = dataset_of(corpus, prepared)
    first = len(prepared.shards[0])
    source, _ = dataset.pairs(numpy.arange(first, len(dataset)), 0)
    starts = source.lengths.cumsum() - source.lengths
    assert (source.ids[starts] == tag).all()
    assert (source.ids == tag).sum() == len(starts)
    texts = texts_of(dataset, prepared, range(first, len(dataset)))
    assert any("<" in text for text, _ in texts)
    assert all(text.split()[0].strip("<>*`[") != "" for text, _ in texts)


def test_a_pair_that_becomes_too_long_stays(corpus: TinyCorpus) -> None:
    prepared = prepared_with(corpus, {"placeholders": 1.0, "tags": 1.0})
    longest = max(len(each) for each in prepared.shards) and int(
        max(side.max() for shard in prepared.shards for sides in shard.lengths() for side in sides)
    )
    corpus.recipe = replace(corpus.recipe, data=replace(corpus.recipe.data, max_length=longest))
    dataset = dataset_of(corpus, prepared)
    plain = PairDataset(prepared.shards, prepared.names)
    indices = numpy.arange(len(dataset))
    before, after = plain.pairs(indices, 0), dataset.pairs(indices, 0)
    assert max(side.lengths.max() for side in after) <= longest
    same = [a == b for a, b in zip(before[0].lengths, after[0].lengths, strict=True)]
    assert 0 < sum(same) < len(same)


def test_what_the_vocabulary_cannot_write_is_not_made(corpus: TinyCorpus) -> None:
    """The vocabulary of another training has no upper case and no marks."""
    other = corpus.prepare().tokenizer
    prepared = prepared_with(corpus, dict.fromkeys(ALL, 1.0))
    again = corpus.prepare(other.model)
    assert any('lacks ! "' in note for note in corpus.notes)
    assert prepared.tokenizer.model != other.model
    dataset = dataset_of(corpus, again)
    source, target = dataset.pairs(numpy.arange(len(dataset)), 0)
    assert UNK not in source.ids
    assert UNK not in target.ids


def test_bpe_dropout_comes_after_the_change(corpus: TinyCorpus) -> None:
    prepared = prepared_with(corpus, dict.fromkeys(ALL, 0.5))
    indices = range(len(prepared.shards[0]))
    before = texts_of(dataset_of(corpus, prepared), prepared, indices)
    corpus.recipe = replace(corpus.recipe, train=replace(corpus.recipe.train, bpe_dropout=0.5))
    dropped = dataset_of(corpus, prepared)
    assert texts_of(dropped, prepared, indices) == before


def test_batches_are_regrouped_by_the_changed_lengths(corpus: TinyCorpus) -> None:
    prepared = prepared_with(corpus, {"placeholders": 0.5, "tags": 0.5})
    dataset = dataset_of(corpus, prepared)
    plan = plan_epoch(
        dataset.source_lengths,
        dataset.target_lengths,
        source_tokens=60,
        target_tokens=60,
        seed=1,
        epoch=0,
    )
    regrouped = dataset.rebatched(plan, 1, 0)
    found = numpy.concatenate([regrouped[each] for each in range(len(regrouped))])
    assert sorted(found.tolist()) == [*range(len(dataset))]
    assert len(regrouped) == len(plan)


def test_changed_pairs_have_no_guided_alignment(corpus: TinyCorpus) -> None:
    prepared = prepared_with(corpus, {"tags": 0.5, "upper_case": 0.3})
    plain = PairDataset(prepared.shards, prepared.names, alignments=prepared.alignments)
    dataset = dataset_of(corpus, prepared, is_guided=True)
    indices = numpy.arange(len(dataset))
    before, after = plain.batch(indices, 0), dataset.batch(indices, 0)
    assert before.aligned is not None
    assert after.aligned is not None
    assert dataset_of(corpus, prepared).batch(indices, 0).aligned is None
    same = 0
    for row in indices.tolist():
        old, new = before.rows(slice(row, row + 1)), after.rows(slice(row, row + 1))
        assert old.aligned is not None
        assert new.aligned is not None
        if torch.equal(old.source, new.source) and torch.equal(old.labels, new.labels):
            same += 1
            assert torch.equal(old.aligned, new.aligned)
        else:
            assert not new.aligned.any()
    assert 0 < same < len(indices)
