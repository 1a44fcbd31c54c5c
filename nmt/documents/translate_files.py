"""Translate files into files: read, translate many at once, write each as soon as it is done."""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shutil import copyfileobj
from typing import IO

from nmt.config import DecodeSettings
from nmt.decoding.translator.load import check_direction, find_direction, only_target
from nmt.documents.bitext import READERS, XLIFF
from nmt.documents.document import Document, Finding, Joined, Options
from nmt.documents.folders import FolderRecord, Row, open_record
from nmt.documents.registry import FORMATS, Job, check_job, check_supported, find_format
from nmt.documents.translate import DocumentTranslator, Translated, TranslatedSegment
from nmt.errors import NmtError, UsageError
from nmt.runs.outputs import check_output
from nmt.runs.trained_model import TrainedModel
from nmt.system import processes
from nmt.system.atomic import atomic_path, write_bytes
from nmt.system.files import check_regular, compute_sha256, in_utf_8, read_bytes
from nmt.system.log import Notify
from nmt.text.reading.languages import language_of_file
from nmt.text.reading.lines import STDIN, open_raw, show_name
from nmt.text.subwords.tokenizer import target_token

LONGEST = 10_000_000  # characters of a text; splitting it into sentences takes about 1 GB
MOST_BYTES = 1 << 30  # of a file: its content and segments are kept in memory
MOST_TOLD = 10  # findings that are printed; the file of flags has all
ORIGINS = {"model": "translated", "unchanged": "without words"}


Source = tuple[Job, str]  # a file that was read, and the SHA-256 of its content


class Report:
    """Counts of translated files, their flagged segments, and faults that a user should look at."""

    def __init__(self, stream: IO[str] | None, notify: Notify) -> None:
        """Take the stream that gets a JSON object for each flagged segment and each finding."""
        self._stream, self._notify = stream, notify
        self._translated = self._flagged = self._findings = 0  # files, segments, faults
        self.copied = self.done_before = 0  # files
        self._segments: Counter[str] = Counter()  # by origin
        self._failed: list[str] = []  # messages, each of a file

    @property
    def written(self) -> int:
        """Return the number of files that are translated or copied, by earlier commands too."""
        return self.done_before + self._translated + self.copied

    def add(
        self, job: Job, results: Sequence[TranslatedSegment], findings: Sequence[Finding]
    ) -> list[Row]:
        """Add a file that was written, and return its rows for the file of flags."""
        self._translated += 1
        rows: list[Row] = []
        for result in results:
            self._segments[result.origin] += 1
            if result.flags:
                segment = result.segment
                row = {
                    "place": segment.place,
                    "context": segment.context,
                    "origin": result.origin,
                    "source": segment.source.text,
                    "translation": result.text.text,
                    "flags": result.flags,
                }
                rows.append(row)
        for finding in findings:
            self._findings += 1
            rows.append({"place": finding.place, "finding": finding.message})
            if self._findings <= MOST_TOLD:
                where = f", {finding.place}" if finding.place else ""
                self._notify(f"{show_name(job.source)}{where}: {finding.message}")
        rows = [{key: value for key, value in row.items() if value != ""} for row in rows]
        self._write(job, rows)
        return rows

    def add_done(self, job: Job, rows: Sequence[Row]) -> None:
        """Add a file that an earlier command has written, with its rows."""
        self.done_before += 1
        self._write(job, rows)

    def _write(self, job: Job, rows: Sequence[Row]) -> None:
        self._flagged += sum("flags" in row for row in rows)
        if self._stream is not None:
            name = {"file": in_utf_8(job.source.as_posix())}
            self._stream.writelines(
                json.dumps({**name, **row}, ensure_ascii=False) + "\n" for row in rows
            )

    def fail(self, error: NmtError) -> None:
        """Add a file that cannot be read or written, and tell why."""
        self._failed.append(str(error))
        self._notify(str(error))

    def tell(self, flags_file: Path | None, *, is_strict: bool) -> None:
        """Print a summary.

        Raises NmtError if a file could not be translated, or if a segment is flagged and the check
        is strict.
        """
        where = f"{flags_file} has them" if flags_file else "--flags FILE lists them"
        if (hidden := self._findings - MOST_TOLD) > 0:
            self._notify(f"{hidden:,} more notes like these; {where}")
        counts = ", ".join(
            f"{count:,} {ORIGINS.get(origin, f'from the {origin}')}"
            for origin, count in self._segments.most_common()
        )
        files = f"{self._translated:,} file{'s' if self._translated != 1 else ''} translated"
        if self.copied:
            files += f", {self.copied:,} copied"
        if self.done_before:
            files += f", {self.done_before:,} done before"
        self._notify(f"{files}; segments: {counts or 'none'}")
        verb = "segment is" if self._flagged == 1 else "segments are"
        flagged = f"{self._flagged:,} {verb} flagged; {where}" if self._flagged else ""
        if self._failed:
            count = len(self._failed)
            several = f"{count:,} files could not be translated; the first"
            told = several if count > 1 else "1 file could not be translated"
            raise NmtError(f"{told}: {self._failed[0]}" + (f"; {flagged}" if flagged else ""))
        if flagged and is_strict:
            raise NmtError(f"{flagged}; all translations are written")
        if flagged:
            self._notify(flagged)


