"""Run the server: listen, start processes, answer until a signal, stop gracefully.

uvicorn reads and writes HTTP, and limits how long a connection may be idle between two requests.
This adds the time to send the head of a request and to read an answer, the number of connections,
answers in JSON to what is not HTTP, and a stop that loses no request. `read_body` limits the time
of a body.
"""

import asyncio
import contextlib
import errno
import json
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from http import HTTPStatus
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from nmt.errors import NmtError, list_first, shown
from nmt.serving.app import Interface, Options
from nmt.serving.batcher import Batcher, Direction
from nmt.serving.metrics import Metrics
from nmt.serving.worker import ModelSource, Process, Ready, check_pairs, start_workers
from nmt.system.log import note
from nmt.system.processes import STOP_SIGNALS
from nmt.system.threads import core_count

MOST_HEAD_BYTES = 16_384  # of a request whose head is not complete
LONG_HEAD = f"the head of the request has more than {MOST_HEAD_BYTES:,} bytes"
QUOTED = re.compile(r":? b(?:['\"]|ytearray)")  # where h11 begins to quote the request
LINGER_SECONDS = 0.5  # that the server waits for bytes that are on their way, before it closes
LINGER_WAITS = (LINGER_SECONDS, 0)  # after the second one, what came meanwhile has been read
KEEP_ALIVE_SECONDS = 15  # between two requests on a connection
BACKLOG = 1024  # connections that the system accepts before the server does
ACCEPT_ROUNDS = 5  # of the event loop, in which it finishes what it has begun to accept
LAST_SECONDS = 1  # to send the last answers, after --grace
REASONS = {
    errno.EADDRINUSE: "port {port} on {host} is in use; stop the other program or choose another"
    " port (--port)",
    errno.EACCES: "port {port} needs more rights; choose one from 1024 on (--port)",
    errno.EADDRNOTAVAIL: "this machine does not have the address {host}; choose another (--host)",
}
# A name may have an address of a kind that is turned off, such as IPv6.
ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def serve(sources: Sequence[ModelSource], options: Options) -> int:
    """Serve models until a signal, and return its number.

    Raises NmtError if a model cannot be loaded, the port is in use, or translating processes end
    again and again.
    """
    processes = options.processes or core_count()
    with ExitStack() as stack:
        sockets = open_sockets(options.host, options.port, stack)
        models = [start_workers(source, processes, stack) for source in sources]
        served = [ready.directions for _, ready in models]
        check_pairs(zip([str(source.path) for source in sources], served, strict=True))

        async def run() -> int:
            return await Server(models, options).run_until_signal(sockets)

        return asyncio.run(run())


def tell(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Print one line for an error that no request has caused."""
    error = context.get("exception")
    note(f"error: {context['message']}" + (f" ({type(error).__name__})" if error else ""))


def open_sockets(host: str, port: int, stack: ExitStack) -> list[socket.socket]:
    """Return sockets that are bound to all addresses of a host that this machine has.

    They do not listen yet. port: 0 chooses a free one. stack: closes them. Raises NmtError if that
    is not possible.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise NmtError(f"there is no host {shown(host)}; name another (--host)") from error
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    for family, address in dict.fromkeys((item[0], item[4]) for item in found):
        # asyncio sends at once (TCP_NODELAY) only if the protocol is given. Otherwise the body of
        # an answer waits 40 ms, until the client acknowledges the head.
        listener = stack.enter_context(
            socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        )
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            chosen = sockets[0].getsockname()[1] if sockets else port
            listener.bind((address[0], chosen, *address[2:]))
        except OSError as error:
            if error.errno not in ABSENT:
                raise listening_error(error, host, port) from error
            absent = error
        else:
            sockets.append(listener)
    if absent and not sockets:
        raise listening_error(absent, host, port) from absent
    return sockets


def is_local(sockets: Sequence[socket.socket]) -> bool:
    """Return True if only this machine can reach sockets."""
    addresses = [listener.getsockname()[0] for listener in sockets]
    return all(address.startswith("127.") or address == "::1" for address in addresses)


def listening_error(error: OSError, host: str, port: int) -> NmtError:
    """Return the error for a socket that cannot be bound, or cannot listen."""
    reason = REASONS.get(error.errno or 0, "cannot listen on {host}: {error}")
    return NmtError(reason.format(host=host, port=port, error=error.strerror))


def accept_all(listener: socket.socket) -> list[socket.socket]:
    """Accept the connections that wait to be accepted, before the listener is closed.

    The system resets those that still wait then, although their clients have sent their requests.
    """
    found = []
    with suppress(OSError):
        listener.listen(0)  # the system completes no more of them
        while True:
            connection, _ = listener.accept()  # does not block: the event loop has seen to that
            connection.setblocking(False)
            found.append(connection)
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)  # at once: another client may come any moment
    return found


