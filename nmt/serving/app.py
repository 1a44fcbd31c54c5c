"""The HTTP interface, which is LibreTranslate's, and the page to try it."""

import asyncio
import hmac
import os
import re
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nmt.errors import NmtError
from nmt.serving import requests, texts
from nmt.serving.batcher import Direction
from nmt.serving.metrics import CONTENT_TYPE, Metrics, measure_memory
from nmt.serving.worker import Line, lower_case, with_marks
from nmt.system.files import read_text
from nmt.system.log import note
from nmt.text.reading.languages import english_name, find_language

LONG_TEXT = 5_000  # characters that are read and divided in a thread, beside other requests
MOST_FILES = 4  # that are received or translated at once
MOST_KEY_BYTES = 1_000_000  # of a file of keys
NO_KEY = "Please contact the server operator to get an API key"
NO_DETECTION = "this server does not detect languages; name the source language (source)"
STOPPING = (503, "the server is stopping; try again later", {"Retry-After": "5"})
WEB = Path(__file__).resolve().parent / "web"
FILES = {  # the page and its description
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/spec": ("spec.json", "application/json"),
}
FILE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",  # no files but these
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
Result = TypeVar("Result")


@dataclass(frozen=True)
class Options:
    """How a server runs, its limits, and how long it waits."""

    host: str = "127.0.0.1"
    port: int = 5000
    keys: Sequence[str] = ()  # that are accepted; without any, every client is accepted
    processes: int = 0  # that translate with each model; 0: one for each core
    logs_access: bool = False
    characters: int = 100_000  # of the text of one request
    queue: int = 512  # requests that wait for a translation
    seconds: float = 30  # until a translation is given up
    read_seconds: float = 20  # for a client to send its request, or to read the answer
    grace_seconds: float = 30  # for a stopping server to answer what it has accepted
    connections: int = 1000
    file_bytes: int = 10_000_000  # of a file to translate


