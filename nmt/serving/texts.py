"""Divide texts, pages and files into lines to translate, and join the translations again.

Each file is read, and written again, by a process of its own: a file that takes too long or too
much memory ends with it. Its sentences wait in the queue of all requests. Nothing is on the disk.
"""

import asyncio
import importlib
import os
import re
import resource
import secrets
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from starlette.exceptions import HTTPException

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import UTF_8, Document, Options
from nmt.documents.pages.html import read_page
from nmt.documents.registry import FORMATS, PROSE, Format, Job, find_format
from nmt.documents.translate import Plan, TranslatedSentence
from nmt.documents.translate_files import parse_document
from nmt.errors import NmtError
from nmt.serving.worker import Line, Pair, Process, leave_server, tell_failure, with_marks
from nmt.system.log import note

LINE_BREAK = re.compile(r"(\r?\n)")
# How errors of formats end that name an option, which a client does not have.
OPTION_HINT = re.compile(r"(?:; name the right format with| and) --format")
MOST_MEMORY = 1 << 30  # bytes that reading a file may take
KEPT_SECONDS = 600  # that a translation can be downloaded
MOST_KEPT_BYTES = 100_000_000  # of all translations; the oldest are dropped
START_METHOD = "fork" if sys.platform == "linux" else "spawn"  # elsewhere forks are not safe

# Now, because the server may fork while a thread reads a document: no copy may wait for an import
# that only this thread would have finished.
for module in ("sentencex", *(f"nmt.documents.{kind.module}" for kind in FORMATS.values())):
    with suppress(ImportError):
        importlib.import_module(module)


class PlainText:
    """A plain text: as `nmt translate` does, each line is a segment.

    A line without words becomes an empty line. Line breaks are kept.
    """

    def __init__(self, text: str) -> None:
        """Divide a text."""
        self._parts = LINE_BREAK.split(text)  # lines and breaks in turn
        lines = (part.removesuffix("\r") for part in self._parts[::2] if part.strip())
        self.lines: tuple[Line, ...] = (*lines,)

    def join(self, translations: Sequence[Line]) -> bytes:
        """Return the text with a translation in place of each line."""
        rest = map(with_marks, translations)
        for index, part in enumerate(parts := [*self._parts]):
            if index % 2 == 0:
                parts[index] = next(rest) if part.strip() else ""
        return "".join(parts).encode()


class DocumentLayout:
    """A page or a file as what stays as it is, and sentences to translate."""

    def __init__(self, document: Document, pair: Pair) -> None:
        """Divide a document; raises HTTPException without the package that finds sentences."""
        try:
            self._plan = Plan(document, Options(*pair))
        except NmtError as error:
            raise HTTPException(501, str(error)) from error
        self.lines: tuple[Line, ...] = (*dict.fromkeys(self._plan.sentences),)

    def join(self, translations: Sequence[Line]) -> bytes:
        """Return the document with a translation of each line."""
        translated = {
            line: TranslatedSentence(Marked(text) if isinstance(text, str) else text)
            for line, text in zip(self.lines, translations, strict=True)
        }
        results = self._plan.results(translated.__getitem__)
        return self._plan.document.join([result.text for result in results]).content


def divide(text: str, pair: Pair, *, is_html: bool) -> PlainText | DocumentLayout:
    """Return a text as lines and what is between; raises HTTPException for invalid references."""
    if not is_html:
        return PlainText(text)
    try:
        return DocumentLayout(read_page(text, UTF_8, Options(*pair)), pair)
    except NmtError as error:
        raise HTTPException(400, f"'q', {error}") from error


def candidates(
    layout: PlainText | DocumentLayout, found: Sequence[Sequence[Line]], most: int
) -> list[str]:
    """Return up to `most` translations of a text, the best first; found: those of each line.

    There is always one. There are no more than the line with the fewest translations has.
    """
    count = min([most, *map(len, found)]) if found else 1
    return [layout.join([texts[rank] for texts in found]).decode() for rank in range(count)]


