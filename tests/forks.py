"""Start Python processes that need not import PyTorch: forks of one that has imported it.

An import takes seconds, a fork milliseconds. A forked process differs from one that was started by
its command in nothing else that a training sees: it has its own arguments, environment, folder and
stderr, it may be killed, and it ends as Python ends.
"""

import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Self

NUMBER = 4  # bytes of a process number or an exit code


class Fork:
    """A forked Python process, with the methods of `subprocess.Popen` that the tests need."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """Run `python ARGUMENTS` in the current folder; stderr is a pipe, stdout goes nowhere."""
        self._answers, theirs = socket.socketpair()
        read, write = os.pipe()
        socket.send_fds(origin(), [b"\n"], [theirs.fileno(), write])
        request = json.dumps([arguments, os.getcwd(), dict(environment)])
        origin().sendall(f"{request}\n".encode())
        theirs.close()
        os.close(write)
        self.stderr = open(read, "rb", buffering=0)  # noqa: SIM115 (closed by __exit__ or communicate)
        self.pid = self._number()
        self.returncode: int | Any = None  # as in the types of `subprocess.Popen`

    def _number(self) -> int:
        """Receive a number; raises what a socket raises if it takes longer than its timeout."""
        content = self._answers.recv(NUMBER)
        assert content, "the process that forks has ended"
        return int.from_bytes(content, "big", signed=True)

    def poll(self) -> int | None:
        """Return the exit code, None while the process runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code at the end; negative for a signal. timeout: seconds."""
        if self.returncode is None:
            self._answers.settimeout(timeout)
            try:
                self.returncode = self._number()
            except (BlockingIOError, TimeoutError):
                raise subprocess.TimeoutExpired("fork", timeout or 0) from None
        return int(self.returncode)

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        """Read stderr to its end and wait; return nothing for stdout, and stderr."""
        deadline = None if timeout is None else time.monotonic() + timeout
        errors = b""
        while not self.stderr.closed:
            left = None if deadline is None else max(0, deadline - time.monotonic())
            if not select.select([self.stderr], [], [], left)[0]:
                raise subprocess.TimeoutExpired("fork", timeout or 0)
            part = self.stderr.read(1 << 16)
            errors += part
            if not part:
                self.stderr.close()
        self.wait(timeout)
        return b"", errors

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stderr.close()
        self.wait()
        self._answers.close()


@cache
def origin() -> socket.socket:
    """Start the process that is forked; return the socket of its requests, whose end ends it."""
    ours, theirs = socket.socketpair()
    subprocess.Popen(
        [sys.executable, "-P", __file__, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    theirs.close()
    return ours


def fork_for_requests(requests: socket.socket) -> list[str]:
    """Fork for each request; return in the fork, with its arguments."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        begin, files, *_ = socket.recv_fds(requests, 1, 2)
        if not begin:
            os._exit(0)
        content = b""
        while not content.endswith(b"\n"):
            content += requests.recv(1 << 16)
        if not os.fork():
            break
        for file in files:
            os.close(file)
    requests.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    answers, stderr = files
    if pid := os.fork():  # a process between the two waits, and says how the other ends
        os.close(stderr)
        os.write(answers, pid.to_bytes(NUMBER, "big"))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.write(answers, code.to_bytes(NUMBER, "big", signed=True))
        os._exit(0)
    os.close(answers)
    os.dup2(stderr, 2)
    os.close(stderr)
    arguments, folder, environment = json.loads(content)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    return list(arguments)


def run(arguments: Sequence[str]) -> None:
    """Do what `python ARGUMENTS` does: run a script, `-m MODULE` or `-c CODE`."""
    first, *rest = arguments
    sys.path.insert(0, "")
    if first == "-m":
        sys.argv[:] = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv[:] = ["-c", *rest[1:]]
        exec(compile(rest[0], "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102
    else:
        sys.argv[:] = arguments
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    import torch._dynamo  # noqa: F401 (the first optimiser imports it)

    import nmt.training.trainer  # noqa: F401 (forks share it)

    run(fork_for_requests(socket.socket(fileno=int(sys.argv[1]))))
