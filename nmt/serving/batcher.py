"""Batch the lines of all clients: whenever a process is free, it takes lines that wait.

No line waits until a batch is full. Lines that arrive while a batch is translated are for the next
batch. Requests take turns, so that a long text does not delay a short one.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import NamedTuple

from starlette.exceptions import HTTPException

from nmt.errors import NmtError
from nmt.serving.metrics import Metrics
from nmt.serving.worker import Line, Pair, Process, Ready, Result, with_marks
from nmt.system.log import note

# A batch is made when no request has arrived for a moment: clients whose answers were sent together
# send their next requests one after the other. A request that is alone does not wait.
QUIET_SECONDS = 0.002
MOST_GATHER_SECONDS = 0.01
TURN_LINES = 16  # that a request gives to a batch before it is another request's turn
LINE_CHARACTERS = 20  # that the work for a line costs beside its length
MOST_ATTEMPTS = 3  # to translate a line whose process was killed; alone, from the second on
ABANDONED_SECONDS = 2  # that a process may go on with lines nobody waits for
MOST_RESTARTS = 10  # of processes, without a batch in between


@dataclass(eq=False)
class Job:
    """The lines of one request for one model."""

    lines: Sequence[Line]
    candidates: int
    language: str  # to write
    done: "asyncio.Future[None]"
    results: dict[int, Result] = field(default_factory=dict)  # by the number of the line
    taken: int = 0  # lines that were given to a process

    def finish(self, number: int, result: Result) -> None:
        """Take the result of a line; the last one ends the job."""
        self.results[number] = result
        if len(self.results) == len(self.lines) and not self.done.done():
            self.done.set_result(None)


class Item(NamedTuple):
    """A line of a job."""

    job: Job
    number: int  # from 0
    attempts: int = 1


class Batcher:
    """A model that is served: batches the requests for it."""

    def __init__(
        self,
        workers: Sequence[Process],
        ready: Ready,
        metrics: Metrics,
        on_failure: Callable[[NmtError], None],
    ) -> None:
        """Take the processes, which are ready.

        on_failure: called if no process can be started any more.
        """
        self.directions, self.most_candidates, self._batch_characters = ready
        self._loop = asyncio.get_running_loop()
        self._metrics = metrics
        self._on_failure = on_failure
        self._jobs: set[Job] = set()
        self._queues: dict[int, deque[Job]] = {}  # by the number of candidates
        self._again: deque[Item] = deque()  # lines whose process was killed
        self._items: dict[Process, list[Item]] = {worker: [] for worker in workers}
        self._began: dict[Process, float] = {}
        self._starting: set[Process] = set()  # they load the model
        self._restarts = 0  # since the last batch that was translated
        self._timer: asyncio.TimerHandle | None = None
        self._latest = 0.0  # when a batch is made, even if requests go on arriving
        for worker in workers:
            self._loop.add_reader(worker.connection, self._receive, worker)

    async def translate(
        self, lines: Sequence[Line], candidates: int, language: str
    ) -> list[list[Line]]:
        """Return up to so many translations of each line; lines must not be blank.

        language: the one to write.

        If the caller is cancelled, its lines that wait are dropped. Raises HTTPException if a line
        cannot be translated.
        """
        if not lines:
            return []
        job = Job(lines, candidates, language, self._loop.create_future())
        self._queues.setdefault(candidates, deque()).append(job)
        is_alone = not self._jobs
        self._jobs.add(job)  # first: a process may die while it gets the lines, which are kept
        if is_alone:
            self._dispatch()
        else:
            self._gather()
        try:
            await job.done
        finally:
            self._jobs.discard(job)
            if len(job.results) < len(lines):
                with suppress(ValueError):
                    self._queues[candidates].remove(job)
                self._loop.call_later(ABANDONED_SECONDS, self._end_abandoned, job)
        found = [job.results[number] for number in range(len(lines))]
        for result in found:
            if isinstance(result, NmtError):
                note(f"not translated: {result}")
                raise HTTPException(500, f"Cannot translate text: {result}")
        return [result for result in found if isinstance(result, list)]

    @property
    def process_ids(self) -> list[int]:
        """Return the numbers of the processes."""
        return [worker.process_id for worker in self._items]

    def _dispatch(self) -> None:
        """Give lines to each process that is free."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for worker, held in self._items.items():
            if held or worker in self._starting:
                continue
            items = self._next_items()
            if not items:
                return
            self._items[worker] = items
            self._began[worker] = monotonic()
            lines = [item.job.lines[item.number] for item in items]
            try:
                languages = [item.job.language for item in items]
                worker.connection.send((lines, items[0].job.candidates, languages))
            except OSError:
                self._replace(worker)

    def _gather(self) -> None:
        """Wait a moment for more requests, then give lines to processes."""
        now = self._loop.time()
        if self._timer is None:
            self._latest = now + MOST_GATHER_SECONDS
        else:
            self._timer.cancel()
        self._timer = self._loop.call_at(min(now + QUIET_SECONDS, self._latest), self._dispatch)

    def _next_items(self) -> list[Item]:
        """Return the lines of the next batch; none if none waits."""
        while self._again:
            item = self._again.popleft()
            if item.job in self._jobs:
                return [item]  # alone: it may be the one that kills processes
        for candidates, queue in self._queues.items():
            if queue:
                waiting = sum(len(job.lines) - job.taken for job in queue)
                everything = waiting + sum(map(len, self._items.values()))
                share = math.ceil(everything / len(self._items))
                # The other numbers of candidates are next.
                self._queues[candidates] = self._queues.pop(candidates)
                return take(queue, share, self._batch_characters)
        return []

    def _receive(self, worker: Process) -> None:
        """Take the results of a batch, and give the process the next one."""
        try:
            said = worker.connection.recv()
        except (EOFError, OSError):
            self._replace(worker)
            return
        if isinstance(said, NmtError):
            self._on_failure(said)
        elif isinstance(said, Ready):
            self._starting.discard(worker)
            self._dispatch()
        else:
            items, self._items[worker] = self._items[worker], []
            self._restarts = 0
            self._metrics["lines_total"] += len(items)
            self._metrics.add("batch_lines", len(items))
            self._metrics.add("batch_seconds", monotonic() - self._began[worker])
            for item, result in zip(items, said, strict=True):
                item.job.finish(item.number, result)
            self._gather()

    def _replace(self, worker: Process) -> None:
        """Start another process in place of one that was killed; its lines are tried again."""
        note("a translating process ended, perhaps because memory ran out; it is started again")
        for job, number, attempts in self._items[worker]:
            if attempts == MOST_ATTEMPTS:
                job.finish(number, NmtError(f"its process was killed {MOST_ATTEMPTS} times"))
            else:
                self._again.append(Item(job, number, attempts + 1))
        self._restarts += 1
        if self._restarts > MOST_RESTARTS:
            self._on_failure(
                NmtError("translating processes end again and again; is there enough memory?")
            )
        self._restart(worker)

    def _end_abandoned(self, job: Job) -> None:
        """Start processes again that still work for a request nobody waits for, and for no other.

        One such line may take minutes, and would keep a process from other clients.
        """
        for worker, items in self._items.items():
            jobs = {item.job for item in items}
            if job in jobs and not jobs & self._jobs:
                note("nobody waits for a long translation any more; its process is started again")
                self._restart(worker)

    def _restart(self, worker: Process) -> None:
        """Start a process in place of another one."""
        self._metrics["process_restarts_total"] += 1
        self._items[worker] = []
        self._starting.add(worker)
        self._loop.remove_reader(worker.connection)
        worker.end()
        try:
            worker.start()
        except OSError as error:
            self._on_failure(NmtError(f"no translating process can be started: {error.strerror}"))
            return
        self._loop.add_reader(worker.connection, self._receive, worker)


@dataclass(frozen=True)
class Direction:
    """A pair of languages that a model is served for."""

    pair: Pair
    model: Batcher

    @property
    def name(self) -> str:
        """Return the codes of both languages, such as en-de."""
        return "-".join(self.pair)


def take(queue: deque[Job], most_lines: int, most_characters: int) -> list[Item]:
    """Take lines from the jobs of a queue in turn, for one batch; at least one.

    most_lines: the share of the process that takes them. most_characters: of all lines, with
    LINE_CHARACTERS for each; only a line that is alone may be longer.
    """
    items: list[Item] = []
    characters, is_full = 0, False
    while queue and len(items) < most_lines and not is_full:
        job = queue[0]
        for _ in range(min(TURN_LINES, most_lines - len(items))):
            if job.taken == len(job.lines):
                break
            characters += len(with_marks(job.lines[job.taken])) + LINE_CHARACTERS
            is_full = characters > most_characters
            if is_full and items:
                break
            items.append(Item(job, job.taken))
            job.taken += 1
        if job.taken == len(job.lines):
            queue.popleft()
        elif not is_full or items[-1].job is job:  # else it stays first, for its long line
            queue.rotate(-1)
    return items
