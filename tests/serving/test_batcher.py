"""Requests share batches, take turns, and survive the death of a process."""

import asyncio
import errno
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, cast
from unittest.mock import patch

import pytest
from starlette.exceptions import HTTPException

from nmt.errors import NmtError
from nmt.serving.batcher import LINE_CHARACTERS, Batcher, Job, take
from nmt.serving.metrics import Metrics
from nmt.serving.worker import Line, Process, Ready, with_marks

READY = Ready((("en", "de"),), 4, 1000)


@dataclass(eq=False)
class Puppet:
    """Stands for a process; the test holds the other end of its connection."""

    process_id = 0
    started: int = 0
    others: list[Connection] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.connection, other = Pipe()
        self.others.append(other)
        self.started += 1

    def end(self) -> None:
        """Close the server's end."""
        self.connection.close()

    def die(self) -> None:
        """Close the process's end."""
        self.others[-1].close()

    async def batch(self) -> list[Line]:
        while not self.others[-1].poll():
            await asyncio.sleep(0.001)
        lines, self.candidates, self.languages = self.others[-1].recv()
        return cast("list[Line]", lines)

    def say(self, what: object) -> None:
        self.others[-1].send(what)

    async def answer(self) -> list[Line]:
        lines = await self.batch()
        self.say([[with_marks(line).upper()] * self.candidates for line in lines])
        return lines

    async def become_ready(self, starts: int) -> None:
        """Load the model, once the process was started so many times."""
        while self.started < starts:
            await asyncio.sleep(0.001)
        self.say(READY)


Scene = Callable[..., Awaitable[None]]
Test = Callable[[pytest.MonkeyPatch, pytest.CaptureFixture[str]], None]


