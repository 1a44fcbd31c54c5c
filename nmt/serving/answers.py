"""Answers in JSON, also those that refuse a request, and what counts and logs them all."""

import json
from collections.abc import Sequence
from time import monotonic
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nmt.serving.protocol import LONG_HEAD, MOST_HEAD_BYTES, head_bytes
from nmt.serving.refusals import RefusedError
from nmt.serving.state import State
from nmt.system.log import note


class Answer(Response):
    """A JSON answer."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return JSON in UTF-8."""
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


async def refused(request: Request, error: RefusedError) -> Response:
    """Answer a request that is refused."""
    return Answer({"error": error.message}, error.status, error.headers)


async def refused_by_router(request: Request, error: HTTPException) -> Response:
    """Answer a request for another path or with another method."""
    messages = {
        404: "there is no such path; see /languages and /translate",
        405: f"this path does not take {request.method}"[:80],
    }
    message = messages.get(error.status_code, error.detail)
    return Answer({"error": message}, error.status_code, error.headers)


async def refused_by_client(request: Request, error: ClientDisconnect) -> Response:
    """Count a request whose client has gone; nothing is sent."""
    return Answer({"error": "the client has gone"}, 499)


async def answer_bug(request: Request, error: Exception) -> Response:
    """Answer a request that met a bug."""
    return Answer({"error": "a bug in the server"}, 500)


def head_refusal(scope: Scope) -> Answer | None:
    """Return the answer to a request whose head is refused, which ends its connection.

    A request that states its length and that it has none is an attack on proxies: RFC 9112,
    section 6.1.
    """
    names = {name for name, _ in scope["headers"]}
    if head_bytes(scope) > MOST_HEAD_BYTES:
        status, message = 431, LONG_HEAD
    elif {b"content-length", b"transfer-encoding"} <= names:
        status, message = 400, "the request has both Content-Length and Transfer-Encoding"
    else:
        return None
    return Answer({"error": message}, status, {"Connection": "close"})


class Outermost:
    """Counts and logs answers and bugs; logs never have texts."""

    def __init__(self, app: ASGIApp, state: State, routes: Sequence[Route]) -> None:
        """Wrap an application; routes: its paths are counted by name."""
        self._app, self._state = app, state
        self._paths = {each.path for each in routes}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = monotonic(), 0
        app = head_refusal(scope) or self._app

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self._state.is_stopping:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        try:
            await app(scope, receive, send_on)
        except Exception as error:  # Starlette raises it after `answer_bug`
            note(f"a bug: {type(error).__name__} while {scope['path'][:20]!r} was answered")
        finally:
            self._count(scope, status, monotonic() - began)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        path = scope["path"] if scope["path"] in self._paths else "other"
        self._state.metrics.count_request(path, status, seconds)
        if self._state.logs_access:
            note(f"{scope['method'][:20]} {path} {status} {1000 * seconds:.0f} ms")
