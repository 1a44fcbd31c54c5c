"""Measure `nmt serve` under load: throughput and latency with one client and with many.

Starts a server on this machine, sends one sentence with each request, and compares every answer
with what `nmt translate` writes for the line. All traffic stays on 127.0.0.1; the numbers of
requests, clients and seconds are bounded.

    python benchmarks/serve_load.py --model runs/multi30k_en_de data/multi30k/test_2016_flickr.en.gz
"""

import argparse
import asyncio
import itertools
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from nmt.text.reading.lines import read_lines

MOST_REQUESTS, MOST_CLIENTS, MOST_SECONDS = 20_000, 128, 600
ADDRESS = re.compile(r"at http://127\.0\.0\.1:([0-9]+)/")


@dataclass(frozen=True)
class Load:
    """Hold the figures that a number of clients measured."""

    clients: int
    seconds: float
    latencies: list[float]  # of each request, seconds
    wrong: int  # answers that are not those of `nmt translate`

    def __str__(self) -> str:
        """Return a row of a table."""
        ordered = sorted(self.latencies)
        p50, p99 = (1000 * ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99))
        return (
            f"{self.clients:4} clients: {len(ordered) / self.seconds:7.1f} requests/s,"
            f" p50 {p50:6.1f} ms, p99 {p99:6.1f} ms, {self.wrong} of {len(ordered)} differ"
        )


class Client:
    """A client with one connection, which it keeps."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def connect(self) -> None:
        """Connect to the server."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def translate(self, text: str, source: str, target: str) -> str:
        """Return the translation of a text."""
        body = json.dumps({"q": text, "source": source, "target": target}).encode()
        head = (
            f"POST /translate HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        (length,) = re.findall(rb"content-length: ([0-9]+)", answer)
        content = json.loads(await self._reader.readexactly(int(length)))
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"the server refused a request: {content}")
        return str(content["translatedText"])

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


async def measure(
    port: int, pair: tuple[str, str], clients: int, lines: Sequence[str], expected: Sequence[str]
) -> Load:
    """Send each line once, from so many clients that each wait for their answers."""
    numbers = iter(range(len(lines)))
    latencies: list[float] = []
    wrong = 0

    async def work(client: Client) -> None:
        nonlocal wrong
        for number in numbers:
            began = time.perf_counter()
            found = await client.translate(lines[number], *pair)
            latencies.append(time.perf_counter() - began)
            wrong += found != expected[number]

    every = [Client(port) for _ in range(clients)]
    for each in every:
        await each.connect()
    began = time.perf_counter()
    async with asyncio.timeout(MOST_SECONDS):
        await asyncio.gather(*map(work, every))
    seconds = time.perf_counter() - began
    for each in every:
        each.close()
    return Load(clients, seconds, latencies, wrong)


@contextmanager
def server(arguments: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Start `nmt serve` on a free port; yield the port and the number of its process."""
    command = [sys.executable, "-m", "nmt", "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stderr or ():
                if found := ADDRESS.search(line):
                    yield int(found[1]), process.pid
                    break
            else:
                raise SystemExit("the server did not start")
        finally:
            process.send_signal(signal.SIGTERM)


def batches(port: int) -> tuple[int, int]:
    """Return how many lines the server has translated, and in how many batches."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    (lines,) = re.findall(r"^nmt_lines_total ([0-9]+)", text, re.MULTILINE)
    (count,) = re.findall(r"^nmt_batch_lines_count ([0-9]+)", text, re.MULTILINE)
    return int(lines), int(count)


def translated(arguments: Sequence[str], lines: Sequence[str]) -> list[str]:
    """Return what `nmt translate` writes for the lines."""
    command = [sys.executable, "-m", "nmt", "translate", *arguments]
    text = "".join(f"{line}\n" for line in lines)
    result = subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, check=True)
    return result.stdout.splitlines()


def cpu_seconds(process: int) -> float:
    """Return the processor time of a process and of its children, on Linux."""
    tasks = [process]
    for task in Path(f"/proc/{process}/task").iterdir():
        tasks += map(int, (task / "children").read_text().split())
    ticks = 0
    for each in tasks:
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="sentences, one on each line")
    parser.add_argument("--model", action="append", required=True)
    parser.add_argument("--pair", default="en-de")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine", default="nmt", choices=("nmt", "ctranslate2"))
    parser.add_argument("--serve", nargs=argparse.REMAINDER, default=[], help="options of serve")
    given = parser.parse_args()
    if given.requests > MOST_REQUESTS or max(given.clients) > MOST_CLIENTS:
        parser.error(f"at most {MOST_REQUESTS} requests and {MOST_CLIENTS} clients")
    source, _, target = given.pair.partition("-")
    lines = [line for line in itertools.islice(read_lines(given.file), given.requests) if line]
    models = [part for each in given.model for part in ("--model", each)]
    models += ["--engine", given.engine]
    expected = translated(models, lines)
    rates: dict[int, list[float]] = {each: [] for each in given.clients}
    with server([*models, *given.serve]) as (port, process):
        asyncio.run(measure(port, (source, target), 1, lines[:20], expected[:20]))  # warm up
        for _ in range(given.rounds):
            for clients in given.clients:
                before, lines_before, count_before = cpu_seconds(process), *batches(port)
                load = asyncio.run(measure(port, (source, target), clients, lines, expected))
                rates[clients].append(len(lines) / load.seconds)
                seconds, lines_now, count_now = cpu_seconds(process) - before, *batches(port)
                size = (lines_now - lines_before) / (count_now - count_before)
                print(f"{load}, {seconds:.1f} CPU s, {size:.1f} lines in a batch", flush=True)
    base = statistics.median(rates[given.clients[0]])
    for clients, found in rates.items():
        print(f"{clients:4} clients: {statistics.median(found) / base:.2f} times the throughput")


if __name__ == "__main__":
    main()
