"""Processes that translate: each takes a batch of lines from the server and sends the results back.

The server itself only divides texts into lines, the long ones in threads. These load no module and
hold no lock that a translating process needs, so that it can fork at any time. It answers while
others translate, and a process that is killed takes no request with it.
"""

import multiprocessing
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any

from nmt.errors import NmtError, UsageError, is_out_of_memory
from nmt.serving.layout import Line
from nmt.serving.line_translator import LineTranslator, ModelSource, Ready
from nmt.system.log import note
from nmt.system.processes import deferred_interrupts

STOP_SECONDS = 2  # for a process to end by itself
PARENT_SECONDS = 1  # between two looks whether the server still runs


@dataclass(frozen=True)
class Batch:
    """Lines to translate together."""

    lines: list[Line]
    candidates: int  # most translations of each line


@dataclass(frozen=True)
class Failure:
    """Why a line was not translated, as a sentence."""

    message: str


Result = list[Line] | Failure  # of a line: its translations, best first


@dataclass(frozen=True)
class LoadError:
    """Why a process could not load its model."""

    message: str
    is_usage: bool

    def error(self) -> NmtError:
        """Return the error to raise."""
        return UsageError(self.message) if self.is_usage else NmtError(self.message)


class Worker:
    """A process that translates, seen from the server."""

    def __init__(self, source: ModelSource, translator: LineTranslator | None) -> None:
        """Start the process.

        translator: the loaded model, which a fork shares; None: a new process loads it.
        """
        self._source, self._translator = source, translator
        self._process: Any = None  # there is a type for each way to start
        self.connection: Connection
        self.start()

    def start(self) -> None:
        """Start a process, also in place of one that has ended."""
        method = "fork" if self._translator else "spawn"
        given = self._translator or self._source
        self._process, self.connection = start_process(method, work, given)

    def wait_until_ready(self) -> Ready:
        """Wait until the model is loaded; raises NmtError if it cannot be, or UsageError."""
        try:
            said = self.connection.recv()
        except (EOFError, OSError) as error:
            raise NmtError(
                f"the process that loads {self._source.path} ended without a message; perhaps"
                " memory ran out"
            ) from error
        if isinstance(said, LoadError):
            raise said.error()
        assert isinstance(said, Ready)  # noqa: S101 (for the type checker)
        return said

    @property
    def process_id(self) -> int:
        """Number of the process."""
        return int(self._process.pid)

    def close(self) -> None:
        """End the process: it ends by itself when it waits, and is killed when it works."""
        self.connection.close()

    def kill(self) -> None:
        """End the process at once, while it works."""
        self._process.kill()

    def join(self) -> None:
        """Wait until the process has ended; kill it if that takes too long."""
        self._process.join(STOP_SECONDS)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()


def start_process(method: str, work: Callable[..., None], given: Any) -> tuple[Any, Connection]:
    """Start a process, and return it with the server's end of the connection to it.

    work: receives its end of the connection, what is given, and the number of the server's process.
    """
    context: Any = multiprocessing.get_context(method)
    connection, other = context.Pipe()
    with deferred_interrupts():  # the server tells its processes when to end
        process = context.Process(target=work, args=(other, given, os.getpid()), daemon=True)
        process.start()
    other.close()
    return process, connection


def end_with_server(connection: Connection, server: int) -> None:
    """Let this process keep nothing of the server's, and end when it ends."""
    signal.set_wakeup_fd(-1)
    keep_only(connection)
    Thread(target=end_with, args=(server,), daemon=True).start()


def work(connection: Connection, given: LineTranslator | ModelSource, server: int) -> None:
    """Translate batches until the server, a process of this number, ends; the body of a process."""
    end_with_server(connection, server)
    try:
        translator = given.load(note) if isinstance(given, ModelSource) else given
    except NmtError as error:
        connection.send(LoadError(str(error), isinstance(error, UsageError)))
        return
    with suppress(EOFError, OSError):  # the server has ended
        connection.send(translator.ready)
        while True:
            connection.send(results_of(connection.recv(), translator))


def end_with(server: int) -> None:
    """End this process soon after the server's, which may be killed; the body of a thread."""
    while os.getppid() == server:
        time.sleep(PARENT_SECONDS)
    os._exit(1)


def keep_only(connection: Connection) -> None:
    """Close the sockets that a fork has from the server: clients must see when it closes theirs."""
    if sys.platform != "linux":
        return
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        if number in (0, 1, 2, connection.fileno()):
            continue
        with suppress(OSError):  # the folder's own
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                os.close(number)


def results_of(batch: Batch, translator: LineTranslator) -> list[Result]:
    """Return the result of each line; if the batch fails, lines are tried one by one."""
    try:
        return [*translator.translate(batch.lines, batch.candidates)]
    except Exception as error:
        if len(batch.lines) > 1:
            alone = (Batch([line], batch.candidates) for line in batch.lines)
            return [result for each in alone for result in results_of(each, translator)]
        return [Failure(sentence(error))]


def sentence(error: Exception) -> str:
    """Return why a line was not translated; never the line."""
    if is_out_of_memory(error):
        return "out of memory; lower decode.batch_tokens (--set)"
    return str(error) if isinstance(error, NmtError) else f"a bug: {type(error).__name__}"


def memory_of(process_ids: Sequence[int]) -> int:
    """Return the memory of processes in bytes, without what forks share; 0 where it is unknown."""
    total = 0
    for each in process_ids:
        with suppress(OSError, ValueError):
            for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += 1024 * int(line.split()[1])
    return total
