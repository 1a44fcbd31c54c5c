"""Fixtures and helpers for tests of the text pipeline."""

import gzip
import lzma
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from nmt.config import DataSettings, Recipe, TokenizerSettings
from nmt.recipe.files import load_recipe
from nmt.recipe.settings import with_settings
from nmt.runs.run_folder import RunFolder
from nmt.text import encode
from nmt.text.prepare import Prepared, prepare
from nmt.text.reading.corpus import DataFolder, Pair
from nmt.text.shards import EncodedPairs, Shard, id_type
from nmt.text.subwords.learning import learn_subwords
from nmt.text.subwords.tokenizer import Tokenizer
from tests.conftest import WORDS

LIMITS = DataSettings(max_length=12, max_ratio=2.5)
IdPair = tuple[list[int], list[int]]


def encoded(pairs: Sequence[IdPair], vocab_size: int = 100, first_line: int = 1) -> EncodedPairs:
    """Return pairs of ids, on consecutive lines, as `ShardWriter` takes them."""
    sides = [side for pair in pairs for side in pair]
    return EncodedPairs(
        numpy.array([number for side in sides for number in side], id_type(vocab_size)),
        numpy.array([len(side) for side in sides], numpy.int64),
        numpy.arange(first_line, first_line + len(pairs)),
    )


def read_pair(shard: Shard, index: int) -> IdPair:
    ids, lengths = shard.pairs(numpy.array([index]))
    return ids[: lengths[0]].tolist(), ids[lengths[0] :].tolist()


def read_pairs(shard: Shard) -> list[IdPair]:
    return [read_pair(shard, index) for index in range(len(shard))]


class TinyCorpus:
    """A tiny corpus that is prepared again and again; `notes` are those of the last time."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        self.recipe = recipe
        self.data = DataFolder(folder)
        self.run = RunFolder(folder / "run")
        self.notes: list[str] = []

    def change(self, **settings: object) -> None:
        self.recipe = with_settings(
            self.recipe, {f"tokenizer.{key}": value for key, value in settings.items()}
        )

    def prepare(self, given_tokenizer: bytes | None = None, **changes: object) -> Prepared:
        """Prepare the corpus with some settings of [data] changed for this time, and unchecked."""
        self.notes.clear()
        data = replace(self.recipe.data, **changes)  # type: ignore[arg-type] # of several kinds
        recipe = replace(self.recipe, data=data)
        folder = self.run.prepared_folder()
        return prepare(recipe, self.data, folder, self.notes.append, given_tokenizer)

    def start(self) -> None:
        """Leave a checkpoint, as a training does that has started."""
        self.run.checkpoints.mkdir()
        (self.run.checkpoints / "update-00000004.json").touch()

    def times(self) -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in self.files()}

    def files(self) -> list[Path]:
        return [path for path in self.run.path.rglob("*") if path.is_file()]

    def shard_bytes(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.run.prepared.glob("train-*")}


@pytest.fixture
def corpus(tiny: Path, tmp_path: Path) -> TinyCorpus:
    return TinyCorpus(load_recipe(str(tiny)), tmp_path)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def compress(ending: str, content: bytes) -> bytes:
    if ending == ".gz":
        return gzip.compress(content)
    return lzma.compress(content) if ending == ".xz" else content


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    text = [" ".join(WORDS), " ".join(WORDS).upper()]
    return Tokenizer(learn_subwords(text, TokenizerSettings(vocab_size=45)).model)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use two processes for more than two chunks of 7 pairs."""
    monkeypatch.setattr(encode, "CHUNK_PAIRS", 7)
    monkeypatch.setattr(encode, "CHUNKS_ALONE", 2)
    monkeypatch.setattr(encode, "processor_count", lambda: 2)


def random_pairs(count: int) -> list[Pair]:
    draw = numpy.random.default_rng(count)

    def side() -> str:
        return " ".join(draw.choice(WORDS, draw.choice([0, 1, 1, 2, 2, 3, 9])))

    return [Pair(side(), side().upper()) for _ in range(count)]
