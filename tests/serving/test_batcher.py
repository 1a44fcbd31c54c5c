"""Requests share batches, take turns, and survive the death of a process."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, cast

import pytest

from nmt.errors import NmtError
from nmt.serving.batcher import LINE_CHARACTERS, Batcher, Job, take
from nmt.serving.layout import Line, text_of
from nmt.serving.line_translator import Ready
from nmt.serving.metrics import Metrics
from nmt.serving.refusals import RefusedError
from nmt.serving.worker import Batch, Failure, LoadError, Worker

CHARACTERS = 1000  # of a batch


@dataclass(eq=False)
class Puppet:
    """Stands for a process; the test holds the other end of its connection."""

    process_id = 0
    started: int = 0
    others: list[Connection] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Open a new connection."""
        self.connection, other = Pipe()
        self.others.append(other)
        self.started += 1

    def close(self) -> None:
        """Close the server's end."""
        self.connection.close()

    def kill(self) -> None:
        """Close the process's end."""
        self.die()

    def join(self) -> None:
        """Do nothing."""

    async def batch(self) -> Batch:
        """Return the next batch."""
        while not self.others[-1].poll():
            await asyncio.sleep(0.001)
        found = self.others[-1].recv()
        assert isinstance(found, Batch)
        return found

    def say(self, what: object) -> None:
        """Send something to the server."""
        self.others[-1].send(what)

    async def answer(self) -> list[Line]:
        """Take a batch, translate it by shouting, and return its lines."""
        batch = await self.batch()
        self.say([[text_of(line).upper()] * batch.candidates for line in batch.lines])
        return batch.lines

    def die(self) -> None:
        """Close the process's end."""
        self.others[-1].close()


Play = Callable[[Batcher, list[Puppet]], Awaitable[None]]


def play(scene: Play, count: int = 1) -> list[NmtError]:
    """Play a scene with a batcher and some puppets; return the failures that it reports."""
    failures: list[NmtError] = []

    async def run() -> None:
        puppets = [Puppet() for _ in range(count)]
        workers = cast("list[Worker]", puppets)
        batcher = Batcher(workers, CHARACTERS, Metrics(), failures.append)
        async with asyncio.timeout(60):
            await scene(batcher, puppets)
        batcher.close()

    asyncio.run(run())
    return failures


def begin(batcher: Batcher, *lines: str, candidates: int = 1) -> "asyncio.Task[list[list[Line]]]":
    return asyncio.ensure_future(batcher.translate(lines, candidates))


def test_what_arrives_meanwhile_is_the_next_batch() -> None:
    async def scene(batcher: Batcher, puppets: list[Puppet]) -> None:
        first = begin(batcher, "a")
        assert (await puppets[0].batch()).lines == ["a"]
        others = [begin(batcher, each) for each in "bcd"]
        await asyncio.sleep(0.01)
        puppets[0].say([["A"]])
        assert await first == [["A"]]
        assert await puppets[0].answer() == ["b", "c", "d"]
        assert [(await each)[0] for each in others] == [["B"], ["C"], ["D"]]

    assert play(scene) == []


def test_processes_share_what_waits() -> None:
    async def scene(batcher: Batcher, puppets: list[Puppet]) -> None:
        task = begin(batcher, *"abcdef")
        assert [await each.answer() for each in puppets] == [["a", "b", "c"], ["d", "e", "f"]]
        assert await task == [[each] for each in "ABCDEF"]

    assert play(scene, 2) == []


def test_numbers_of_alternatives_do_not_mix() -> None:
    async def scene(batcher: Batcher, puppets: list[Puppet]) -> None:
        one, two = begin(batcher, "a"), begin(batcher, "b", candidates=2)
        assert {tuple(await puppets[0].answer()) for _ in range(2)} == {("a",), ("b",)}
        assert (await one, await two) == ([["A"]], [["B", "B"]])

    assert play(scene) == []


def test_lines_of_a_client_that_went_are_dropped() -> None:
    async def scene(batcher: Batcher, puppets: list[Puppet]) -> None:
        first = begin(batcher, "a")
        await puppets[0].batch()
        gone, stays = begin(batcher, "b"), begin(batcher, "c")
        await asyncio.sleep(0)
        gone.cancel()
        first.cancel()  # its line is with the process already
        puppets[0].say([["A"]])
        assert await puppets[0].answer() == ["c"]
        assert await stays == [["C"]]

    assert play(scene) == []


def test_a_process_that_works_for_nobody_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.serving.batcher.ABANDONED_SECONDS", 0.01)

    async def scene(batcher: Batcher, puppets: list[Puppet]) -> None:
        for restarts in range(1, 10):  # a client cannot end the server
            gone = begin(batcher, "a")
            await puppets[0].batch()
            waits = begin(batcher, "b")
            await asyncio.sleep(0)
            gone.cancel()
            while puppets[0].started == restarts:
                await asyncio.sleep(0.001)
            puppets[0].say(Ready(("en", "de"), 1, 1))
            assert await puppets[0].answer() == ["b"]
            assert await waits == [["B"]]

    assert play(scene) == []


def test_a_stopping_server_starts_no_process_unless_somebody_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nmt.serving.batcher.ABANDONED_SECONDS", 0.01)

    async def scene(batcher: Batcher, puppets: list[Puppet]) -> None:
        batcher.is_stopping = True
        gone = begin(batcher, "a")
        await puppets[0].batch()
        gone.cancel()
        await asyncio.sleep(0.1)
        assert puppets[0].started == 1
        waits = begin(batcher, "b")
        while puppets[0].started == 1:
            await asyncio.sleep(0.001)
        puppets[0].say(Ready(("en", "de"), 1, 1))
        assert await puppets[0].answer() == ["b"]
        assert await waits == [["B"]]

    assert play(scene) == []


