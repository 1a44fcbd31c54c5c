"""The quick look at a prepared corpus counts what a plain search through the text counts."""

from pathlib import Path

import numpy
import pytest

from nmt.check.quick import (
    LEAST_CORRELATION,
    WINDOW,
    Quick,
    correlations,
    lines_of,
    quick_look,
    segment_hashes,
)
from nmt.recipe.files import load_recipe
from nmt.runs.run_folder import RunFolder
from nmt.text.corpus import DataFolder
from nmt.text.prepare import prepare
from tests.check.corpora import Pairs, corpus, write

CLEAN = corpus(1200)
DEV = corpus(8, seed=2)


def look(folder: Path, pairs: Pairs, dev: Pairs = DEV, tag: str = "") -> Quick:
    write(folder, pairs, "train")
    recipe = folder / "mine.toml"
    recipe.write_text(
        f'[data]\ntrain = [{{source = "train.en", target = "train.de", tag = "{tag}"}}]\n'
        "[tokenizer]\nvocab_size = 120\n"
    )
    loaded, run = load_recipe(str(recipe)), RunFolder(folder / "run")
    prepared = prepare(loaded, DataFolder(folder), run.prepared_folder(), lambda note: None)
    sources = prepared.tokenizer.sides[0].encode([source for source, _ in dev])
    return quick_look(prepared, sources)


def test_equal_segments_have_equal_hashes_and_others_do_not() -> None:
    segments = [[3, 4, 5], [4, 3, 5], [3, 4], [3, 4, 5], [], [5], [3, 4, 5, 3]] * 3
    ids = numpy.array([each for segment in segments for each in segment], numpy.uint16)
    lengths = numpy.array([*map(len, segments)])
    hashes = segment_hashes(ids, lengths, 10).tolist()
    for first, one in zip(hashes, segments, strict=True):
        for second, other in zip(hashes, segments, strict=True):
            assert (first == second) == (one == other)
    # A segment's place in the text does not matter.
    alone = segment_hashes(numpy.array(segments[6], numpy.uint16), numpy.array([4]), 10)
    assert alone.tolist() == [hashes[6]]


def test_a_clean_corpus_has_nothing_that_stands_out(tmp_path: Path) -> None:
    found = look(tmp_path, CLEAN)
    assert (found.pairs, found.repeated, found.copied, found.overlap) == (1200, 0, 0, 0)
    assert lines_of(found) == []


@pytest.mark.parametrize("tag", ["", "<BT>"])
def test_repetition_copies_and_overlap_are_counted(tmp_path: Path, tag: str) -> None:
    """A tag before the sources of the training text changes nothing."""
    damaged = [*CLEAN, *CLEAN[:7], *((source, source) for source, _ in CLEAN[20:25])]
    found = look(tmp_path, damaged, [*DEV[:1], *CLEAN[3:5]], tag)
    assert (found.pairs, found.repeated, found.copied) == (1212, 7, 5)
    assert (found.overlap, found.dev_pairs) == (2, 3)
    assert "dev scores will be too high" in lines_of(found)[1]


@pytest.mark.parametrize("line", [100, 600])
def test_files_that_slip_stand_out(tmp_path: Path, line: int) -> None:
    sources = [source for source, _ in CLEAN]
    targets = [target for _, target in CLEAN]
    del sources[line], targets[-1]
    found = look(tmp_path, [*zip(sources, targets, strict=True)])
    assert "may not belong together from about line" in lines_of(found)[-1]


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
