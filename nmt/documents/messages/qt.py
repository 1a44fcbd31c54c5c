"""Files of Qt Linguist (`.ts`): messages get translations that stay unfinished.

The format is that of Qt's "TS file format" 2.1. A `.ts` file may also be TypeScript or a video,
which is refused.
"""

from functools import partial

from nmt.documents.document import Document, Options, Own
from nmt.documents.messages.bilingual import WHOLE, marked, state_language, write_text
from nmt.documents.messages.message import Text
from nmt.documents.messages.plurals import forms_in_qt
from nmt.documents.xml.tree import Element, XmlDocument, escape_text, read_xml
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
    document = read_xml(content, "TS", "a file of Qt Linguist")
    root = document.root
    document.is_bilingual = True
    state_language(document, root, "language", options.target_language)
    for context in root.all("TS", "context"):
        name = context.child("name")
        for message in context.elements("message"):
            if needs_translation(message, options):
                add(document, options, message, name.text() if name else "")
    return document


def needs_translation(message: Element, options: Options) -> bool:
    """Return whether a translation is to be written: it is unfinished, or all are wanted."""
    translation = message.child("translation")
    if translation is None:
        return True
    kind = translation.attributes.get("type", "")
    if kind in NOT_IN_USE or any(translation.all("lengthvariant")):
        return False
    return kind == UNFINISHED or options.translates_all


def add(document: XmlDocument, options: Options, message: Element, context: str) -> None:
    """Add a message, whose translation, or its plural forms, stays unfinished."""
    source, translation = message.child("source"), message.child("translation")
    if source is None:
        return
    comment = message.child("comment")
    text = document.add_text(
        marked(document, source, lambda _: WHOLE),  # such as <byte value="x1b"/>
        document.place(source.begin),
        "\n".join(filter(None, (context, comment.text() if comment else ""))),
        SYNTAX,
        accelerator_language=options.target_language,
    )
    if not text.segments:
        return
    before = document.space_before(source)
    gap, end = f"{before}    " if before else "", before
    form = translation.child("numerusform") if translation else None
    if translation is not None:
        gap = document.space_before(form) if form else gap
        end = document.space_before(translation)
    write = partial(write_text, text, escape=escape)
    if message.attributes.get("numerus") == "yes":
        present = len([*translation.elements("numerusform")]) if translation else 0
        language = document.root.attributes.get("language") or options.target_language
        forms = forms_in_qt(language) or present or FEW_FORMS
        write = partial(write_forms, text, forms, gap, end)
    if translation is None:
        last = [*message.elements()][-1].end
        begin = f'{before}<translation type="{UNFINISHED}">'
        document.change(last, last, lambda own: f"{begin}{write(own)}</translation>", text.segments)
        return
    document.change_content(translation, text.segments, write)
    if translation.attributes.get("type") != UNFINISHED:
        document.set_attribute(translation, "type", UNFINISHED, text.segments)


def write_forms(text: Text, forms: int, gap: str, end: str, own: Own) -> str:
    """Return plural forms, each after a gap, and the white space after the last."""
    form = f"{gap}<numerusform>{write_text(text, own, escape)}</numerusform>"
    return form * forms + (end if gap else "")


def escape(text: str) -> str:
    """Return a text as Qt's programs write it: with references for quotation marks."""
    return escape_text(text).replace('"', "&quot;").replace("'", "&apos;")
