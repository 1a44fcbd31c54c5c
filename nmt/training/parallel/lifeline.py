"""Notice that another worker has failed or was killed, also while this one waits for it in C++.

Each worker keeps a connection to the first one open. Whatever ends a process, its system closes the
connection, and TCP's keepalive notices a machine that no longer answers. So no worker has to answer
in time: one that compiles or learns a vocabulary for an hour is not taken for dead. A worker that
fails sends the reason on its connection, and the first worker passes it on to all others.
"""

import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any

from nmt.errors import NmtError

POLL_SECONDS = 0.5  # between two looks at whether the lifeline is closed
MEET_POLL_SECONDS = 0.02
GRACE_SECONDS = 10.0  # for this worker to end by itself when another one is lost
SAVE_SECONDS = 120.0  # for it to write the checkpoint that it has begun
CONNECT_SECONDS = 10.0
HELLO_SECONDS = 3.0  # for a new connection to say which worker it is
MEET_SECONDS = 300.0  # for all workers to start
# A machine that is gone is noticed after 10 + 3 * 4 seconds.
KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 4, "TCP_KEEPCNT": 3}
GOODBYE = "."  # sent before a connection is closed at the end of the work
ADDRESS = "lifeline"  # key of the first worker's address
KILLED = "exited without an error message (killed?)"


class Lifeline:
    """A thread that ends this worker soon after another one was lost.

    It leaves the worker some seconds to end by itself. A worker that waits for a GPU, or for a
    collective operation, cannot: its main thread runs no Python.
    """

    def __init__(self, rank: int, store: Any) -> None:
        """Start the thread; in it, the first worker waits for the others, which connect here.

        store: PyTorch's key-value store of all workers, whose class has no type annotations. Raises
        NmtError if the first worker does not start, OSError if it cannot be reached.
        """
        self.failure: str | None = None  # why the group of workers cannot go on
        self.before_exit: Callable[[], object] | None = None  # waits until this worker may end
        self._rank = rank
        self._parent = os.getppid()
        self._closed = threading.Event()
        self._listener: socket.socket | None = None
        self._peers: dict[socket.socket, int] = {}  # their ranks
        self._known = {rank}  # workers that have connected once
        if rank == 0:
            self.group = secrets.token_hex(8)  # torchrun may start another one, with the same store
            self._listener = listen()
            port = self._listener.getsockname()[1]
            # The address by which this machine reaches the store, and others reach it.
            address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
            with socket.create_connection(address, CONNECT_SECONDS) as connection:
                host = connection.getsockname()[0]
            store.set(ADDRESS, f"{host} {port} {self.group}")
        else:
            first, self.group = connect(rank, store)
            self._peers[first] = 0
        self._thread = threading.Thread(target=self._watch, name="lifeline", daemon=True)
        self._thread.start()

    def meet(self, count: int) -> None:
        """Let the first worker wait until all have started; the others return at once.

        If one does not start in time, raises NmtError and tells those that have started.
        """
        deadline = time.monotonic() + MEET_SECONDS
        while self._rank == 0 and len(self._known) < count:
            self.check()
            if time.monotonic() > deadline:
                self.fail(not_started(min({*range(count)} - self._known)))
                raise NmtError(self.failure)
            time.sleep(MEET_POLL_SECONDS)

    def check(self) -> None:
        """Raise NmtError if the group of workers cannot go on."""
        if self.failure is not None:
            raise NmtError(f"stopped because {self.failure}")

    def is_orphaned(self) -> bool:
        """Return whether torchrun, which started this worker, has ended."""
        return os.getppid() != self._parent

    def fail(self, reason: str) -> None:
        """Tell all workers why the group cannot go on; the first reason counts."""
        if self.failure is None:
            self.failure = reason
            self._send(json.dumps(reason))  # in ASCII, and without line breaks

    def close(self) -> None:
        """Stop watching, and tell the others that this worker has done its work."""
        self.stop()
        self._send(GOODBYE)
        for peer in self._peers:
            peer.close()
        if self._listener is not None:
            self._listener.close()

    def stop(self) -> None:
        """Stop watching; the others still notice when this worker ends."""
        self._closed.set()
        self._thread.join(CONNECT_SECONDS)

    def _send(self, line: str) -> None:
        for peer in [*self._peers]:
            with suppress(OSError):
                peer.sendall(f"{line}\n".encode())

    def _watch(self) -> None:
        while self.failure is None and not self._closed.is_set():
            for ready in wait([*self._peers, *filter(None, [self._listener])], POLL_SECONDS):
                if ready is self._listener:
                    self._accept(self._listener)
                elif isinstance(ready, socket.socket):
                    self._hear(ready)
        if self._closed.wait(GRACE_SECONDS):
            return
        if self.before_exit is not None:
            saving = threading.Thread(target=self.before_exit, daemon=True)
            saving.start()
            saving.join(SAVE_SECONDS)
        if not self._closed.is_set():
            with suppress(OSError):
                os.write(2, f"\nnmt: stopped because {self.failure}\n".encode(errors="replace"))
            os._exit(1)

    def _hear(self, peer: socket.socket) -> None:
        """Read a worker's line; if its connection ends without one, the worker is lost."""
        line, rank = "", self._peers[peer]
        reason = f"worker {rank} {KILLED}; the same command resumes from the last checkpoint"
        with suppress(OSError, ValueError):  # it was lost before or within a line
            line = read_line(peer, time.monotonic() + HELLO_SECONDS)
            if line != GOODBYE:
                reason = str(json.loads(line))
        del self._peers[peer]
        if not line and self.is_orphaned():
            self._closed.set()  # torchrun is gone: every worker saves and stops by itself
        elif line != GOODBYE:
            self.fail(reason)
        peer.close()

    def _accept(self, listener: socket.socket) -> None:
        """Accept the first connection of another worker; close any other one."""
        try:
            peer, _ = listener.accept()
        except OSError:  # the other side is gone again, or too many files are open
            self._closed.wait(POLL_SECONDS)
            return
        try:
            group, rank = read_line(peer, time.monotonic() + HELLO_SECONDS).split()
            if group != self.group or int(rank) in self._known:
                raise ValueError
            peer.sendall(f"{GOODBYE}\n".encode())
            keep_alive(peer)
        except (OSError, ValueError):
            peer.close()
            return
        self._peers[peer] = int(rank)
        self._known.add(int(rank))


