"""Files of Qt Linguist (`.ts`): messages get translations that stay unfinished.

The format is that of Qt's "TS file format" 2.1. A `.ts` file may also be TypeScript or a video,
which is refused.
"""

from collections.abc import Sequence

from nmt.documents.document import Document, Options
from nmt.documents.messages.bilingual import (
    BilingualDocument,
    Code,
    Role,
    Slots,
    Target,
    content_edit,
    marked,
    space_before,
    wrong_language,
)
from nmt.documents.messages.plurals import forms_in_qt
from nmt.documents.xml.file import Edit, Element, XmlFile, escape_text, read_xml
from nmt.errors import NmtError

SYNTAX = frozenset({"qt", "tags"})
NOT_IN_USE = ("vanished", "obsolete")
UNFINISHED = "unfinished"
FEW_FORMS = 2  # of a message in a file whose language is not known
XML_STARTS = (b"<", b"\xef\xbb\xbf<", b"\xff\xfe<", b"\xfe\xff\0<", b"\0<")


def read(content: bytes, options: Options) -> Document:
    """Return the document of a file of Qt Linguist."""
    if not content.lstrip().startswith(XML_STARTS):
        raise NmtError(
            "this is not a file of Qt Linguist, because it is not XML; leave out .ts files that are"
            " TypeScript or videos"
        )
    xml = read_xml(content)
    root = xml.root
    if root.name != "TS":
        raise NmtError(
            f"{xml.place(root.begin)}: the root is <{root.name[:40]}>, but that of a file of Qt"
            " Linguist is <TS>; name the right format with --format"
        )
    reader = Reader(xml, options)
    for context in root.all("TS", "context"):
        name = context.child("name")
        for message in context.elements("message"):
            reader.add(message, name.text() if name else "")
    return reader.document


class Reader:
    """Collect the messages of a file."""

    def __init__(self, xml: XmlFile, options: Options) -> None:
        self.xml = xml
        self.options = options
        self.document = BilingualDocument(xml, Slots(options), escape)
        stated = xml.root.attributes.get("language", "")
        self.language = stated or options.target_language
        place = xml.place(xml.root.begin)
        self.document.findings += wrong_language(stated, options.target_language, place)
        self.following: tuple[Edit, ...] = ()
        if self.language != stated:
            edit = xml.set_attribute(xml.root, "language", "language", self.language)
            self.following = (edit,)

    def add(self, message: Element, context: str) -> None:
        """Add a message, if it needs a translation."""
        source, translation = message.child("source"), message.child("translation")
        if source is None or not self.needs_translation(translation):
            return
        comment = message.child("comment")
        context = "\n".join(filter(None, (context, comment.text() if comment else "")))
        text = marked(self.xml, source, code_of)
        slot = self.document.slots.add(text, self.xml.place(source.begin), context, SYNTAX)
        is_plural = message.attributes.get("numerus") == "yes"
        texts = ((slot,),) * (self.forms(translation) if is_plural else 1)

        def edits(contents: Sequence[str]) -> list[Edit]:
            return self.edits(message, source, translation, contents, is_plural)

        self.document.targets.append(Target(texts, edits, self.following))

    def needs_translation(self, translation: Element | None) -> bool:
        """Return whether a translation is to be written: it is unfinished, or all are wanted."""
        if translation is None:
            return True
        kind = translation.attributes.get("type", "")
        if kind in NOT_IN_USE or any(translation.all("lengthvariant")):
            return False
        return kind == UNFINISHED or self.options.translates_all

    def forms(self, translation: Element | None) -> int:
        """Return how many plural forms a message has."""
        present = len(list(translation.elements("numerusform"))) if translation else 0
        return forms_in_qt(self.language) or present or FEW_FORMS

    def edits(
        self,
        message: Element,
        source: Element,
        translation: Element | None,
        contents: Sequence[str],
        is_plural: bool,
    ) -> list[Edit]:
        """Return the edits that write a translation, or its plural forms, as unfinished."""
        before = space_before(self.xml, source)
        deeper = f"{before}    " if before else ""
        if translation is None:
            content = forms_xml(contents, deeper, before) if is_plural else contents[0]
            written = f'{before}<translation type="{UNFINISHED}">{content}</translation>'
            last = [*message.elements()][-1]
            return [Edit(last.end, last.end, written)]
        content = contents[0]
        if is_plural:
            form = translation.child("numerusform")
            gap = space_before(self.xml, form) if form else deeper
            content = forms_xml(contents, gap, space_before(self.xml, translation))
        edits = [content_edit(self.xml, translation, content)]
        if translation.attributes.get("type") != UNFINISHED:
            edits.append(self.xml.set_attribute(translation, "type", "type", UNFINISHED))
        return edits


def forms_xml(contents: Sequence[str], gap: str, end: str) -> str:
    """Return plural forms, each after a gap, and the white space after the last."""
    forms = "".join(f"{gap}<numerusform>{each}</numerusform>" for each in contents)
    return forms + (end if gap else "")


def code_of(element: Element) -> Code:
    """Return the role of an element in a text, such as `<byte value="x1b"/>`."""
    return Code(Role.WHOLE)


def escape(text: str) -> str:
    """Return a text as Qt's programs write it: with references for quotation marks."""
    return escape_text(text).replace('"', "&quot;").replace("'", "&apos;")
