"""Report translated files: a line for each flagged segment, and a summary."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from nmt.documents.document import Finding
from nmt.documents.folders import Job
from nmt.documents.record import Row
from nmt.documents.translate import TranslatedSegment
from nmt.documents.translate_files import Summary
from nmt.errors import NmtError
from nmt.system.atomic import atomic_path
from nmt.system.files import in_utf_8
from nmt.system.log import Notify
from nmt.text.opening import name_of

MOST_TOLD = 10  # findings that are printed; the file of flags has all


class Report:
    """Collects flagged segments and faults, and prints a summary at the end."""

    def __init__(self, stream: IO[str] | None, notify: Notify) -> None:
        """`stream`: receives a JSON object for each flagged segment and each finding."""
        self._stream, self._notify = stream, notify
        self._findings = 0

    def add(
        self, job: Job, results: Sequence[TranslatedSegment], findings: Sequence[Finding]
    ) -> list[Row]:
        """Add the results of a file that was written, and return their rows."""
        rows = [
            row_of(
                place=each.segment.place,
                context=each.segment.context,
                origin=each.origin,
                source=each.segment.source.text,
                translation=each.text.text,
                flags=each.flags,
            )
            for each in results
            if each.flags
        ]
        for finding in findings:
            self._findings += 1
            rows.append(row_of(place=finding.place, finding=finding.message))
            if self._findings <= MOST_TOLD:
                where = f", {finding.place}" if finding.place else ""
                self._notify(f"{name_of(job.source)}{where}: {finding.message}")
        self.repeat(job, rows)
        return rows

    def repeat(self, job: Job, rows: Sequence[Row]) -> None:
        """Write the rows of a file, which an earlier command may have translated."""
        if self._stream is not None:
            name = {"file": in_utf_8(job.source.as_posix())}
            self._stream.writelines(
                json.dumps({**name, **each}, ensure_ascii=False) + "\n" for each in rows
            )

    def tell(self, summary: Summary, flags_file: Path | None, *, is_strict: bool) -> None:
        """Print a summary.

        Raises NmtError if a file could not be translated, or if a segment is flagged and the check
        is strict.
        """
        counts = ", ".join(
            f"{count:,} {ORIGINS.get(origin, f'from the {origin}')}"
            for origin, count in summary.segments.most_common()
        )
        hidden = self._findings - MOST_TOLD
        place = f"{flags_file} has them" if flags_file else "--flags FILE lists them"
        if hidden > 0:
            self._notify(f"{hidden:,} more notes like these; {place}")
        files = f"{summary.files:,} file{'s' if summary.files != 1 else ''} translated"
        if summary.copied:
            files += f", {summary.copied:,} copied"
        if summary.done_before:
            files += f", {summary.done_before:,} done before"
        self._notify(f"{files}; segments: {counts or 'none'}")
        self._tell_flags(summary, place, is_strict=is_strict)

    def _tell_flags(self, summary: Summary, place: str, *, is_strict: bool) -> None:
        count = summary.flagged
        verb = "segment is" if count == 1 else "segments are"
        text = f"{count:,} {verb} flagged; {place}" if count else ""
        if summary.failed:
            raise NmtError(
                f"{len(summary.failed):,} of the files could not be translated; the first:"
                f" {summary.failed[0]}" + (f"; {text}" if text else "")
            )
        if text and is_strict:
            raise NmtError(f"{text}; all translations are written")
        if text:
            self._notify(text)


def row_of(**values: object) -> Row:
    """Return a row of the file of flags, without the file's name and without empty texts."""
    return {key: value for key, value in values.items() if value != ""}


ORIGINS = {"model": "translated", "unchanged": "without words"}


@contextmanager
def open_report(path: Path | None, notify: Notify) -> Iterator[Report]:
    """Open a report, whose file of flags appears when the block ends; None: no such file."""
    if path is None:
        yield Report(None, notify)
        return
    with (
        atomic_path(path) as partial,
        partial.open("w", encoding="utf-8", newline="\n") as stream,
    ):
        yield Report(stream, notify)
