"""Check translations while they are written: a JSON object for each line, and a summary."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.decoding.files.bad_lines import BadLines
from nmt.decoding.files.quality import checked_pairs, find_flags
from nmt.decoding.files.span import Span
from nmt.decoding.files.text_files import check_kept, kept_path, open_output
from nmt.decoding.translator.requests import Request
from nmt.decoding.translator.translation import Translation
from nmt.errors import NmtError, UsageError
from nmt.system.log import note
from nmt.text.tokenizer import SubwordModel

if TYPE_CHECKING:
    from nmt.decoding.translator.translator import Translator

Translate = Callable[[Iterable[Sequence[Request]], int], Iterator[list[Translation]]]


class QualityCheck:
    """Flags translations that are probably wrong, on their way from the translator to the output.

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
    def watch(
        self, translator: "Translator", bad_lines: BadLines, span: Span
    ) -> Iterator[Translate]:
        """Yield a function like `Translator.chunks`, whose results are checked once written.

        When the block ends, a note tells how many are flagged; if any is and the check is strict,
        NmtError does. Lines that `bad_lines` leaves out of the output are left out here too.
        """
        opened = (
            open_output(
                self._path,
                keep_partial=self._keep_partial,
                what="flags",
                start=span.start,
                stop=span.stop,
            )
            if self._path
            else nullcontext()
        )
        with opened as written:

            def translate(
                requests: Iterable[Sequence[Request]], line: int
            ) -> Iterator[list[Translation]]:
                asked, again = tee(requests)
                for chunk in translator.chunks(asked, line):
                    kept = bad_lines.kept(range(line, line + len(chunk)))
                    yield chunk  # and go on when it is written: the flags are never ahead
                    texts = self._check(translator.tokenizer.source, next(again), chunk, line)
                    self._lines += len(kept)
                    if written:
                        written.write([texts[number - line] for number in kept], len(chunk))
                    line += len(chunk)

            yield translate
        self._report()

    def _check(
        self,
        source: SubwordModel,
        requests: Sequence[Request],
        chunk: Sequence[Translation],
        first_line: int,
    ) -> list[str]:
        """Return the JSON text of each line of a chunk, and count what is flagged."""
        texts = []
        checked = checked_pairs(source, [request.text for request in requests], chunk)
        for number, (request, translation, pair) in enumerate(
            zip(requests, chunk, checked, strict=True)
        ):
            best = translation.candidates[0]
            flags = find_flags(pair)
            self._flagged += bool(flags)
            self._counts.update(each.name for each in flags)
            row: dict[str, Any] = {
                "line": first_line + number,
                "score": best.score,
                "token_log_prob": round(pair.token_log_prob, 4),
                "length_ratio": round(pair.length_ratio, 3),
                "flags": [{"flag": each.name, **each.values} for each in flags],
            }
            if flags:
                row |= {"source": request.text, "translation": best.text}
            texts.append(f"{json.dumps(row, ensure_ascii=False)}\n")
        return texts

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


def watched(
    translator: "Translator", quality: QualityCheck | None, bad_lines: BadLines, span: Span
) -> AbstractContextManager[Translate]:
    """Return what yields the translator's `chunks`, checked if there is a check.

    span: the lines that are translated.
    """
    return quality.watch(translator, bad_lines, span) if quality else nullcontext(translator.chunks)
