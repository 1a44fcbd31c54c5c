"""The HTTP interface, which is LibreTranslate's: routes, answers and errors."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from nmt.serving import page
from nmt.serving.answers import (
    Answer,
    Outermost,
    answer_bug,
    refused,
    refused_by_client,
    refused_by_router,
)
from nmt.serving.catalogue import AUTO, Served
from nmt.serving.html_layout import HtmlLayout
from nmt.serving.layout import Layout, layout_of_text
from nmt.serving.metrics import CONTENT_TYPE
from nmt.serving.refusals import RefusedError, stopping, too_busy, too_large, too_late
from nmt.serving.requests import Asked, Fields, asked_of, most_bytes, read_fields
from nmt.serving.state import Limits, State
from nmt.serving.worker import memory_of

# Bytes of a body that is too large that are read and dropped, so that its client gets to read why.
MOST_DROPPED_BYTES = 64_000_000
TURN_SECONDS = 0.02  # in which one request is divided or joined without a break
LONG_TEXT = 5_000  # characters that take about as long
Item = TypeVar("Item")
Result = TypeVar("Result")
Given = ParamSpec("Given")

CONFIDENCE = 100.0  # that a text is in the only source language there is


class Interface:
    """The answers to all requests."""

    def __init__(self, state: State) -> None:
        """Take the state of the server."""
        self.state = state

    def app(self) -> ASGIApp:
        """Return the application."""
        routes = [
            Route("/translate", self.translate, methods=["POST"]),
            Route("/detect", self.detect, methods=["POST"]),
            Route("/languages", self.languages),
            Route("/frontend/settings", self.settings),
            Route("/health", self.health),
            Route("/metrics", self.metrics),
            *page.routes(),
        ]
        handlers: Mapping[Any, Callable[..., Any]] = {
            HTTPException: refused_by_router,
            RefusedError: refused,
            ClientDisconnect: refused_by_client,
            Exception: answer_bug,
        }
        app = Starlette(routes=routes, exception_handlers=handlers)
        app.router.redirect_slashes = False  # to the address in a header that a client chooses
        return Outermost(app, self.state, routes)

    async def languages(self, request: Request) -> Response:
        """Answer `GET /languages`."""
        return Answer(self.state.catalogue.languages())

    async def health(self, request: Request) -> Response:
        """Answer `GET /health`: 200, or 503 once the server begins to stop."""
        if self.state.is_stopping:
            return Answer({"status": "stopping"}, 503)
        return Answer({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        """Answer `GET /metrics`."""
        memory = memory_of(self.state.process_ids())
        text = self.state.metrics.text(self.state.connections(), memory)
        return PlainTextResponse(text, media_type=CONTENT_TYPE)

    async def settings(self, request: Request) -> Response:
        """Answer `GET /frontend/settings`: what clients and the page ask before they translate."""
        languages = self.state.catalogue.languages()
        names = {each["code"]: each["name"] for each in languages}
        source, target = self.state.catalogue.models[0].pair
        return Answer(
            {
                "apiKeys": self.state.keys.are_required,
                "keyRequired": self.state.keys.are_required,
                "charLimit": self.state.limits.characters,
                "frontendTimeout": 500,
                "suggestions": False,
                "filesTranslation": False,
                "supportedFilesFormat": [],
                "language": {
                    "source": {"code": source, "name": names[source]},
                    "target": {"code": target, "name": names[target]},
                },
            }
        )

    async def detect(self, request: Request) -> Response:
        """Answer `POST /detect`, which names the only source language there is."""
        fields = await self._fields(request)
        if fields.q is None:
            raise RefusedError(400, "'q' is missing: a text")
        language = self.state.catalogue.only_source()
        return Answer([{"confidence": CONFIDENCE, "language": language}])

    async def translate(self, request: Request) -> Response:
        """Answer `POST /translate`."""
        fields = await self._fields(request)
        asked = asked_of(fields, self.state.limits.characters)
        served = self.state.catalogue.find(asked.source, asked.target)
        metrics = self.state.metrics
        if metrics.waiting >= self.state.limits.queue:
            raise too_busy(self.state.limits.seconds / 10)
        metrics.waiting += 1
        try:
            found = await self._translated(asked, served, request)
        finally:
            metrics.waiting -= 1
        metrics.characters[served.name] += asked.characters
        return Answer(content_of(asked, served, found))

    async def _fields(self, request: Request) -> Fields:
        """Return the fields of a request whose key is accepted."""
        if self.state.is_stopping and self.state.limits.grace_seconds <= 0:
            raise stopping()
        body = await read_body(request, self.state.limits)
        fields = read_fields(request.headers.get("content-type", ""), body)
        if not self.state.keys.accept(fields.api_key):
            raise RefusedError(
                403, "a valid API key is needed ('api_key')" if fields.api_key else NO_KEY
            )
        return fields

    async def _translated(self, asked: Asked, served: Served, request: Request) -> list[list[str]]:
        """Return the translations of each text, best first; at least one of each."""
        layouts: list[Layout] = [
            await aside(text, HtmlLayout, text, served.pair)
            if asked.is_html
            else layout_of_text(text)
            async for text in in_turns(asked.texts)
        ]
        most = min(asked.alternatives + 1, served.most_candidates)
        # There is one search for all numbers of alternatives, so that requests share batches.
        candidates = 1 if most == 1 else served.most_candidates
        lines = [line for layout in layouts for line in layout.lines]
        work = asyncio.ensure_future(served.batcher.translate(lines, candidates))
        gone = asyncio.ensure_future(disconnected(request))
        try:
            await asyncio.wait(
                (work, gone),
                timeout=self.state.limits.seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not work.done():
                raise ClientDisconnect if gone.done() else too_late(self.state.limits.seconds)
            rest = iter(work.result())
            return [
                await aside(text, layout.candidates, [next(rest) for _ in layout.lines], most)
                async for text, layout in in_turns(zip(asked.texts, layouts, strict=True))
            ]
        finally:
            work.cancel()
            gone.cancel()


NO_KEY = "this server needs an API key ('api_key')"


async def disconnected(request: Request) -> None:
    """Return when the client has disconnected."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def aside(
    text: str, function: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs
) -> Result:
    """Return what a function makes of a text; of a long one in a thread, beside other requests."""
    if len(text) <= LONG_TEXT:
        return function(*args, **kwargs)
    return await asyncio.to_thread(function, *args, **kwargs)


