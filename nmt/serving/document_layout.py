"""Divide documents into sentences to translate, as `nmt translate FILE` does."""

import importlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from nmt.documents.document import Document, Options
from nmt.documents.encoding import UTF_8
from nmt.documents.pages.html import read_page
from nmt.documents.registry import FORMATS, PROSE, Format, Job, find_format
from nmt.documents.translate import Placed, Plan
from nmt.documents.translate_files import parse_document
from nmt.errors import NmtError
from nmt.serving.layout import Line, count_of, marked
from nmt.serving.line_translator import Pair
from nmt.serving.refusals import RefusedError, bad_file, bad_request

# Now, because the server may fork while a thread reads a document: no copy may wait for an import
# that only this thread would have finished.
for module in ("sentencex", *(f"nmt.documents.{x.module}" for x in FORMATS.values())):
    with suppress(ImportError):
        importlib.import_module(module)


class DocumentLayout:
    """A document as what stays as it is, and sentences to translate."""

    def __init__(self, document: Document, pair: Pair) -> None:
        """Divide a document; pair: the source and target languages.

        Raises RefusedError if the package that finds sentences is not installed.
        """
        try:
            self._plan = Plan(document, Options(*pair))
        except NmtError as error:
            raise RefusedError(501, str(error)) from error
        self.lines: tuple[Line, ...] = (*dict.fromkeys(self._plan.sentences),)

    def content(self, translations: Sequence[Line]) -> bytes:
        """Return the document with a translation of each line."""
        placed = {
            line: Placed(marked(each)) for line, each in zip(self.lines, translations, strict=True)
        }
        results = self._plan.results(placed.__getitem__)
        return self._plan.document.join([each.text for each in results]).content

    def candidates(self, found: Sequence[Sequence[Line]], most: int) -> list[str]:
        """Return up to `most` pages; see `Layout.candidates`."""
        ranks = range(count_of(found, most))
        return [self.content([each[rank] for each in found]).decode() for rank in ranks]


def layout_of_page(text: str, pair: Pair) -> DocumentLayout:
    """Return the layout of HTML; raises RefusedError for a reference that is no character."""
    try:
        document = read_page(text, UTF_8, Options(*pair))
    except NmtError as error:
        raise bad_request(f"'q', {error}") from error
    return DocumentLayout(document, pair)


def layout_of_file(name: str, content: bytes, pair: Pair) -> DocumentLayout:
    """Return the layout of a file with this name; raises RefusedError if it cannot be read."""
    path = Path(name)
    try:
        document = parse_document(content, Job(path, path, format_by_name(name)), Options(*pair))
    except NmtError as error:
        raise bad_file(error) from error
    return DocumentLayout(document, pair)


def format_by_name(name: str) -> Format | None:
    """Return the format of a file with this name; None for files that are not translated."""
    if name.lower().endswith(PROSE):
        return FORMATS["text"]
    found = find_format(Path(name), None)
    return None if found is None or found.has_columns else found


def suffixes() -> list[str]:
    """Return the suffixes of files that are translated, as clients show them."""
    found = [each for form in FORMATS.values() for each in form.suffixes]
    return [each for each in (PROSE, *found) if each[0] == "." and format_by_name(f"x{each}")]
