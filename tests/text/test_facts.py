"""The facts about a prepared corpus are those of a count by hand or a plain search in the text."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest

from nmt.errors import DamagedError
from nmt.recipe.files import load_recipe
from nmt.runs.run_folder import RunFolder
from nmt.text.corpus import DataFolder, Pair
from nmt.text.facts import (
    LEAST_CORRELATION,
    RARE,
    WINDOW,
    QuickLook,
    correlations,
    hash_segments,
    quick_look,
    token_facts,
)
from nmt.text.prepare import Prepared, open_prepared, prepare
from tests.conftest import Run
from tests.corpora.corpora import Pairs, corpus, write
from tests.studio.diagnosis.trainings import arguments, write_text

CLEAN = corpus(1200)
DEV = corpus(8, seed=2)


def look(folder: Path, pairs: Pairs, dev: Pairs = DEV, tag: str = "") -> QuickLook:
    write(folder, pairs, "train")
    recipe = folder / "mine.toml"
    recipe.write_text(
        f'[data]\ntrain = [{{source = "train.en", target = "train.de", tag = "{tag}"}}]\n'
        "[tokenizer]\nvocab_size = 120\n"
    )
    loaded, run = load_recipe(str(recipe)), RunFolder(folder / "run")
    prepared = prepare(loaded, DataFolder(folder), run.prepared_folder(), lambda note: None)
    sources = prepared.tokenizer.sides[0].encode([source for source, _ in dev])
    return quick_look(prepared.shards, prepared.names, prepared.tokenizer, sources)


def test_equal_segments_have_equal_hashes_and_others_do_not() -> None:
    segments = [[3, 4, 5], [4, 3, 5], [3, 4], [3, 4, 5], [], [5], [3, 4, 5, 3]] * 3
    ids = numpy.array([each for segment in segments for each in segment], numpy.uint16)
    lengths = numpy.array([*map(len, segments)])
    hashes = hash_segments(ids, lengths, 10).tolist()
    for first, one in zip(hashes, segments, strict=True):
        for second, other in zip(hashes, segments, strict=True):
            assert (first == second) == (one == other)
    # A segment's place in the text does not matter.
    alone = hash_segments(numpy.array(segments[6], numpy.uint16), numpy.array([4]), 10)
    assert alone.tolist() == [hashes[6]]


def test_a_clean_corpus_has_nothing_that_stands_out(tmp_path: Path) -> None:
    found = look(tmp_path, CLEAN)
    assert (found.pairs, found.repeated, found.copied, found.overlap) == (1200, 0, 0, 0)
    assert found.lines() == []


@pytest.mark.parametrize("tag", ["", "<BT>"])
def test_repetition_copies_and_overlap_are_counted(tmp_path: Path, tag: str) -> None:
    """A tag before the sources of the training text changes nothing."""
    damaged = [*CLEAN, *CLEAN[:7], *((source, source) for source, _ in CLEAN[20:25])]
    found = look(tmp_path, damaged, [*DEV[:1], *CLEAN[3:5]], tag)
    assert (found.pairs, found.repeated, found.copied) == (1212, 7, 5)
    assert (found.overlap, found.dev_pairs) == (2, 3)
    assert "dev scores will be too high" in found.lines()[1]


@pytest.mark.parametrize("line", [100, 600])
def test_files_that_slip_stand_out(tmp_path: Path, line: int) -> None:
    sources = [source for source, _ in CLEAN]
    targets = [target for _, target in CLEAN]
    del sources[line], targets[-1]
    found = look(tmp_path, [*zip(sources, targets, strict=True)])
    assert "may not belong together from about line" in found.lines()[-1]


def test_correlations_are_those_of_numpy() -> None:
    draw = numpy.random.default_rng(1)
    source = draw.integers(1, 50, 2 * WINDOW + 17)
    target = source + draw.integers(0, 9, len(source))
    expected = [
        numpy.corrcoef(numpy.log1p(source[part]), numpy.log1p(target[part]))[0, 1]
        for part in (slice(0, WINDOW), slice(WINDOW, 2 * WINDOW))
    ]
    found, spreads = correlations(source, target)
    assert found == pytest.approx(expected)
    assert spreads[0, 0] == pytest.approx(numpy.log1p(source[:WINDOW]).std())
    assert spreads[1, 1] == pytest.approx(numpy.log1p(target[WINDOW : 2 * WINDOW]).std())


def test_lengths_that_do_not_vary_say_nothing() -> None:
    lengths = numpy.full(WINDOW, 3)
    assert not (correlations(lengths, lengths)[0] < LEAST_CORRELATION).any()


def test_a_corpus_that_is_sorted_by_length_does_not_stand_out(tmp_path: Path) -> None:
    pairs = sorted(corpus(4000), key=lambda pair: len(pair[0]))
    assert not look(tmp_path, pairs).unrelated


@pytest.fixture
def prepared(nmt: Run, tmp_path: Path) -> Prepared:
    """Return 12 pairs of words: `sun` is "sole" 8 times, and `moon` is "luna luna" 4 times."""
    pairs = [("sun", "sole")] * 8 + [("moon", "luna luna")] * 4
    recipe = write_text(tmp_path, pairs, pairs[:1])
    run = tmp_path / "run"
    changes = {"train.max_updates": 1}
    assert nmt(*arguments(recipe, run, dict(changes))).code == 0
    folder = RunFolder(run)
    return open_prepared(folder.load_recipe(), folder.prepared_folder())


def entropy(*counts: int) -> float:
    """Return the entropy of tokens with these counts."""
    return -sum(each / sum(counts) * math.log(each / sum(counts)) for each in counts)


def test_tokens_are_counted_on_each_side_with_their_ends(prepared: Prepared) -> None:
    facts = token_facts(prepared.shards, prepared.tokenizer)
    source, target = facts.sides
    assert (source.segments, source.tokens, source.unknown) == (12, 12, 0)
    assert (target.segments, target.tokens, target.unknown) == (12, 16, 0)
    assert source.entropy == pytest.approx(entropy(8, 4, 12))
    assert target.entropy == pytest.approx(entropy(8, 8, 12))
    (vocabulary,) = facts.vocabularies
    assert vocabulary.size == len(prepared.tokenizer)
    assert vocabulary.rare == vocabulary.size - 4  # the special tokens are none of them
    assert RARE == 10
    assert facts.dev is None


def test_blocks_at_equal_distances_stand_for_a_large_text(
    prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pairs 1 and 2, 5 and 6, 9 and 10 are counted: four of "sun", two of "moon"."""
    monkeypatch.setattr("nmt.text.facts.COUNTED_PAIRS", 2)
    monkeypatch.setattr("nmt.text.facts.MOST_BLOCKS", 3)
    source, target = token_facts(prepared.shards, prepared.tokenizer).sides
    assert (source.segments, source.tokens, target.tokens) == (6, 6, 8)
    assert source.entropy == pytest.approx(entropy(4, 2, 6))


