"""The HTTP interface, which is LibreTranslate's: routes, answers and errors."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
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
from nmt.serving.catalogue import AUTO, Served, cannot_detect
from nmt.serving.document_layout import layout_of_page, suffixes
from nmt.serving.files import (
    Download,
    Downloads,
    Task,
    check_upload,
    name_of_translation,
    translate_file,
)
from nmt.serving.layout import Layout, Line, layout_of_text, text_of
from nmt.serving.metrics import CONTENT_TYPE
from nmt.serving.refusals import RefusedError, missing, stopping, too_busy, too_late
from nmt.serving.requests import (
    OTHER_BYTES,
    Asked,
    Fields,
    asked_of,
    check_languages,
    most_bytes,
    read_body,
    read_fields,
)
from nmt.serving.state import State
from nmt.serving.worker import memory_of

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
        self._files = asyncio.Semaphore(state.limits.files)
        self._downloads = Downloads()

    def routes(self) -> list[Route]:
        """Return the paths that are answered; `web/spec.json` describes them."""
        return [
            Route("/translate", self.translate, methods=["POST"]),
            Route("/translate_file", self.translate_file, methods=["POST"]),
            Route("/download_file/{name}", self.download_file),
            Route("/detect", self.detect, methods=["POST"]),
            Route("/languages", self.languages),
            Route("/frontend/settings", self.settings),
            Route("/health", self.health),
            Route("/metrics", self.metrics),
            *page.routes(),
        ]

    def app(self) -> ASGIApp:
        """Return the application."""
        routes = self.routes()
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
                "filesTranslation": True,
                "supportedFilesFormat": suffixes(),
                "language": {
                    "source": {"code": source, "name": names[source]},
                    "target": {"code": target, "name": names[target]},
                },
            }
        )

    async def detect(self, request: Request) -> Response:
        """Answer `POST /detect`: the server does not detect languages."""
        fields = await self._fields(request)
        if not fields.q:
            raise missing("q")
        raise cannot_detect(501, self.state.catalogue.sources)

    async def translate(self, request: Request) -> Response:
        """Answer `POST /translate`."""
        fields = await self._fields(request)
        asked = asked_of(fields, self.state.limits.characters)
        served = self.state.catalogue.find(asked.source, asked.target)
        found = await self._in_time(request, self._translated(asked, served))
        self.state.metrics.characters[served.name] += asked.characters
        return Answer(content_of(asked, served, found))

    async def translate_file(self, request: Request) -> Response:
        """Answer `POST /translate_file` with the address of the translation."""
        async with self._file_turn():
            fields = await self._fields(request, self.state.limits.file_bytes + OTHER_BYTES)
            upload = check_upload(fields.file)
            check_languages(fields)
            served = self.state.catalogue.find(fields.source.lower(), fields.target.lower())
            limit = self.state.limits.characters

            async def translate(lines: Sequence[Line]) -> list[Line]:
                found = await served.batcher.translate(lines, 1)
                self.state.metrics.characters[served.name] += sum(len(text_of(x)) for x in lines)
                return [each[0] for each in found]

            task = Task(upload.name, upload.content, served.pair, limit)
            content = await self._in_time(request, translate_file(task, translate))
        name = name_of_translation(upload.name, served.pair[1])
        address = request.base_url.replace(path="/download_file/")
        if request.headers.get("x-forwarded-proto") == "https":  # of a web server in front
            address = address.replace(scheme="https")
        token = self._downloads.add(Download(name, content))
        return Answer({"translatedFileUrl": f"{address}{token}"})

    @asynccontextmanager
    async def _file_turn(self) -> AsyncIterator[None]:
        """Wait until fewer files than the limit are received or translated."""
        seconds = self.state.limits.seconds
        try:
            await asyncio.wait_for(self._files.acquire(), seconds)
        except TimeoutError as error:
            raise too_busy(seconds / 10) from error
        try:
            yield
        finally:
            self._files.release()

    async def download_file(self, request: Request) -> Response:
        """Answer `GET /download_file/NAME`, once or several times, to whom knows the name."""
        found = self._downloads.get(request.path_params["name"])
        headers = {
            "Content-Disposition": found.disposition,
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(found.content, headers=headers, media_type="application/octet-stream")

    async def _fields(self, request: Request, most_body_bytes: int = 0) -> Fields:
        """Return the fields of a request whose key is accepted.

        most_body_bytes: 0: what the most characters may take.
        """
        if self.state.is_stopping and self.state.limits.grace_seconds <= 0:
            raise stopping()
        most = most_body_bytes or most_bytes(self.state.limits.characters)
        body = await read_body(request, most, self.state.limits.read_seconds)
        fields = read_fields(request.headers.get("content-type", ""), body)
        if not self.state.keys.accept(fields.api_key):
            raise RefusedError(403, "Invalid API key" if fields.api_key else NO_KEY)
        return fields

    async def _in_time(self, request: Request, work: Coroutine[Any, Any, Result]) -> Result:
        """Return the result of work, which ends when the client goes or after the time limit."""
        metrics, limits = self.state.metrics, self.state.limits
        if metrics.waiting >= limits.queue:
            work.close()
            raise too_busy(limits.seconds / 10)
        metrics.waiting += 1
        task = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(disconnected(request))
        try:
            await asyncio.wait(
                (task, gone), timeout=limits.seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if not task.done():
                raise ClientDisconnect if gone.done() else too_late(limits.seconds)
            return task.result()
        finally:
            metrics.waiting -= 1
            task.cancel()
            gone.cancel()

    async def _translated(self, asked: Asked, served: Served) -> list[list[str]]:
        """Return the translations of each text, best first; at least one of each."""
        layouts: list[Layout] = [
            await aside(text, layout_of_page, text, served.pair)
            if asked.is_html
            else layout_of_text(text)
            async for text in in_turns(asked.texts)
        ]
        most = min(asked.alternatives + 1, served.most_candidates)
        # There is one search for all numbers of alternatives, so that requests share batches.
        candidates = 1 if most == 1 else served.most_candidates
        lines = [line for layout in layouts for line in layout.lines]
        rest = iter(await served.batcher.translate(lines, candidates))
        return [
            await aside(text, layout.candidates, [next(rest) for _ in layout.lines], most)
            async for text, layout in in_turns(zip(asked.texts, layouts, strict=True))
        ]


NO_KEY = "Please contact the server operator to get an API key"


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
