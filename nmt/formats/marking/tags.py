"""Find tags in a text, and which of them belong together."""

import re
from collections.abc import Callable

from nmt.decoding.marks.marked import Kind, Mark, Marked

# A tag of HTML or of a subtitle; those of React's translations have numbers: <1>here</1>.
TAG = re.compile(
    r"<(?P<end>/?)(?:(?P<name>[A-Za-z][\w:-]{0,40}|\d{1,3}(?=/?>))(?:[\s/][^<>]{0,2000})?)>"
)


def with_tags(text: str, pattern: re.Pattern[str] = TAG) -> Marked:
    """Return a text with its tags as marks.

    pattern: of a tag, with the groups `name`, and `end` if it may be an end tag. A tag without its
    partner stands for itself, as one without a name does.
    """
    found = [*pattern.finditer(text)]
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
            for each in is_open[place:]:  # tags within, whose end has not come, stand alone
                places[found[each]["name"]].pop()
            del is_open[place:]
    return Marked(
        text, tuple(Mark(*tag.span(), kind) for tag, kind in zip(found, kinds, strict=True))
    )


def with_changed_words(text: Marked, change: Callable[[str], str]) -> Marked:
    """Return a text with everything but its marks changed."""
    parts: list[str] = []
    marks: list[Mark] = []
    length = 0
    for part, is_mark in text.parts():
        parts.append(part if is_mark else change(part))
        length += len(parts[-1])
        if is_mark:
            marks.append(text.marks[len(marks)]._replace(begin=length - len(part), end=length))
    return Marked("".join(parts), tuple(marks))
