"""Translation memories as files to translate (`.tmx`): units get a text in the target language.

A unit that has one is left as it is. `nmt.formats.memories.memory` uses memories for other files.
"""

from collections.abc import Sequence

from nmt.errors import NmtError
from nmt.formats.catalogues.bilingual import Slots
from nmt.formats.catalogues.bilingual_xml import (
    BilingualDocument,
    Target,
    content_edit,
    space_before,
)
from nmt.formats.catalogues.codes import Code, Role, marked
from nmt.formats.document import Document, Options
from nmt.formats.memories.tmx import CONTEXT, normal, variant_in
from nmt.formats.memories.tmx_writing import UNKNOWN
from nmt.formats.xml.file import Edit, XmlFile, read_xml
from nmt.formats.xml.text import escape_attribute, escape_text
from nmt.formats.xml.tree import Element

LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


def read(content: bytes, options: Options) -> Document:
    """Return the document of a TMX file; its source is in the language of the model, or its own."""
    xml = read_xml(content)
    if xml.root.name != "tmx":
        raise NmtError(
            f"{xml.place(xml.root.begin)}: the root is <{xml.root.name[:40]}>, but that of TMX is"
            " <tmx>; name the right format with --format"
        )
    document = BilingualDocument(xml, Slots(options), escape_text)
    header = xml.root.child("header")
    own = header.attributes.get("srclang", "") if header is not None else ""
    source_language = options.source_language or ("" if own == "*all*" else own)
    for unit in xml.root.all("tu"):
        add_unit(document, xml, unit, source_language)
    return document


def add_unit(
    document: BilingualDocument, xml: XmlFile, unit: Element, source_language: str
) -> None:
    """Add a unit, if it needs a translation."""
    options = document.slots.options
    variants = [each for each in unit.elements("tuv") if each.child("seg") is not None]
    languages = [language_in(each) for each in variants]
    source_place = variant_in(languages, source_language)
    if source_place is None:
        return
    others = [place for place in range(len(variants)) if place != source_place]
    language = options.target_language
    found = variant_in([languages[place] for place in others], language) if language else None
    source = variants[source_place].child("seg")
    target = variants[others[found]].child("seg") if found is not None else None
    if source is None or (target and target.text().strip() and not options.translates_all):
        return
    contexts = (
        each.text() for each in unit.elements("prop") if each.attributes.get("type") == CONTEXT
    )
    context = next(contexts, unit.attributes.get("tuid", ""))
    slot = document.slots.add(marked(xml, source, code_of), xml.place(source.begin), context)

    def edits(contents: Sequence[str]) -> list[Edit]:
        if target is not None:
            return [content_edit(xml, target, contents[0])]
        space = space_before(xml, variants[source_place])
        code = escape_attribute(language or UNKNOWN)
        text = f'{space}<tuv xml:lang="{code}"><seg>{contents[0]}</seg></tuv>'
        return [Edit(variants[-1].end, variants[-1].end, text)]

    document.targets.append(Target(((slot,),), edits))


def language_in(variant: Element) -> str:
    """Return the language of a text of a unit, in small letters."""
    return normal(variant.attributes.get(LANGUAGE, variant.attributes.get("lang", "")))


def code_of(element: Element) -> Code:
    """Return the role of an inline element."""
    key = element.attributes.get("i", "")
    roles = {"hi": Role.PAIR, "bpt": Role.BEGIN, "ept": Role.END}
    role = roles.get(element.name, Role.WHOLE)
    return Code(role, "hi" if role is Role.PAIR else key)
