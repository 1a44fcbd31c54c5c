"""Translate documents, mark parts of texts, and take zip files apart, for the tests of formats."""

import re
from collections.abc import Callable, Mapping
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile

from hypothesis import settings

from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.documents.document import Document, Joined
from nmt.documents.marks.tags import with_changed_words

# The same cases in each run, however busy the machine is.
QUICK = settings(max_examples=100, derandomize=True, database=None, deadline=None)


def texts(document: Document) -> list[str]:
    return [segment.source.text for segment in document.segments]


def places(document: Document) -> list[str]:
    return [segment.place for segment in document.segments]


def headings(document: Document) -> list[str]:
    return [segment.source.text for segment in document.segments if segment.is_heading]


def unchanged(document: Document) -> bytes:
    """Return the content with translations equal to their sources; None must give the same."""
    sources = [segment.source for segment in document.segments]
    content = document.join(sources).content
    assert document.join([None] * len(sources)).content == content
    return content


def changed_by(document: Document, change: Callable[[str], str] = str.upper) -> bytes:
    """Return the content with all words of each segment changed, and its marks as they are."""
    found = document.join(
        [with_changed_words(segment.source, change) for segment in document.segments]
    )
    assert not found.findings
    return found.content


def joined(document: Document, *translations: str | None) -> bytes:
    """Return the content with these translations, which have no marks; the rest is left."""
    new = [None if text is None else Marked(text) for text in translations]
    return document.join([*new, *[None] * (len(document.segments) - len(new))]).content


def filled(document: Document, translations: Mapping[str, str]) -> Joined:
    """Return a document with translations by source text; a source that is not there is left."""
    return document.join(
        [
            with_marks(translations[source.text], source) if source.text in translations else None
            for source in (segment.source for segment in document.segments)
        ]
    )


def with_marks(translation: str, source: Marked) -> Marked:
    """Return a translation with the marks of its source, which are in the same order."""
    marks = []
    end = 0
    for mark, text in zip(source.marks, source.mark_texts(), strict=True):
        begin = translation.index(text, end)
        end = begin + len(text)
        marks.append(mark._replace(begin=begin, end=end))
    return Marked(translation, tuple(marks))


def shouted(document: Document) -> Joined:
    """Return a document in capitals, but for what stands beside the sign of a placeholder."""

    def shout(part: str) -> str:
        return part if any(sign in part for sign in "%{$&") else part.upper()

    return document.join(
        [with_changed_words(segment.source, shout) for segment in document.segments]
    )


def marked(text: str, kinds: Mapping[str, Kind]) -> Marked:
    """Return a text in which each of some texts is a mark of a kind."""
    pattern = "|".join(map(re.escape, kinds))
    marks = (Mark(*found.span(), kinds[found[0]]) for found in re.finditer(pattern, text))
    return Marked(text, tuple(marks))


def members(content: bytes) -> dict[str, bytes]:
    with ZipFile(BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(parts: Mapping[str, bytes]) -> bytes:
    file = BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as target:
        for name, content in parts.items():
            target.writestr(name, content)
    return file.getvalue()
