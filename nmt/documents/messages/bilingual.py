"""Read and write what formats of messages share: elements in texts as marks, and languages."""

from collections.abc import Callable
from typing import NamedTuple

from nmt.decoding.translator.marked import Kind, Mark, Marked, joined
from nmt.documents.document import Finding, Own
from nmt.documents.marks.tags import with_changed_words
from nmt.documents.messages.message import Text
from nmt.documents.texts.wrapping import on_one_line
from nmt.documents.xml.tree import Characters, Element, XmlDocument, escape_text
from nmt.text.reading.languages import english_name, primary


def wrong_language(stated: str, wanted: str, place: str) -> list[Finding]:
    """Return what to say if a file states another target language than the model's."""
    language, expected = primary(stated), primary(wanted)
    if not language or not expected or language == expected:
        return []
    return [
        Finding(
            place,
            f"the file is for {english_name(language)}, but the translations are in"
            f" {english_name(expected)}",
        )
    ]


def state_language(
    document: XmlDocument,
    element: Element,
    attribute: str,
    wanted: str,
    segments: range | None = None,
) -> None:
    """Let an element state the language of translations, unless it states one; see `change`."""
    stated = element.attributes.get(attribute, "")
    if not stated and wanted:
        document.set_attribute(element, attribute, wanted, segments)
    document.findings += wrong_language(stated, wanted, document.place(element.begin))


class Code(NamedTuple):
    """An element in a text as a mark with all that is in it, or as a pair of marks."""

    kind: Kind | None  # None: a start tag, a text and an end tag
    key: str = ""  # what an OPEN and its CLOSE have in common


WHOLE, PAIR = Code(Kind.ALONE), Code(None)
Classify = Callable[[Element], Code]


def marked(
    xml: XmlDocument, element: Element, classify: Classify, *, keeps_lines: bool = True
) -> Marked:
    """Return the text of an element with the elements in it as marks.

    An OPEN or a CLOSE that crosses a pair is ALONE. keeps_lines: a line break is part of the text;
    else it is a space.
    """
    pieces: list[Marked] = []
    opened: list[tuple[int, str]] = []  # numbers of pieces whose CLOSE has not come, and their keys

    def mark(begin: int, end: int, kind: Kind = Kind.ALONE) -> Marked:
        return Mark(0, 0, kind).over(xml.raw(begin, end))

    for child in element.children:
        if isinstance(child, Characters):
            pieces.append(Marked(child.text if keeps_lines else on_one_line(child.text)))
            continue
        code = classify(child) if isinstance(child, Element) else WHOLE
        if isinstance(child, Element) and code.kind is None and not child.is_empty_tag:
            begin = mark(child.begin, child.inner_begin, Kind.OPEN)
            inner = marked(xml, child, classify, keeps_lines=keeps_lines)
            pieces += begin, inner, mark(child.inner_end, child.end, Kind.CLOSE)
        elif code.kind is Kind.CLOSE and opened and opened[-1][1] == code.key:
            number, _ = opened.pop()
            pieces[number] = Mark(0, 0, Kind.OPEN).over(pieces[number].text)
            pieces.append(mark(child.begin, child.end, Kind.CLOSE))
        else:
            if code.kind is Kind.OPEN:
                opened.append((len(pieces), code.key))
            pieces.append(mark(child.begin, child.end))
    return joined(pieces)


def write_text(text: Text, own: Own, escape: Callable[[str], str] = escape_text) -> str:
    """Return the XML of a message: of its translation, or of its source if it has none."""
    return with_changed_words(text.filled(own) or text.source, escape).text