def read_keys(path: Path | None) -> list[str]:
    """Return the keys in a file; lines that are blank or begin with # are none.

    None: no key is needed. Raises NmtError if the file cannot be read or has no key: a server that
    should be closed must not be open.
    """
    if path is None:
        return []
    text = read_text(path, "the file of API keys", "name another (--api-keys)", MOST_KEY_BYTES)
    lines = [line.strip() for line in text.splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys:
        raise NmtError(f"{path} has no API key; write one on each line")
    return keys


class Interface:
    """Answers all requests, counts the answers and logs them, never with texts; an ASGI app."""

    def __init__(self, directions: Sequence[Direction], options: Options, metrics: Metrics) -> None:
        """Take the directions, which may share models."""
        self.directions = {lower_case(direction.pair): direction for direction in directions}
        self.options, self.metrics = options, metrics
        self.is_stopping = False
        self.connections: set[Any] = set()  # that are open
        self._files = asyncio.Semaphore(MOST_FILES)
        self._downloads = texts.Downloads()
        self.routes = [  # `web/spec.json` describes them
            Route("/translate", self.translate, methods=["POST"]),
            Route("/translate_file", self.translate_file, methods=["POST"]),
            Route("/download_file/{name}", self.download_file),
            Route("/detect", self.detect, methods=["POST"]),
            Route("/languages", self.languages),
            Route("/frontend/settings", self.settings),
            Route("/health", self.health),
            Route("/metrics", self.write_metrics),
        ]
        for path, (name, kind) in FILES.items():
            content = (WEB / name).read_bytes()
            self.routes.append(Route(path, partial(send_file, content, kind)))
        self._paths = {route.path for route in self.routes}
        handlers: Mapping[Any, Any] = {HTTPException: refuse, Exception: answer_bug}
        self._app = Starlette(routes=self.routes, exception_handlers=handlers)
        self._app.router.redirect_slashes = False  # to the host that a client names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        One that states its length and that it has none is an attack on proxies: RFC 9112, section
        6.1. Requests are cancelled when the time to stop is over.
        """
        began, status = monotonic(), 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self.is_stopping:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        app: ASGIApp = self._app
        if {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope["headers"]}:
            reason = "the request has both Content-Length and Transfer-Encoding"
            app = JSONResponse({"error": reason}, 400, requests.CLOSE)
        try:
            await app(scope, receive, send_on)
        except asyncio.CancelledError:
            if not status:
                number, reason, headers = STOPPING
                await JSONResponse({"error": reason}, number, headers)(scope, receive, send_on)
        except Exception as error:  # Starlette raises it after `answer_bug`
            note(f"a bug: {type(error).__name__} while {scope['path'][:20]!r} was answered")
        finally:
            seconds = monotonic() - began
            path = scope["path"] if scope["path"] in self._paths else "other"
            self.metrics.count_request(path, status, seconds)
            if self.options.logs_access:
                note(f"{scope['method'][:20]} {path} {status} {1000 * seconds:.0f} ms")

    def list_languages(self) -> list[dict[str, Any]]:
        """Return all languages: code, name, and codes of the targets."""
        targets: dict[str, list[str]] = {}
        for direction in self.directions.values():
            source, target = direction.pair
            targets.setdefault(source, []).append(target)
            targets.setdefault(target, [])
        return [
            {"code": code, "name": english_name(code), "targets": into}
            for code, into in sorted(targets.items())
        ]

    def find_direction(self, source: str, target: str) -> Direction:
        """Return the direction for a pair in lower case; source may be "auto".

        That stands for the only language that is translated into the target, or the only source.
        Another code of a language does, too: deu for de. Raises HTTPException if there is no such
        direction, and for "auto" if there are several sources.
        """
        names = {language["code"].lower(): language["name"] for language in self.list_languages()}

        def find(code: str) -> str:
            found = find_language(code, names)
            if len(found) != 1:
                raise HTTPException(400, f"{code[:20]} is not supported")
            return found[0]

        target = find(target)
        if source == "auto":
            known = self.directions.values()
            into = [direction for direction in known if direction.pair[1].lower() == target]
            sources = list_sources(into or known)
            if len(sources) > 1:
                raise HTTPException(400, f"{NO_DETECTION}: {' or '.join(sources)}")
            source = sources[0]
        source = find(source.lower())
        found = self.directions.get((source, target))
        if found is None:
            source, target = (f"{names[code]} ({code})" for code in (source, target))
            reason = f"{target} is not available as a target language from {source}"
            raise HTTPException(400, reason)
        return found

    async def languages(self, request: Request) -> Response:
        """Answer `GET /languages`."""
        return JSONResponse(self.list_languages())

    async def health(self, request: Request) -> Response:
        """Answer `GET /health`: 200, or 503 once the server begins to stop."""
        if self.is_stopping:
            return JSONResponse({"status": "stopping"}, 503)
        return JSONResponse({"status": "ok"})

    async def write_metrics(self, request: Request) -> Response:
        """Answer `GET /metrics`."""
        models = {direction.model for direction in self.directions.values()}
        numbers = [number for model in models for number in model.process_ids]
        self.metrics["memory_bytes"] = measure_memory([os.getpid(), *numbers])
        self.metrics["connections"] = len(self.connections)
        return PlainTextResponse(self.metrics.text(), media_type=CONTENT_TYPE)

    async def settings(self, request: Request) -> Response:
        """Answer `GET /frontend/settings`: what clients and the page ask before they translate."""
        source, target = next(iter(self.directions.values())).pair
        return JSONResponse(
            {
                "apiKeys": bool(self.options.keys),
                "keyRequired": bool(self.options.keys),
                "charLimit": self.options.characters,
                "frontendTimeout": 500,
                "suggestions": False,
                "filesTranslation": True,
                "supportedFilesFormat": texts.file_suffixes(),
                "language": {
                    "source": {"code": source, "name": english_name(source)},
                    "target": {"code": target, "name": english_name(target)},
                },
            }
        )

    async def detect(self, request: Request) -> Response:
        """Answer `POST /detect`: the server does not detect languages."""
        fields = await self._fields(request)
        if not fields.q:
            raise requests.missing("q")
        sources = list_sources(self.directions.values())
        raise HTTPException(501, f"{NO_DETECTION}: {' or '.join(sources)}")

    async def translate(self, request: Request) -> Response:
        """Answer `POST /translate`."""
        fields = requests.check_texts(await self._fields(request), self.options.characters)
        direction = self.find_direction(fields.source, fields.target)
        found = await self._in_time(request, translate_texts(fields, direction))
        self.metrics[f'characters_total{{pair="{direction.name}"}}'] += sum(map(len, fields.texts))
        best, others = [ways[0] for ways in found], [ways[1:] for ways in found]
        is_list = isinstance(fields.q, list)
        content: dict[str, Any] = {"translatedText": best if is_list else best[0]}
        if fields.alternatives:
            content["alternatives"] = others if is_list else others[0]
        if fields.source == "auto":
            # It is the only source language there is.
            detected = {"confidence": 100.0, "language": direction.pair[0]}
            content["detectedLanguage"] = [detected] * len(found) if is_list else detected
        return JSONResponse(content)

    async def translate_file(self, request: Request) -> Response:
        """Answer `POST /translate_file` with the address of the translation."""
        seconds = self.options.seconds
        try:  # few at once
            await asyncio.wait_for(self._files.acquire(), seconds)
        except TimeoutError as error:
            raise too_busy(seconds) from error
        try:
            fields = await self._fields(request, self.options.file_bytes)
            token = await self._translate_upload(request, fields)
        finally:
            self._files.release()
        address = request.base_url.replace(path="/download_file/")
        if request.headers.get("x-forwarded-proto") == "https":  # of a web server in front
            address = address.replace(scheme="https")
        return JSONResponse({"translatedFileUrl": f"{address}{token}"})

    async def _translate_upload(self, request: Request, fields: requests.Fields) -> str:
        """Return the name by which the translation of a file can be had."""
        if fields.file is None:
            raise requests.missing("file")
        if not fields.file.name or not fields.file.content:
            raise HTTPException(400, f"{requests.INVALID}empty file")
        if texts.format_by_name(fields.file.name) is None:
            raise HTTPException(400, f"{requests.INVALID}file format not supported")
        direction = self.find_direction(*requests.read_pair(fields))

        async def translate(lines: Sequence[Line]) -> list[Line]:
            found = await direction.model.translate(lines, 1, direction.pair[1])
            characters = sum(len(with_marks(line)) for line in lines)
            self.metrics[f'characters_total{{pair="{direction.name}"}}'] += characters
            return [ways[0] for ways in found]

        limit = self.options.characters
        work = texts.translate_file(fields.file, direction.pair, limit, translate)
        return self._downloads.add(await self._in_time(request, work))

    async def download_file(self, request: Request) -> Response:
        """Answer `GET /download_file/NAME`, once or several times, to whom knows the name."""
        found = self._downloads.get(request.path_params["name"])
        if found is None:
            raise HTTPException(404, "there is no such file; it may have been dropped")
        plain = re.sub(r'[^ -~]|["\\%]', "_", found.name)  # for clients such as curl
        name = f"filename=\"{plain}\"; filename*=UTF-8''{quote(found.name)}"
        headers = {
            "Content-Disposition": f"attachment; {name}",
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        }
        return Response(found.content, headers=headers, media_type="application/octet-stream")

    async def _fields(self, request: Request, text_bytes: int = 0) -> requests.Fields:
        """Return the fields of a request whose key is accepted.

        text_bytes: that a body may have beside its fields; 0: what the most characters may take.
        """
        if self.is_stopping and self.options.grace_seconds <= 0:
            raise HTTPException(*STOPPING)
        most = text_bytes or requests.CHARACTER_BYTES * self.options.characters
        most += requests.OTHER_BYTES
        body = await requests.read_body(request, most, self.options.read_seconds)
        kind = request.headers.get("content-type", "")
        fields = await aside(len(body), lambda: requests.read_fields(kind, body))
        key = fields.api_key.encode("utf-8", "surrogatepass")
        # The time does not depend on the key.
        found = [hmac.compare_digest(key, known.encode()) for known in self.options.keys]
        if found and not any(found):
            raise HTTPException(403, "Invalid API key" if fields.api_key else NO_KEY)
        return fields

    async def _in_time(self, request: Request, work: Coroutine[Any, Any, Result]) -> Result:
        """Return the result of work, which ends when the client goes or after the time limit."""
        seconds = self.options.seconds
        if self.metrics["requests_waiting"] >= self.options.queue:
            work.close()
            raise too_busy(seconds)
        self.metrics["requests_waiting"] += 1
        task = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(disconnected(request))
        try:
            await asyncio.wait((task, gone), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            if gone.done():
                raise HTTPException(*requests.GONE)
            reason = f"no translation within {seconds:g} seconds, because the server is busy; try"
            raise HTTPException(503, f"{reason} again, or send less text", {"Retry-After": "1"})
        finally:
            self.metrics["requests_waiting"] -= 1
            task.cancel()
            gone.cancel()


def list_sources(directions: Iterable[Direction]) -> list[str]:
    """Return the source languages of directions, each once."""
    return [*dict.fromkeys(direction.pair[0] for direction in directions)]


async def refuse(request: Request, error: HTTPException) -> Response:
    """Answer a request that is refused, by this program or by the router."""
    messages = {
        "Not Found": "there is no such path; see /languages and /translate",
        "Method Not Allowed": f"this path does not take {request.method}"[:80],
    }
    message = messages.get(error.detail, error.detail)
    return JSONResponse({"error": message}, error.status_code, error.headers)


async def answer_bug(request: Request, error: Exception) -> Response:
    """Answer a request that met a bug."""
    return JSONResponse({"error": "a bug in the server"}, 500)


async def send_file(content: bytes, kind: str, request: Request) -> Response:
    """Answer with a file of this package."""
    return Response(content, media_type=kind, headers=FILE_HEADERS)


def too_busy(seconds: float) -> HTTPException:
    """Return the refusal when too many requests wait; seconds: that a translation may take."""
    return HTTPException(
        429,
        "Slowdown: too many requests are waiting; try again in a moment",
        {"Retry-After": str(max(1, round(seconds / 10)))},
    )


async def disconnected(request: Request) -> None:
    """Return when the client has disconnected."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def translate_texts(fields: requests.Fields, direction: Direction) -> list[list[str]]:
    """Return the translations of each text, best first; at least one of each."""

    def divide_texts() -> list[Any]:
        is_html = fields.format == "html"
        return [texts.divide(text, direction.pair, is_html=is_html) for text in fields.texts]

    layouts, model = await aside(fields.size, divide_texts), direction.model
    most = min(int(fields.alternatives) + 1, model.most_candidates)
    # There is one search for all numbers of alternatives, so that requests share batches.
    lines = [line for layout in layouts for line in layout.lines]
    candidates = 1 if most == 1 else model.most_candidates
    rest = iter(await model.translate(lines, candidates, direction.pair[1]))

    def join_texts() -> list[list[str]]:
        return [texts.candidates(x, [next(rest) for _ in x.lines], most) for x in layouts]

    return await aside(fields.size, join_texts)


async def aside(size: int, work: Callable[[], Result]) -> Result:
    """Return the result of work on a text; on a long one in a thread, beside other requests."""
    return work() if size <= LONG_TEXT else await asyncio.to_thread(work)
