"""Check translations while they are written: a JSON object for each line, and a summary."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nmt.decoding.files.quality import checked_pairs, find_flags
from nmt.decoding.files.text_files import Output, Span, check_kept, kept_path, open_output
from nmt.decoding.translator.translation import Request, Translation
from nmt.errors import NmtError, UsageError
from nmt.system.log import note
from nmt.text.tokenizer import SubwordModel


class QualityCheck:
    """Flags translations that are probably wrong, after they are written.

    With several candidates the best one is checked.
    """

    def __init__(self, path: Path | None, *, keep_partial: bool, strict: bool) -> None:
        """Write the flags to a file, or count them only if there is none.

        keep_partial: keep an unfinished file, as `open_output` does. strict: raise NmtError if a
        translation is flagged.
        """
        self._path, self._keep_partial = path, keep_partial
        self._strict = strict
        self._lines = self._flagged = 0
        self._counts: Counter[str] = Counter()

    @contextmanager
    def open(self, span: Span, subwords: SubwordModel) -> Iterator[None]:
        """Open the file of flags for `check`.

        When the block ends, a note tells how many lines are flagged; if any is and the check is
        strict, NmtError does. span: the lines that are translated. subwords: those of the source.
        """
        self._subwords = subwords
        self._written: Output | None = None
        if self._path is None:
            yield
        else:
            with open_output(
                self._path, what="flags", keep_partial=self._keep_partial, span=span
            ) as self._written:
                yield
        self._report()

    def check(self, rows: Sequence[tuple[int, Request, Translation]], lines: int) -> None:
        """Check what was written: the number of the line, what was asked, and the translation.

        lines: of the source, including those that were left out.
        """
        texts = []
        segments, translations = [row[1].text for row in rows], [row[2] for row in rows]
        checked = checked_pairs(self._subwords, segments, translations)
        for (number, request, translation), pair in zip(rows, checked, strict=True):
            best = translation.candidates[0]
            flags = find_flags(pair)
            self._flagged += bool(flags)
            self._counts.update(flag.name for flag in flags)
            row: dict[str, Any] = {
                "line": number,
                "score": best.score,
                "token_log_prob": round(pair.token_log_prob, 4),
                "length_ratio": round(pair.length_ratio, 3),
                "flags": [{"flag": flag.name, **flag.values} for flag in flags],
            }
            if flags:
                row |= {"source": request.text, "translation": best.text}
            texts.append(f"{json.dumps(row, ensure_ascii=False)}\n")
        self._lines += len(rows)
        if self._written:
            self._written.write(texts, lines)

    def _report(self) -> None:
        """Tell how many lines are flagged; raises NmtError for the first if the check is strict."""
        if not self._flagged:
            note(f"none of {self._lines:,} lines is flagged")
            return
        counts = ", ".join(f"{count:,} {name}" for name, count in self._counts.most_common())
        place = f"{self._path} has them" if self._path else "--flags FILE lists them"
        verb = "is" if self._flagged == 1 else "are"
        text = f"{self._flagged:,} of {self._lines:,} lines {verb} flagged: {counts}; {place}"
        if self._strict:
            raise NmtError(f"{text}; all translations are written")
        note(text)


def quality_check(
    path: Path | None, strict: bool, *, keep_partial: bool, resume: bool
) -> QualityCheck | None:
    """Return a check that writes flags to a file, or None if neither that nor strictness is asked.

    Raises UsageError if the output is continued.

    Args:
        path: the file.
        strict: fail if a translation is flagged.
        keep_partial: as in `open_output`.
        resume: whether the output is continued.
    """
    if path is None and not strict:
        return None
    if resume:
        raise UsageError(
            f"{'--flags' if path else '--strict'} checks all lines of one command, so it does not"
            " go with --resume; use --part for a large file"
        )
    if path is not None and keep_partial:
        check_kept(kept_path(path))
    return QualityCheck(path, keep_partial=keep_partial, strict=strict)
