"""Measure whether `nmt translate` streams: bounded memory, and output while input arrives.

    python benchmarks/decode_stream.py runs/pocket/model.safetensors data/sample.en
    python benchmarks/decode_stream.py MODEL TEXT --lines 100000,10000000 --every 1000

For each number of lines a process reads that many through a pipe and writes as many through
another. One of each EVERY lines is a line of TEXT and the others are blank, so that ten million
lines take minutes. It prints the seconds to the first line out, which arrives while the input
continues; the lines in and out; the seconds in total; and the peak memory of all processes, each
page counted once.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import IO

import click
from processes import (  # type: ignore[import-not-found] # a script in this folder
    process_tree,
    proportional_bytes,
)

from nmt.text.lines import read_segments

SAMPLE_SECONDS = 0.25  # between two readings of the memory
LINES_PER_WRITE = 1000


class Feeder(threading.Thread):
    """A thread that writes `count` lines into a pipe and closes it."""

    def __init__(self, pipe: IO[bytes], lines: Sequence[str], count: int, every: int) -> None:
        super().__init__()
        self.written = 0
        self.ended = 0.0
        self._pipe, self._count, self._every = pipe, count, every
        self._texts = cycle(f"{line}\n".encode() for line in lines)

    def run(self) -> None:
        """Write the lines."""
        with self._pipe:
            while self.written < self._count:
                numbers = range(self.written, min(self._count, self.written + LINES_PER_WRITE))
                parts = [next(self._texts) if n % self._every == 0 else b"\n" for n in numbers]
                self._pipe.write(b"".join(parts))
                self.written = numbers.stop
        self.ended = time.perf_counter()


class MemoryWatch(threading.Thread):
    """A thread that records the peak memory of a process tree in each tenth of the lines."""

    def __init__(self, process: int, feeder: Feeder, count: int) -> None:
        super().__init__()
        self.peak_mib = [0] * 10
        self.end = threading.Event()
        self._process, self._feeder, self._count = process, feeder, count

    def run(self) -> None:
        """Sample the memory until `end` is set."""
        while not self.end.wait(SAMPLE_SECONDS):
            tenth = min(9, 10 * self._feeder.written // self._count)
            mib = sum(map(proportional_bytes, process_tree(self._process))) // 2**20
            self.peak_mib[tenth] = max(self.peak_mib[tenth], mib)


def stream(
    command: Sequence[str], lines: Sequence[str], count: int, every: int
) -> dict[str, object]:
    """Stream `count` lines through a command and return its figures."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin  # noqa: S101 (for the type checker)
        assert process.stdout  # noqa: S101 (likewise)
        feeder = Feeder(process.stdin, lines, count, every)
        watch = MemoryWatch(process.pid, feeder, count)
        feeder.start()
        watch.start()
        lines_out = process.stdout.read(1).count(b"\n")
        first = time.perf_counter()
        while part := process.stdout.read(1 << 20):
            lines_out += part.count(b"\n")
        seconds = time.perf_counter() - started
        watch.end.set()
        for thread in (feeder, watch):
            thread.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit status {process.returncode}")
    return {
        "lines in": count,
        "lines out": lines_out,
        "seconds to the first line": round(first - started, 2),
        "seconds to the end of the input": round(feeder.ended - started, 1),
        "seconds": round(seconds, 1),
        "peak MiB": max(watch.peak_mib),
        "peak MiB by tenths of the lines": watch.peak_mib,
    }


@click.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.argument("text", type=click.Path(path_type=Path, exists=True))
@click.option("--lines", "sizes", default="100000,1000000", show_default=True)
@click.option("--every", default=1000, show_default=True, help="One of so many lines is text.")
@click.option("--device", default="cpu", show_default=True, help="Or cuda.")
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="As nmt's.")
def command(
    model: Path, text: Path, sizes: str, every: int, device: str, overrides: tuple[str, ...]
) -> None:
    """Stream lines of TEXT through MODEL; print JSON lines."""
    lines = [line for line in read_segments(text) if line.strip()]
    program = [sys.executable, "-m", "nmt", "translate", "--model", str(model)]
    program += ["--device", device]
    program += [part for each in overrides for part in ("--set", each)]
    for count in map(int, sizes.split(",")):
        click.echo(json.dumps(stream(program, lines, count, every)))


if __name__ == "__main__":
    command()
