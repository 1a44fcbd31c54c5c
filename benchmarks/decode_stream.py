"""Whether `nmt translate` streams: memory that does not grow with its input, answers at once.

    python benchmarks/decode_stream.py runs/pocket/model.safetensors data/sample.en
    python benchmarks/decode_stream.py MODEL TEXT --lines 100000,10000000 --every 1000

For each size a process reads so many lines through a pipe and writes as many through another. Of
each EVERY lines one is a line of TEXT, the others are blank, so that ten million of them take
minutes. What it prints: seconds to the first line out, which comes while the input goes on; lines
in and out; seconds in all; the most memory of the program and its copies, each page counted
once.
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
from decode_speed import memory  # type: ignore[import-not-found] # a script beside this one
from scale import family  # type: ignore[import-not-found] # likewise

from nmt.text.corpus import read_segments

SAMPLE_SECONDS = 0.25  # between looks at the memory
AT_ONCE = 1000  # lines written together


class Feed(threading.Thread):
    """Writes `count` lines into a pipe, then closes it."""

    def __init__(self, pipe: IO[bytes], lines: Sequence[str], count: int, every: int) -> None:
        super().__init__()
        self.written = 0
        self.ended = 0.0
        self._pipe, self._count, self._every = pipe, count, every
        self._texts = cycle(f"{line}\n".encode() for line in lines)

    def run(self) -> None:
        """Thread's own."""
        with self._pipe:
            while self.written < self._count:
                numbers = range(self.written, min(self._count, self.written + AT_ONCE))
                parts = [next(self._texts) if n % self._every == 0 else b"\n" for n in numbers]
                self._pipe.write(b"".join(parts))
                self.written = numbers.stop
        self.ended = time.perf_counter()


class Watch(threading.Thread):
    """The greatest MiB that a process and its descendants hold, of each tenth of the lines."""

    def __init__(self, process: int, feed: Feed, count: int) -> None:
        super().__init__()
        self.most = [0] * 10
        self.end = threading.Event()
        self._process, self._feed, self._count = process, feed, count

    def run(self) -> None:
        """Thread's own."""
        while not self.end.wait(SAMPLE_SECONDS):
            tenth = min(9, 10 * self._feed.written // self._count)
            mib = sum(map(memory, family(self._process))) // 1024
            self.most[tenth] = max(self.most[tenth], mib)


def stream(
    command: Sequence[str], lines: Sequence[str], count: int, every: int
) -> dict[str, object]:
    """The figures of one process."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin  # noqa: S101 (for the type checker)
        assert process.stdout  # noqa: S101 (likewise)
        feed = Feed(process.stdin, lines, count, every)
        watch = Watch(process.pid, feed, count)
        feed.start()
        watch.start()
        out = process.stdout.read(1).count(b"\n")
        first = time.perf_counter()
        while came := process.stdout.read(1 << 20):
            out += came.count(b"\n")
        seconds = time.perf_counter() - began
        watch.end.set()
        for thread in (feed, watch):
            thread.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return {
        "lines in": count,
        "lines out": out,
        "seconds to the first": round(first - began, 2),
        "seconds to the end of the input": round(feed.ended - began, 1),
        "seconds": round(seconds, 1),
        "most MiB": max(watch.most),
        "most MiB by tenths of the lines": watch.most,
    }


@click.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.argument("text", type=click.Path(path_type=Path, exists=True))
@click.option("--lines", "sizes", default="100000,1000000", show_default=True)
@click.option("--every", default=1000, show_default=True, help="Of so many lines one is text.")
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="As nmt's.")
def command(model: Path, text: Path, sizes: str, every: int, overrides: tuple[str, ...]) -> None:
    """Stream lines of TEXT through MODEL; JSON lines on stdout."""
    lines = [line for line in read_segments(text) if line.strip()]
    program = [sys.executable, "-m", "nmt", "translate", "--model", str(model)]
    program += [part for each in overrides for part in ("--set", each)]
    for count in map(int, sizes.split(",")):
        click.echo(json.dumps(stream(program, lines, count, every)))


if __name__ == "__main__":
    command()
