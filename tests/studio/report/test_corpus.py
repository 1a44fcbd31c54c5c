"""Statistics of the training text, and notes on corpora that cannot be read."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from nmt.config import TextFiles
from nmt.runs.run_folder import RunFolder
from nmt.studio.report.corpus import LONGEST, read_training_text
from nmt.studio.report.data import run_data
from nmt.text.tokenizer import load_tokenizer
from tests.conftest import Run


def test_pairs_tokens_and_lengths_are_counted(run: RunFolder, tiny_run: Path) -> None:
    text = read_training_text(run.load_recipe(), run)
    (corpus,) = text.corpora
    tokenizer = load_tokenizer(run.tokenizer)
    folder = tiny_run.parents[1]
    for side, tokens, lengths in (
        ("src", corpus.source_tokens, corpus.source_lengths),
        ("tgt", corpus.target_tokens, corpus.target_lengths),
    ):
        encoded = tokenizer.source.encode((folder / f"train.{side}").read_text().splitlines())
        assert tokens == sum(map(len, encoded))
        assert len(lengths) == LONGEST + 1
        assert lengths[5] == sum(len(ids) == 5 for ids in encoded)
    assert (corpus.files, corpus.kept) == ("train.src + train.tgt", 120)
    assert corpus.dropped == {"empty": 0, "too_long": 0, "ratio": 0}
    assert text.problems == ()


def test_the_tokenizer_may_be_much_smaller_than_vocab_size(nmt: Run, tiny: Path) -> None:
    """Shards with fewer than 65,537 tokens have 16-bit ids, whatever the recipe allows."""
    settings = ("tokenizer.kind=word", "tokenizer.vocab_size=70000")
    options = [part for each in settings for part in ("--set", each)]
    prepared = nmt("prepare", tiny, *options)
    assert prepared.code == 0, prepared.err
    run = RunFolder(Path("runs/tiny"))
    text = read_training_text(run.load_recipe(), run)
    assert text.problems == ()
    (corpus,) = text.corpora
    assert corpus.kept == 120
    assert corpus.source_tokens == len(Path("train.src").read_text().split())


@pytest.mark.parametrize("ending", ["ids", "offsets", "lines"])
def test_a_missing_shard_is_named(run: RunFolder, ending: str) -> None:
    (run.prepared / f"train-0.{ending}").unlink()
    text = read_training_text(run.load_recipe(), run)
    assert text.corpora == ()
    (problem,) = text.problems
    assert "train.src + train.tgt" in problem
    assert str(run.prepared / "train-0") in problem


def test_a_damaged_shard_is_named(run: RunFolder) -> None:
    path = run.prepared / "train-0.ids"
    path.write_bytes(path.read_bytes()[:-2])
    text = read_training_text(run.load_recipe(), run)
    assert text.corpora == ()
    (problem,) = text.problems
    assert str(path) in problem


def test_decreasing_offsets_are_damage(run: RunFolder) -> None:
    path = run.prepared / "train-0.offsets"
    offsets = numpy.fromfile(path, "<i8")
    offsets[1:-1] = offsets[1:-1][::-1].copy()
    offsets.tofile(path)
    text = read_training_text(run.load_recipe(), run)
    assert text.corpora == ()
    (problem,) = text.problems
    assert str(path) in problem


def test_other_corpora_are_counted_when_one_is_missing(run: RunFolder) -> None:
    recipe = run.load_recipe()
    corpora = (*recipe.data.train, TextFiles(tsv="more.tsv"))
    found = read_training_text(replace(recipe, data=replace(recipe.data, train=corpora)), run)
    assert [each.files for each in found.corpora] == ["train.src + train.tgt"]
    assert ["more.tsv" in problem for problem in found.problems] == [True]


def test_a_missing_tokenizer_is_named(run: RunFolder) -> None:
    run.tokenizer.unlink()
    text = read_training_text(run.load_recipe(), run)
    assert text.corpora == ()
    assert [str(run.tokenizer) in problem for problem in text.problems] == [True]


def test_problems_are_noted_and_on_the_page(run: RunFolder) -> None:
    shutil.rmtree(run.prepared)
    notes: list[str] = []
    data = run_data(run, "name", notes.append)
    (problem,) = read_training_text(run.load_recipe(), run).problems
    assert notes == data["corpus_problems"] == [problem]
    assert data["corpus"] == []
