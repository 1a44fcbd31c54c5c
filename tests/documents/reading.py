"""Read documents, and join them again, for the tests of formats."""

from collections.abc import Callable

from nmt.decoding.translator.marked import Mark, Marked
from nmt.documents.document import Document


def texts_of(document: Document) -> list[str]:
    """Return the texts of the segments, with their marks."""
    return [each.source.text for each in document.segments]


def same(document: Document) -> bytes:
    """Return the content with translations equal to their sources; None must give the same."""
    sources = [each.source for each in document.segments]
    content = document.join(sources).content
    assert document.join([None] * len(sources)).content == content
    return content


def changed_by(document: Document, change: Callable[[str], str]) -> bytes:
    """Return the content with all words of each segment changed, and its marks as they are."""
    found = document.join([changed(each.source, change) for each in document.segments])
    assert not found.findings
    return found.content


def changed(source: Marked, change: Callable[[str], str]) -> Marked:
    """Return a text with everything but its marks changed."""
    parts, marks = list[str](), list[Mark]()
    rest = iter(source.marks)
    length = 0
    for text, is_mark in source.parts():
        part = text if is_mark else change(text)
        if is_mark:
            marks.append(next(rest)._replace(begin=length, end=length + len(part)))
        parts.append(part)
        length += len(part)
    return Marked("".join(parts), tuple(marks))
