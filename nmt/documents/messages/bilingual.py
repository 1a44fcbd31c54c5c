"""Read and write what formats of messages share: elements in texts as marks, and languages."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from nmt.decoding.translator.marked import Kind, Mark, Marked, joined
from nmt.documents.document import Finding, Own, escaped
from nmt.documents.messages.message import Text
from nmt.documents.texts.wrapping import on_one_line
from nmt.documents.xml.tree import Characters, Element, XmlDocument, escape_text
from nmt.text.languages import english_name, primary


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

    keeps_lines: a line break is part of the text; else it is a space.
    """
    reader = Inline(xml, classify, keeps_lines)
    reader.read(element)
    return joined(reader.pieces)


@dataclass
class Inline:
    """Collects the text of an element; an OPEN or CLOSE that crosses a pair is ALONE."""

    xml: XmlDocument
    classify: Classify
    keeps_lines: bool
    pieces: list[Marked] = field(default_factory=list)
    # Numbers of pieces whose CLOSE has not come, with their keys; None: that of a start tag.
    opened: list[tuple[int, str | None]] = field(default_factory=list)

    def read(self, element: Element) -> None:
        """Read the content of an element."""
        for child in element.children:
            if isinstance(child, Characters):
                text = child.text if self.keeps_lines else on_one_line(child.text)
                self.pieces.append(Marked(text))
                continue
            code = self.classify(child) if isinstance(child, Element) else WHOLE
            if isinstance(child, Element) and code.kind is None and not child.is_empty_tag:
                depth = len(self.opened)
                self.open(child.begin, child.inner_begin, None)
                self.read(child)
                del self.opened[depth + 1 :]
                self.close(child.inner_end, child.end)
            elif code.kind is Kind.OPEN:
                self.open(child.begin, child.end, code.key)
            elif code.kind is Kind.CLOSE and self.opened and self.opened[-1][1] == code.key:
                self.close(child.begin, child.end)
            else:
                self.mark(child.begin, child.end, Kind.ALONE)

    def open(self, begin: int, end: int, key: str | None) -> None:
        """Add a mark that stands alone until its CLOSE comes."""
        self.opened.append((len(self.pieces), key))
        self.mark(begin, end, Kind.ALONE)

    def close(self, begin: int, end: int) -> None:
        """Add the end of the last mark that is open."""
        number, _ = self.opened.pop()
        self.pieces[number] = Mark(0, 0, Kind.OPEN).over(self.pieces[number].text)
        self.mark(begin, end, Kind.CLOSE)

    def mark(self, begin: int, end: int, kind: Kind) -> None:
        """Add a part of the source as a mark."""
        self.pieces.append(Mark(0, 0, kind).over(self.xml.raw(begin, end)))


def write_text(text: Text, own: Own, escape: Callable[[str], str] = escape_text) -> str:
    """Return the XML of a message: of its translation, or of its source if it has none."""
    return escaped(text.filled(own) or text.source, escape)
