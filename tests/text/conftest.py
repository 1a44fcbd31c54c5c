"""What tests of the text pipeline share."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from nmt.artifacts.run_folder import RunFolder
from nmt.config import Recipe
from nmt.recipe import load_recipe
from nmt.text.corpus import DataFolder
from nmt.text.prepare import Prepared, prepare
from nmt.text.shards import EncodedPairs, Ids, Shard, id_type

Pair = tuple[list[int], list[int]]


def encoded(pairs: Sequence[Pair], vocab_size: int = 100, first_line: int = 1) -> EncodedPairs:
    """Pairs of ids as `ShardWriter` takes them, on consecutive lines."""
    sides = [side for pair in pairs for side in pair]
    return EncodedPairs(
        numpy.array([each for side in sides for each in side], id_type(vocab_size)),
        numpy.array([len(side) for side in sides], numpy.int64),
        numpy.arange(first_line, first_line + len(pairs)),
    )


def split_pair(ids: Ids, source_length: int) -> Pair:
    """A pair as `Shard.pair` gives it, side by side."""
    row = ids.tolist()
    return row[:source_length], row[source_length:]


def pairs_of(shard: Shard) -> list[Pair]:
    """All pairs of a shard."""
    return [split_pair(*shard.pair(index)) for index in range(len(shard))]


class Bench:
    """A tiny corpus that is prepared again and again."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        self.recipe = recipe
        self.data = DataFolder(folder)
        self.run = RunFolder(folder / "run")
        self.told: list[str] = []

    def prepare(self, given_tokenizer: bytes | None = None, **changes: object) -> Prepared:
        """Prepare the corpus, after changes to the recipe's [data]."""
        self.told.clear()
        recipe = self.recipe
        if changes:
            # Fields by name, as the test gives them.
            recipe = replace(recipe, data=replace(recipe.data, **changes))  # type: ignore[arg-type] # of several kinds
        return prepare(
            recipe, self.data, self.run.prepared_folder(), self.told.append, given_tokenizer
        )

    def times(self) -> dict[str, int]:
        """When each file of the run was last written."""
        return {path.name: path.stat().st_mtime_ns for path in self.files()}

    def files(self) -> list[Path]:
        """Every file of the run."""
        return [path for path in self.run.path.rglob("*") if path.is_file()]

    def shard_bytes(self) -> dict[str, bytes]:
        """The shards' files by name."""
        return {path.name: path.read_bytes() for path in self.run.prepared.glob("train-*")}


@pytest.fixture
def bench(tiny: Path, tmp_path: Path) -> Bench:
    return Bench(load_recipe(str(tiny)), tmp_path)
