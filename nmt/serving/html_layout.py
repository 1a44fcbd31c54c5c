"""Divide HTML into sentences to translate, as `nmt translate` does with a page."""

from collections.abc import Sequence
from contextlib import suppress

from nmt.decoding.marked import Marked
from nmt.errors import NmtError
from nmt.formats.document import Options
from nmt.formats.encoding import UTF_8
from nmt.formats.html.reader import read_page
from nmt.formats.marking.placer import Placed, Way
from nmt.formats.translate import Plan, drop, names_in
from nmt.serving.layout import Line, count_of
from nmt.serving.refusals import RefusedError, bad_request

with suppress(ImportError):
    # Now, because the server may fork while a thread divides a page: no copy may wait for an
    # import that only this thread would have finished.
    import sentencex  # noqa: F401


class HtmlLayout:
    """A page as what stays as it is, and sentences to translate."""

    def __init__(self, text: str, pair: tuple[str, str]) -> None:
        """Read a page; pair: the source and target languages.

        Raises RefusedError for a character reference that is no character, and if the package that
        finds sentences is not installed.
        """
        self._options = Options(*pair)
        try:
            self._document = read_page(text, UTF_8, self._options)
        except NmtError as error:
            raise bad_request(f"'q', {error}") from error
        try:
            names = names_in(self._document)
            segments = self._document.segments
            self._plans = [Plan(each, self._options, None, names) for each in segments]
        except NmtError as error:
            raise RefusedError(501, str(error)) from error
        self._sentences = [*dict.fromkeys(each for plan in self._plans for each in plan.sentences)]
        self.lines: tuple[Line, ...] = tuple(
            each if each.marks else each.text for each in self._sentences
        )

    def candidates(self, found: Sequence[Sequence[Line]], most: int) -> list[str]:
        """Return up to `most` pages; see `Layout.candidates`."""
        return [self._joined([each[n] for each in found]) for n in range(count_of(found, most))]

    def _joined(self, translations: Sequence[Line]) -> str:
        """Return the page with a translation of each line."""
        placed = {
            sentence: Placed(Marked(each) if isinstance(each, str) else each, Way.ALIGNED)
            for sentence, each in zip(self._sentences, translations, strict=True)
        }
        results = [plan.result(placed.__getitem__, self._options, drop) for plan in self._plans]
        text, _ = self._document.text([each.text for each in results])
        return text
