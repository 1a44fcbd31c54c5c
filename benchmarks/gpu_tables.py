"""The data files that `gpu.py` writes: their columns, goals and notes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results import (  # type: ignore[import-not-found] # a script in this folder
    NOT_MEASURED,
    Cell,
    describe,
    write,
)

GOALS = {
    "base, bf16, compiled": "500,000 target tokens/s on an H100",
    "big, bf16, compiled": "230,000 target tokens/s on an H100",
    "bf16, 32,768 tokens at once": "2,000 sentences/s on an H100",
}
PUBLISHED = {
    "published, Transformer-big, mixed precision, A100 (NVIDIA DeepLearningExamples)": 82_059,
    "published, Transformer-big, mixed precision, V100 (NVIDIA DeepLearningExamples)": 32_942,
    "published, base, four V100 (fairseq#940)": 160_000,
}
Found = dict[str, Any]  # figures of a row, by the keys of the columns


@dataclass(frozen=True)
class Table:
    """A data file of the results."""

    name: str
    what: str
    note: str
    rows: str
    columns: dict[str, tuple[str, str]]  # key of a figure: heading and unit


TRAINING = Table(
    "gpu-training",
    "Training of base and big on a GPU",
    "Random ids with the lengths of newstest2014, batches of 25,000 target tokens, vocabulary of"
    " 37,000; 100 updates after a warm-up of 30. The share is the rate of the model's matrix"
    " products, padding not counted, divided by the rate of one product of 8192 × 8192 matrices in"
    " bf16 on the same GPU. PyTorch's profiler counts launches and waits.",
    "model",
    {
        "target tokens/s": ("speed", "target tokens/s"),
        "share": ("share of the bf16 matrix rate", "%"),
        "launches": ("launches per update", "launches"),
        "waits": ("waits per update", "waits"),
        "peak MiB": ("peak memory", "MiB"),
        "padding": ("padding", "%"),
    },
)

DECODING = Table(
    "gpu-decoding",
    "Translation by base on a GPU",
    "3,003 lines of random ids with the lengths of newstest2014, by a model that has learned to"
    " copy them; beam 4, length penalty 0.6; the second of two passes. One line at a time: only the"
    " first 50 lines. An output is equal if float32 on the CPU gives the same output.",
    "precision and batch",
    {
        "sentences/s": ("speed", "sentences/s"),
        "equal": ("equal to float32 on the CPU", "%"),
        "tokens": ("tokens per output", "tokens"),
        "peak MiB": ("peak memory", "MiB"),
    },
)

MULTI30K = Table(
    "gpu-multi30k",
    "The Multi30k recipes on a GPU",
    "The time is that of `nmt train RECIPE` from start to end, with validations and checkpoints.",
    "recipe",
    {
        "minutes": ("whole training", "minutes"),
        "tokens/s": ("speed", "tokens/s"),
        "bleu": ("dev BLEU of the average", "BLEU"),
    },
)


def cells(table: Table, row: str, found: Found) -> Iterator[Cell]:
    """Yield the cells of a row; what was not measured says so, and why."""
    missing = found.get("failed", found.get("left out", NOT_MEASURED))
    for place, (key, (heading, unit)) in enumerate(table.columns.items()):
        value = found.get(key, missing if place == 0 else NOT_MEASURED)
        yield Cell(row, heading, value, unit, goal=GOALS.get(row, "") if place == 0 else "")


def save(part: str, folder: Path, table: Table, made: list[Cell], measured: bool) -> None:
    """Write the data file of a part."""
    if part == "training":
        heading, unit = table.columns["target tokens/s"]
        made = [*made, *(Cell(row, heading, speed, unit) for row, speed in PUBLISHED.items())]
    fields = describe(
        what=table.what,
        command="python benchmarks/gpu.py",
        peer="published figures, in the table" if part == "training" else "none",
        note=table.note,
        rows=table.rows,
    )
    if not measured:
        unknown = {"machine": "no GPU was at hand", "date": NOT_MEASURED, "versions": NOT_MEASURED}
        fields |= unknown
    write(folder / f"{table.name}.toml", fields, made)
