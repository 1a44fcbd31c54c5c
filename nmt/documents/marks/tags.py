"""Find tags in a text, pair them, and choose among marks that overlap."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
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
    tags = [(tag_kind(tag), tag["name"] or "") for tag in found]
    return Marked(
        text,
        tuple(
            Mark(*tag.span(), Kind.ALONE if partner < 0 else kind)
            for tag, (kind, _), partner in zip(found, tags, find_partners(tags), strict=True)
        ),
    )


def tag_kind(tag: re.Match[str]) -> Kind:
    """Return what a tag is by itself."""
    if not tag["name"]:
        return Kind.ALONE
    if tag["end"]:
        return Kind.CLOSE
    return Kind.ALONE if tag[0].endswith("/>") else Kind.OPEN


def find_partners(tags: Sequence[tuple[Kind, str]]) -> list[int]:
    """Return the number of the partner of each tag, from kinds and names; -1 for none.

    Pairs lie in each other or apart, whatever the tags are: those within a pair, whose end has not
    come, have no partner.
    """
    partners, opened, counts = [-1] * len(tags), list[int](), dict[str, int]()
    for number, (kind, name) in enumerate(tags):
        if kind is Kind.OPEN:
            opened.append(number)
            counts[name] = counts.get(name, 0) + 1
        elif kind is Kind.CLOSE and counts.get(name):
            while partners[number] < 0:
                start = opened.pop()
                counts[tags[start][1]] -= 1
                if tags[start][1] == name:
                    partners[start], partners[number] = number, start
    return partners


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
