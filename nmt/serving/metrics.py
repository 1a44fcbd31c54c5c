"""Numbers about a server, in the text format of Prometheus."""

import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
KINDS = {  # what is counted, and the kind of the metric
    "requests_total": ("counter", "Answers by path and status."),
    "characters_total": ("counter", "Characters translated."),
    "lines_total": ("counter", "Lines translated."),
    "process_restarts_total": ("counter", "Translating processes that were started again."),
    "requests_waiting": ("gauge", "Translations not yet answered."),
    "connections": ("gauge", "Open connections."),
    "memory_bytes": ("gauge", "Memory of all processes."),
    "start_time_seconds": ("gauge", "Start, Unix time."),
    "request_seconds": ("histogram", "Time of a translation request."),
    "batch_seconds": ("histogram", "Time of a batch in its process."),
    "batch_lines": ("histogram", "Lines of a batch."),
}
# Upper ends of the buckets of histograms; another one is without end.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LINES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
ENDS = {"request_seconds": SECONDS, "batch_seconds": SECONDS, "batch_lines": LINES}


class Metrics(defaultdict[str, Any]):
    """The work of a server since its start, and what it does now: numbers by name and labels.

    A histogram has a number for each of its buckets, a sum and a count.
    """

    def __init__(self) -> None:
        """Begin to count."""
        super().__init__(int)
        for name, (kind, _) in KINDS.items():
            if kind == "histogram":
                self.add(name, 0, 0)
            elif name not in ("requests_total", "characters_total"):  # these have labels
                self[name] = 0
        self["start_time_seconds"] = round(time.time())

    def add(self, name: str, value: float, count: int = 1) -> None:
        """Count a value of a histogram."""
        for end in (*ENDS[name], float("inf")):
            label = "+Inf" if end == float("inf") else end
            self[f'{name}_bucket{{le="{label}"}}'] += count if value <= end else 0
        self[f"{name}_sum"] += float(value)
        self[f"{name}_count"] += count

    def count_request(self, path: str, status: int, seconds: float) -> None:
        """Count an answer; path: that of a route, or "other"."""
        self[f'requests_total{{path="{path}",status="{status}"}}'] += 1
        if path == "/translate":
            self.add("request_seconds", seconds)

    def text(self) -> str:
        """Return all numbers."""
        lines: list[str] = []
        for name, (kind, meaning) in KINDS.items():
            lines += [f"# HELP nmt_{name} {meaning}", f"# TYPE nmt_{name} {kind}"]
            keys = [key for key in self if key == name or key.startswith((f"{name}{{", f"{name}_"))]
            for key in keys if kind == "histogram" else sorted(keys):
                value = self[key]
                lines.append(f"nmt_{key} {value:{'.6f' if isinstance(value, float) else ''}}")
        return "\n".join(lines) + "\n"


def measure_memory(process_ids: Sequence[int]) -> int:
    """Return the memory of processes in bytes, without what forks share; 0 where it is unknown."""
    total = 0
    for number in process_ids:
        with suppress(OSError, ValueError):
            for line in Path(f"/proc/{number}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += 1024 * int(line.split()[1])
    return total
