"""How preparing and starting to train scale with the corpus: seconds and memory for several sizes.

    python benchmarks/scale.py CORPUS/train.en.gz CORPUS/train.de.gz --pairs 100000,1000000,10000000

Beyond the pairs of the corpus, two drawn from it are joined to one, so that any real text serves.
For each size: `nmt prepare` in full, and again with the tokenizer kept (the encoding phase);
SentencePiece alone on the same text, already in memory, with the same threads; and `nmt train` on
the prepared corpus up to its third update.
"""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import click

from nmt.text.corpus import open_bytes

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
SAMPLE_SECONDS = 0.02


class Memory:
    """The most memory that a process and its descendants held at any time, in bytes."""

    def __init__(self, process: int) -> None:
        self.anonymous = 0  # RssAnon: mapped files not counted
        self.resident = 0
        self._process = process
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Memory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_SECONDS):
            found = [held(process) for process in family(self._process)]
            self.anonymous = max(self.anonymous, sum(anonymous for anonymous, _ in found))
            self.resident = max(self.resident, sum(resident for _, resident in found))


def held(process: int) -> tuple[int, int]:
    """Anonymous and resident bytes of a process."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    found = {
        line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("Rss", "VmRSS"))
    }
    return int(found.get("RssAnon", 0)) * 1024, int(found.get("VmRSS", 0)) * 1024


def family(process: int) -> Iterator[int]:
    """A process and its descendants."""
    yield process
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        children = [child for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return
    for child in children:
        yield from family(int(child))


def run_measured(name: str, figures: dict[str, float], command: list[str]) -> None:
    """Run a command and note its seconds and its most memory."""
    started = time.perf_counter()
    process = subprocess.Popen(command)
    with Memory(process.pid) as memory:
        code = process.wait()
    if code:
        sys.exit(f"{' '.join(command)} ended with {code}")
    figures[f"{name} seconds"] = round(time.perf_counter() - started, 1)
    figures[f"{name} peak resident MB"] = round(memory.resident / 1e6)
    figures[f"{name} peak anonymous MB"] = round(memory.anonymous / 1e6)


def write_corpus(source: Path, target: Path, folder: Path, count: int) -> None:
    """Pairs of a corpus, plain or .gz, as plain text: its own, then two drawn and joined."""
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
    """Seconds to encode both sides with SentencePiece's own threads, reading not counted."""
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
    """`nmt train`, telling on stdout the seconds to the first update, the probe's apart."""
    started = time.perf_counter()
    from nmt.commands import main
    from nmt.training import memory_probe as probing
    from nmt.training import trainer
    from nmt.training.updates import Updater

    probe, update = probing.check_memory, Updater.update
    probe_seconds = 0.0

    # Both pass on what they are given, and methods are replaced: the checker knows neither.
    def timed_probe(*given: object) -> None:
        nonlocal probe_seconds
        before = time.perf_counter()
        probe(*given)  # type: ignore[arg-type]
        probe_seconds += time.perf_counter() - before

    def told_update(*given: object, **named: object) -> object:
        reached = time.perf_counter() - started - probe_seconds
        Updater.update = update  # type: ignore[method-assign]
        print(json.dumps({"first": reached, "probe": probe_seconds}), flush=True)
        return update(*given, **named)  # type: ignore[arg-type]

    setattr(trainer, "check_memory", timed_probe)  # noqa: B010 (it is the trainer's import)
    Updater.update = told_update  # type: ignore[assignment, method-assign]
    main(arguments)


def measure(folder: Path, repeats: int) -> dict[str, float]:
    """All figures of the corpus in a folder."""
    figures: dict[str, float] = {}
    recipe = folder / "scale.toml"
    recipe.write_text(RECIPE)
    run = folder / "run"
    common = [str(recipe), "--data-dir", str(folder), "--run", str(run)]
    prepare = [sys.executable, "-m", "nmt", "prepare", *common]
    run_measured("prepare", figures, prepare)
    ratios = []
    for _ in range(repeats):  # in pairs, one after the other
        for shard in (run / "prepared").glob("train-0.*"):
            shard.unlink()
        run_measured("encode", figures, prepare)
        alone = sentencepiece_alone(folder, run / "tokenizer.model")
        ratios.append(figures["encode seconds"] / alone)
        figures["SentencePiece alone seconds"] = round(alone, 1)
    figures["encode / SentencePiece alone"] = round(sorted(ratios)[len(ratios) // 2], 2)
    started = time.perf_counter()
    train = [sys.executable, __file__, "--first-batch", "train", *common]
    process = subprocess.Popen(train, stdout=subprocess.PIPE, text=True)
    with Memory(process.pid) as memory:
        told = json.loads(process.communicate()[0])
    figures["first batch seconds"] = round(told["first"], 1)
    figures["probe seconds"] = round(told["probe"], 1)
    figures["three updates seconds"] = round(time.perf_counter() - started, 1)
    figures["train peak anonymous MB"] = round(memory.anonymous / 1e6)
    shutil.rmtree(run)
    return figures


@click.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.argument("target", type=click.Path(path_type=Path, exists=True))
@click.option("--pairs", default="100000,1000000,10000000", show_default=True)
@click.option("--repeats", default=3, show_default=True, help="Encodings a size; their median.")
@click.option("--work", type=click.Path(path_type=Path), help="Where copies and runs may lie.")
def command(source: Path, target: Path, pairs: str, repeats: int, work: Path | None) -> None:
    """Measure with PAIRS pairs made of SOURCE and TARGET; JSON lines on stdout."""
    for count in map(int, pairs.split(",")):
        with tempfile.TemporaryDirectory(dir=work) as name:
            folder = Path(name)
            write_corpus(source, target, folder, count)
            print(json.dumps({"pairs": count, **measure(folder, repeats)}), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--first-batch"]:
        first_batch(sys.argv[2:])
    else:
        command()