def test_dev_tokens_are_compared_with_the_training_text(prepared: Prepared) -> None:
    facts = token_facts(prepared.shards, prepared.tokenizer, [Pair("moon cloud", "luna")])
    assert facts.dev is not None
    source, target = facts.dev
    size = len(prepared.tokenizer)
    assert (source.segments, source.tokens, source.unknown) == (1, 2, 1)
    assert (target.segments, target.tokens, target.unknown) == (1, 1, 0)
    half, everything = 0.5, 24 + size / 2
    seen = [4 + half, half, 12 + half]  # moon, unknown, the end
    surprise = -sum(math.log(each / everything) for each in seen) / 3
    assert source.entropy == pytest.approx(surprise)


def test_rare_characters_do_not_make_a_vocabulary_too_large(nmt: Run, tmp_path: Path) -> None:
    letters = [chr(0x4E00 + place) for place in range(60)]
    pairs = [("".join(letters[first : first + 6]), "sun") for first in range(0, 60, 6)]
    recipe = write_text(tmp_path, pairs, pairs[:1])
    run = tmp_path / "run"
    changes = {"train.max_updates": 1, "tokenizer.kind": "bpe", "tokenizer.vocab_size": 70}
    result = nmt(*arguments(recipe, run, changes))
    assert result.code == 0, result.err
    assert "the vocabulary is too large" not in result.err
    folder = RunFolder(run)
    prepared = open_prepared(folder.load_recipe(), folder.prepared_folder())
    (vocabulary,) = token_facts(prepared.shards, prepared.tokenizer).vocabularies
    assert (vocabulary.size, vocabulary.rare <= 70 - 60) == (70, True)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("ids", lambda ids: ids.fill(60_000)),
        ("offsets", lambda offsets: offsets.__setitem__(3, -7)),
    ],
)
def test_numbers_that_no_shard_has_are_damage(
    prepared: Prepared, name: str, change: Callable[[Any], object]
) -> None:
    """The disk may change a file without changing its size and time."""
    (shard,) = prepared.shards
    numbers = getattr(shard, name).copy()
    change(numbers)
    broken = replace(shard, **{name: numbers})
    for read in (
        lambda: quick_look([broken], ["x"], prepared.tokenizer, []),
        lambda: token_facts([broken], prepared.tokenizer),
    ):
        with pytest.raises(DamagedError, match=r"train-0\.ids is damaged; remove .*nmt prepare"):
            read()
