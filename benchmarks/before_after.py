"""Compare two checkouts of this project: speed and memory of training and of translating.

    git worktree add ../before main
    python benchmarks/before_after.py ../before . --shape tiny --shape base --rounds 5

Both are measured in turn, so that slow minutes of the machine hit both alike. For each shape:

- training: each checkout's own benchmarks/train_speed.py on the same text;
- translation: `python -m nmt translate` on the same lines, with an untrained model that the
  checkout makes from the same seed. An untrained model almost never ends an output, so that each
  has as many tokens as the source and --extra-tokens. "whole" is a process from start to end,
  "warm" a second call within one process, and "peak" the memory of all processes, measured in a
  run of its own.

With --save the table is also written as a data file for benchmarks/results.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path

import click
import torch
from against import (  # type: ignore[import-not-found] # a script in this folder
    Comparison,
    Figures,
    measure_in_turn,
)
from processes import (  # type: ignore[import-not-found] # likewise
    PeakMemory,
    proportional_bytes,
)
from results import Figure, describe, write  # type: ignore[import-not-found] # likewise

from nmt.system.atomic import write_text
from nmt.text.reading.lines import read_segments

SHAPES = {
    "tiny": "encoder_layers = 4\ndecoder_layers = 4\nd_model = 128\nd_ff = 256\nheads = 4\n"
    "d_k = 32\nd_v = 32\ndropout = 0.3\n",
    "base": "",
}
UPDATES = {"tiny": ["--updates", "30"], "base": ["--updates", "6", "--warm-up", "2"]}
LINES = {"tiny": 1000, "base": 100}  # translated
DEV_LINES = 5  # validating an untrained model takes long
CALL_TWICE = """
import sys, time
from nmt.commands import main
for _ in range(2):
    started = time.perf_counter()
    try:
        main(sys.argv[1:])
    except SystemExit as end:
        if end.code:
            raise
    seconds = time.perf_counter() - started
