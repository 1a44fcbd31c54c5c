"""Fixtures and helpers for tests of the text pipeline."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from nmt.artifacts.run_folder import RunFolder
from nmt.config import Recipe
from nmt.recipe import load_recipe, with_settings
from nmt.text.corpus import DataFolder
from nmt.text.prepare import Prepared, prepare
from nmt.text.shards import EncodedPairs, Ids, Shard, id_type

Pair = tuple[list[int], list[int]]


def encoded(pairs: Sequence[Pair], vocab_size: int = 100, first_line: int = 1) -> EncodedPairs:
    """Return pairs of ids, on consecutive lines, as `ShardWriter` takes them."""
    sides = [side for pair in pairs for side in pair]
    return EncodedPairs(
        numpy.array([each for side in sides for each in side], id_type(vocab_size)),
        numpy.array([len(side) for side in sides], numpy.int64),
        numpy.arange(first_line, first_line + len(pairs)),
    )


def split_pair(ids: Ids, source_length: int) -> Pair:
    """Return the source and target ids of a pair as `Shard.pair` returns it."""
    row = ids.tolist()
    return row[:source_length], row[source_length:]


def pairs_of(shard: Shard) -> list[Pair]:
    """Return all pairs of a shard."""
    return [split_pair(*shard.pair(index)) for index in range(len(shard))]


class TinyCorpus:
    """A tiny corpus that is prepared again and again; `notes` are those of the last time."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        self.recipe = recipe
        self.data = DataFolder(folder)
        self.run = RunFolder(folder / "run")
        self.notes: list[str] = []

    def change(self, **settings: object) -> None:
        """Change settings of the recipe's [tokenizer]."""
        self.recipe = with_settings(
            self.recipe, {f"tokenizer.{key}": value for key, value in settings.items()}
        )

    def prepare(self, given_tokenizer: bytes | None = None, **changes: object) -> Prepared:
        """Prepare the corpus with some settings of [data] changed, for this time only.

        Settings are not checked, so that tests can leave out what a recipe needs.
        """
        self.notes.clear()
        data = replace(self.recipe.data, **changes)  # type: ignore[arg-type] # of several kinds
        recipe = replace(self.recipe, data=data)
        folder = self.run.prepared_folder()
        return prepare(recipe, self.data, folder, self.notes.append, given_tokenizer)

    def times(self) -> dict[str, int]:
        """Return when each file of the run was last written."""
        return {path.name: path.stat().st_mtime_ns for path in self.files()}

    def files(self) -> list[Path]:
        """Return the paths of the run's files."""
        return [path for path in self.run.path.rglob("*") if path.is_file()]

    def shard_bytes(self) -> dict[str, bytes]:
        """Return the content of the shards' files by name."""
        return {path.name: path.read_bytes() for path in self.run.prepared.glob("train-*")}


@pytest.fixture
def corpus(tiny: Path, tmp_path: Path) -> TinyCorpus:
    return TinyCorpus(load_recipe(str(tiny)), tmp_path)
