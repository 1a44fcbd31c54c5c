"""Read translation memories: TMX 1.4b, an exchange format of translators' programs.

https://www.gala-global.org/tmx-14b.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from nmt.decoding.marks.marked import Kind, Mark, Marked
from nmt.errors import NmtError
from nmt.formats.xml.units import Node, Units
from nmt.text.languages import primary

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


def read_units(path: Path, source_language: str, target_language: str) -> Iterator[Unit]:
    """Yield the units of a file that have both languages; en matches en-US.

    If several texts of a unit match, one in just the language comes first. A language that is not
    known, "", is that of the first text that remains.

    Raises:
        NmtError: with the name of the file and the line, for what is not TMX or is refused.
    """
    try:
        with path.open("rb") as stream:
            for node in Units("tmx", ("tu",)).read(stream):
                unit = unit_of(node, source_language, target_language)
                if unit is not None:
                    yield unit
    except OSError as error:
        raise NmtError(f"{path} cannot be read: {error.strerror}; check its path") from error
    except NmtError as error:
        raise NmtError(f"{path}: {error}") from error


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


@lru_cache(maxsize=1000)
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
