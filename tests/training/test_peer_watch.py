"""The watch over other workers notices lost ones, and waits for nobody for long."""

import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import torch.distributed as dist

from nmt.errors import NmtError
from nmt.training import peer_watch, process_group, shared_error
from nmt.training.peer_watch import PeerWatch
from nmt.training.workers import Workers
from tests.waiting import wait_until


class DictStore:
    """A key-value store in this process, with the address of a `PeerWatch`."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.trouble: Callable[[], object] = lambda: None  # before it answers

    def set(self, key: str, value: str) -> None:
        """Store a value."""
        self.values[key] = value

    def get(self, key: str) -> bytes:
        """Return a value."""
        return self.values[key].encode()

    def port(self) -> int:
        """Return the port on which the first worker listens."""
        return int(self.values["lifeline"].split()[1])

    def check(self, keys: list[str]) -> bool:
        """Return True if all keys have values."""
        self.trouble()
        return all(key in self.values for key in keys)


@pytest.fixture
def store() -> DictStore:
    """Return the store of `watches`."""
    return DictStore()


@pytest.fixture
def watches(store: DictStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[PeerWatch]]:
    """Two watches in this process, of workers 0 and 1, which would not end it."""
    monkeypatch.setattr(shared_error, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(peer_watch, "GRACE_SECONDS", 1000)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
        monkeypatch.setenv("MASTER_PORT", str(server.getsockname()[1]))
        both = []
        for rank in (0, 1):
            both.append(PeerWatch(rank, store))
            both[-1].start(store)
        yield both
        for each in both:
            each.stop()


def test_a_worker_that_says_goodbye_is_not_lost(watches: list[PeerWatch]) -> None:
    first, second = watches
    second.close()
    wait_until(lambda: not first._peers)
    assert first.failure is None


def test_a_stranger_on_the_port_is_no_worker(watches: list[PeerWatch], store: DictStore) -> None:
    first, second = watches
    wait_until(lambda: len(first._peers) == 1)
    port = store.port()
    with socket.create_connection(("127.0.0.1", port)) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\n")
        stranger.settimeout(60)
        assert stranger.recv(1) == b""
    assert len(first._peers) == 1
    assert first.failure is second.failure is None


def test_a_worker_finds_the_group_that_was_started_last(
    watches: list[PeerWatch], store: DictStore
) -> None:
    """The first group's first worker still lives, and knows a worker of this rank already."""
    first, _ = watches
    wait_until(lambda: len(first._peers) == 1)
    with ThreadPoolExecutor() as pool:
        late = pool.submit(PeerWatch, 1, store)
        again = PeerWatch(0, store)
        again.start(DictStore())
        assert late.result().group == again.group != first.group
    again.stop()
    assert first.failure is None


def test_a_lost_worker_is_noticed_by_its_connection(
    watches: list[PeerWatch], store: DictStore
) -> None:
    """Only the first worker sees the connection end; it tells the others."""
    first, second = watches
    wait_until(lambda: len(first._peers) == 1)
    second.stop()
    next(iter(second._peers)).shutdown(socket.SHUT_RDWR)
    wait_until(lambda: first.failure is not None)
    assert shared_error.shared_error(store) == first.failure
    assert str(first.failure).startswith("worker 1 exited without an error message (killed?)")
    with pytest.raises(NmtError, match="stopped because worker"):
        Workers(0, 2, DictStore(), first).meet()


def gone() -> None:
    """Fail as a store whose machine has ended."""
    raise dist.DistNetworkError("gone")


@pytest.mark.parametrize("hangs", [False, True])
def test_a_lost_worker_is_noticed_without_the_store(
    watches: list[PeerWatch], store: DictStore, hangs: bool
) -> None:
    first, second = watches
    wait_until(lambda: len(first._peers) == 1)
    answers, asked = threading.Event(), threading.Event()

    def trouble() -> None:
        asked.set()
        if not hangs:
            gone()
        answers.wait(1000)

    store.trouble = trouble
    asked.wait(60)
    next(iter(first._peers)).shutdown(socket.SHUT_RDWR)
    wait_until(lambda: second.failure is not None)
    assert str(second.failure).startswith("worker 0 exited without an error message (killed?)")
    for each in watches:
        each.stop()
        assert not each._thread.is_alive()
    answers.set()


def test_a_worker_that_torchrun_has_left_watches_no_more(
    watches: list[PeerWatch], store: DictStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All workers save and stop by themselves, each at its own time."""
    monkeypatch.setattr("os.getppid", lambda: -1)
    store.trouble = gone
    for each in watches:
        wait_until(lambda each=each: not each._thread.is_alive())  # type: ignore[misc] # a default binds it
        assert each.failure is None


def test_a_stranger_that_sends_slowly_is_not_waited_for(
    watches: list[PeerWatch], store: DictStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_watch, "HELLO_SECONDS", 0.5)
    first, second = watches
    wait_until(lambda: len(first._peers) == 1)
    with socket.create_connection(("127.0.0.1", store.port())) as stranger:
        stranger.settimeout(0.1)
        for _ in range(60):  # six seconds
            with suppress(TimeoutError, ConnectionError):
                stranger.sendall(b"x")
                if stranger.recv(1) == b"":
                    break
        else:
            pytest.fail("the watch waits")
    assert first.failure is second.failure is None


class Broken:
    """A socket that cannot accept connections."""

    def accept(self) -> None:
        """Fail."""
        raise OSError(errno.EMFILE, "Too many open files")


def test_a_connection_that_cannot_be_accepted_ends_no_watch(watches: list[PeerWatch]) -> None:
    watches[0]._accept(Broken())  # type: ignore[arg-type] # it has what is used
    assert watches[0].failure is None


@pytest.mark.parametrize("ends", [True, False])
def test_a_worker_that_is_ended_first_writes_its_checkpoint(
    watches: list[PeerWatch], monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    """But it does not wait for ever."""
    events: list[str] = []
    first, second = watches
    wait_until(lambda: len(first._peers) == 1)
    second.stop()

    def save() -> None:
        time.sleep(0.2 if ends else 5)
        events.append("saved")

    def exit_process(code: int) -> None:
        events.append(f"exit {code}")

    monkeypatch.setattr(peer_watch, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(peer_watch, "SAVE_SECONDS", 30 if ends else 0.1)
    monkeypatch.setattr("os._exit", exit_process)
    first.before_exit = save
    next(iter(second._peers)).shutdown(socket.SHUT_RDWR)
    first._thread.join(60)
    assert events == (["saved", "exit 1"] if ends else ["exit 1"])


def test_a_worker_that_does_not_start_is_named(
    watches: list[PeerWatch], store: DictStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = watches
    first.meet(2, store)
    assert peer_watch.not_started(3).startswith("worker 3 did not start within 5 minutes; ")
    monkeypatch.setattr(peer_watch, "MEET_SECONDS", 0.1)
    with pytest.raises(NmtError, match="worker 2 did not start within"):
        first.meet(3, store)
    assert str(shared_error.shared_error(store)).startswith("worker 2 did not start within")
    with pytest.raises(NmtError, match="worker 0 did not start within"):
        PeerWatch(1, DictStore())
    monkeypatch.setattr(process_group, "MEET_SECONDS", 0.1)
    monkeypatch.setenv("MASTER_PORT", "9")
    with pytest.raises(NmtError, match=r"worker 0 did not start within .*port 9 does not answer"):
        process_group.open_store(is_master=False)
