"""Read pairs to train on from bilingual files: translation memories (TMX), XLIFF and PO.

A file is read as a stream, so that its size does not matter. A pair is what such a file has to
translate: inline tags are dropped, a line break is a space, and each paragraph of a message is a
pair. Units whose translation is missing or not finished are left out, and a note counts them.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from io import TextIOWrapper
from pathlib import Path
from typing import IO, NamedTuple

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import find_encoding
from nmt.documents.messages.message import taken_out
from nmt.documents.messages.po import form_sources, stated_syntax
from nmt.documents.messages.po_syntax import (
    FUZZY,
    Entry,
    Header,
    declared_charset,
    header_fields,
    read_entries,
)
from nmt.documents.messages.tmx import TEXT, find_document, find_variants, normal, read_language
from nmt.documents.messages.xliff import BY_MACHINE, INITIAL, PAIRS, TO_TRANSLATE
from nmt.documents.texts.wrapping import is_wide
from nmt.documents.xml.units import BLOCK, LONGEST_UNIT, Node, Units, opened
from nmt.errors import NmtError
from nmt.text.reading.corpus import Pair
from nmt.text.reading.languages import language_in_name, primary
from nmt.text.reading.lines import FirstSegment, OnBadLine, note_once, stop_at_bad_line

WRAPPING = {*PAIRS, "hi"}  # elements whose content is text; of others, nothing is
WITHIN_WORDS = {"bpt", "ept", "bx", "ex", "sc", "ec", "sm", "em", "it"}  # as bold letters have
SPACE = "xml:space"
UNITS_OF_XLIFF = ("trans-unit", "unit")  # of version 1 and 2
PARAGRAPH = re.compile(r"\n[ \t\r]*\n\s*")  # between two paragraphs
PO_LANGUAGE = "en"  # of messages, as gettext's manual asks


class Unit(NamedTuple):
    """A unit of a file: elements that hold the same text in several languages."""

    line: int
    languages: tuple[str, ...]  # of the texts; "": not stated
    texts: tuple[Node, ...]
    is_finished: bool = True
    is_interface: bool = False  # texts may have accelerators
    keeps_lines: bool = True  # a line break is part of the text
    problem: str = ""  # why the unit cannot be read
    document: str = ""  # that the unit is from; "": not stated


# What is not among the pairs of a file, as it is reported.
LEFT_OUT = TAGS, UNFINISHED, OTHER, VARIANTS = (
    "inline tags dropped",
    "units without a finished translation, left out",
    "units without both languages, left out",
    "further texts in one of the languages, left out",
)
Tally = Counter[str]  # how many of each of LEFT_OUT


@dataclass(frozen=True)
class Bitext:
    """Reads the bilingual files of a kind; see `nmt.text.reading.corpus.Reader`."""

    units: Callable[[IO[bytes], Path], Iterator[Unit]]
    stated: Callable[[IO[bytes], Path], Iterator[str]]  # yields the languages, the source's first

    def pairs(
        self, path: Path, languages: tuple[str, str], on_bad: OnBadLine = stop_at_bad_line
    ) -> Iterator[Pair]:
        """Yield the pairs of a file in two languages, and print a note about what is not there.

        languages: "" is that of the first text that remains. on_bad: receives a unit that cannot be
        read, by the number of its pair, which is blank. Raises NmtError with the line for a file
        that cannot be read.
        """
        tally, count = Tally(), 0
        document, is_first = "", False
        with opened(path) as stream:
            for unit in self.units(stream, path):
                if unit.problem:
                    count += 1
                    on_bad(count, NmtError(f"{path}, line {unit.line}: {unit.problem}"))
                    yield Pair("", "")
                    continue
                document, is_first = unit.document, is_first or unit.document != document
                for source, target in read_texts(unit, languages, tally):
                    count += 1
                    yield Pair(FirstSegment(source) if is_first else source, target)
                    is_first = False
        if told := [f"{what}: {tally[what]:,}" for what in LEFT_OUT if tally[what]]:
            note_once(f"{path}: {'; '.join(told)}")

    def languages(self, path: Path) -> tuple[str, ...]:
        """Return the languages of a file by their codes, that of the sources first."""
        with opened(path) as stream:
            codes = [primary(code) for code in self.stated(stream, path)]
        return tuple(dict.fromkeys(filter(None, codes)))


def read_texts(unit: Unit, languages: tuple[str, str], tally: Tally) -> Iterator[tuple[str, str]]:
    """Yield the texts of a unit in two languages, one for each paragraph that both sides have."""
    found = find_pair(unit.languages, languages)
    if found is None:
        tally[OTHER] += 1
        return
    *indices, others = found
    texts = [plain(unit.texts[index], tally) for index in indices]
    tally[VARIANTS] += others
    if unit.is_interface:
        texts = without_accelerators(*texts)
    paragraphs = [PARAGRAPH.split(text.strip()) if unit.keeps_lines else [text] for text in texts]
    if len(paragraphs[0]) != len(paragraphs[1]):
        paragraphs = [[text] for text in texts]
    lines = [[*map(on_one_line, side)] for side in paragraphs]
    if unit.is_finished and all(map(all, lines)):
        yield from zip(*lines, strict=True)
    else:
        tally[UNFINISHED] += 1


def on_one_line(text: str) -> str:
    """Return a text with a space for each line break, and without spaces around it."""
    return " ".join(filter(None, map(str.strip, text.split("\n"))))


def without_accelerators(source: str, target: str) -> list[str]:
    """Return the texts of a menu or a button without the signs of their accelerators."""
    labelled, translated = taken_out(Marked(source)), taken_out(Marked(target))
    if labelled is None:
        return [source, target]
    text, accelerator = labelled
    if translated is not None:
        return [text.text, translated[0].text]
    found = re.findall(rf"{accelerator.sign}(?=[^\W_])", target)  # it may stand within a word
    return [text.text, target.replace(found[0], "") if len(found) == 1 else target]


@lru_cache(maxsize=1000)
def find_pair(stated: tuple[str, ...], wanted: tuple[str, str]) -> tuple[int, int, int] | None:
    """Return which texts are in two languages, and how many others are; None if there are none.

    stated: the languages of the texts; one that is not stated may be the one that is missing.
    """
    found = find_variants(stated, wanted)
    unstated = [index for index, code in enumerate(stated) if not code and index not in found]
    if found.count(None) == len(unstated) == 1:
        found[found.index(None)] = unstated[0]
    first, second = found
    if first is None or second is None:
        return None
    codes = {primary(stated[first]), primary(stated[second])}
    return first, second, sum(primary(code) in codes for code in stated) - 2


def plain(node: Node, tally: Tally) -> str:
    """Return the text of an element without its inline tags.

    A tag that stands between two letters for a line break or a value becomes a space.
    """
    if len(node.children) == 1 and isinstance(text := node.children[0], str):
        return text
    texts: list[str] = []
    gap = False  # a tag stands here
    stack: list[Node | str] = [*reversed(node.children)]
    while stack:
        part = stack.pop()
        if isinstance(part, Node) and part.attributes.get("type") == TEXT:
            part = part.text()  # such as %s, which is a part of the text
        if isinstance(part, str):
            if gap and texts and ends_word(texts[-1][-1:]) and ends_word(part[:1]):
                texts.append(" ")
            texts.append(part)
            gap = False
            continue
        tally[TAGS] += 1
        if part.name in WRAPPING:
            stack.extend(reversed(part.children))
        elif part.name not in WITHIN_WORDS:
            gap = True
    return re.sub("  +", " ", "".join(texts))


def ends_word(character: str) -> bool:
    """Return whether a space must stand between a character and a letter; not in Chinese."""
    return character.isalnum() and not is_wide(character)


def tmx_units(stream: IO[bytes], _path: Path) -> Iterator[Unit]:
    """Yield the units of a translation memory."""
    for node in Units("tmx", ("tu",)).read(stream):
        languages, texts, problem = [], [], ""
        for variant in node.elements("tuv"):
            languages.append(read_language(variant.attributes))
            seg = next(variant.elements("seg"), None)
            if seg is None or not languages[-1]:
                missing = "<seg>; add it" if seg is None else "language; add xml:lang"
                problem = f"a <tuv> of the unit has no {missing}, or remove the <tuv>"
                break
            texts.append(seg)
        document = find_document(node)
        yield Unit(node.line, tuple(languages), tuple(texts), problem=problem, document=document)


def xliff_units(stream: IO[bytes], _path: Path) -> Iterator[Unit]:
    """Yield the units of an XLIFF file, each segment as a unit."""
    for node in Units("xliff", UNITS_OF_XLIFF).read(stream):
        for parent in [node] if node.name == "trans-unit" else node.elements("segment"):
            yield from xliff_segments(node, parent)


def xliff_segments(unit: Node, parent: Node) -> Iterator[Unit]:
    """Yield the segments of an element with a source and a target."""
    attributes = unit.attributes
    source, target = (next(parent.elements(name), None) for name in ("source", "target"))
    if source is None:
        yield Unit(
            unit.line, (), (), problem="the unit has no <source>; add it, or remove the unit"
        )
        return
    target = target or Node("target", {})
    state = parent.attributes.get("state", target.attributes.get("state", ""))
    is_finished = (
        attributes.get("translate") != "no"
        and state not in (*TO_TRANSLATE, INITIAL)
        and target.attributes.get("state-qualifier") != BY_MACHINE
    )
    languages = stated_by(unit)[0], normal(target.attributes.get("xml:lang", stated_by(unit)[1]))
    keeps_lines = source.attributes.get(SPACE, attributes.get(SPACE, "")) == "preserve"
    segments = pair_segments(next(parent.elements("seg-source"), source), target)
    for texts in segments or [(source, target)]:
        document = attributes.get("original", "")
        yield Unit(unit.line, languages, texts, is_finished, True, keeps_lines, "", document)


def pair_segments(source: Node, target: Node) -> list[tuple[Node, Node]]:
    """Return the segments that a source and its target are made of; none if they are not alike."""
    sides = []
    for side in (source, target):
        segments = {}
        for child in side.children:
            number = "" if isinstance(child, str) else child.attributes.get("mid", "")
            if isinstance(child, str) and not child.strip():
                continue
            if isinstance(child, str) or child.name != "mrk" or not number or number in segments:
                return []
            segments[number] = child
        sides.append(segments)
    if sides[0].keys() != sides[1].keys():
        return []
    return [(node, sides[1][number]) for number, node in sides[0].items()]


def stated_by(unit: Node) -> tuple[str, str]:
    """Return the languages that the file of a unit of XLIFF states; "" for none."""
    first, second = (
        normal(unit.attributes.get(old, unit.attributes.get(new, "")))
        for old, new in (("source-language", "srcLang"), ("target-language", "trgLang"))
    )
    return first, second


def po_units(stream: IO[bytes], path: Path) -> Iterator[Unit]:
    """Yield the messages of a catalogue, each plural form as a unit."""
    header: Header | None = None
    languages = "", ""
    for entry in po_entries(stream):
        if entry is None:
            header = None
            continue
        try:
            if header is None or entry.is_header():
                own = entry if entry.is_header() else None
                languages = po_languages(own, path)
                header = Header(own, languages[1])
            if not entry.is_header():
                yield from po_forms(entry, header, languages)
        except NmtError as error:  # an escape or a rule that is none
            problem = str(error).partition(": ")[2]
            yield Unit(entry.id.line, (), (), problem=problem)


def po_forms(entry: Entry, header: Header, languages: tuple[str, str]) -> list[Unit]:
    """Return the forms of a message; one that the rule lacks is a translation of the plural."""
    flags = entry.flags()
    sources = form_sources(entry, header, stated_syntax(flags))
    sources += [(entry.plural or entry.id).text()] * (len(entry.strings) - len(sources))
    forms = [
        (Node("msgid", {}, [source]), Node("msgstr", {}, [string.text()]))
        for source, string in zip(sources, entry.strings, strict=False)  # forms may be missing
    ]
    return [Unit(entry.id.line, languages, form, FUZZY not in flags, True) for form in forms]


def po_languages(header: Entry | None, path: Path) -> tuple[str, str]:
    """Return the languages of a catalogue by its header, or of its translations by its name."""
    fields = header_fields(header)
    target = fields.get("language") or language_in_name(path)
    return normal(fields.get("x-source-language") or PO_LANGUAGE), normal(target)


def po_entries(stream: IO[bytes]) -> Iterator[Entry | None]:
    """Yield the entries of a catalogue, of which one is in memory at a time."""
    size, first = 0, 1  # characters since the last entry was read, and their first line

    def lines() -> Iterator[str]:
        nonlocal size, first
        for number, line in enumerate(po_lines(stream), 1):
            first = first if size else number
            stripped = line.strip()
            size += 0 if stripped.startswith("#~") else len(stripped)
            if size > LONGEST_UNIT:
                raise NmtError(
                    f"line {first}: an entry has more than {LONGEST_UNIT:,} characters; divide it"
                )
            yield line

    for entry in read_entries(lines()):
        size = 0
        yield entry


def po_lines(stream: IO[bytes]) -> Iterator[str]:
    """Yield the lines of a catalogue with their ends; raises NmtError with the line."""
    start = stream.read(BLOCK)
    name, mark, _ = find_encoding(start, declared_charset(start))
    stream.seek(len(mark))
    if name.startswith(("utf-16", "utf-32")):
        try:
            yield from TextIOWrapper(stream, name, newline="\n")
        except UnicodeDecodeError as error:
            raise NmtError(f"the bytes are not {name}; save the file in UTF-8") from error
        return
    for number, line in enumerate(iter(lambda: stream.readline(LONGEST_UNIT), b""), start=1):
        if len(line) == LONGEST_UNIT:
            raise NmtError(f"line {number}: longer than {LONGEST_UNIT:,} bytes; divide it")
        try:
            text = line.decode(name)
        except UnicodeDecodeError as error:
            raise NmtError(
                f"line {number}: the bytes are not {name}; save the file in UTF-8"
            ) from error
        if "\0" in text:
            raise NmtError(f"line {number}: there is a NUL character, so this is not text")
        yield text


def tmx_languages(stream: IO[bytes], _path: Path) -> Iterator[str]:
    """Yield the languages of the texts of a memory, that of the sources first."""
    source, found = "", dict[str, None]()
    for node in Units("tmx", ("header", "tuv"), with_text=False).read(stream):
        if node.name == "header":
            source = node.attributes.get("srclang", "")
        else:
            found.setdefault(read_language(node.attributes))
    yield from (code for code in found if primary(code) == primary(source))
    yield from found


def xliff_languages(stream: IO[bytes], _path: Path) -> Iterator[str]:
    """Yield the languages that an XLIFF file states, that of the sources first."""
    found = {
        stated_by(node) for node in Units("xliff", UNITS_OF_XLIFF, with_text=False).read(stream)
    }
    for side in (0, 1):
        yield from sorted({languages[side] for languages in found})


def po_stated(stream: IO[bytes], path: Path) -> Iterator[str]:
    """Yield the languages of a catalogue, that of the messages first."""
    first = next(po_entries(stream), None)
    yield from po_languages(first if first is not None and first.is_header() else None, path)


TMX = Bitext(tmx_units, tmx_languages)
XLIFF = Bitext(xliff_units, xliff_languages)
# By the names of their formats.
READERS = {"tmx": TMX, "xliff": XLIFF, "po": Bitext(po_units, po_stated)}
