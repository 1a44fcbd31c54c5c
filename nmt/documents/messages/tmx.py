"""Translation memories (TMX 1.4b): read their units, write them, and translate them as files.

https://www.gala-global.org/tmx-14b.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from nmt.decoding.translator.marked import Kind, Mark, Marked, joined
from nmt.documents.document import Document, Options
from nmt.documents.messages.bilingual import PAIR, Code, marked, write_text
from nmt.documents.xml.tree import (
    FORBIDDEN,
    Element,
    XmlDocument,
    escape_attribute,
    escape_text,
    read_xml,
)
from nmt.documents.xml.units import Node, Units, opened
from nmt.system.atomic import atomic_path
from nmt.system.files import check_file
from nmt.text.reading.languages import primary

# In TMX 1.4, with and without its namespace, and in 1.1.
LANGUAGE_NAMES = ("xml:lang", "{http://www.w3.org/XML/1998/namespace}lang", "lang")
KINDS = {"ph": Kind.ALONE, "ut": Kind.ALONE, "bpt": Kind.OPEN, "ept": Kind.CLOSE}
POSITIONS = {"begin": Kind.OPEN, "end": Kind.CLOSE}  # of <it>, whose partner is elsewhere
# Types of properties that name the document of a unit: memoQ's, OmegaT's, Bitextor's and others.
DOCUMENT_TYPES = {"x-document", "document", "x-file", "file", "source-document", "x-docid", "docid"}
CONTEXT = "x-context"  # the type of the property that tells equal texts apart
TEXT = "x-text"  # the type of marks that were found in a text, such as %s


class Unit(NamedTuple):
    """A text and its translation."""

    source: Marked
    target: Marked
    context: str = ""  # as that of a segment
    origin: str = ""  # who made the translation


def read_units(paths: Iterable[Path], source_language: str, target_language: str) -> Iterator[Unit]:
    """Yield the units of files that have both languages; en matches en-US.

    If several texts of a unit match, one in just the language comes first. A language that is not
    known, "", is that of the first text that remains.

    Raises:
        NmtError: with the name of the file and the line, for what is not TMX or is refused.
    """
    for path in paths:
        check_file(path, "the translation memory", "check its path")
        with opened(path) as stream:
            for node in Units("tmx", ("tu",)).read(stream):
                unit = read_unit(node, source_language, target_language)
                if unit is not None:
                    yield unit


def read_unit(node: Node, source_language: str, target_language: str) -> Unit | None:
    """Return a unit in two languages; None if one of them is missing or empty."""
    variants = [*node.elements("tuv")]
    languages = [read_language(variant.attributes) for variant in variants]
    source, target = (
        Marked("")
        if index is None
        else next(map(read_segment, variants[index].elements("seg")), Marked(""))
        for index in find_variants(languages, (source_language, target_language))
    )
    if not source.text.strip() or not target.text.strip():
        return None
    notes = (note.text() for note in node.elements("note"))
    return Unit(source, target, next(properties(node, {CONTEXT}), ""), next(notes, ""))


def properties(element: Node | Element, types: Collection[str]) -> Iterator[str]:
    """Yield the properties of an element that have one of some types."""
    for prop in element.elements("prop"):
        if prop.attributes.get("type", "").lower() in types:
            yield prop.text()


def find_document(unit: Node | Element) -> str:
    """Return the document that a property of a unit, or of one of its texts, names; "" for none."""
    parents = chain([unit], unit.elements("tuv"))
    found = chain.from_iterable(properties(parent, DOCUMENT_TYPES) for parent in parents)
    return next(found, "")


def find_variants(languages: Sequence[str], wanted: tuple[str, str]) -> list[int | None]:
    """Return which texts are in two languages, of which "" is that of the first that remains.

    languages: of the texts, as `read_language` gives them.
    """
    found: list[int | None] = [None, None]
    for side in sorted((0, 1), key=lambda side: not wanted[side]):  # a known one first
        left = [index for index in range(len(languages)) if index not in found]
        index = variant_in([languages[index] for index in left], wanted[side])
        found[side] = None if index is None else left[index]
    return found


def variant_in(languages: Sequence[str], language: str) -> int | None:
    """Return which text is in a language: in just this one, else in one of its forms.

    languages: of the texts, as `read_language` gives them. language: "" for any.
    """
    wanted = normal(language)
    equal = (index for index, code in enumerate(languages) if code == wanted or not wanted)
    forms = (index for index, code in enumerate(languages) if primary(code) == primary(wanted))
    return next(chain(equal, forms), None)


def read_language(attributes: dict[str, str]) -> str:
    """Return the language that an element states, in small letters."""
    found = next((attributes[name] for name in LANGUAGE_NAMES if name in attributes), "")
    return normal(found)


@lru_cache(maxsize=1000)
def normal(language: str) -> str:
    """Return a code in small letters, its parts with hyphens between them."""
    return language.lower().replace("_", "-")


def read_segment(seg: Node) -> Marked:
    """Return the text of a segment; its inline elements are marks that show their content."""
    pieces: list[Marked] = []
    stack: list[Node | str] = [*reversed(seg.children)]
    while stack:
        part = stack.pop()
        if isinstance(part, str):
            pieces.append(Marked(part))
        elif part.name in KINDS or part.name == "it":
            number = part.attributes.get("x") or part.attributes.get("i", "")
            kind = KINDS.get(part.name) or POSITIONS.get(part.attributes.get("pos", ""), Kind.ALONE)
            mark = Mark(0, 0, kind, is_text=part.attributes.get("type") == TEXT)
            pieces.append(mark.over(part.text() or f"{{{part.name}{number}}}"))
        else:  # <hi>: words that are only highlighted
            stack.extend(reversed(part.children))
    return joined(pieces)


UNKNOWN = "und"  # the code of a language that is not known


def write_units(
    path: Path, units: Iterable[Unit], source_language: str, target_language: str
) -> None:
    """Write a memory, whole or not at all.

    Units with characters that XML cannot hold are left out.
    """
    from nmt import __version__

    source, target = source_language or UNKNOWN, target_language or UNKNOWN
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8") as file:
        file.write(
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n'
            '<tmx version="1.4">\n'
            f'<header creationtool="nmt" creationtoolversion="{__version__}" segtype="block"'
            f' o-tmf="nmt" adminlang="en" srclang="{escape_attribute(source)}"'
            ' datatype="plaintext"/>\n<body>\n'
        )
        for unit in units:
            texts = (unit.source.text, unit.target.text, unit.context, unit.origin)
            if not any(map(FORBIDDEN.search, texts)):
                file.write(written(unit, source, target))
        file.write("</body>\n</tmx>\n")


def written(unit: Unit, source_language: str, target_language: str) -> str:
    """Return a unit as TMX."""
    note = f"<note>{escape_text(unit.origin)}</note>\n" if unit.origin else ""
    context = escape_text(unit.context)
    prop = f'<prop type="{CONTEXT}">{context}</prop>\n' if unit.context else ""
    numbers = {text: number for number, text in enumerate(unit.source.mark_texts(), 1)}
    source, target = seg(unit.source, numbers), seg(unit.target, numbers)
    return (
        f"<tu>\n{note}{prop}"
        f'<tuv xml:lang="{escape_attribute(source_language)}"><seg>{source}</seg></tuv>\n'
        f'<tuv xml:lang="{escape_attribute(target_language)}"><seg>{target}</seg></tuv>\n</tu>\n'
    )


def seg(text: Marked, numbers: dict[str, int]) -> str:
    """Return a text as the content of <seg>; numbers: of the marks of the source, by their texts.

    Equal marks of source and target have the same `x`; the tags of a pair have the same `i`.
    """
    pairs = text.partners()
    parts = []
    number = 0
    for part, mark in text.parts():
        escaped = escape_text(part)
        if mark is None:
            parts.append(escaped)
            continue
        x = f' x="{numbers[part]}"' if part in numbers else ""
        pair = min(number, pairs.get(number, number)) + 1
        if mark.kind is Kind.ALONE:
            kind = f' type="{TEXT}"' if mark.is_text else ""
            parts.append(f"<ph{x}{kind}>{escaped}</ph>")
        elif number not in pairs:
            position = "begin" if mark.kind is Kind.OPEN else "end"
            parts.append(f'<it pos="{position}"{x}>{escaped}</it>')
        elif mark.kind is Kind.OPEN:
            parts.append(f'<bpt i="{pair}"{x}>{escaped}</bpt>')
        else:
            parts.append(f'<ept i="{pair}">{escaped}</ept>')
        number += 1
    return "".join(parts)


def read(content: bytes, options: Options) -> Document:
    """Return the document of a TMX file; its source is in the language of the model, or its own."""
    document = read_xml(content, "tmx", "TMX")
    root = document.root
    document.is_bilingual = True
    header = root.child("header")
    own = header.attributes.get("srclang", "") if header is not None else ""
    source_language = options.source_language or ("" if own == "*all*" else own)
    for unit in root.all("tu"):
        add_unit(document, options, unit, source_language)
    return document


def add_unit(document: XmlDocument, options: Options, unit: Element, source_language: str) -> None:
    """Add a unit, if it needs a translation."""
    segs = {variant: seg for variant in unit.elements("tuv") if (seg := variant.child("seg"))}
    variants = [*segs]
    languages = [read_language(variant.attributes) for variant in variants]
    language = options.target_language
    index, found = find_variants(languages, (source_language, language))
    if index is None:
        return
    source = variants[index]
    target = segs[variants[found]] if language and found is not None else None
    if target and target.text().strip() and not options.translates_all:
        return
    text = document.add_text(
        marked(document, segs[source], code),
        document.place(segs[source].begin),
        next(properties(unit, {CONTEXT}), unit.attributes.get("tuid", "")),
        accelerator_language=language,
        document=find_document(unit),
    )
    write = partial(write_text, text)
    if target is not None:
        document.change_content(target, text.segments, write)
        return
    begin = f'<tuv xml:lang="{escape_attribute(language or UNKNOWN)}"><seg>'
    begin, last = document.space_before(source) + begin, [*segs][-1].end
    document.change(last, last, lambda own: f"{begin}{write(own)}</seg></tuv>", text.segments)


def code(element: Element) -> Code:
    """Return what an inline element is."""
    key = element.attributes.get("i", "")
    return PAIR if element.name == "hi" else Code(KINDS.get(element.name, Kind.ALONE), key)