def play(*failures: str, count: int = 1) -> Callable[[Scene], Test]:
    """Make a test of a scene with a batcher and some puppets; failures: what it reports."""

    def make_test(scene: Scene) -> Test:
        async def run(reported: list[str]) -> None:
            puppets = [Puppet() for _ in range(count)]
            workers = cast("list[Process]", puppets)
            batcher = Batcher(workers, READY, Metrics(), lambda error: reported.append(str(error)))
            async with asyncio.timeout(60):
                await scene(batcher, *puppets)

        def test(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
            monkeypatch.setattr("nmt.serving.batcher.ABANDONED_SECONDS", 0.05)
            reported: list[str] = []
            asyncio.run(run(reported))
            assert reported == [*failures]
            assert "bad" not in capfd.readouterr().err  # a line

        return test

    return make_test


def begin(
    batcher: Batcher, *lines: str, candidates: int = 1, language: str = "de"
) -> "asyncio.Task[list[list[Line]]]":
    return asyncio.ensure_future(batcher.translate(lines, candidates, language))


@play()
async def test_what_arrives_meanwhile_is_the_next_batch(batcher: Batcher, puppet: Puppet) -> None:
    first = begin(batcher, "a")
    assert await puppet.batch() == ["a"]
    others = [begin(batcher, text, language=f"to {text}") for text in "bcd"]
    await asyncio.sleep(0.01)
    puppet.say([["A"]])
    assert await first == [["A"]]
    assert await puppet.answer() == ["b", "c", "d"]
    assert puppet.languages == ["to b", "to c", "to d"]
    assert [(await other)[0] for other in others] == [["B"], ["C"], ["D"]]


@play(count=2)
async def test_processes_share_what_waits(batcher: Batcher, one: Puppet, two: Puppet) -> None:
    task = begin(batcher, *"abcdef")
    assert [await one.answer(), await two.answer()] == [["a", "b", "c"], ["d", "e", "f"]]
    assert await task == [[text] for text in "ABCDEF"]


@play()
async def test_numbers_of_alternatives_do_not_mix(batcher: Batcher, puppet: Puppet) -> None:
    one, two = begin(batcher, "a"), begin(batcher, "b", candidates=2)
    assert {tuple(await puppet.answer()) for _ in range(2)} == {("a",), ("b",)}
    assert (await one, await two) == ([["A"]], [["B", "B"]])


@play()
async def test_lines_of_a_client_that_went_are_dropped(batcher: Batcher, puppet: Puppet) -> None:
    first = begin(batcher, "a")
    await puppet.batch()
    gone, stays = begin(batcher, "b"), begin(batcher, "c")
    await asyncio.sleep(0)
    gone.cancel()
    first.cancel()  # its line is with the process already
    puppet.say([["A"]])
    assert await puppet.answer() == ["c"]
    assert await stays == [["C"]]


@play()
async def test_a_process_that_works_for_nobody_is_started_again(
    batcher: Batcher, puppet: Puppet
) -> None:
    for starts in range(2, 14):  # a client cannot end the server
        gone = begin(batcher, "a")
        await puppet.batch()
        waits = begin(batcher, "b")
        await asyncio.sleep(0)
        gone.cancel()
        await puppet.become_ready(starts)
        assert await puppet.answer() == ["b"]
        assert await waits == [["B"]]


@play()
async def test_a_process_that_works_for_others_too_goes_on(
    batcher: Batcher, puppet: Puppet
) -> None:
    first = begin(batcher, "a")
    await puppet.batch()
    gone, stays = begin(batcher, "b"), begin(batcher, "c")
    await asyncio.sleep(0)
    puppet.say([["A"]])
    await first
    assert await puppet.batch() == ["b", "c"]
    gone.cancel()
    await asyncio.sleep(0.05)
    puppet.say([["B"], ["C"]])
    assert await stays == [["C"]]
    assert puppet.started == 1


@play(count=2)
async def test_a_process_that_is_dead_when_it_gets_lines_loses_none(
    batcher: Batcher, one: Puppet, two: Puppet
) -> None:
    one.die()  # the server has not noticed yet
    task = begin(batcher, "a")
    assert await two.answer() == ["a"]
    assert await task == [["A"]]


@play()
async def test_lines_of_a_process_that_died_are_tried_again_alone(
    batcher: Batcher, puppet: Puppet
) -> None:
    """One that kills each process fails alone."""
    first, bad, good = (begin(batcher, text) for text in ("first", "bad", "good"))
    await puppet.answer()
    await first
    batches = []
    while not bad.done():
        batches.append(await puppet.batch())
        if "bad" in batches[-1]:
            puppet.die()
            await puppet.become_ready(puppet.started + 1)
        else:
            puppet.say([["GOOD"]])
        await asyncio.sleep(0.01)
    assert batches == [["bad", "good"], ["bad"], ["good"], ["bad"]]
    assert await good == [["GOOD"]]
    with pytest.raises(HTTPException, match="killed 3 times"):
        await bad


@play()
async def test_a_failure_is_told_to_its_request(batcher: Batcher, puppet: Puppet) -> None:
    first, one, two = (begin(batcher, text) for text in ("first", "a", "b"))
    await puppet.answer()
    await first
    assert await puppet.batch() == ["a", "b"]
    puppet.say([NmtError("no numbers"), ["B"]])
    assert await two == [["B"]]
    with pytest.raises(HTTPException, match="500: Cannot translate text: no numbers"):
        await one


@play("no model", "translating processes end again and again; is there enough memory?")
async def test_processes_that_cannot_start_are_reported(batcher: Batcher, puppet: Puppet) -> None:
    task = begin(batcher, "a")
    await puppet.batch()
    for starts in range(2, 13):
        if starts == 12:
            puppet.say(NmtError("no model"))
        puppet.die()
        while puppet.started < starts:
            await asyncio.sleep(0.001)
    assert not task.done()
    task.cancel()


@play("no translating process can be started: no room")
async def test_a_process_that_cannot_be_started_gets_no_lines(
    batcher: Batcher, puppet: Puppet
) -> None:
    first = begin(batcher, "a")
    await puppet.batch()
    with patch.object(puppet, "start", side_effect=OSError(errno.EAGAIN, "no room")):
        puppet.die()
        await asyncio.sleep(0.05)
        second = begin(batcher, "b")
        await asyncio.sleep(0.05)
    assert not first.done()
    assert not second.done()
    first.cancel()
    second.cancel()


def make_queue(*jobs: tuple[str, ...]) -> deque[Job]:
    return deque(Job(lines, 1, "de", cast(Any, None)) for lines in jobs)


def take_texts(queue: deque[Job], most_lines: int, most_characters: int) -> list[str]:
    items = take(queue, most_lines, most_characters)
    return [with_marks(item.job.lines[item.number]) for item in items]


def test_requests_take_turns() -> None:
    queue = make_queue(tuple("a" * 50), ("b",), tuple("c" * 20))
    assert take_texts(queue, 40, 10_000) == [*"a" * 16, "b", *"c" * 16, *"a" * 7]
    assert take_texts(queue, 99, 10_000) == [*"c" * 4, *"a" * 27]
    assert not queue


def test_a_batch_has_a_size() -> None:
    queue = make_queue(("x" * 30,) * 10)
    assert len(take(queue, 99, 2 * (30 + LINE_CHARACTERS))) == 2
    assert len(take(queue, 99, 1)) == 1  # at least one, however long it is
    assert len(take(queue, 99, 3 * (30 + LINE_CHARACTERS) - 1)) == 2


def test_a_long_line_is_alone_in_its_batch_and_comes_next() -> None:
    long = "x" * 10_000
    queue = make_queue(("a", long, "b"), tuple("c" * 18))
    batches = []
    while queue:
        batches.append(take_texts(queue, 99, 9_000))
    assert batches == [["a"], [*"c" * 16], [long], [*"cc", "b"]]
