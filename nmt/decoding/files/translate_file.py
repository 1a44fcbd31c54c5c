"""Translate a text file or a pipe, a line out for each line in."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from itertools import tee
from pathlib import Path

from nmt.decoding.files.output_formats import Format
from nmt.decoding.files.quality import QualityCheck
from nmt.decoding.files.resumable import Resumption, Task
from nmt.decoding.files.text_files import BadLines, open_source, open_text
from nmt.decoding.models.alignment import pharaoh_line
from nmt.decoding.stream import Source
from nmt.decoding.translator.translation import Request, strip_prefix
from nmt.decoding.translator.translator import Translator
from nmt.errors import NmtError, UsageError
from nmt.system.log import note, progress_bar
from nmt.text.lines import STDIN, FirstSegment, name_of, read_lines


def translate_file(
    translator: Translator,
    source: Path,
    task: Task,
    lines_of: Format,
    *,
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
        lines_of: turns a translation into lines.
        prefix: a file with a prefix for each line of the source; a blank line asks for none.
        prefix_column: a line holds the source, a tab and a prefix.
        to_column: the number of a column, from 1, that names the language to write for each line;
            the rest of the line is the source.
        on_bad_line: what to do with a line that cannot be read, one of `text_files.ACTIONS`.
        quality: flags translations that are probably wrong.
        alignments: a file for a line of links for each line of the output, if they are wanted.

    Raises:
        UsageError: if the file of prefixes has fewer or more lines than the source.
    """
    # Lines that arrive may have nothing to do with each other.
    is_alone = translator.context is not None and not (source != STDIN and source.is_file())
    if isinstance(task, Resumption):
        translator.searcher.keep_one_backend()
        if translator.context is not None and not is_alone:
            raise UsageError(
                "--resume cannot go on within a document that is translated in context; leave it"
                " out, or use --keep-partial"
            )
    shares_screen = task.output is None and sys.stdout is not None and sys.stdout.isatty()
    bad_lines = BadLines(on_bad_line, task.first_line)
    prefixes = None if prefix is None else PrefixLines(prefix)
    checked = quality.open(task.span, translator) if quality else nullcontext()
    try:
        with (
            checked,
            open_source(source, bad_lines.add) as lines,
            task.open() as written,
            open_text(alignments) as aligned,
            progress_bar(quiet=shares_screen, unit="segment", desc="translate") as bar,
        ):
            languages = None
            if to_column is not None:
                check = translator.encoder.opening
                languages = LanguageColumn(to_column, name_of(source), check, bad_lines)
            requests = make_requests(
                map(FirstSegment, lines.segments) if is_alone else lines.segments,
                *(prefixes, languages),
                prefix_column=prefix_column,
            )
            chunks = task.chunks(Source(requests, lines.is_ready))
            asked, again = tee(ask_nothing(chunks, bad_lines, task.first_line))
            translated = translator.chunks(asked, task.first_line)
            for chunk, answered in zip(translated, again, strict=False):
                line = task.span.start + written.lines + 1
                numbers = range(line, line + len(chunk))
                rows = bad_lines.without_skipped(
                    [*zip(numbers, answered, chunk, strict=True)], line
                )
                written.write([lines_of(found, number) for number, _, found in rows], len(chunk))
                if aligned:
                    aligned.writelines(pharaoh_line(found) for *_, found in rows)
                if quality:  # after the write: the flags are never ahead
                    quality.check(rows, len(chunk))
                bar.update(len(chunk))
            if prefixes is not None and task.span.stop is None:
                prefixes.check_end()
            if is_alone and written.lines > 1:
                note(f"{name_of(source)}: each line was translated alone; name a file for context")
    finally:
        bad_lines.tell(note)


class PrefixLines:
    """The lines of a file of prefixes: one for each line of the source."""

    def __init__(self, path: Path) -> None:
        self._name, self._lines, self._count = name_of(path), read_lines(path), 0

    def take(self) -> str:
        """Return the prefix of the next line of the source; raises UsageError if there is none."""
        prefix = next(self._lines, None)
        if prefix is None:
            raise UsageError(
                f"{self._name} has {self._count:,} lines but the source has more; --prefix needs"
                " one for each line of the source (it may be blank)"
            )
        self._count += 1
        return prefix

    def check_end(self) -> None:
        """Raise UsageError if there are more prefixes than lines of the source."""
        if next(self._lines, None) is not None:
            raise UsageError(
                f"{self._name} has more lines than the source, which has {self._count:,}; --prefix"
                " needs one for each line of the source"
            )


class LanguageColumn:
    """The column of a file that names the language to write for each line."""

    def __init__(
        self, column: int, name: str, check: Callable[[str], object], bad_lines: BadLines
    ) -> None:
        """Take the number of a column of the file `name`, from 1.

        check: raises UsageError for a language that the model does not write. bad_lines: receives
        the lines that name such a one.
        """
        self._column, self._name, self._check, self._bad_lines = column, name, check, bad_lines

    def take(self, number: int, line: str) -> tuple[str, str]:
        """Return the language of a line, "" if it names none, and the rest of the line."""
        cells = line.split("\t")
        language = cells.pop(self._column - 1) if self._column <= len(cells) else ""
        text, language = "\t".join(cells), language.strip()
        try:
            if line.strip():
                self._check(language)
        except UsageError as error:
            self._bad_lines.add(number, NmtError(f"{self._name}, line {number}: {error}"))
        return language, text


def make_requests(
    lines: Iterable[str],
    prefixes: PrefixLines | None,
    languages: LanguageColumn | None,
    *,
    prefix_column: bool,
) -> Iterator[Request]:
    """Yield a request for each line."""
    for number, line in enumerate(lines, start=1):
        prefix = prefixes.take() if prefixes else ""
        language, text = languages.take(number, line) if languages else ("", line)
        if prefix_column:
            text, _, prefix = text.partition("\t")
        yield Request(type(line)(text), strip_prefix(prefix), language=language)


def ask_nothing(
    chunks: Iterable[list[Request]], bad_lines: BadLines, line: int
) -> Iterator[list[Request]]:
    """Yield chunks of requests; those of bad lines ask for nothing. line: that of the first."""
    for chunk in chunks:
        numbered = enumerate(chunk, line)
        yield [Request("") if number in bad_lines.numbers else one for number, one in numbered]
        line += len(chunk)