print("seconds", seconds)
"""


@dataclass(frozen=True)
class Checkout:
    """A checkout of this project, and the folder of its runs."""

    path: Path
    work: Path

    def run(self, *arguments: object) -> str:
        """Run Python with arguments and return its stdout; exit if it fails."""
        with self.start(*arguments) as process:
            printed, problem = process.communicate()
        self.check(process.returncode, printed + problem)
        return printed

    def peak_mib(self, *arguments: object) -> float:
        """Run Python with arguments and return the peak memory of all its processes."""
        with (
            self.start(*arguments) as process,
            PeakMemory(process.pid, proportional_bytes, every_seconds=0.05) as peak,
        ):
            printed, problem = process.communicate()
        self.check(process.returncode, printed + problem)
        return float(peak.bytes / 2**20)

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start this Python in the folder of runs; `import nmt` finds the checkout."""
        return subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=self.work,
            env={**os.environ, "PYTHONPATH": str(self.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def check(self, exit_code: int, printed: str) -> None:
        """Exit with what a process printed if it failed."""
        if exit_code:
            sys.exit(f"{self.path}: exit status {exit_code}: {printed}")

    def commit(self) -> str:
        """Return the short hash of the checkout's commit, with a + if files differ from it."""
        git = ["git", "-C", str(self.path), "describe", "--always", "--dirty=+"]
        ended = subprocess.run(git, capture_output=True, text=True, check=False)
        return ended.stdout.strip() or "not recorded"


@dataclass(frozen=True)
class Workload:
    """The text and the settings that both checkouts get."""

    data: Path
    vocab_size: int
    extra_tokens: int
    train_precision: str
    decode_precision: str

    def write_text(self, name: str, path: Path, lines: int | None = None) -> None:
        """Write the first lines of a text, plain or compressed, into the data folder."""
        segments = list(read_segments(path))[:lines]
        write_text(self.data / name, "".join(f"{segment}\n" for segment in segments))

    def write_recipe(self, shape: str) -> Path:
        """Write the recipe of a shape and return its path."""
        path = self.data / f"{shape}.toml"
        write_text(
            path,
            '[data]\ntrain = [{ source = "train.source", target = "train.target" }]\n'
            'dev = [{ source = "dev.source", target = "dev.target" }]\n'
            f"[tokenizer]\nvocab_size = {self.vocab_size}\n[model]\n{SHAPES[shape]}"
            "[train]\nmax_updates = 1\nbatch_source_tokens = 1000\nbatch_target_tokens = 1000\n"
            f"[decode]\nmax_extra_tokens = {self.extra_tokens}\n",
        )
        return path

    def set_up(self, checkout: Checkout, shape: str) -> None:
        """Prepare the text and make an untrained model: one update at a rate near zero."""
        run = ["--data-dir", self.data, "--run", checkout.work / shape]
        checkout.run("-m", "nmt", "train", self.write_recipe(shape), *run)

    def measure(self, checkout: Checkout, shape: str) -> Figures:
        """Return the figures of one round."""
        script = checkout.path / "benchmarks" / "train_speed.py"
        options = ["--shape", shape, "--precision", self.train_precision, "--no-gemm"]
        printed = checkout.run(script, checkout.work / shape, *options, *UPDATES[shape])
        trained = json.loads(printed.splitlines()[-1])
        text = self.data / f"text.{shape}"
        sentences = text.read_text(encoding="utf-8").count("\n")
        translate = ["translate", text, "--output", "output", "--model", checkout.work / shape]
        translate += ["--set", f"decode.precision={self.decode_precision}"]
        started = time.perf_counter()
        checkout.run("-m", "nmt", *translate)
        whole = time.perf_counter() - started
        warm = float(checkout.run("-c", CALL_TWICE, *translate).split()[-1])
        return {
            "training, tokens/s": trained["tokens/s"],
            "training, peak MiB": trained["peak MiB"],
            "translation, whole, sentences/s": sentences / whole,
            "translation, warm, sentences/s": sentences / warm,
            "translation, peak MiB": checkout.peak_mib("-m", "nmt", *translate),
        }


def table(results: Mapping[str, Comparison]) -> str:
    """Return the comparison as Markdown."""
    lines = ["| figure | before | after | after to before |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {name} | {found.second:,.1f} | {found.first:,.1f} | {found.ratio:.2f}"
        f" ({min(found.ratios):.2f} to {max(found.ratios):.2f}) |"
        for name, found in results.items()
    ]
    return "\n".join(lines)


def figures(results: Mapping[str, Comparison]) -> Iterator[Figure]:
    """Yield the comparison as figures of a data file."""
    for name, found in results.items():
        quantity, unit = name.rsplit(", ", 1)
        row = f"{quantity}, peak memory" if unit == "peak MiB" else f"{quantity}, speed"
        unit = unit.removeprefix("peak ")
        for column, value in (("before", found.second), ("after", found.first)):
            yield Figure(row, column, Decimal(f"{value:.1f}"), unit)
        lowest, ratio, highest = (
            Decimal(f"{value:.2f}") for value in (min(found.ratios), found.ratio, max(found.ratios))
        )
        goal = "at most 1.00" if unit == "MiB" else "at least 0.95"
        limits = (lowest, highest)
        yield Figure(row, "after to before", ratio, "ratio", goal=goal, range=limits)


FOLDER = click.Path(path_type=Path, exists=True, file_okay=False, resolve_path=True)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
PRECISION = click.Choice(["float32", "bf16"])


@click.command()
@click.argument("before", type=FOLDER)
@click.argument("after", type=FOLDER)
@click.option("--shape", "shapes", type=click.Choice([*SHAPES]), multiple=True, default=[*SHAPES])
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--corpus", nargs=2, type=FILE, help="Source and target.  [default: pocket's]")
@click.option("--vocab-size", default=2000, show_default=True)
@click.option("--text", type=FILE, help="Lines to translate.  [default: pocket's test set]")
@click.option("--extra-tokens", default=2, show_default=True, help="Of outputs, beyond sources.")
@click.option("--train-precision", type=PRECISION, default="bf16", show_default=True)
@click.option("--decode-precision", type=PRECISION, default="float32", show_default=True)
@click.option("--save", type=click.Path(path_type=Path), help="Data file to write, *.toml.")
def command(
    before: Path,
    after: Path,
    shapes: tuple[str, ...],
    rounds: int,
    corpus: tuple[Path, Path] | None,
    vocab_size: int,
    text: Path | None,
    extra_tokens: int,
    train_precision: str,
    decode_precision: str,
    save: Path | None,
) -> None:
    """Compare training and translation of the checkouts BEFORE and AFTER."""
    pocket = after / "data" / "pocket"
    source, target = corpus or (pocket / "train.en.gz", pocket / "train.de.gz")
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data"
        data.mkdir()
        load = Workload(data, vocab_size, extra_tokens, train_precision, decode_precision)
        for side, path in (("source", source), ("target", target)):
            load.write_text(f"train.{side}", path)
            load.write_text(f"dev.{side}", path, DEV_LINES)
        old, new = (
            Checkout(path, Path(name) / side)
            for side, path in (("before", before), ("after", after))
        )
        results: dict[str, Comparison] = {}
        for shape in shapes:
            load.write_text(f"text.{shape}", text or pocket / "test.en", LINES[shape])
            for checkout in (new, old):
                checkout.work.mkdir(exist_ok=True)
                load.set_up(checkout, shape)
            sides = {"after": partial(load.measure, new, shape)}
            sides["before"] = partial(load.measure, old, shape)
            found = measure_in_turn(rounds, sides)
            results |= {f"{shape.upper()}, {key}": value for key, value in found.items()}
            texts = [list(read_segments(checkout.work / "output")) for checkout in (old, new)]
            equal = sum(map(str.__eq__, *texts))
            click.echo(f"{shape}: {equal} of {len(texts[0])} translations are equal", err=True)
    click.echo(table(results))
    if save:
        note = (
            f"Medians of {rounds} rounds in turn. Training in {train_precision}, translation in"
            f" {decode_precision} with untrained models, outputs {extra_tokens} tokens longer than"
            f" the sources; vocabulary {vocab_size:,}."
        )
        fields = describe(
            what="Speed and memory before and after a change of the program",
            command=f"python benchmarks/before_after.py BEFORE AFTER --rounds {rounds}",
            peer="the program before the change",
            note=note,
            rows="figure",
        )
        commits = f"before {old.commit()}, after {new.commit()}, torch {torch.__version__}"
        write(save, {**fields, "versions": commits}, figures(results))


if __name__ == "__main__":
    command()
