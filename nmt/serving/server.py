"""Run the server: load models, start processes, answer until a signal, stop gracefully."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import uvicorn

from nmt.errors import NmtError
from nmt.serving.app import Interface
from nmt.serving.batcher import Batcher
from nmt.serving.catalogue import Catalogue, Served
from nmt.serving.keys import ApiKeys
from nmt.serving.line_translator import ModelSource, Ready, check_pairs
from nmt.serving.listening import address_of, is_local, listening_error, open_sockets, port_of
from nmt.serving.metrics import Metrics
from nmt.serving.protocol import MOST_HEAD_BYTES, Connection, protocol_for
from nmt.serving.state import Limits, State
from nmt.serving.worker import Worker
from nmt.system.log import note
from nmt.system.processes import STOP_SIGNALS
from nmt.system.threads import core_count

KEEP_ALIVE_SECONDS = 15  # between two requests on a connection
BACKLOG = 1024  # connections that the system accepts before the server does
ACCEPT_ROUNDS = 5  # of the event loop, in which it finishes what it has begun to accept
LAST_SECONDS = 1  # to send the last answers, after --grace


@dataclass(frozen=True)
class ServerOptions:
    """How a server runs."""

    host: str
    port: int
    limits: Limits
    keys: ApiKeys
    processes: int  # that translate with each model; 0: one for each core
    logs_access: bool = False


@dataclass(frozen=True)
class Loaded:
    """A model with its processes."""

    ready: Ready
    workers: list[Worker]


def serve(sources: Sequence[ModelSource], options: ServerOptions) -> int:
    """Serve models until a signal, and return its number.

    Raises NmtError if a model cannot be loaded, the port is in use, or translating processes end
    again and again.
    """
    processes = options.processes or core_count()
    with ExitStack() as stack:
        sockets = open_sockets(options.host, options.port)
        for each in sockets:
            stack.enter_context(each)
        models = []
        for source in sources:
            models.append(load(source, processes))
            stack.callback(end, models[-1].workers)
        check_pairs([each.ready.languages for each in models], [str(x.path) for x in sources])
        return asyncio.run(run(models, options, sockets))


def load(source: ModelSource, processes: int) -> Loaded:
    """Load a model and start the processes that translate with it."""
    translator = source.load(note) if source.can_share else None
    gc.collect()
    gc.freeze()  # so that the forks' collections do not write into shared memory
    workers: list[Worker] = []
    try:
        for _ in range(processes if translator else 1):
            workers.append(Worker(source, translator))
        ready = [each.wait_until_ready() for each in workers]
    except BaseException:
        end(workers)
        raise
    return Loaded(ready[0], workers)


def end(workers: Sequence[Worker]) -> None:
    """End processes; those that have ended already stay so."""
    for worker in workers:
        worker.close()
    for worker in workers:
        worker.join()


async def run(
    models: Sequence[Loaded], options: ServerOptions, sockets: list[socket.socket]
) -> int:
    """Answer requests until a signal, and return its number."""
    metrics = Metrics()
    server: Server | None = None

    def fail(error: NmtError) -> None:
        assert server is not None  # noqa: S101 (processes end while the server runs)
        server.fail(error)

    served = [
        Served(
            each.ready.languages,
            Batcher(each.workers, each.ready.batch_characters, metrics, fail),
            each.ready.most_candidates,
        )
        for each in models
    ]
    state = State(
        Catalogue(served),
        options.limits,
        options.keys,
        metrics,
        logs_access=options.logs_access,
    )
    server = Server(state, options.host, sum(len(each.workers) for each in models))
    asyncio.get_running_loop().set_exception_handler(tell)
    try:
        return await server.run_until_signal(sockets)
    finally:
        for each in served:
            each.batcher.close()


def counted(count: int, what: str, plural: str = "s") -> str:
    """Return a number and what it counts."""
    return f"{count} {what}{'' if count == 1 else plural}"


def tell(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """Print one line for an error that no request has caused."""
    error = context.get("exception")
    note(f"error: {context['message']}" + (f" ({type(error).__name__})" if error else ""))


def accept_all(listener: socket.socket) -> list[socket.socket]:
    """Accept the connections that wait to be accepted, before the listener is closed.

    The system resets those that still wait then, although their clients have sent their requests.
    """
    found = []
    with contextlib.suppress(OSError):
        listener.listen(0)  # the system completes no more of them
        while True:
            connection, _ = listener.accept()  # does not block: the event loop has seen to that
            connection.setblocking(False)
            found.append(connection)
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)  # at once: another client may come any moment
    return found


class Server(uvicorn.Server):
    """A server that answers all that it has accepted before it stops."""

    def __init__(self, state: State, host: str, processes: int) -> None:
        """Take the state that requests share; host, processes: for the first note."""
        config = uvicorn.Config(
            Interface(state).app(),
            http=protocol_for(state),
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
        super().__init__(config)
        self.state = state
        self._host, self._processes = host, processes
        self.state.connections = lambda: len(self.server_state.connections)
        self.state.process_ids = self._process_ids
        self._told: set[Any] = set()  # connections that were told to close
        self._signal = 0
        self._failure: NmtError | None = None

    async def run_until_signal(self, sockets: list[socket.socket]) -> int:
        """Answer requests until a signal, then stop; return the signal's number."""
        loop = asyncio.get_running_loop()
        handled = [each for each in STOP_SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
        for number in handled:
            loop.add_signal_handler(number, self._stop, number)
        await self.serve(sockets)
        if self._failure is not None:
            raise self._failure
        note("stopped")
        return self._signal

    def fail(self, error: NmtError) -> None:
        """Stop at once because of an error, which `run_until_signal` raises."""
        self._failure = error
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        assert sockets is not None  # noqa: S101 (for the type checker)
        try:
            await super().startup(sockets)
        except OSError as error:  # another server has bound the port at the same time
            raise listening_error(error, self._host, port_of(sockets)) from error
        pairs = ", ".join(each.name for each in self.state.catalogue.models)
        address = address_of(self._host, port_of(sockets))
        note(f"serving {pairs} at {address} with {counted(self._processes, 'process', 'es')}")
        if not is_local(sockets) and not self.state.keys.are_required:
            note("everybody who reaches this address may use it; --api-keys asks for keys")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: accept what waits to be accepted, answer it, and close all connections."""
        self.state.is_stopping = True
        for served in self.state.catalogue.models:
            served.batcher.is_stopping = True
        loop = asyncio.get_running_loop()
        for listener in sockets or ():
            loop.remove_reader(listener)
        for _ in range(ACCEPT_ROUNDS):
            await asyncio.sleep(0)
        late = [each for listener in sockets or () for each in accept_all(listener)]
        for server in self.servers:
            server.close()
        for connection in late:
            await loop.connect_accepted_socket(self._protocol, connection)
        grace = 0 if self._failure else self.state.limits.grace_seconds
        if not await self._closed_within(grace):
            waiting = self.state.metrics.waiting
            for served in self.state.catalogue.models:
                served.batcher.give_up()
            await self._closed_within(LAST_SECONDS)
            if waiting:
                note(
                    f"{counted(waiting, 'request')} not answered, because the time to stop is over"
                )
        for each in list(self.server_state.connections):
            each.transport.abort()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `run_until_signal`."""
        yield

    async def _closed_within(self, seconds: float) -> bool:
        """Wait until all connections are closed; return False if it takes longer."""
        deadline = asyncio.get_running_loop().time() + seconds
        while self.server_state.connections:
            for connection in self.server_state.connections - self._told:
                connection.shutdown()
                self._told.add(connection)
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    def _protocol(self) -> Connection:
        """Return the protocol of a new connection, as uvicorn makes it."""
        kind: Any = self.config.http_protocol_class
        connection: Connection = kind(self.config, self.server_state, self.lifespan.state)
        return connection

    def _stop(self, number: int) -> None:
        """Begin to stop at the first signal; end at once at the second."""
        if self.should_exit:
            os._exit(128 + number)
        self._signal = number
        self.should_exit = True
        waiting = self.state.metrics.waiting
        left = counted(waiting, "request")
        note(f"stopping: {left} still to answer; a second signal ends the server at once")

    def _process_ids(self) -> list[int]:
        """Return the numbers of all processes."""
        found = [os.getpid()]
        for each in self.state.catalogue.models:
            found += each.batcher.process_ids
        return found
