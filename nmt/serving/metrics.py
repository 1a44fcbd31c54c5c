"""Numbers about a server, in the text format of Prometheus."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator

# Upper ends of the buckets of a histogram, seconds.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # of batches, lines
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Histogram:
    """Counts values by buckets."""

    def __init__(self, ends: tuple[float, ...]) -> None:
        """Take the upper ends of the buckets; another one is without end."""
        self._ends = ends
        self._counts = [0] * (len(ends) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[sum(value > end for end in self._ends)] += 1
        self._sum += value

    def lines(self, name: str) -> Iterator[str]:
        """Yield the lines of the histogram."""
        total = 0
        for end, count in zip((*self._ends, "+Inf"), self._counts, strict=True):
            total += count
            yield f'{name}_bucket{{le="{end}"}} {total}'
        yield f"{name}_sum {self._sum:.6f}"
        yield f"{name}_count {total}"


class Metrics:
    """Count what the server has done since its start, and what it does now."""

    def __init__(self) -> None:
        """Begin to count."""
        self.started = time.time()
        self.requests: Counter[tuple[str, int]] = Counter()  # by path and status
        self.characters: Counter[str] = Counter()  # translated, by language pair
        self.lines = 0
        self.restarts = 0
        self.waiting = 0  # requests for translations that are not yet answered
        self._request_seconds = Histogram(SECONDS)
        self._batch_seconds = Histogram(SECONDS)
        self._batch_lines = Histogram(SIZES)

    def count_request(self, path: str, status: int, seconds: float) -> None:
        """Count an answer; path: that of a route, or "other"."""
        self.requests[path, status] += 1
        if path == "/translate":
            self._request_seconds.add(seconds)

    def count_batch(self, lines: int, seconds: float) -> None:
        """Count a batch that a process has translated."""
        self.lines += lines
        self._batch_lines.add(lines)
        self._batch_seconds.add(seconds)

    def text(self, connections: int, memory: int) -> str:
        """Return all numbers; memory: of all processes, bytes."""
        requests = [
            f'nmt_requests_total{{path="{path}",status="{status}"}} {count}'
            for (path, status), count in sorted(self.requests.items())
        ]
        characters = [
            f'nmt_characters_total{{pair="{pair}"}} {count}'
            for pair, count in sorted(self.characters.items())
        ]
        parts = [
            *family("nmt_requests_total", "counter", "Answers by path and status.", requests),
            *family("nmt_characters_total", "counter", "Characters translated.", characters),
            *one("nmt_lines_total", "counter", "Lines translated.", self.lines),
            *one(
                "nmt_process_restarts_total",
                "counter",
                "Translating processes that were started again.",
                self.restarts,
            ),
            *one("nmt_requests_waiting", "gauge", "Translations not yet answered.", self.waiting),
            *one("nmt_connections", "gauge", "Open connections.", connections),
            *one("nmt_memory_bytes", "gauge", "Memory of all processes.", memory),
            *one("nmt_start_time_seconds", "gauge", "Start, Unix time.", round(self.started)),
        ]
        for name, text, histogram in (
            ("nmt_request_seconds", "Time of a translation request.", self._request_seconds),
            ("nmt_batch_seconds", "Time of a batch in its process.", self._batch_seconds),
            ("nmt_batch_lines", "Lines of a batch.", self._batch_lines),
        ):
            parts += family(name, "histogram", text, histogram.lines(name))
        return "\n".join(parts) + "\n"


def family(name: str, kind: str, text: str, lines: Iterable[str]) -> list[str]:
    """Return the lines of one metric, with what it is before them."""
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *lines]


def one(name: str, kind: str, text: str, value: float) -> list[str]:
    """Return the lines of a metric that is one number."""
    return family(name, kind, text, [f"{name} {value}"])