def format_by_name(name: str) -> Format | None:
    """Return the format of a file with this name; None for files that are not translated."""
    if name.lower().endswith(PROSE):
        return FORMATS["text"]
    found = find_format(Path(name), None)
    return None if found is None or found.has_columns else found


def file_suffixes() -> list[str]:
    """Return the suffixes of files that are translated, as clients show them."""
    found = (PROSE, *(suffix for kind in FORMATS.values() for suffix in kind.suffixes))
    return [suffix for suffix in found if suffix[0] == "." and format_by_name(f"x{suffix}")]


class File(NamedTuple):
    """A file that a client sends, or its translation."""

    name: str
    content: bytes


def too_long(size: int, most: int) -> HTTPException:
    """Return the refusal of a text over the limit."""
    return HTTPException(413, f"Invalid request: request ({size}) exceeds text limit ({most})")


async def translate_file(
    file: File,
    pair: Pair,
    most_characters: int,
    translate: Callable[[Sequence[Line]], Awaitable[Sequence[Line]]],
) -> File:
    """Return a translated file; raises HTTPException if it cannot be read or written."""
    process = Process(START_METHOD, work, (file, pair, most_characters))
    try:
        lines = await receive(process.connection)
        translated = await translate(lines)
        with suppress(OSError):  # the process has died, as `receive` reports
            process.connection.send(translated)
        content: bytes = await receive(process.connection)
    finally:
        process.end()
    path = PurePath("".join(character for character in file.name if character.isprintable()))
    if path.stem.startswith(".") and not path.suffix:  # a name that is only a suffix
        path = PurePath(f"translation{path}")
    return File(f"{path.stem}_{pair[1]}{path.suffix}", content)


async def receive(connection: Connection) -> Any:
    """Return what a process sends next; raises the HTTPException that it sends."""
    loop = asyncio.get_running_loop()
    is_ready = asyncio.Event()
    loop.add_reader(connection, is_ready.set)
    try:
        await is_ready.wait()
        found = connection.recv()
    except (EOFError, OSError) as error:
        raise HTTPException(500, "Cannot translate text: reading the file failed") from error
    finally:
        loop.remove_reader(connection)
    if isinstance(found, HTTPException):
        if found.status_code == 500:
            note(f"not translated: {found.detail}")
        raise found
    return found


def work(connection: Connection, given: tuple[File, Pair, int]) -> None:
    """Send the lines of a file, receive their translations, send the file; a process's body."""
    leave_server(connection)
    os.nice(10)  # translating goes first
    limit_memory()
    (name, content), pair, most_characters = given
    job = Job(Path(name), Path(name), format_by_name(name))
    try:
        layout = DocumentLayout(parse_document(content, job, Options(*pair)), pair)
        size = max(len(layout.lines), sum(len(with_marks(line)) for line in layout.lines))
        if size > most_characters:
            raise too_long(size, most_characters)
        connection.send(layout.lines)
        connection.send(layout.join(connection.recv()))
    except HTTPException as error:
        connection.send(error)
    except NmtError as error:
        connection.send(HTTPException(400, f"Invalid request: {OPTION_HINT.sub('', str(error))}"))
    except MemoryError:
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))  # room to say so
        connection.send(HTTPException(413, "the file needs too much memory; divide it"))
    except (EOFError, OSError):  # nobody waits any more
        return
    except Exception as error:
        connection.send(HTTPException(500, f"Cannot translate text: {tell_failure(error)}"))


def limit_memory() -> None:
    """Let this process take so much memory more than it has; elsewhere than on Linux, any."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return
    most = pages * resource.getpagesize() + MOST_MEMORY
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


class Downloads(dict[str, File]):
    """The translations that can be downloaded, by names that nobody can guess."""

    def add(self, file: File) -> str:
        """Keep a translation for some time, and return the name by which it can be had."""
        token = secrets.token_hex(16) + PurePath(file.name).suffix.lower()
        self[token] = file
        while sum(len(kept.content) for kept in self.values()) > MOST_KEPT_BYTES:
            del self[next(iter(self))]
        asyncio.get_running_loop().call_later(KEPT_SECONDS, self.pop, token, None)
        return token
