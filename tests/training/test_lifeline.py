"""The lifeline notices lost workers, passes errors on, and waits for nobody for long."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from torch.distributed import DistNetworkError

from nmt.errors import NmtError
from nmt.training.parallel import lifeline, workers
from nmt.training.parallel.lifeline import Lifeline
from nmt.training.parallel.workers import Workers
from tests.waiting import wait_until


class DictStore:
    """A key-value store in this process, with the address of a `Lifeline`."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def set(self, key: str, value: str) -> None:
        self.values[key] = value

    def get(self, key: str) -> bytes:
        return self.values[key].encode()

    def check(self, keys: list[str]) -> bool:
        return all(key in self.values for key in keys)


@pytest.fixture
def store() -> DictStore:
    return DictStore()


@pytest.fixture
def lines(store: DictStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Lifeline]]:
    """Lifelines of workers 0, 1 and 2 in this process, which would not end it."""
    monkeypatch.setattr(lifeline, "GRACE_SECONDS", 1000)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
        monkeypatch.setenv("MASTER_PORT", str(server.getsockname()[1]))
        made = [Lifeline(rank, store) for rank in range(3)]
        made[0].meet(3)
        yield made
        for line in made:
            line.stop()


def lose(line: Lifeline) -> None:
    """End the connections of a worker as the system does when its process is killed."""
    line.stop()
    for peer in line._peers:
        peer.shutdown(socket.SHUT_RDWR)


def test_a_worker_that_says_goodbye_is_not_lost(lines: list[Lifeline]) -> None:
    first, second, _ = lines
    second.close()
    wait_until(lambda: len(first._peers) == 1)
    assert first.failure is None


def test_a_worker_finds_the_group_that_was_started_last(
    lines: list[Lifeline], store: DictStore
) -> None:
    """The first group's first worker still lives, and knows a worker of this rank already."""
    with ThreadPoolExecutor() as pool:
        late = pool.submit(Lifeline, 1, store)
        again = Lifeline(0, store)
        assert late.result().group == again.group != lines[0].group
    late.result().stop()
    again.stop()
    assert lines[0].failure is None


@pytest.mark.parametrize("sent", [b"", b'"worker 1 fai'])
def test_a_lost_worker_is_noticed_by_its_connection(lines: list[Lifeline], sent: bytes) -> None:
    """Also within a line. Only the first worker sees the connection end; it tells the others."""
    first, second, third = lines
    next(iter(second._peers)).sendall(sent)
    lose(second)
    wait_until(lambda: third.failure is not None)
    assert third.failure == first.failure
    assert str(first.failure).startswith("worker 1 exited without an error message (killed?)")
    with pytest.raises(NmtError, match="stopped because worker 1 exited"):
        Workers(2, 3, DictStore(), third).meet()


def test_all_workers_notice_that_the_first_one_is_lost(lines: list[Lifeline]) -> None:
    first, *others = lines
    lose(first)
    wait_until(lambda: all(line.failure is not None for line in others))
    for line in others:
        assert str(line.failure).startswith("worker 0 exited without an error message (killed?)")


def test_the_error_of_a_worker_reaches_the_others(lines: list[Lifeline]) -> None:
    """Also one that waits for the first worker, though another one failed."""
    Workers(1, 3, DictStore(), lines[1]).share_error(NmtError("train.src does not exist"))
    with pytest.raises(NmtError, match=r"worker 1 failed: train\.src does not exist"):
        Workers(2, 3, DictStore(), lines[2]).on_first_worker(lambda: 1)


@pytest.mark.parametrize("name", ["caf\udce9", "two\nlines", "."])
def test_an_error_may_name_any_file(lines: list[Lifeline], name: str) -> None:
    lines[1].fail(name)
    wait_until(lambda: lines[2].failure is not None)
    assert lines[2].failure == name


