"""Translate a text file or a pipe, a line out for each line in."""

import sys
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain, islice
from pathlib import Path
from typing import IO

from nmt.decoding.files.bad_lines import BadLines
from nmt.decoding.files.output_formats import Format
from nmt.decoding.files.quality_file import QualityCheck, watched
from nmt.decoding.files.resumable import Resumption, open_resumable
from nmt.decoding.files.span import WHOLE, Span, take
from nmt.decoding.files.stream import Source, chunks_of
from nmt.decoding.files.text_files import open_output, open_source
from nmt.decoding.models.alignment import pharaoh_line
from nmt.decoding.translator.requests import Request, RequestsOf, plain
from nmt.decoding.translator.translator import Translator
from nmt.system.atomic import atomic_path
from nmt.system.log import note, progress_bar


def translate_file(
    translator: Translator,
    source: Path,
    output: Path | None,
    lines_of: Format,
    *,
    requests: AbstractContextManager[RequestsOf] | None = None,
    on_bad_line: str = "error",
    keep_partial: bool = False,
    span: Span = WHOLE,
    resumption: Resumption | None = None,
    quality: QualityCheck | None = None,
    alignments: Path | None = None,
) -> None:
    """Write what a format has for each line of the source, in order, as soon as it is translated.

    A note at the end tells of lines that could not be read.

    Args:
        translator: translates the lines.
        source: a file, a pipe, or `-` for stdin.
        output: a file, which appears when it is complete, or None for stdout.
        lines_of: turns a translation into lines.
        requests: opens what makes requests of the lines; by default a line is a segment.
        on_bad_line: what to do with a line that cannot be read, one of `bad_lines.ACTIONS`.
        keep_partial: keep an unfinished output, as `open_output` does.
        span: the lines to translate.
        resumption: the progress of the output, if it can be continued.
        quality: flags translations that are probably wrong.
        alignments: a file for a line of links for each line of the output, if they are wanted.
    """
    if resumption is not None:
        translator.method.keep_one_form()
    shares_screen = output is None and sys.stdout is not None and sys.stdout.isatty()
    first = span.start + (resumption.done.lines if resumption else 0) + 1
    bad_lines = BadLines(on_bad_line, first)
    opened = (
        open_resumable(resumption)
        if resumption
        else open_output(output, keep_partial=keep_partial, start=span.start, stop=span.stop)
    )
    try:
        with (
            watched(translator, quality, bad_lines, span) as translate,
            open_source(source, bad_lines) as lines,
            opened as written,
            open_alignments(alignments) as aligned,
            requests or nullcontext(plain) as requests_of_lines,  # may raise at the end
            progress_bar(quiet=shares_screen, unit="segment", desc="translate") as bar,
        ):
            asked = bad_lines.asked_for(
                asked_for(lines, requests_of_lines, span, resumption), first
            )
            for chunk in translate(asked, first):
                line = span.start + written.done.lines + 1
                kept = bad_lines.without_skipped([*enumerate(chunk, line)], line)
                written.write([lines_of(each, number) for number, each in kept], len(chunk))
                if aligned:
                    aligned.writelines(pharaoh_line(each) for _, each in kept)
                bar.update(len(chunk))
    finally:
        bad_lines.tell(note)


@contextmanager
def open_alignments(path: Path | None) -> Iterator[IO[str] | None]:
    """Open a file that appears when all is written; nothing without a path."""
    if path is None:
        yield None
        return
    with (
        atomic_path(path) as partial,
        partial.open("w", encoding="utf-8", newline="\n") as stream,
    ):
        yield stream


def asked_for(
    source: Source[str], requests: RequestsOf, span: Span, resumption: Resumption | None
) -> Iterator[list[Request]]:
    """Yield the requests of a span in chunks, without those that are done already.

    The chunks of a file are the same, however often it is continued. So batches are the same too,
    and with them the last digit of scores.
    """
    lines = iter(source.segments)
    deque(map(requests, take(lines, span.start)), maxlen=0)
    count = None if span.stop is None else span.stop - span.start
    chunks = map(requests, chunks_of(Source(islice(lines, count), source.is_ready)))
    if resumption is None:
        yield from chunks
        return
    for chunk in chain(filter(None, [resumption.check(chunks)]), chunks):
        resumption.add(chunk)
        yield chunk
