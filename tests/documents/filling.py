"""Fill the documents of bilingual formats in tests."""

from collections.abc import Mapping

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Document, Joined


def filled(document: Document, translations: Mapping[str, str]) -> Joined:
    """Return a document with translations by source text; a source that is not there is left."""
    sources = [each.source for each in document.segments]
    return document.join(
        [
            with_marks(translations[each.text], each) if each.text in translations else None
            for each in sources
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
    """Return a document with its texts in capitals, as far as no mark or placeholder is there."""
    return document.join([shout(each.source) for each in document.segments])


def shout(source: Marked) -> Marked:
    """Return a text in capitals; what stands beside signs of placeholders stays as it is."""
    parts = [
        part if is_mark or any(sign in part for sign in "%{$&") else part.upper()
        for part, is_mark in source.parts()
    ]
    return Marked("".join(parts), source.marks)
