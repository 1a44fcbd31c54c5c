"""Results of pools come in order; what kills a process or its parent is noticed."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest
import torch

from nmt.errors import NmtError
from nmt.system.pools import ProcessPool, ThreadPool
from tests.waiting import wait_until


def test_results_come_in_order_from_other_processes(tmp_path: Path) -> None:
    """Item 0 finishes after item 1, which the pool's other process computes."""
    pool = ProcessPool(2)

    def work(item: int) -> tuple[int, int, int]:
        if item == 0:
            wait_until((tmp_path / "1").exists, message="item 1 was never computed")
        (tmp_path / str(item)).touch()
        return item, os.getpid(), torch.get_num_threads()

    results = list(pool.map(work, range(7)))
    assert [item for item, _, _ in results] == list(range(7))
    processes = {process for _, process, _ in results}
    assert len(processes) == 2
    assert os.getpid() not in processes
    assert {threads for _, _, threads in results} == {1}
    again = list(pool.map(work, range(3)))
    assert [item for item, _, _ in again] == [0, 1, 2]
    assert {process for _, process, _ in again} <= processes


def test_no_thread_works_on_after_an_error() -> None:
    started, ended = threading.Event(), threading.Event()

    def work(item: int) -> None:
        if item:
            started.set()
            time.sleep(0.05)
            ended.set()
        else:
            started.wait()
            raise NmtError("item 0")

    with pytest.raises(NmtError, match="item 0"):
        list(ThreadPool(2).map(work, range(2)))
    assert ended.is_set()


def test_copies_leave_the_garbage_of_their_parent_alone() -> None:
    """A destructor could wait for threads that exist only in the parent."""
    destroyed = []

    class Cycle:
        def __init__(self) -> None:
            self.own = self

        def __del__(self) -> None:
            destroyed.append(os.getpid())

    def work(item: int) -> int:
        gc.collect()
        return len(destroyed)

    Cycle()
    assert [*ProcessPool(2).map(work, range(4))] == [0] * 4
    gc.collect()
    assert destroyed == [os.getpid()]


@pytest.mark.parametrize(("count", "items"), [(1, [1, 2, 3]), (2, [1]), (2, [])])
def test_little_work_stays_in_this_process(count: int, items: list[int]) -> None:
    processes = list(ProcessPool(count).map(lambda item: os.getpid(), items))
    assert processes == [os.getpid()] * len(items)


def test_a_killed_process_is_reported_and_no_process_remains() -> None:
    def work(item: int) -> int:
        if item == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    with pytest.raises(NmtError, match=r"killed.*decode\.batch_tokens"):
        list(ProcessPool(2).map(work, range(4)))
    # The pool's own thread collects processes too, so one may still be listed for a moment.
    wait_until(lambda: not multiprocessing.active_children(), message="a process remains")


def test_a_process_killed_before_work_is_submitted_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Submitting to a broken pool fails, before there is a result to read."""

    def submit(*arguments: object) -> None:
        raise BrokenProcessPool("a child process terminated abruptly")

    monkeypatch.setattr(ProcessPoolExecutor, "submit", submit)
    with pytest.raises(NmtError, match=r"killed.*decode\.batch_tokens"):
        list(ProcessPool(2).map(abs, range(4)))


@pytest.mark.parametrize("index", [0, 1])
def test_a_pool_ends_after_an_idle_process_was_killed(index: int) -> None:
    """One of the two holds the lock of the queue, for which the other one waits."""
    pool = ProcessPool(2)
    before = {*multiprocessing.active_children()}
    list(pool.map(abs, [-1, -2]))
    own = sorted({*multiprocessing.active_children()} - before, key=lambda process: process.name)
    own[index].kill()
    wait_until(lambda: getattr(pool._executor, "_broken", False), message="it was not noticed")
    ends = threading.Thread(target=pool.close, daemon=True)
    ends.start()
    ends.join(20)
    assert not ends.is_alive()


def test_a_pool_that_is_no_longer_used_leaves_no_thread_and_no_process() -> None:
    """A pool that ended in a thread while Python exits would close the pipes that Python writes."""
    before = threading.enumerate()
    pool = ProcessPool(2)
    list(pool.map(abs, [-1, -2, -3]))
    assert threading.enumerate() != before
    del pool
    assert threading.enumerate() == before
    assert not multiprocessing.active_children()


def test_processes_exit_when_their_parent_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, signal
            from nmt.system.pools import ProcessPool
            def work(item):
                os.write(1, f"{os.getpid()}\\n".encode())
                signal.pause()
            list(ProcessPool(2).map(work, range(2)))
            """
        )
    )
    command = [sys.executable, str(script)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout
        children = [int(parent.stdout.readline()) for _ in range(2)]
        parent.kill()
        wait_until(
            lambda: not any(Path(f"/proc/{child}").exists() for child in children),
            message="a child process outlived its parent",
        )