async def in_turns(items: Iterable[Item]) -> AsyncIterator[Item]:
    """Yield items; after some time, let others have their turn before the next one.

    A request may have so many texts that dividing them into lines takes seconds.
    """
    begin = time.monotonic()
    for item in items:
        yield item
        if time.monotonic() - begin > TURN_SECONDS:
            await asyncio.sleep(0)
            begin = time.monotonic()


def content_of(asked: Asked, served: Served, found: list[list[str]]) -> dict[str, Any]:
    """Return the answer to a request in LibreTranslate's form."""
    best, others = [each[0] for each in found], [each[1:] for each in found]
    content: dict[str, Any] = {"translatedText": best if asked.is_list else best[0]}
    if asked.alternatives:
        content["alternatives"] = others if asked.is_list else others[0]
    if asked.source == AUTO:
        detected = {"confidence": CONFIDENCE, "language": served.pair[0]}
        content["detectedLanguage"] = [detected] * len(found) if asked.is_list else detected
    return content


async def read_body(request: Request, limits: Limits) -> bytes:
    """Return the body of a request, in bounded memory and time; raises RefusedError."""
    most = most_bytes(limits.characters)
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(limits.read_seconds):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    body.clear()
                else:
                    body += part
                if size > MOST_DROPPED_BYTES:
                    break
    except TimeoutError as error:
        raise RefusedError(
            408, f"the request was not complete after {limits.read_seconds:g} seconds", CLOSE
        ) from error
    if size > most:
        refusal = too_large(f"the body has more than {most:,} bytes; send less text at once")
        refusal.headers |= CLOSE
        raise refusal
    return bytes(body)


CLOSE = {"Connection": "close"}
