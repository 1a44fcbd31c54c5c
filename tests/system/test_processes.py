"""A map over copies of this process."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from types import FrameType

import pytest
import torch

from nmt.errors import NmtError
from nmt.system.processes import ForkedMap, without_interrupts


def test_results_come_in_order_from_other_processes_of_one_thread() -> None:
    forked = ForkedMap(2)

    def work(item: int) -> tuple[int, int, int]:
        time.sleep(0.02 * (item % 3))
        return item, os.getpid(), torch.get_num_threads()

    results = list(forked.map(work, range(7)))
    assert [each[0] for each in results] == list(range(7))
    assert {each[2] for each in results} == {1}
    assert os.getpid() not in {each[1] for each in results}
    assert [each[0] for each in forked.map(work, range(3))] == [0, 1, 2]  # the same processes


@pytest.mark.parametrize(("count", "items"), [(1, [1, 2, 3]), (2, [1]), (2, [])])
def test_little_work_is_done_here(count: int, items: list[int]) -> None:
    assert list(ForkedMap(count).map(lambda item: os.getpid(), items)) == [os.getpid()] * len(items)


def test_a_killed_process_is_told_and_none_is_left() -> None:
    def work(item: int) -> int:
        if item == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return item

    with pytest.raises(NmtError, match="was killed"):
        list(ForkedMap(2).map(work, range(4)))
    # The pool's own thread collects them too: one may be gone and still be told as running
    deadline = time.monotonic() + 10
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert multiprocessing.active_children() == []


def test_a_signal_that_another_thread_is_given_waits_for_the_end() -> None:
    """Handlers run in the main thread whichever thread is given the signal."""
    given = threading.Event()
    other = threading.Thread(target=lambda: given.wait(10))  # blocks no signal
    other.start()

    def interrupted() -> None:
        with without_interrupts():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
            reached.append("end")

    reached: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    given.set()
    other.join()
    assert reached == ["end"]


def test_every_signal_is_heeded_and_its_handler_stays() -> None:
    """SIGTERM too, although Ctrl-C before it raises."""

    def interrupted() -> None:
        with without_interrupts():
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            assert heeded == []

    def heed(number: int, _: FrameType | None) -> None:
        heeded.append(number)

    heeded: list[int] = []
    before = signal.signal(signal.SIGTERM, heed)
    try:
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert heeded == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is heed
        assert not signal.pthread_sigmask(signal.SIG_BLOCK, []) & {signal.SIGINT, signal.SIGTERM}
    finally:
        signal.signal(signal.SIGTERM, before)


def test_an_error_is_the_functions_own() -> None:
    def work(item: int) -> int:
        raise NmtError(f"no {item}")

    with pytest.raises(NmtError, match="no 0"):
        list(ForkedMap(2).map(work, range(4)))


def test_copies_end_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, time
            from nmt.system.processes import Forked
            def work(item):
                print(os.getpid(), flush=True)
                time.sleep(60)
            list(Forked(2).map(work, range(2)))
            """
        )
    )
    command = [sys.executable, str(script)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout
        children = [int(parent.stdout.readline()) for _ in range(2)]
        parent.kill()
        deadline = time.monotonic() + 30
        while any(Path(f"/proc/{child}").exists() for child in children):
            assert time.monotonic() < deadline, "a copy outlived its parent"
            time.sleep(0.05)
