"""Read translation memories: TMX 1.4b, an exchange format of translators' programs.

https://www.gala-global.org/tmx-14b. Files are read as a stream: a memory may be large. Entities
that a file declares are refused, and nothing is fetched.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from xml.parsers import expat

from nmt.decoding.marks.marked import Kind, Mark, Marked
from nmt.errors import NmtError
from nmt.text.languages import primary

BLOCK = 1 << 20  # bytes that are read at a time
LONGEST_UNIT = 1_000_000  # characters of a unit, its notes and attributes
DEEPEST = 100  # elements within each other
LANGUAGE = ("xml:lang", "lang")  # TMX 1.4 and 1.1
KINDS = {"ph": Kind.ALONE, "ut": Kind.ALONE, "bpt": Kind.OPEN, "ept": Kind.CLOSE}
POSITIONS = {"begin": Kind.OPEN, "end": Kind.CLOSE}  # of <it>, whose partner is elsewhere
CONTEXT = "x-context"  # the type of the property that tells equal texts apart
TEXT = "x-text"  # the type of marks that were found in a text, such as %s


class Unit(NamedTuple):
    """A text and its translation."""

    source: Marked
    target: Marked
    context: str = ""  # as that of a segment
    origin: str = ""  # who made the translation


@dataclass(slots=True)
class Node:
    """An element of a unit."""

    name: str
    attributes: dict[str, str]
    children: "list[Node | str]" = field(default_factory=list)

    def text(self) -> str:
        """Return all characters in the element."""
        return "".join(each if isinstance(each, str) else each.text() for each in self.children)

    def named(self, name: str) -> "Iterator[Node]":
        """Yield the children of a name."""
        for child in self.children:
            if isinstance(child, Node) and child.name == name:
                yield child


def read_units(path: Path, source_language: str, target_language: str) -> Iterator[Unit]:
    """Yield the units of a file that have both languages; en matches en-US.

    If several texts of a unit match, one in just the language comes first. A language that is not
    known, "", is that of the first text that remains.

    Raises:
        NmtError: with the name of the file and the line, for what is not TMX or is refused.
    """
    reader = Reader()
    try:
        with path.open("rb") as stream:
            for block in iter(lambda: stream.read(BLOCK), b""):
                for node in reader.units(block):
                    unit = unit_of(node, source_language, target_language)
                    if unit is not None:
                        yield unit
        reader.units(b"", is_last=True)
    except OSError as error:
        raise NmtError(f"{path} cannot be read: {error.strerror}; check its path") from error
    except NmtError as error:
        raise NmtError(f"{path}: {error}") from error


class Reader:
    """Build the elements of each unit from the events of expat."""

    def __init__(self) -> None:
        self._units: list[Node] = []
        self._open: list[Node] = []  # of a unit, from itself to the innermost element
        self._depth = 0
        self._size = 0
        self._parser: Any = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.EntityDeclHandler = self._entity
        self._parser.SkippedEntityHandler = self._entity

    def units(self, block: bytes, *, is_last: bool = False) -> list[Node]:
        """Return the units that end in the next bytes of the file."""
        self._units = []
        try:
            self._parser.Parse(block, is_last)
        except expat.ExpatError as error:
            raise NmtError(
                f"line {error.lineno}: the XML is not well-formed"
                f" ({expat.ErrorString(error.code)}); correct it in an editor that checks XML"
            ) from error
        except (LookupError, ValueError) as error:
            raise NmtError("its encoding cannot be read; save the file in UTF-8") from error
        return self._units

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._depth == 0 and name != "tmx":
            raise self._refused(
                f"the root is <{name[:40]}>, but that of TMX is <tmx>; name a TMX file"
            )
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._refused(f"elements are nested more than {DEEPEST} deep; make them flatter")
        if not self._open and name != "tu":
            return
        node = Node(name, attributes)
        if self._open:
            self._open[-1].children.append(node)
        else:
            self._size = 0
        self._open.append(node)
        self._count(sum(map(len, attributes.values())) + 1)

    def _end(self, _name: str) -> None:
        self._depth -= 1
        if self._open:
            node = self._open.pop()
            if not self._open:
                self._units.append(node)

    def _characters(self, text: str) -> None:
        if self._open:
            self._open[-1].children.append(text)
            self._count(len(text))

    def _count(self, characters: int) -> None:
        self._size += characters
        if self._size > LONGEST_UNIT:
            raise self._refused(
                f"a unit has more than {LONGEST_UNIT:,} characters; remove or divide it"
            )

    def _entity(self, name: str, *_rest: object) -> None:
        raise self._refused(f"the entity {name[:40]} is not allowed; write its characters")

    def _refused(self, message: str) -> NmtError:
        return NmtError(f"line {self._parser.CurrentLineNumber}: {message}")


def unit_of(node: Node, source_language: str, target_language: str) -> Unit | None:
    """Return a unit in two languages; None if one of them is missing or empty."""
    variants = [*node.named("tuv")]
    languages = [source_language, target_language]
    found: list[Node | None] = [None, None]
    for side in sorted((0, 1), key=lambda side: not languages[side]):  # the known one first
        left = [each for each in variants if all(each is not other for other in found)]
        place = variant_in([language_of(each.attributes) for each in left], languages[side])
        found[side] = None if place is None else left[place]
    source, target = found
    if source is None or target is None:
        return None
    source_text, target_text = (
        next(map(marked_of, each.named("seg")), Marked("")) for each in (source, target)
    )
    if not source_text.text.strip() or not target_text.text.strip():
        return None
    contexts = (
        each.text() for each in node.named("prop") if each.attributes.get("type") == CONTEXT
    )
    notes = (each.text() for each in node.named("note"))
    return Unit(source_text, target_text, next(contexts, ""), next(notes, ""))


def variant_in(languages: Sequence[str], language: str) -> int | None:
    """Return which text is in a language: in just this one, else in one of its forms.

    languages: of the texts, as `language_of` gives them. language: "" for any.
    """
    wanted = normal(language)
    for place, code in enumerate(languages):
        if code == wanted or not wanted:
            return place
    for place, code in enumerate(languages):
        if primary(code) == primary(wanted):
            return place
    return None


def language_of(attributes: dict[str, str]) -> str:
    """Return the language that an element states, in small letters."""
    found = next((attributes[name] for name in LANGUAGE if name in attributes), "")
    return normal(found)


def normal(language: str) -> str:
    """Return a code in small letters, its parts with hyphens between them."""
    return language.lower().replace("_", "-")


def marked_of(seg: Node) -> Marked:
    """Return the text of a segment; its inline elements are marks that show their content."""
    texts: list[str] = []
    marks: list[Mark] = []
    length = 0
    stack: list[Node | str] = [*reversed(seg.children)]
    while stack:
        part = stack.pop()
        if isinstance(part, str):
            text = part
        elif part.name in KINDS or part.name == "it":
            text = part.text() or shown(part)
            kind = KINDS.get(part.name) or POSITIONS.get(part.attributes.get("pos", ""), Kind.ALONE)
            is_text = part.attributes.get("type") == TEXT
            marks.append(Mark(length, length + len(text), kind, is_text))
        else:  # <hi>: words that are only highlighted
            stack.extend(reversed(part.children))
            continue
        texts.append(text)
        length += len(text)
    return Marked("".join(texts), tuple(marks))


def shown(node: Node) -> str:
    """Return how a text shows a mark without content."""
    number = node.attributes.get("x") or node.attributes.get("i", "")
    return f"{{{node.name}{number}}}"