def not_started(rank: int) -> str:
    """Return the message that a worker is missing at the start."""
    return (
        f"worker {rank} did not start within {MEET_SECONDS / 60:g} minutes; look for its own error"
        " message, and start all workers at about the same time"
    )


def read_line(connection: socket.socket, deadline: float) -> str:
    """Return a line from a connection, "" at its end; raises OSError if it is late."""
    line = b""
    while not line.endswith(b"\n"):
        connection.settimeout(max(deadline - time.monotonic(), 0))
        received = connection.recv(1)  # no more: what follows is another line
        if not received:
            break
        line += received
    return line.decode(errors="replace").strip()


def listen() -> socket.socket:
    """Return a socket that listens on all addresses of this machine, on a free port."""
    with suppress(OSError):  # IPv6 may be switched off
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", 0))


def connect(rank: int, store: Any) -> tuple[socket.socket, str]:
    """Connect a worker to the first one; return the connection and the name of its group.

    After a restart by torchrun, the store may still hold the address of the group before. Its first
    worker is gone, or refuses a rank that it knows already; this worker then reads the address
    again. The group's number would not help: torchrun counts restarts on each machine by itself.
    Raises NmtError if there is no address, OSError if a connection is impossible.
    """
    deadline = time.monotonic() + MEET_SECONDS
    while not store.check([ADDRESS]):
        if time.monotonic() > deadline:
            raise NmtError(not_started(0))
        time.sleep(MEET_POLL_SECONDS)
    while True:
        host, port, group = str(store.get(ADDRESS), "utf-8").split()
        # On the store's own machine `host` may be an address that only this machine knows.
        for address in (host, os.environ["MASTER_ADDR"]):
            try:
                first = socket.create_connection((address, int(port)), CONNECT_SECONDS)
                first.sendall(f"{group} {rank}\n".encode())
                if read_line(first, time.monotonic() + CONNECT_SECONDS) == GOODBYE:
                    keep_alive(first)
                    return first, group
                first.close()
            except OSError:
                if time.monotonic() > deadline:
                    raise
        if time.monotonic() > deadline:
            raise OSError("the first worker does not answer")
        time.sleep(POLL_SECONDS)


def keep_alive(connection: socket.socket) -> None:
    """Let the system test a connection on which nothing is sent."""
    connection.settimeout(None)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):  # as on Linux
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