def options_by_job(
    jobs: Sequence[Job],
    options: Options,
    model: TrainedModel,
    settings: DecodeSettings,
    *,
    is_chosen: bool,
) -> dict[Job, Options]:
    """Return the options for each file as `with_languages` does; a copied one has those of others.

    options: what the user says about all files.
    """
    fix = "; or leave the file out (in a folder: --exclude)" if len(jobs) > 1 else ""
    own = {
        job: with_languages(options, job, model, settings, fix, is_chosen=is_chosen)
        for job in jobs
        if job.format
    }
    other = next(iter(own.values()), options)
    return {job: own.get(job, other) for job in jobs}


def with_languages(
    options: Options,
    job: Job,
    model: TrainedModel,
    settings: DecodeSettings,
    other_fix: str = "",
    *,
    is_chosen: bool,
) -> Options:
    """Return options with the languages of a file, for a model of several languages.

    XLIFF, TMX and PO files state languages. The target that a file states goes before that of the
    recipe, but not before one that the user chose; `only_target` comes last. Raises UsageError if
    the model does not write the target, if there is none, or if the file is in this language;
    other_fix follows an error about the file.
    """
    read = stated = ""
    assert job.format is not None  # noqa: S101 (others are copied)
    path, data, subwords = job.source, model.recipe.data, model.tokenizer.source
    # Stdin can be read only once, and a template (.pot) states no language.
    has_languages = path != STDIN and path.suffix.lower() != ".pot"
    reader = READERS.get(job.format.name) if has_languages else None
    is_several = bool(subwords.language_tokens)
    if reader and (is_several or len(data.known_directions) > 1):
        # A damaged file is reported when it is translated, unless it had to state the language.
        with suppress(*([] if is_several and not settings.target_language else [NmtError])):
            read, *targets = reader.languages(path) or ("",)
            stated = targets[0] if len(targets) == 1 else ""
    to = stated if is_several and not is_chosen else ""
    if is_several:
        read = read or language_of_file(path)
        to = to or ("" if settings.target_language else only_target(model.recipe, read))
    try:
        target_token(to or settings.target_language, subwords, data.known_directions[0][1])
    except UsageError as error:
        if is_chosen:
            raise
        raise UsageError(f"{show_name(path)}: {error}{other_fix}") from error
    settings = replace(settings, target_language=to or settings.target_language)
    # Files of messages may be named for their translations: de.json, which still is in English.
    is_text = not job.format.module.startswith(("messages.", "data."))
    if reader is XLIFF or (reader is None and is_text):
        check_direction(model.recipe, path, read, settings, other_fix)
    source, target = find_direction(model.recipe, settings, read)
    return replace(options, source_language=source, target_language=target, to=to)


def translate_to_folder(
    jobs: Mapping[Job, Options],
    folder: Path,
    work: str,
    translator: DocumentTranslator,
    report: Report,
) -> None:
    """Translate files that are not translated yet, and copy those without a format.

    A file that cannot be read or written is reported and left out; the others are translated.

    Args:
        jobs: the files, whose outputs are in the folder, and the options for each.
        folder: remembers what is done.
        work: a digest of all that translations depend on but the files.
        translator: translates their documents.
        report: receives what was done with each file.

    Raises:
        NmtError: if another command translates into the folder.
        UsageError: before any work, if an output is not this command's to replace, or if the
            segments of files that are translated already would be missing in a new memory.
    """
    with open_record(folder, work) as record:
        done, left = list[Job](), list[Job]()
        for job in jobs:
            (done if record.has(job) else left).append(job)
        lacking = [job for job in done if job.format is not None]
        if lacking and translator.memory.keeps_new:
            raise UsageError(
                f"{lacking[0].output} is translated already, and --write-memory would lack its"
                " segments; name another --output-dir, or leave out --write-memory"
            )
        for job in left:
            record.check_output(job)
        for job in done:
            report.add_done(job, record.rows(job))
        processes.left.append(
            lambda: (
                f"{report.written} of {len(jobs)} files are written to {folder}; the same command"
                " goes on with the others"
            )
        )
        count = sum(job.format is not None for job in left)
        for options in dict.fromkeys(map(jobs.__getitem__, left)):
            translator.switch(options)
            own = [job for job in left if jobs[job] == options]
            translate_documents(own, count, translator, record, report)


