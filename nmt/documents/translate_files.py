"""Translate files into files: read, translate many at once, write each as soon as it is done."""

import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from nmt.documents.document import Document, Finding, Joined, Options
from nmt.documents.folders import Job
from nmt.documents.record import Progress, Row, open_progress
from nmt.documents.registry import FORMATS, check_suffix, check_supported, format_of
from nmt.documents.translate import DocumentTranslator, Translated, TranslatedSegment
from nmt.errors import NmtError, UsageError
from nmt.runs.outputs import check_output
from nmt.system import processes
from nmt.system.atomic import atomic_path
from nmt.system.files import check_regular, read_bytes
from nmt.system.log import Notify
from nmt.text.opening import STDIN, name_of, open_raw

LONGEST = 10_000_000  # characters of a text; splitting it into sentences takes about 1 GB
COPIED_BYTES = 1 << 20  # at once
MOST_BYTES = 1 << 30  # of a file: its content and segments are kept in memory


class Source(NamedTuple):
    """A file that was read."""

    job: Job
    digest: str  # SHA-256 of its content


# Receives what was done with a file: its results, and what a user should look at. Returns the rows
# for the file of flags, which the record of the folder keeps.
OnFile = Callable[[Job, Sequence[TranslatedSegment], Sequence[Finding]], list[Row]]


@dataclass
class Summary:
    """Counts of what was done with files."""

    files: int = 0
    copied: int = 0
    done_before: int = 0
    segments: Counter[str] = field(default_factory=Counter)  # by origin
    flagged: int = 0  # segments
    failed: list[str] = field(default_factory=list)  # messages, each of a file

    def count(self, results: Sequence[TranslatedSegment]) -> None:
        """Count a translated file."""
        self.files += 1
        for each in results:
            self.segments[each.origin] += 1
            self.flagged += bool(each.flags)


def document_of(content: bytes, job: Job, options: Options) -> Document:
    """Return the document of a file's content; raises NmtError with the name of the file."""
    assert job.format is not None  # noqa: S101 (others are copied)
    try:
        document = job.format.read(content, options)
        check_lengths(document)
    except RecursionError as error:
        raise NmtError(f"{name_of(job.source)} is nested too deeply; simplify it") from error
    except NmtError as error:
        raise type(error)(f"{name_of(job.source)}: {error}") from error
    return document


def check_lengths(document: Document) -> None:
    """Raise NmtError if a text of a document is too long for the memory."""
    for each in document.segments:
        if len(each.source.text) > LONGEST:
            raise NmtError(
                f"{each.place}: the text has {len(each.source.text):,} characters, more than"
                f" {LONGEST:,}; split it"
            )


def read_content(path: Path) -> bytes:
    """Return the bytes of a regular file; raises NmtError if that is impossible."""
    if path.is_file() and path.stat().st_size > MOST_BYTES:
        raise too_large(path)
    return read_bytes(path, "the file")


def read_stdin() -> bytes:
    """Return what stdin has; raises NmtError if that is impossible."""
    with open_raw(STDIN) as stream:
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise too_large(STDIN)
    return content


def too_large(path: Path) -> NmtError:
    """Return the error for a file that the memory cannot hold."""
    return NmtError(
        f"{name_of(path)} has more than {MOST_BYTES:,} bytes, and files with a format are"
        " translated in memory; split it"
    )


def copy_file(job: Job, progress: Progress) -> None:
    """Copy a file as it is, and record it; raises NmtError if that is impossible."""
    digest = hashlib.sha256()
    check_regular(job.source, "the file", "name another")
    with open_raw(job.source) as source, new_file(job.output) as partial:
        with partial.open("wb") as target:
            while block := source.read(COPIED_BYTES):
                digest.update(block)
                target.write(block)
        executable = job.source.stat().st_mode & 0o111
        partial.chmod(partial.stat().st_mode | executable)
        progress.add(job, "", digest.hexdigest())
    progress.add(job, digest.hexdigest(), digest.hexdigest())


