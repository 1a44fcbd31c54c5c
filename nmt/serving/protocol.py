"""HTTP connections with deadlines: a client that is slow or silent is cut off.

uvicorn limits how long a connection may be idle between two requests. This adds the time to send
the head of a request and to read an answer, the number of connections, answers in JSON to what is
not HTTP, and a stop that loses no request. `nmt.serving.requests.read_body` limits that of a body.
"""

import asyncio
import json
import re
import sys
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import h11
from starlette.types import Scope
from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from nmt.serving.state import State
from nmt.system.log import note

MOST_HEAD_BYTES = 16_384  # of a request
LINGER_SECONDS = 0.5  # that the server waits for bytes that are on their way, before it closes
LONG_HEAD = f"the head of the request has more than {MOST_HEAD_BYTES:,} bytes"
QUOTED = re.compile(r":? b(?:['\"]|ytearray)")  # where h11 begins to quote the request


class Connection(H11Protocol):
    """A connection of a client."""

    state: State  # `protocol_for` sets it

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Take what uvicorn gives to a protocol."""
        super().__init__(config, server_state, app_state, _loop)
        self.limits = self.state.limits
        self._is_refused = False
        self._deadline: asyncio.TimerHandle | None = None  # for the client to send
        self._unread: asyncio.TimerHandle | None = None  # for the client to read

    @property
    def is_answering(self) -> bool:
        """True if the head of a request has arrived, and its answer is not complete."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # TCP
        """Begin; if there are too many connections, answer 503 and close this one."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._refuse(503, "too many connections", "Retry-After: 1\r\n")
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        super().connection_lost(exc)
        self._forget_deadline()
        self.resume_writing()

    def pause_writing(self) -> None:
        """Give the client some time to read: much is written, and little is read."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self.limits.read_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on, because the client reads."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        if self.transport.is_closing() or self._is_refused:
            return
        super().data_received(data)
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP with h11's reason; the caller handles its error."""
        error = sys.exception()
        if getattr(error, "error_status_hint", 400) == 431:
            self._refuse(431, LONG_HEAD)
        else:
            self._refuse(400, f"this is no HTTP request: {QUOTED.split(str(error))[0]}")

    def _refuse(self, status: int, message: str, headers: str = "") -> None:
        """Answer what is no complete request, unless another answer is being written, and close."""
        if not (self.is_answering and self.cycle.response_started):
            content = json.dumps({"error": message})
            self.transport.write(
                f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
                f"Connection: close\r\n{headers}\r\n{content}".encode()
            )
            self.state.metrics.count_request("other", status, 0)
            if self.state.logs_access:
                note(f"no request: {status}, {message}")
        if self.is_answering or status == 503:
            self.transport.close()
        else:  # what the client still sends is dropped: unread, it would reset the connection
            self._is_refused = True
            with suppress(OSError):  # the client has just reset the connection
                self.transport.write_eof()
            self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._watch()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection."""
        super().timeout_keep_alive_handler()
        self._watch()

    def shutdown(self) -> None:
        """Close after the answer, or soon if there is no request."""
        if self.is_answering:
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(LINGER_SECONDS, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self.transport.is_closing() or self.is_answering:
            return
        if self.conn.trailing_data[0]:  # the beginning of a request
            self.loop.call_later(LINGER_SECONDS, self._close_if_idle)
        else:
            self.transport.close()

    def _watch(self) -> None:
        """Set a deadline if the client has to do something, and forget it if the server has to."""
        if self.is_answering:
            self._forget_deadline()
        elif self._deadline is None and not self._is_idle:
            self._deadline = self.loop.call_later(self.limits.read_seconds, self._cut)

    @property
    def _is_idle(self) -> bool:
        """True between two requests, for which there is another deadline."""
        return (
            self.cycle is not None
            and not self.transport.is_closing()
            and not self.transport.get_write_buffer_size()
            and self.conn.our_state is h11.IDLE
            and not self.conn.trailing_data[0]
        )

    def _cut(self) -> None:
        """End a connection whose client has not sent or read enough; tell it if it may read."""
        self._deadline = None
        if self.is_answering or self._is_idle:
            return
        is_head = self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]
        is_ending = self.transport.is_closing() or self._is_refused
        if is_ending or self.transport.get_write_buffer_size() or not is_head:
            self.transport.abort()
        else:
            seconds = self.limits.read_seconds
            message = f"the head of the request was not complete after {seconds:g} seconds"
            self._refuse(408, message)
            self._watch()  # for the client to read it

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def head_bytes(scope: Scope) -> int:
    """Return the length of the head of a request; h11 limits only one that is not complete."""
    line = f"{scope['method']} ?{scope['query_string'].decode('latin-1')} HTTP/1.1\r\n\r\n"
    fields = sum(len(name) + len(value) + len(b": \r\n") for name, value in scope["headers"])
    return len(line) + len(scope["raw_path"]) + fields


def protocol_for(state: State) -> type[Connection]:
    """Return the protocol of a server."""
    return type("LimitedConnection", (Connection,), {"state": state})
