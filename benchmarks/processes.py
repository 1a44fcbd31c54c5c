"""Memory of a running program, its child processes included. Linux only."""

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

STATUS = {"anonymous": "RssAnon", "resident": "VmRSS"}


def process_tree(process: int) -> Iterator[int]:
    """Yield the id of a process and of its descendants."""
    yield process
    try:
        tasks = list(Path(f"/proc/{process}/task").iterdir())
        children = [child for task in tasks for child in (task / "children").read_text().split()]
    except OSError:  # it has ended
        return
    for child in children:
        yield from process_tree(int(child))


def status_bytes(process: int, kind: str) -> int:
    """Return the anonymous or the resident bytes of a process, 0 if it has ended."""
    return read_kib(Path(f"/proc/{process}/status"), STATUS[kind]) * 1024


def proportional_bytes(process: int) -> int:
    """Return the bytes of a process with its share of the pages that other processes hold, too.

    Summed over a process tree, each page counts once. Reading it slows the process down.
    """
    return read_kib(Path(f"/proc/{process}/smaps_rollup"), "Pss") * 1024


def read_kib(path: Path, name: str) -> int:
    """Return the value of a line such as `VmRSS:  1234 kB`, 0 if the process has ended."""
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", path.read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


class PeakMemory:
    """The largest sum of a measure over a process tree, sampled within a `with` block."""

    def __init__(
        self, process: int, measure: Callable[[int], int], every_seconds: float = 0.02
    ) -> None:
        self.bytes = 0
        self._process, self._measure, self._every_seconds = process, measure, every_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self._every_seconds):
            self.bytes = max(self.bytes, sum(map(self._measure, process_tree(self._process))))
