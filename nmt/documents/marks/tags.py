"""Find tags in a text, pair them, and choose among marks that overlap."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from nmt.decoding.translator.marked import Kind, Mark, Marked, joined

# A tag of HTML or of a subtitle; those of React's translations have numbers: <1>here</1>.
TAG = re.compile(
    r"<(?P<end>/?)(?:(?P<name>[A-Za-z][\w:-]{0,40}|\d{1,3}(?=/?>))(?:[\s/][^<>]{0,2000})?)>"
)


class Span(NamedTuple):
    """A part of a text, in characters."""

    begin: int
    end: int


def with_tags(text: str, pattern: re.Pattern[str] = TAG) -> Marked:
    """Return a text with its tags as marks.

    pattern: of a tag, with the groups `name`, and `end` if it may be an end tag. A tag without its
    partner stands for itself, as one without a name does.
    """
    found = [*pattern.finditer(text)]
    if not found:
        return Marked(text)
    kinds = [Kind.ALONE] * len(found)
    is_open: list[int] = []  # numbers of the tags whose end may follow
    places: dict[str, list[int]] = {}  # in `is_open`, by name
    for number, tag in enumerate(found):
        name = tag["name"]
        if name and not tag["end"] and not tag[0].endswith("/>"):
            places.setdefault(name, []).append(len(is_open))
            is_open.append(number)
        elif name and tag["end"] and places.get(name):
            place = places[name][-1]
            kinds[is_open[place]], kinds[number] = Kind.OPEN, Kind.CLOSE
            for inner in is_open[place:]:  # tags within, whose end has not come, stand alone
                places[found[inner]["name"]].pop()
            del is_open[place:]
    return Marked(
        text, tuple(Mark(*tag.span(), kind) for tag, kind in zip(found, kinds, strict=True))
    )


def with_changed_words(text: Marked, change: Callable[[str], str]) -> Marked:
    """Return a text with everything but its marks changed."""
    return joined(mark.over(part) if mark else Marked(change(part)) for part, mark in text.parts())


def without_overlaps(marks: Iterable[Mark]) -> list[Mark]:
    """Return marks in order, without those that overlap one before them, and without empty ones.

    Of two marks that begin together the longer one stays.
    """
    kept: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: (mark.begin, -mark.end)):
        if mark.begin < mark.end and (not kept or kept[-1].end <= mark.begin):
            kept.append(mark)
    return kept


def outside(marks: Iterable[Mark], taken: Iterable[Mark]) -> Iterator[Mark]:
    """Yield the marks that overlap none of others, in order; taken: in order, apart or nested."""
    others = iter(taken)
    other = next(others, None)
    for mark in sorted(marks, key=lambda mark: mark[:2]):
        while other is not None and other.end <= mark.begin:
            other = next(others, None)
        if other is None or mark.end <= other.begin:
            yield mark
