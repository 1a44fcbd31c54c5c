"""Notice that another worker has failed or was killed, also while this one waits for it in C++.

Each worker keeps a connection to the first one open. However a process ends, its system closes
the connection, and a silent machine is noticed by TCP's keepalive. So no worker has to answer in
time: one that compiles or learns a vocabulary for an hour is not taken for dead.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait

from nmt.errors import NmtError
from nmt.training.shared_error import SharedError, Store, run_for, set_shared_error

POLL_SECONDS = 0.5  # between two looks at the shared error
MEET_POLL_SECONDS = 0.02
GRACE_SECONDS = 10.0  # for this worker to end by itself when another one is lost
SAVE_SECONDS = 120.0  # for it to write the checkpoint that it has begun
CONNECT_SECONDS = 10.0
HELLO_SECONDS = 3.0  # for a new connection to say which worker it is
MEET_SECONDS = 300.0  # for all workers to start
# A machine that is gone is noticed after 10 + 3 * 4 seconds.
KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 4, "TCP_KEEPCNT": 3}
GOODBYE = b"."  # sent before a connection is closed at the end of the work
ADDRESS = "lifeline"  # key of the first worker's address
KILLED = "exited without an error message (killed?)"


class PeerWatch:
    """A thread that ends this worker soon after another one was lost.

    It leaves the worker some seconds to end by itself. A worker that waits for a GPU, or for a
    collective operation, cannot: its main thread runs no Python.
    """

    def __init__(self, rank: int, store: Store) -> None:
        """Connect to the first worker.

        Raises NmtError if the first worker does not start, OSError if it cannot be reached.
        """
        self.failure: str | None = None  # why the group of workers cannot go on
        self.group = ""  # names this group: torchrun may start another one, with the same store
        self.before_exit: Callable[[], object] | None = None  # waits until this worker may end
        self._rank = rank
        self._parent = os.getppid()
        self._closed = threading.Event()
        self._listener: socket.socket | None = None
        self._peers: dict[socket.socket, int] = {}  # their ranks
        self._known = {rank}  # workers that have connected once
        if rank == 0:
            self.group = secrets.token_hex(8)
            self._listener = listen()
            port = self._listener.getsockname()[1]
            store.set(ADDRESS, f"{own_address()} {port} {self.group}")
        else:
            first, self.group = connect(rank, store)
            self._peers[first] = 0

    def start(self, store: Store) -> None:
        """Start to watch.

        store: the group's, for this thread alone: other threads may wait in their client of it.
        """
        self._error = SharedError(store)
        self._thread = threading.Thread(target=self._watch, name="peer watch", daemon=True)
        self._thread.start()

    def meet(self, count: int, store: Store) -> None:
        """Wait on the first worker until all have started.

        Raises NmtError, on each worker that has started, if one does not start in time.
        """
        deadline = time.monotonic() + MEET_SECONDS
        while self._rank == 0 and len(self._known) < count:
            if self.failure is not None:
                raise NmtError(f"stopped because {self.failure}")
            if time.monotonic() > deadline:
                missing = next(rank for rank in range(count) if rank not in self._known)
                set_shared_error(store, not_started(missing))
                raise NmtError(not_started(missing))
            time.sleep(MEET_POLL_SECONDS)

    def close(self) -> None:
        """Stop to watch, and tell the others that this worker has done its work."""
        self.stop()
        for peer in [*self._peers]:
            with suppress(OSError):
                peer.sendall(GOODBYE)
            peer.close()
        if self._listener is not None:
            self._listener.close()

    def stop(self) -> None:
        """Stop to watch; the others still notice when this worker ends."""
        self._closed.set()
        self._thread.join(CONNECT_SECONDS)

    def _watch(self) -> None:
        while self.failure is None:
            if self._closed.is_set():
                return
            self.failure = self._look()
        if self._closed.wait(GRACE_SECONDS):
            return
        run_for(SAVE_SECONDS, self._finish)
        if not self._closed.is_set():
            with suppress(OSError):
                os.write(2, f"\nnmt: stopped because {self.failure}\n".encode())
            os._exit(1)

    def _look(self) -> str | None:
        """Wait a moment for news; return why the group cannot go on, or None."""
        sockets = [*self._peers, *([self._listener] if self._listener else [])]
        lost = None
        for each in wait(sockets, POLL_SECONDS):
            if each is self._listener:
                self._accept(self._listener)
            elif isinstance(each, socket.socket) and not self._is_there(each):
                lost = self._peers.pop(each)
        message = self._error.read()  # a worker shares its error before its connection closes
        if self._error.is_gone and os.getppid() != self._parent:
            self._closed.set()  # torchrun is gone: every worker saves and stops by itself
            return None
        if message is None and lost is not None:
            message = f"worker {lost} {KILLED}; the same command resumes from the last checkpoint"
            self._error.share(message)
        return message

    def _finish(self) -> None:
        if self.before_exit is not None:
            with suppress(NmtError):  # this worker ends anyway, with another message
                self.before_exit()

    def _is_there(self, peer: socket.socket) -> bool:
        """Return False if a worker's connection ended without a goodbye."""
        try:
            if peer.recv(1) == GOODBYE:
                del self._peers[peer]
                peer.close()
                return True
        except OSError:
            pass
        peer.close()
        return False

    def _accept(self, listener: socket.socket) -> None:
        """Accept the connection of another worker, but no second one, and none of a stranger."""
        try:
            peer, _ = listener.accept()
        except OSError:  # the other side is gone again, or too many files are open
            self._closed.wait(POLL_SECONDS)
            return
        try:
            group, rank = read_line(peer, time.monotonic() + HELLO_SECONDS).split()
            if group != self.group or int(rank) in self._known:
                raise ValueError
            peer.sendall(GOODBYE)
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
    """Return a short line from a connection; raises OSError if it is not there by a deadline."""
    line = b""
    while not line.endswith(b"\n") and len(line) < 100:
        connection.settimeout(max(deadline - time.monotonic(), 0))
        received = connection.recv(100 - len(line))
        if not received:
            break
        line += received
    return line.decode()


def listen() -> socket.socket:
    """Return a socket that listens on all addresses of this machine, on a free port."""
    with suppress(OSError):  # IPv6 may be switched off
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", 0))


def own_address() -> str:
    """Return the address by which this machine reaches the store, and others reach it."""
    with socket.create_connection(master(), CONNECT_SECONDS) as connection:
        return str(connection.getsockname()[0])


def master() -> tuple[str, int]:
    """Return the address of the store."""
    return os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])


def connect(rank: int, store: Store) -> tuple[socket.socket, str]:
    """Connect a worker to the first one; return the connection and the name of its group.

    The store may still hold the address of a group before: its first worker is gone, or knows a
    worker of this rank. The numbers of restarts that torchrun counts differ between machines.
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
        for each in (host, master()[0]):
            try:
                peer = socket.create_connection((each, int(port)), CONNECT_SECONDS)
                peer.sendall(f"{group} {rank}\n".encode())
                if peer.recv(1) == GOODBYE:
                    keep_alive(peer)
                    return peer, group
                peer.close()
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
