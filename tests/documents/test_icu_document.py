"""A document with messages of ICU is translated text by text, and is whole again afterwards."""

from collections.abc import Sequence

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Document, Options, Segment, SourceDocument, escaped
from nmt.documents.encoding import UTF_8
from nmt.documents.translate import DocumentTranslator, IcuDocument, Placed, taken_apart

FILES = "You have {n, plural, one {# file} other {# files}} in {place}."
SYNTAX = frozenset({"icu", "brace"})


def document_of(*texts: str) -> Document:
    """Return a document with a text on each line."""
    content, begin = "".join(f"{text}\n" for text in texts), 0
    document = SourceDocument(content.encode(), content, UTF_8)
    for text in texts:
        segment = Segment(Marked(text), document.place(begin), syntax=SYNTAX)
        document.fill(
            begin, begin + len(text), document.add(segment), lambda made: escaped(made, str)
        )
        begin += len(text) + 1
    return document


def upper(sentences: Sequence[Marked]) -> list[Placed]:
    """Translate into capitals."""
    return [
        Placed(
            Marked(
                "".join(part if is_mark else part.upper() for part, is_mark in each.parts()),
                each.marks,
            ),
        )
        for each in sentences
    ]


def test_messages_are_translated_text_by_text() -> None:
    options = Options("en", "pl")
    (found,) = DocumentTranslator(upper, options).translate([("a", document_of(FILES, "It {x}"))])
    sources = [each.segment.source.text for each in found.results]
    assert sources == ["You have {n} in {place}.", "# file", "# files", "It {x}"]
    joined = found.document.join([each.text for each in found.results])
    assert joined.content.decode() == (
        "YOU HAVE {n, plural, one {# FILE} other {# FILES}} IN {place}.\nIT {x}\n"
    )
    (finding,) = joined.findings
    assert finding == ("line 1", "a plural has no few and no many, which pl needs")


def test_nothing_changes_if_nothing_is_translated() -> None:
    document = taken_apart(document_of(FILES, "l''a"), Options("en", "pl"))
    assert isinstance(document, IcuDocument)
    for translations in ([None] * 4, [each.source.of_format() for each in document.segments]):
        assert document.join(translations).content.decode() == f"{FILES}\nl''a\n"
        assert document.join(translations).findings == ()


def test_a_document_without_choices_is_as_it_was() -> None:
    """Two apostrophes and braces alone may mean something else."""
    document = document_of("l''a {n}", "{{x}}")
    assert taken_apart(document, Options("en", "pl")) is document
