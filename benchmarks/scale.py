"""Measure how preparing and starting to train scale with the corpus: seconds and memory.

    python benchmarks/scale.py CORPUS/train.en.gz CORPUS/train.de.gz --pairs 100000,1000000,10000000

Any real text will do: beyond its own pairs, two pairs drawn from it are joined to one. For each
size it measures `nmt prepare` in full; `nmt prepare` again with the tokenizer kept, which is the
encoding; SentencePiece alone on the same text, already in memory, with the same threads; and
`nmt train` on the prepared corpus up to its third update.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from itertools import islice
from pathlib import Path

import click
from processes import PeakMemory, status_bytes  # type: ignore[import-not-found] # in this folder

from nmt.text.reading.lines import open_bytes

RECIPE = """
[data]
train = [{ source = "train.src", target = "train.tgt" }]
dev = [{ source = "dev.src", target = "dev.tgt" }]
[tokenizer]
vocab_size = 8000
[model]
encoder_layers = 4
decoder_layers = 4
d_model = 128
d_ff = 256
heads = 4
d_k = 32
d_v = 32
[train]
precision = "auto"
max_updates = 3
batch_source_tokens = 4096
batch_target_tokens = 4096
"""
DEV_PAIRS = 100
ANONYMOUS = partial(status_bytes, kind="anonymous")  # without mapped files
RESIDENT = partial(status_bytes, kind="resident")


def run_measured(name: str, figures: dict[str, float], command: list[str]) -> None:
    """Run a command and add its seconds and its peak memory to the figures."""
    started = time.perf_counter()
    process = subprocess.Popen(command)
    with PeakMemory(process.pid, RESIDENT) as resident, PeakMemory(process.pid, ANONYMOUS) as own:
        code = process.wait()
    if code:
        sys.exit(f"{' '.join(command)}: exit status {code}")
    figures[f"{name} seconds"] = round(time.perf_counter() - started, 1)
    figures[f"{name} peak resident MB"] = round(resident.bytes / 1e6)
    figures[f"{name} peak anonymous MB"] = round(own.bytes / 1e6)


def write_corpus(source: Path, target: Path, folder: Path, count: int) -> None:
    """Write `count` pairs of a corpus, plain or compressed, as plain text.

    The corpus's own pairs come first, then pairs that join two drawn ones.
    """
    sides = []
    for path in (source, target):
        with open_bytes(path) as lines:
            sides.append([line.strip() for line in lines])
    own = min(count, len(sides[0]))
    for side, ending in zip(sides, ("src", "tgt"), strict=True):
        draw = random.Random(1)
        with (folder / f"train.{ending}").open("wb") as out:
            out.writelines(line + b"\n" for line in side[:own])
            out.writelines(b" ".join(draw.choices(side, k=2)) + b"\n" for _ in range(count - own))
        with (folder / f"dev.{ending}").open("wb") as out:
            out.writelines(line + b"\n" for line in side[:DEV_PAIRS])


def sentencepiece_alone(folder: Path, tokenizer: Path) -> float:
    """Return the seconds to encode both sides with SentencePiece's own threads, without reading."""
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor()
    processor.LoadFromSerializedProto(tokenizer.read_bytes())
    seconds = 0.0
    for name in ("train.src", "train.tgt"):
        with (folder / name).open(encoding="utf-8", newline="\n") as lines:
            while chunk := [line.rstrip("\n") for line in islice(lines, 20_000)]:
                started = time.perf_counter()
                processor.encode(chunk, num_threads=os.cpu_count() or 1)
                seconds += time.perf_counter() - started
    return seconds


def first_batch(arguments: list[str]) -> None:
    """Run `nmt train` and print the seconds to the first update, without those of the probe."""
    started = time.perf_counter()
    from nmt.commands import main
    from nmt.training import trainer
    from nmt.training.memory_probe import check_memory
    from nmt.training.updates import Updater

    start = Updater.start
    probe_seconds = 0.0

    # The replacements pass on what they are given; the type checker does not allow either.
    def timed_check(*given: object, **named: object) -> object:
        nonlocal probe_seconds
        before = time.perf_counter()
        found = check_memory(*given, **named)  # type: ignore[arg-type] # timing wrapper
        probe_seconds += time.perf_counter() - before
        return found

    def timed_update(*given: object, **named: object) -> object:
        first = time.perf_counter() - started - probe_seconds
        Updater.start = start  # type: ignore[method-assign] # timing wrapper
        print(json.dumps({"first": first, "probe": probe_seconds}), flush=True)
        return start(*given, **named)  # type: ignore[arg-type] # timing wrapper

    setattr(trainer, "check_memory", timed_check)  # noqa: B010 (the trainer's import of it)
    Updater.start = timed_update  # type: ignore[assignment, method-assign] # timing wrapper
    main(arguments)


def measure(folder: Path, repeats: int, device: str) -> dict[str, float]:
    """Return all figures of the corpus in a folder; device: of the training."""
    figures: dict[str, float] = {}
    recipe = folder / "scale.toml"
    recipe.write_text(RECIPE)
    run = folder / "run"
    common = [str(recipe), "--data-dir", str(folder), "--run", str(run)]
    prepare = [sys.executable, "-m", "nmt", "prepare", *common]
    run_measured("prepare", figures, prepare)
    ratios = []
    for _ in range(repeats):  # in turn, so that both meet the same conditions
        for shard in (run / "prepared").glob("train-0*"):  # its parts too
            shard.unlink()
        run_measured("encode", figures, prepare)
        alone = sentencepiece_alone(folder, run / "tokenizer.model")
        ratios.append(figures["encode seconds"] / alone)
        figures["SentencePiece alone seconds"] = round(alone, 1)
    figures["encode / SentencePiece alone"] = round(sorted(ratios)[len(ratios) // 2], 2)
    started = time.perf_counter()
    train = [sys.executable, __file__, "--first-batch", "train", *common, "--device", device]
    process = subprocess.Popen(train, stdout=subprocess.PIPE, text=True)
    with PeakMemory(process.pid, ANONYMOUS) as own:
        seconds = json.loads(process.communicate()[0])
    figures["first batch seconds"] = round(seconds["first"], 1)
    figures["probe seconds"] = round(seconds["probe"], 1)
    figures["three updates seconds"] = round(time.perf_counter() - started, 1)
    figures["train peak anonymous MB"] = round(own.bytes / 1e6)
    shutil.rmtree(run)
    return figures


@click.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.argument("target", type=click.Path(path_type=Path, exists=True))
@click.option("--pairs", default="100000,1000000,10000000", show_default=True)
@click.option(
    "--repeats",
    default=3,
    show_default=True,
    help="Encodings of a size; the ratio is their median.",
)
@click.option("--device", default="cpu", show_default=True, help="Of the training: or cuda.")
@click.option(
    "--work",
    type=click.Path(path_type=Path),
    help="Folder for copies of the text and runs.  [default: the system's]",
)
def command(
    source: Path, target: Path, pairs: str, repeats: int, device: str, work: Path | None
) -> None:
    """Measure corpora of several sizes made of SOURCE and TARGET; print JSON lines."""
    for count in map(int, pairs.split(",")):
        with tempfile.TemporaryDirectory(dir=work) as name:
            folder = Path(name)
            write_corpus(source, target, folder, count)
            print(json.dumps({"pairs": count, **measure(folder, repeats, device)}), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--first-batch"]:
        first_batch(sys.argv[2:])
    else:
        command()
