"""Translate files that clients upload, and keep the translations until they are downloaded.

Each file is read, and written again, by a process of its own: a file that takes too long or too
much memory ends with it. Its sentences wait in the queue of all requests. Nothing is on the disk.
"""

import asyncio
import os
import re
import resource
import secrets
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

from nmt.errors import NmtError
from nmt.serving.document_layout import format_by_name, layout_of_file
from nmt.serving.layout import Line, text_of
from nmt.serving.line_translator import Pair
from nmt.serving.refusals import RefusedError, bad_file, bad_request, missing, too_large, too_long
from nmt.serving.requests import Upload
from nmt.serving.worker import end_with_server, sentence, start_process
from nmt.system.log import note

MOST_MEMORY = 1 << 30  # bytes that reading a file may take
KEPT_SECONDS = 600  # that a translation can be downloaded
MOST_KEPT_BYTES = 100_000_000  # of all translations; the oldest are dropped

METHOD = "fork" if sys.platform == "linux" else "spawn"  # elsewhere forks are not safe
Translate = Callable[[Sequence[Line]], Awaitable[Sequence[Line]]]


@dataclass(frozen=True)
class Task:
    """A file to translate."""

    name: str  # that the client gives
    content: bytes
    pair: Pair
    most_characters: int


def check_upload(upload: Upload | None) -> Upload:
    """Return a file if there is one that can be translated; raises RefusedError."""
    if upload is None:
        raise missing("file")
    if not upload.name or not upload.content:
        raise bad_request("Invalid request: empty file")
    if format_by_name(upload.name) is None:
        raise bad_request("Invalid request: file format not supported")
    return upload


async def translate_file(task: Task, translate: Translate) -> bytes:
    """Return the translation of a file; raises RefusedError if it cannot be read or written."""
    process, connection = start_process(METHOD, work, task)
    try:
        lines = await received(connection)
        connection.send(await translate(lines))
        content: bytes = await received(connection)
        return content
    finally:
        connection.close()
        process.kill()
        process.join()


async def received(connection: Connection) -> Any:
    """Return what a process sends next; raises the RefusedError that it sends."""
    loop = asyncio.get_running_loop()
    is_ready = asyncio.Event()
    loop.add_reader(connection, is_ready.set)
    try:
        await is_ready.wait()
        found = connection.recv()
    except (EOFError, OSError) as error:
        raise RefusedError(500, "Cannot translate text: reading the file failed") from error
    finally:
        loop.remove_reader(connection)
    if isinstance(found, RefusedError):
        if found.status == 500:
            note(f"not translated: {found.message}")
        raise found
    return found


def work(connection: Connection, task: Task, server: int) -> None:
    """Send the lines of a file, receive their translations, send the file; a process's body."""
    end_with_server(connection, server)
    os.nice(10)  # translating goes first
    limit_memory()
    try:
        layout = layout_of_file(task.name, task.content, task.pair)
        size = max(len(layout.lines), sum(len(text_of(each)) for each in layout.lines))
        if size > task.most_characters:
            raise too_long(size, task.most_characters)
        connection.send(layout.lines)
        connection.send(layout.content(connection.recv()))
    except RefusedError as error:
        connection.send(error)
    except NmtError as error:
        connection.send(bad_file(error))
    except MemoryError:
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))  # room to say so
        connection.send(too_large("the file needs too much memory; divide it"))
    except (EOFError, OSError):  # nobody waits any more
        return
    except Exception as error:
        connection.send(RefusedError(500, f"Cannot translate text: {sentence(error)}"))


def limit_memory() -> None:
    """Let this process take so much memory more than it has; elsewhere than on Linux, any."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return
    most = pages * resource.getpagesize() + MOST_MEMORY
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


@dataclass(frozen=True)
class Download:
    """A translation that waits for its client."""

    name: str
    content: bytes

    @property
    def disposition(self) -> str:
        """Value of the header with its name: in ASCII for clients as curl, and as it is."""
        plain = re.sub(r'[^ -~]|["\\%]', "_", self.name)
        return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(self.name)}"


class Downloads:
    """The translations that can be downloaded, by names that nobody can guess."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: dict[str, Download] = {}

    def add(self, download: Download) -> str:
        """Keep a translation for some time, and return the name by which it can be had."""
        token = secrets.token_hex(16) + PurePath(download.name).suffix.lower()
        self._kept[token] = download
        while sum(len(each.content) for each in self._kept.values()) > MOST_KEPT_BYTES:
            del self._kept[next(iter(self._kept))]
        asyncio.get_running_loop().call_later(KEPT_SECONDS, self._kept.pop, token, None)
        return token

    def get(self, token: str) -> Download:
        """Return a translation; raises RefusedError if there is none, or not any more."""
        if token not in self._kept:
            raise RefusedError(404, "there is no such file; it may have been dropped")
        return self._kept[token]


def name_of_translation(name: str, language: str) -> str:
    """Return the name of a translation: report.docx becomes report_de.docx."""
    path = PurePath("".join(each for each in name if each.isprintable()))
    if path.stem.startswith(".") and not path.suffix:  # a name that is only a suffix
        path = PurePath(f"translation{path}")
    return f"{path.stem}_{language}{path.suffix}"
