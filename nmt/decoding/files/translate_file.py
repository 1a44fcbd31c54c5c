"""Translate a text file or a pipe, a line out for each line in."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from itertools import tee
from pathlib import Path

from nmt.decoding.files.output_formats import Format
from nmt.decoding.files.quality import QualityCheck
from nmt.decoding.files.resumable import Resumption, Task
from nmt.decoding.files.text_files import BadLines, is_on_screen, open_source, open_text
from nmt.decoding.models.alignment import pharaoh_line
from nmt.decoding.stream import Source
from nmt.decoding.translator.translation import Request, strip_prefix
from nmt.decoding.translator.translator import Translator
from nmt.errors import NmtError, UsageError
from nmt.system.log import note, progress_bar
from nmt.text.reading.lines import STDIN, FirstSegment, read_lines, show_name


def translate_file(
    translator: Translator,
    source: Path,
    task: Task,
    render: Format,
    *,
    checker: Callable[[Iterable[str], str], Iterable[str]] | None = None,
    prefix: Path | None = None,
    prefix_column: bool = False,
    to_column: int | None = None,
    on_bad_line: str = "error",
    quality: QualityCheck | None = None,
    alignments: Path | None = None,
) -> None:
    """Write what a format has for each line of the source, in order, as soon as it is translated.

    A note at the end tells of lines that could not be read.

    Args:
        translator: translates the lines.
        source: a file, a pipe, or `-` for stdin.
        task: the lines to translate, and the output.
        render: turns a translation into lines.
        checker: takes the lines and the name of the source, and yields the lines; raises an error
            if they must not be translated.
        prefix: a file with a prefix for each line of the source; a blank line asks for none.
        prefix_column: a line holds the source, a tab and a prefix.
        to_column: the number of a column, from 1, that names the language to write for each line;
            the rest of the line is the source.
        on_bad_line: what to do with a line that cannot be read, as `BadLines` takes it.
        quality: flags translations that are probably wrong.
        alignments: a file for a line of links for each line of the output, if they are wanted.

    Raises:
        UsageError: if the file of prefixes has fewer or more lines than the source.
    """
    is_alone = check_context(translator, source, task)
    if isinstance(task, Resumption):
        translator.searcher.keep_one_backend()
    name, bad_lines = show_name(source), BadLines(on_bad_line, task.first_line)
    checked = quality.open(task.span, translator) if quality else nullcontext()
    try:
        with (
            checked,
            open_source(source, bad_lines.add) as lines,
            task.open() as written,
            open_text(alignments) as aligned,
            progress_bar(quiet=is_on_screen(task.output), unit="segment", desc="translate") as bar,
        ):
            segments = checker(lines.segments, name) if checker else lines.segments
            segments = map(FirstSegment, segments) if is_alone else segments
            requests: Iterator[Request] = map(Request, segments)
            if to_column is not None:
                check = translator.encoder.opening
                requests = with_languages(requests, to_column, name, check, bad_lines)
            prefixes: Iterator[str] = iter(())
            if prefix is not None:
                prefixes = read_lines(prefix)
                requests = with_prefixes(requests, prefixes, show_name(prefix))
            if prefix_column:
                requests = with_prefix_column(requests)
            chunks = task.chunks(Source(requests, lines.is_ready))
            asked, again = tee(ask_nothing(chunks, bad_lines, task.first_line))
            translated = translator.chunks(asked, task.first_line)
            for chunk, answered in zip(translated, again, strict=False):
                line = task.span.start + written.lines + 1
                numbers = range(line, line + len(chunk))
                rows = bad_lines.without_skipped(
                    [*zip(numbers, answered, chunk, strict=True)], line
                )
                written.write([render(found, number) for number, _, found in rows], len(chunk))
                if aligned:
                    aligned.writelines(pharaoh_line(found) for *_, found in rows)
                if quality:  # after the write: the flags are never ahead
                    quality.check(rows, len(chunk))
                bar.update(len(chunk))
            if prefix is not None and task.span.stop is None and next(prefixes, None) is not None:
                raise UsageError(
                    f"{show_name(prefix)} has more lines than the source, which has"
                    f" {written.lines:,}; --prefix needs one for each line of the source"
                )
            if is_alone and written.lines > 1:
                note(f"{name}: each line was translated alone; name a file for context")
    finally:
        bad_lines.tell(note)


def check_context(translator: Translator, source: Path, task: Task) -> bool:
    """Return whether each line is translated alone, although the model reads context.

    Lines that arrive may have nothing to do with each other. Raises UsageError if an output would
    be continued within a document.
    """
    if translator.context is None:
        return False
    if source == STDIN or not source.is_file():
        return True
    if isinstance(task, Resumption):
        raise UsageError(
            "--resume cannot go on within a document that is translated in context; leave it out,"
            " or use --keep-partial"
        )
    return False


def with_languages(
    requests: Iterable[Request],
    column: int,
    name: str,
    check: Callable[[str], object],
    bad_lines: BadLines,
) -> Iterator[Request]:
    """Take the language to write from a column of each text; the rest is the text.

    column: its number, from 1; a text may have fewer. name: of the file. check: raises UsageError
    for a language that the model does not write. bad_lines: receives the lines with such a one.
    """
    for number, request in enumerate(requests, start=1):
        cells = request.text.split("\t")
        language = cells.pop(column - 1).strip() if column <= len(cells) else ""
        try:
            if request.text.strip():
                check(language)
        except UsageError as error:
            bad_lines.add(number, NmtError(f"{name}, line {number}: {error}"))
        text = type(request.text)("\t".join(cells))
        yield replace(request, text=text, language=language)


def with_prefixes(
    requests: Iterable[Request], prefixes: Iterator[str], name: str
) -> Iterator[Request]:
    """Give each request the next line of the file `name`; raises UsageError if there is none."""
    for count, request in enumerate(requests):
        prefix = next(prefixes, None)
        if prefix is None:
            raise UsageError(
                f"{name} has {count:,} lines but the source has more; --prefix needs one for each"
                " line of the source (it may be blank)"
            )
        yield replace(request, prefix=strip_prefix(prefix))


def with_prefix_column(requests: Iterable[Request]) -> Iterator[Request]:
    """Take the prefix of each request from its text, after a tab."""
    for request in requests:
        text, _, prefix = request.text.partition("\t")
        text = type(request.text)(text)
        yield replace(request, text=text, prefix=strip_prefix(prefix))


def ask_nothing(
    chunks: Iterable[list[Request]], bad_lines: BadLines, line: int
) -> Iterator[list[Request]]:
    """Yield chunks of requests; those of bad lines ask for nothing. line: that of the first."""
    for chunk in chunks:
        numbered = enumerate(chunk, line)
        yield [Request("") if number in bad_lines.numbers else one for number, one in numbered]
        line += len(chunk)