def translate_documents(
    jobs: Sequence[Job],
    count: int,
    translator: DocumentTranslator,
    record: FolderRecord,
    report: Report,
) -> None:
    """Translate files into a folder with the same options, and copy those without a format.

    count: as for `DocumentTranslator.translate`.
    """
    sources = read_documents(jobs, translator.options, record, report)
    for translated in translator.translate(sources, count):
        job, digest = translated.item
        try:
            joined = join(translated, job.source)
            output = hashlib.sha256(joined.content).hexdigest()
            record.add(job, "", output)
            write_bytes(job.output, joined.content)
        except NmtError as error:
            report.fail(error)
            continue
        record.add(job, digest, output, report.add(job, translated.results, joined.findings))


def read_documents(
    jobs: Sequence[Job], options: Options, record: FolderRecord, report: Report
) -> Iterator[tuple[Source, Document]]:
    """Yield the documents of files; copy files without a format on the way."""
    for job in jobs:
        try:
            if job.format is not None:
                yield read_document(job, options)
            else:
                copy_file(job, record)
                report.copied += 1
        except NmtError as error:
            report.fail(error)


def copy_file(job: Job, record: FolderRecord) -> None:
    """Copy a file as it is, and record it; raises NmtError if that is impossible."""
    check_regular(job.source, "the file", "name another")
    with open_raw(job.source) as source, atomic_path(job.output) as partial:
        with partial.open("wb") as target:
            copyfileobj(source, target)
        executable = job.source.stat().st_mode & 0o111
        partial.chmod(partial.stat().st_mode | executable)
        digest = compute_sha256(partial)
        record.add(job, "", digest)
    record.add(job, digest, digest)


def translate_job(
    job: Job, translator: DocumentTranslator, report: Report | None = None
) -> list[TranslatedSegment]:
    """Translate one file, or stdin, into a file or to stdout; return its translated segments.

    Raises NmtError if it cannot be read or written, or is not of its format.
    """
    (translated,) = translator.translate([read_document(job, translator.options)])
    joined = join(translated, job.source)
    if job.output != STDIN:
        write_bytes(job.output, joined.content)
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(joined.content)
        sys.stdout.buffer.flush()
    if report is not None:
        report.add(job, translated.results, joined.findings)
    return translated.results


def make_job(source: Path, output: Path, name: str | None, columns: Sequence[str]) -> Job:
    """Return one file to translate, whose name tells its format if `name` does not.

    Raises UsageError if no format is known, or if the output must not be replaced.
    """
    if (file_format := find_format(source, name)) is None:
        check_supported(source, source.suffix.lower())
        raise UsageError(f"{source} has no known format; name one: {', '.join(FORMATS)}")
    check_output(output, [source], "the output")
    job = Job(source, output, file_format)
    check_job(job, columns)
    return job


def read_document(job: Job, options: Options) -> tuple[Source, Document]:
    """Return a file with its document; raises NmtError if it cannot be read."""
    if job.source == STDIN:
        with open_raw(STDIN) as stream:
            content = stream.read(MOST_BYTES + 1)
        is_large = len(content) > MOST_BYTES
    else:
        is_large = job.source.is_file() and job.source.stat().st_size > MOST_BYTES
        content = b"" if is_large else read_bytes(job.source, "the file")
    if is_large:
        raise NmtError(
            f"{show_name(job.source)} has more than {MOST_BYTES:,} bytes, and files with a format"
            " are translated in memory; split it"
        )
    digest = hashlib.sha256(content).hexdigest()
    return (job, digest), parse_document(content, job, options)


def parse_document(content: bytes, job: Job, options: Options) -> Document:
    """Return the document of a file's content; raises NmtError with the name of the file."""
    assert job.format is not None  # noqa: S101 (others are copied)
    try:
        document = job.format.read(content, options)
        for segment in document.segments:
            if len(segment.source.text) > LONGEST:
                raise NmtError(
                    f"{segment.place}: the text has {len(segment.source.text):,} characters, more"
                    f" than {LONGEST:,}; split it"
                )
    except RecursionError as error:
        raise NmtError(f"{show_name(job.source)} is nested too deeply; simplify it") from error
    except NmtError as error:
        raise type(error)(f"{show_name(job.source)}: {error}") from error
    return document


def join(translated: Translated[Source], source: Path) -> Joined:
    """Return the translated file; raises NmtError with the name of its source if that fails."""
    try:
        return translated.document.join([result.text for result in translated.results])
    except NmtError as error:
        raise type(error)(f"{show_name(source)}: {error}") from error