def test_a_process_that_works_for_others_too_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.serving.batcher.ABANDONED_SECONDS", 0.01)

    async def scene(batcher: Batcher, puppets: list[Puppet]) -> None:
        first = begin(batcher, "a")
        await puppets[0].batch()
        gone, stays = begin(batcher, "b"), begin(batcher, "c")
        await asyncio.sleep(0)
        puppets[0].say([["A"]])
        await first
        assert (await puppets[0].batch()).lines == ["b", "c"]
        gone.cancel()
        await asyncio.sleep(0.05)
        puppets[0].say([["B"], ["C"]])
        assert await stays == [["C"]]
        assert puppets[0].started == 1

    assert play(scene) == []


def test_lines_of_a_process_that_died_are_tried_again_alone() -> None:
    async def scene(batcher: Batcher, puppets: list[Puppet]) -> None:
        task = begin(batcher, "a", "b")
        await puppets[0].batch()
        puppets[0].die()
        while puppets[0].started < 2:
            await asyncio.sleep(0.001)
        puppets[0].say(Ready(("en", "de"), 1, 1))
        assert await puppets[0].answer() == ["a"]
        assert await puppets[0].answer() == ["b"]
        assert await task == [["A"], ["B"]]

    assert play(scene) == []


def test_a_process_that_is_dead_when_it_gets_lines_loses_none() -> None:
    async def scene(batcher: Batcher, puppets: list[Puppet]) -> None:
        puppets[0].die()  # the server has not noticed yet
        task = begin(batcher, "a")
        assert await puppets[1].answer() == ["a"]
        assert await task == [["A"]]

    assert play(scene, 2) == []


def test_a_line_that_kills_processes_fails_alone(capfd: pytest.CaptureFixture[str]) -> None:
    async def scene(batcher: Batcher, puppets: list[Puppet]) -> None:
        first, bad, good = (begin(batcher, each) for each in ("first", "bad", "good"))
        await puppets[0].answer()
        await first
        batches = []
        while not bad.done():
            batches.append((await puppets[0].batch()).lines)
            if "bad" in batches[-1]:
                before = puppets[0].started
                puppets[0].die()
                while puppets[0].started == before:
                    await asyncio.sleep(0.001)
                puppets[0].say(Ready(("en", "de"), 1, 1))
            else:
                puppets[0].say([["GOOD"]])
            await asyncio.sleep(0.01)
        assert batches == [["bad", "good"], ["bad"], ["good"], ["bad"]]
        assert await good == [["GOOD"]]
        with pytest.raises(RefusedError, match="killed 3 times"):
            await bad

    assert play(scene) == []
    assert "bad" not in capfd.readouterr().err


def test_a_failure_is_told_to_its_request() -> None:
    async def scene(batcher: Batcher, puppets: list[Puppet]) -> None:
        first, one, two = (begin(batcher, each) for each in ("first", "a", "b"))
        await puppets[0].answer()
        await first
        assert (await puppets[0].batch()).lines == ["a", "b"]
        puppets[0].say([Failure("no numbers"), ["B"]])
        assert await two == [["B"]]
        with pytest.raises(RefusedError, match="no numbers") as refused:
            await one
        assert refused.value.status == 500

    assert play(scene) == []


def test_processes_that_cannot_start_are_reported() -> None:
    async def scene(batcher: Batcher, puppets: list[Puppet]) -> None:
        task = begin(batcher, "a")
        await puppets[0].batch()
        for attempt in range(1, 11):
            puppets[0].die()
            while puppets[0].started <= attempt:
                await asyncio.sleep(0.001)
        puppets[0].say(LoadError("no model", is_usage=False))
        puppets[0].die()
        while not task.done():
            await asyncio.sleep(0.01)
            batcher.give_up()
        with pytest.raises(RefusedError, match="stopping"):
            await task

    messages = [str(each) for each in play(scene)]
    assert messages[0] == "no model"
    assert "again and again" in messages[-1]


def queue_of(*jobs: tuple[str, ...]) -> deque[Job]:
    return deque(Job(lines, 1, cast(Any, None)) for lines in jobs)


def test_requests_take_turns() -> None:
    queue = queue_of(tuple("a" * 50), ("b",), tuple("c" * 20))
    assert [each.line for each in take(queue, 40, 10_000)] == [*"a" * 16, "b", *"c" * 16, *"a" * 7]
    assert [each.line for each in take(queue, 99, 10_000)] == [*"c" * 4, *"a" * 27]
    assert not queue


def test_a_batch_has_a_size() -> None:
    queue = queue_of(("x" * 30,) * 10)
    assert len(take(queue, 99, 2 * (30 + LINE_CHARACTERS))) == 2
    assert len(take(queue, 99, 1)) == 1  # at least one, however long it is
    assert len(take(queue, 99, 3 * (30 + LINE_CHARACTERS) - 1)) == 2


def test_a_long_line_is_alone_in_its_batch_and_comes_next() -> None:
    long = "x" * 10_000
    queue = queue_of(("a", long, "b"), tuple("c" * 18))
    batches = []
    while queue:
        batches.append([each.line for each in take(queue, 99, 9_000)])
    assert batches == [["a"], [*"c" * 16], [long], [*"cc", "b"]]