def translate_to_folder(
    jobs: Sequence[Job],
    folder: Path,
    work: str,
    translator: DocumentTranslator,
    notify: Notify,
    on_file: OnFile,
    on_done: Callable[[Job, Sequence[Row]], None],
) -> Summary:
    """Translate files that are not translated yet, and copy those without a format.

    A file that cannot be read or written is reported and left out; the others are translated.

    Args:
        jobs: the files, whose outputs are in the folder.
        folder: remembers what is done.
        work: a digest of all that translations depend on but the files.
        translator: translates their documents.
        notify: receives why a file is left out.
        on_file: receives what was done with each file.
        on_done: receives the rows of the report on each file that is translated already.

    Raises:
        NmtError: if another command translates into the folder.
        UsageError: before any work, if an output is not this command's to replace, or if the
            segments of files that are translated already would be missing in a new memory.
    """
    with open_progress(folder, work) as progress:
        done, left = list[Job](), list[Job]()
        for job in jobs:
            (done if progress.has(job) else left).append(job)
        lacking = [job for job in done if job.format is not None]
        if lacking and translator.memory is not None and translator.memory.keeps_new:
            raise UsageError(
                f"{lacking[0].output} is translated already, and --write-memory would lack its"
                " segments; name another --output-dir, or leave out --write-memory"
            )
        for job in left:
            progress.check_output(job)
        summary = Summary(done_before=len(done))
        for job in done:
            rows = progress.rows(job)
            summary.flagged += sum("flags" in row for row in rows)
            on_done(job, rows)

        def fail(error: NmtError) -> None:
            summary.failed.append(str(error))
            notify(str(error))

        documents = documents_of(left, translator.options, progress, summary, fail)
        processes.left.append(
            lambda: (
                f"{summary.done_before + summary.files + summary.copied} of {len(jobs)} files are"
                f" written to {folder}; the same command goes on with the others"
            )
        )
        count = sum(job.format is not None for job in left)
        for translated in translator.translate(documents, count):
            job, digest = translated.item
            try:
                joined = join(translated, job.source)
                output = hashlib.sha256(joined.content).hexdigest()
                progress.add(job, "", output)
                write_content(job.output, joined.content)
            except NmtError as error:
                fail(error)
                continue
            summary.count(translated.results)
            progress.add(job, digest, output, on_file(job, translated.results, joined.findings))
    return summary


def documents_of(
    jobs: Sequence[Job],
    options: Options,
    progress: Progress,
    summary: Summary,
    fail: Callable[[NmtError], None],
) -> Iterator[tuple[Source, Document]]:
    """Yield the documents of files; copy files without a format on the way."""
    for job in jobs:
        try:
            if job.format is None:
                copy_file(job, progress)
                summary.copied += 1
            else:
                content = read_content(job.source)
                digest = hashlib.sha256(content).hexdigest()
                yield Source(job, digest), document_of(content, job, options)
        except NmtError as error:
            fail(error)


def translate_to_stream(job: Job, translator: DocumentTranslator, on_file: OnFile) -> Summary:
    """Translate one file, or stdin, into a file or to stdout; both are `-`.

    Raises:
        NmtError: if it cannot be read or written, or is not of its format.
    """
    content = read_stdin() if job.source == STDIN else read_content(job.source)
    document = document_of(content, job, translator.options)
    summary = Summary()
    for translated in translator.translate([(Source(job, ""), document)]):
        joined = join(translated, job.source)
        if job.output == STDIN:
            write_stdout(joined.content)
        else:
            write_content(job.output, joined.content)
        summary.count(translated.results)
        on_file(job, translated.results, joined.findings)
    return summary


def translate_one(
    source: Path, output: Path, name: str | None, translator: DocumentTranslator
) -> list[TranslatedSegment]:
    """Translate one file into another, and return the translations of its segments.

    name: of its format; by default its name tells. Raises UsageError if none is known, or if the
    output must not be replaced, NmtError as `translate_to_stream` does.
    """
    if (form := format_of(source, name)) is None:
        check_supported(source, source.suffix.lower())
        raise UsageError(f"{source} has no known format; name one: {', '.join(FORMATS)}")
    check_columns(Job(source, output, form), translator.options.columns)
    check_suffix(source, output, form)
    check_output(output, [source], "the output")
    found: list[TranslatedSegment] = []

    def take(
        job: Job, results: Sequence[TranslatedSegment], findings: Sequence[Finding]
    ) -> list[Row]:
        found.extend(results)
        return []

    translate_to_stream(Job(source, output, form), translator, take)
    return found


def check_columns(job: Job, columns: Sequence[str]) -> None:
    """Raise UsageError if columns are named for a file that is no table."""
    if columns and job.format is not None and not job.format.has_columns:
        raise UsageError(
            f"--columns is for tables, but {job.source} is translated as {job.format.name}; leave"
            " it out"
        )


def check_stdout(job: Job) -> None:
    """Raise UsageError if a file's translation would be written to a terminal that can't show it.

    Raises NmtError if stdout is closed.
    """
    if sys.stdout is None:
        raise NmtError("stdout is closed; name a file with --output")
    if job.format and job.format.is_binary and sys.stdout.isatty():
        raise UsageError(
            f"the translation of {job.source} is not text; name a file for it with --output"
        )


def write_stdout(content: bytes) -> None:
    """Write bytes to stdout."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def join(translated: Translated[Source], source: Path) -> Joined:
    """Return the translated file; raises NmtError with the name of its source if that fails."""
    try:
        return translated.document.join([each.text for each in translated.results])
    except NmtError as error:
        raise type(error)(f"{name_of(source)}: {error}") from error


def write_content(path: Path, content: bytes) -> None:
    """Write the bytes of a file, whole or not at all."""
    with new_file(path) as partial:
        partial.write_bytes(content)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a path as `atomic_path` does; the file's folder is made if it is missing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NmtError(f"cannot create the folder {path.parent}: {error.strerror}") from error
    with atomic_path(path) as partial:
        yield partial