class Server(uvicorn.Server):
    """A server that answers all that it has accepted before it stops."""

    def __init__(self, models: Sequence[tuple[Sequence[Process], Ready]], options: Options) -> None:
        """Take the processes of each model, which are ready."""
        metrics = Metrics()
        self._models = [Batcher(workers, ready, metrics, self.fail) for workers, ready in models]
        self._directions = [
            Direction(pair, model) for model in self._models for pair in model.directions
        ]
        self._app = Interface(self._directions, options, metrics)
        config = uvicorn.Config(
            self._app,
            http=Connection,
            h11_max_incomplete_event_size=MOST_HEAD_BYTES,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
        )
        config.timeout_graceful_shutdown = options.grace_seconds  # type: ignore[assignment] # a float
        super().__init__(config)
        self._app.connections = self.server_state.connections
        self._options = options
        self._signal = 0
        self._failure: NmtError | None = None

    async def run_until_signal(self, sockets: list[socket.socket]) -> int:
        """Answer requests until a signal, then stop; return the signal's number."""
        host, port = self._options.host, sockets[0].getsockname()[1]
        try:
            for listener in sockets:
                listener.listen(BACKLOG)
        except OSError as error:  # another server has bound the port at the same time
            raise listening_error(error, host, port) from error
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(tell)
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._stop, number)
        pairs = list_first([direction.name for direction in self._directions])
        address = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
        processes = sum(len(model.process_ids) for model in self._models)
        note(f"serving {pairs} at {address} with {counted(processes, 'process', 'es')}")
        if not is_local(sockets) and not self._options.keys:
            note("everybody who reaches this address may use it; --api-keys asks for keys")
        await self.serve(sockets)
        if self._failure is not None:
            raise self._failure
        note("stopped")
        return self._signal

    def fail(self, error: NmtError) -> None:
        """Stop at once because of an error, which `run_until_signal` raises."""
        self._failure = error
        self.should_exit = True
        self.config.timeout_graceful_shutdown = 0

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: accept what waits to be accepted, answer it, and close all connections."""
        loop = asyncio.get_running_loop()
        self._app.is_stopping = True
        for listener in sockets or ():
            loop.remove_reader(listener)
        for _ in range(ACCEPT_ROUNDS):
            await asyncio.sleep(0)
        kind: Any = self.config.http_protocol_class
        make_protocol = partial(kind, self.config, self.server_state, self.lifespan.state)
        for listener in sockets or ():
            for late in accept_all(listener):
                await loop.connect_accepted_socket(make_protocol, late)
        await super().shutdown(sockets)  # after --grace, it cancels what is not answered
        waiting = self._app.metrics["requests_waiting"]
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wait_tasks_to_complete(), LAST_SECONDS)
        if waiting:
            note(f"{counted(waiting, 'request')} not answered, because the time to stop is over")
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `run_until_signal`."""
        yield

    def _stop(self, number: int) -> None:
        """Begin to stop at the first signal; end at once at the second."""
        if self.should_exit:
            os._exit(128 + number)
        self._signal = number
        self.should_exit = True
        left = counted(self._app.metrics["requests_waiting"], "request")
        note(f"stopping: {left} still to answer; a second signal ends the server at once")


def counted(count: int, what: str, plural: str = "s") -> str:
    """Return a number and what it counts."""
    return f"{count} {what}{'' if count == 1 else plural}"


class Connection(H11Protocol):
    """A connection with deadlines: a client that is slow or silent is cut off."""

    app: Interface
    is_refused = False
    _deadline: asyncio.TimerHandle | None = None  # for the client to send
    _unread: asyncio.TimerHandle | None = None  # for the client to read

    @property
    def is_answering(self) -> bool:
        """Return whether the head of a request has arrived, and its answer is not complete."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # TCP
        """Begin; if there are too many connections, answer 503 and close this one."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)
        if len(self.connections) > self.app.options.connections:
            self._refuse(503, "too many connections", "Retry-After: 1\r\n")
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers of a connection that has ended."""
        super().connection_lost(exc)
        for timer in (self._deadline, self._unread):
            if timer is not None:
                timer.cancel()

    def pause_writing(self) -> None:
        """Give the client some time to read: something is written that it has not read."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.app.options.read_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on, because the client has read all."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        if not self.transport.is_closing() and not self.is_refused:
            super().data_received(data)
            self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP with h11's reason; the caller handles its error."""
        error = sys.exception()
        if getattr(error, "error_status_hint", 400) == 431:
            self._refuse(431, LONG_HEAD)
        else:
            self._refuse(400, f"this is no HTTP request: {QUOTED.split(str(error))[0]}")

    def shutdown(self, waits: Sequence[float] = LINGER_WAITS) -> None:
        """Close after the answer, or after some waits in seconds if no request begins to arrive."""
        if self.is_answering:
            self.cycle.keep_alive = False
        elif not waits and not self.conn.trailing_data[0]:
            self.transport.close()
        elif not self.transport.is_closing():
            first, *later = waits or LINGER_WAITS
            self.loop.call_later(first, self.shutdown, later)

    def _refuse(self, status: int, message: str, headers: str = "") -> None:
        """Answer what is no complete request, unless another answer is being written, and close."""
        if not (self.is_answering and self.cycle.response_started):
            content = json.dumps({"error": message})
            self.transport.write(
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
                f"Connection: close\r\n{headers}\r\n{content}".encode()
            )
            self.app.metrics.count_request("other", status, 0)
            if self.app.options.logs_access:
                note(f"no request: {status}, {message}")
        if self.is_answering or status == 503:
            self.transport.close()
        else:  # what the client still sends is dropped: unread, it would reset the connection
            self.is_refused = True
            with suppress(OSError):  # the client has just reset the connection
                self.transport.write_eof()
            self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _watch(self) -> None:
        """Set a deadline if the client has to send something; between requests, uvicorn does."""
        is_idle = self.conn.our_state is h11.IDLE and not self.conn.trailing_data[0]
        if self.is_answering or self.is_refused or (is_idle and self.cycle is not None):
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self.app.options.read_seconds, self._cut)

    def _cut(self) -> None:
        """End a connection whose client has not sent enough; tell it if it has begun."""
        if self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]:
            seconds = self.app.options.read_seconds
            self._refuse(408, f"the head of the request was not complete after {seconds:g} seconds")
        else:
            self.transport.abort()