def test_values_of_the_first_worker_reach_the_others_with_their_types(
    lines: list[Lifeline], store: DictStore
) -> None:
    """Only the first one runs an action."""
    values: list[Any] = [True, False, 7, 2.5, None, "ß", {"updates": [4, 8]}]
    actions: list[Any] = [iter(values).__next__, lambda: pytest.fail("called")]
    first, second = (Workers(rank, 2, store, lines[rank]) for rank in range(2))
    sent, received = (
        [worker.on_first_worker(action) for _ in values]
        for worker, action in zip((first, second), actions, strict=True)
    )
    assert sent == received == values
    assert [*map(type, received)] == [*map(type, values)]
    assert Workers().on_first_worker(lambda: [1, 2]) == [1, 2]


def test_a_worker_that_torchrun_has_left_watches_no_more(
    lines: list[Lifeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All workers save and stop by themselves, each at its own time."""
    monkeypatch.setattr("os.getppid", lambda: -1)
    first, second, third = lines
    lose(second)
    wait_until(lambda: not first._thread.is_alive())
    assert first.failure is third.failure is None


def test_a_stranger_that_sends_slowly_is_not_waited_for(
    lines: list[Lifeline], store: DictStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifeline, "HELLO_SECONDS", 0.5)
    port = int(store.values["lifeline"].split()[1])
    with socket.create_connection(("127.0.0.1", port)) as stranger:
        stranger.settimeout(0.1)
        for _ in range(60):  # six seconds
            with suppress(TimeoutError, ConnectionError):
                stranger.sendall(b"x")
                if stranger.recv(1) == b"":
                    break
        else:
            pytest.fail("the lifeline waits")
    assert [line.failure for line in lines] == [None] * 3


class LostStore(DictStore):
    """The store of a torchrun that has ended."""

    def check(self, keys: list[str]) -> bool:
        raise DistNetworkError("Connection reset by peer")


def test_a_worker_that_loses_the_store_ends_no_other(lines: list[Lifeline]) -> None:
    """The first worker's torchrun is gone, so that the first one is saving a checkpoint."""
    second = Workers(1, 3, LostStore(), lines[1])
    with pytest.raises(NmtError, match="the first worker, or its torchrun, is gone") as gone:
        second.on_first_worker(lambda: 1)
    second.share_error(gone.value)
    assert lines[1].failure is None


@pytest.mark.parametrize("ends", [True, False])
def test_a_worker_that_is_ended_first_writes_its_checkpoint(
    lines: list[Lifeline], monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    """But it does not wait for ever."""
    events: list[object] = []
    exited = threading.Event()

    def save() -> None:
        time.sleep(0.2 if ends else 1)
        events.append("saved")

    def exit_process(code: int) -> None:
        events.append(code)
        exited.set()

    monkeypatch.setattr(lifeline, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(lifeline, "SAVE_SECONDS", 30 if ends else 0.1)
    monkeypatch.setattr("os._exit", exit_process)
    first, second, third = lines
    third.close()
    first.before_exit = save
    lose(second)
    assert exited.wait(60)
    assert events == (["saved", 1] if ends else [1])


def test_a_worker_that_does_not_start_is_named(
    lines: list[Lifeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, _ = lines
    assert lifeline.not_started(3).startswith("worker 3 did not start within 5 minutes; ")
    monkeypatch.setattr(lifeline, "MEET_SECONDS", 0.1)
    with pytest.raises(NmtError, match=r"^worker 3 did not start within"):
        first.meet(4)
    wait_until(lambda: second.failure == first.failure)
    with pytest.raises(NmtError, match="worker 0 did not start within"):
        Lifeline(1, DictStore())
    monkeypatch.setattr(workers, "MEET_SECONDS", 0.1)
    monkeypatch.setenv("MASTER_PORT", "9")
    with pytest.raises(NmtError, match=r"worker 0 did not start within .*port 9 does not answer"):
        workers.open_store(is_master=False)
