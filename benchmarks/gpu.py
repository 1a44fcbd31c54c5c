"""Measure everything that needs a GPU, in about half an hour: `make gpu`.

    python benchmarks/gpu.py                        # all parts, and the results' data files
    python benchmarks/gpu.py --device cpu --quick   # try the script itself, without a GPU

Correctness comes first (`tests/gpu`), then training on synthetic ids, translation of ids with the
lengths of newstest2014, and the Multi30k recipes if `nmt fetch multi30k_en_de` was run before.
Nothing is downloaded. Each measurement is a process: if one fails, its row says so, the others go
on, and the script exits with 1. Only what a CUDA GPU has measured is published.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from results import (  # type: ignore[import-not-found] # a script in this folder
    NOT_MEASURED,
    Figure,
    describe,
    write,
)

from nmt.errors import NmtError
from nmt.system.devices import pick_device

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MODELS = ("base", "big")
PRECISIONS = ("float32", "tf32", "bf16")
BATCHES = (1, 4096, 16_384, 32_768, 65_536)  # source tokens translated at once
RECIPES = ("multi30k_en_de", "multi30k_en_de_quick")
PARTS = ("correctness", "training", "decoding", "multi30k")
LIMIT_SECONDS = 900  # of one measurement
QUICK = ["--model", "quick", "--vocabulary", 100, "--batch-tokens", 300]

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


def cells(table: Table, row: str, found: Found) -> Iterator[Figure]:
    """Yield the cells of a row; what was not measured says so, and why."""
    missing = found.get("failed", found.get("left out", NOT_MEASURED))
    for place, (key, (heading, unit)) in enumerate(table.columns.items()):
        value = found.get(key, missing if place == 0 else NOT_MEASURED)
        yield Figure(row, heading, value, unit, goal=GOALS.get(row, "") if place == 0 else "")


def save(part: str, folder: Path, table: Table, made: list[Figure], measured: bool) -> None:
    """Write the data file of a part."""
    if part == "training":
        heading, unit = table.columns["target tokens/s"]
        made = [*made, *(Figure(row, heading, speed, unit) for row, speed in PUBLISHED.items())]
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


def run(command: Sequence[object], seconds: float = LIMIT_SECONDS) -> tuple[int, str, str]:
    """Run Python with these arguments; return its exit code, its output and its last error line."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    arguments = [sys.executable, *map(str, command)]
    try:
        ended = subprocess.run(
            arguments,
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        printed = error.stdout or b""
        text = printed.decode() if isinstance(printed, bytes) else printed
        return 124, text, f"not done within {seconds:.0f} s"
    reason = (ended.stderr.strip().splitlines() or ["no message"])[-1]
    return ended.returncode, ended.stdout, reason


def json_lines(command: Sequence[object]) -> Iterator[Found]:
    """Yield the JSON lines that a script prints; the last one says if it failed."""
    code, printed, reason = run(command)
    for line in printed.splitlines():
        if line.startswith("{"):
            yield json.loads(line)
    if code:
        yield {"failed": f"failed: {reason[:150]}"}


def check(device: str, quick: bool) -> bool:
    """Run the tests of the GPU; return whether they passed."""
    chosen = ["-k", "cpu and not killed and not group"] if quick else []
    code, printed, reason = run(["-m", "pytest", "-q", "tests/gpu", *chosen])
    for line in printed.splitlines()[-30:]:
        click.echo(f"  {line}")
    if code:
        click.echo(f"correctness: the tests failed: {reason}")
    elif device == "cpu":
        click.echo("correctness: the tests passed on the CPU; none ran on a GPU")
    return code == 0


def training_rows(device: str, quick: bool) -> Iterator[tuple[str, Found]]:
    """Yield the figures of each model, precision and form."""
    for model in ("quick",) if quick else MODELS:
        for precision in PRECISIONS:
            for form in ("",) if quick else ("", "compiled"):
                command = [HERE / "gpu_training.py", "--device", device, "--precision", precision]
                command += ["--compile"] if form else []
                if quick:
                    command += [*QUICK, "--updates", 5, "--warm-up", 2, "--matrix-size", 256]
                else:
                    command += ["--model", model]
                row = ", ".join(filter(None, (model, precision, form)))
                if precision == "tf32" and device == "cpu":
                    yield row, {"left out": "not on a CPU"}
                    continue
                *_, last = json_lines(command)
                yield row, last


def decoding_rows(device: str, quick: bool) -> Iterator[tuple[str, Found]]:
    """Yield the figures of each precision and batch size."""
    command: list[object] = [HERE / "gpu_decoding.py", "--device", device]
    if quick:
        command += [*QUICK, "--lessons", 30, "--sentences", 30, "--compared", 20]
        command += ["--batch", 1, "--batch", 1000]
    for found in json_lines(command):
        if "precision" in found:
            yield decoding_row(found["precision"], found["batch tokens"]), found
        elif "failed" in found:
            yield "the measurement", found


def decoding_row(precision: str, batch_tokens: int) -> str:
    """Return the name of a row."""
    return f"{precision}, " + (
        "one line at a time" if batch_tokens == 1 else f"{batch_tokens:,} tokens at once"
    )


def multi30k_rows(device: str, quick: bool) -> Iterator[tuple[str, Found]]:
    """Train the recipes whose corpus is there; a quick look takes some updates of `pocket`."""
    for recipe in ("pocket",) if quick else RECIPES:
        with tempfile.TemporaryDirectory() as folder:
            command = ["-m", "nmt", "train", recipe, "--device", device, "--run", f"{folder}/run"]
            if quick:
                command += ["--max-updates", "2", "--set", "train.batch_source_tokens=500"]
                command += ["--set", "model.d_model=16", "--set", "model.d_ff=16"]
            started = time.perf_counter()
            code, _, reason = run(command)
            minutes = round((time.perf_counter() - started) / 60, 1)
            if code:
                no_corpus = "nmt fetch" in reason
                yield recipe, {"left out": "no corpus"} if no_corpus else {"failed": reason[:150]}
                continue
            yield recipe, {"minutes": minutes, **read_figures(Path(folder, "run"))}


def read_figures(run_folder: Path) -> Found:
    """Return the speed of a run's last updates and the score of its average."""
    lines = (run_folder / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    speeds = [record["tokens_per_second"] for record in records if "tokens_per_second" in record]
    scores = [record["bleu"] for record in records if record.get("bleu") is not None]
    found = {"tokens/s": round(speeds[-1])} if speeds else {}
    return {**found, "bleu": round(scores[-1], 2)} if scores else found


Rows = Callable[[str, bool], Iterator[tuple[str, Found]]]
MEASUREMENTS: dict[str, tuple[Table, Rows]] = {
    "training": (TRAINING, training_rows),
    "decoding": (DECODING, decoding_rows),
    "multi30k": (MULTI30K, multi30k_rows),
}


def blank_rows(part: str) -> Iterator[tuple[str, Found]]:
    """Yield the rows of a part that was not measured."""
    if part == "training":
        names = [
            f"{m}, {p}{form}" for m in MODELS for p in PRECISIONS for form in ("", ", compiled")
        ]
    elif part == "decoding":
        names = [decoding_row(p, size) for p in ("float32", "bf16") for size in BATCHES]
    else:
        names = [*RECIPES]
    yield from ((name, {}) for name in names)


@click.command()
@click.option("--device", default="cuda", show_default=True, help="Device: cuda, cuda:1 or cpu.")
@click.option("--quick", is_flag=True, help="Use tiny sizes, to try the script; publish nothing.")
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(PARTS),
    default=PARTS,
    help="Run only this part. May be repeated.  [default: all]",
)
@click.option(
    "--save",
    "folder",
    type=click.Path(path_type=Path),
    help="Write the data files to this folder; publish nothing.",
)
@click.option("--blank", is_flag=True, help="Measure nothing; write 'not measured' everywhere.")
def command(
    device: str, quick: bool, parts: tuple[str, ...], folder: Path | None, blank: bool
) -> None:
    """Measure this GPU and write benchmarks/results/gpu-*.toml and the results pages."""
    is_gpu = not blank and is_cuda(device)
    is_published = not quick and folder is None
    folder = (HERE / "results") if is_published else folder
    is_good = blank or "correctness" not in parts or check(device, quick)
    for part in (part for part in parts if part != "correctness"):
        table, rows = MEASUREMENTS[part]
        made: list[Figure] = []
        measured = failed = False
        for row, found in blank_rows(part) if blank else rows(device, quick):
            click.echo(f"{part}: {row}: {json.dumps(found)}")
            made += cells(table, row, found)
            failed |= "failed" in found
            measured |= not {"failed", "left out"} & {*found}
        is_good &= not failed
        if folder is not None and (not is_published or blank or (is_gpu and measured)):
            save(part, folder, table, made, measured=not blank)
        elif is_published:
            click.echo(f"{part}: not published, because no GPU has measured anything")
    if is_published:
        run([HERE / "tables.py"])
    sys.exit(not is_good)


def is_cuda(device: str) -> bool:
    """Return whether a device is a CUDA GPU; end the program if this machine does not have it."""
    try:
        return pick_device(device).type == "cuda"
    except NmtError as error:
        sys.exit(f"gpu.py: {error}; try the script itself with --device cpu --quick")


if __name__ == "__main__":
    command()
