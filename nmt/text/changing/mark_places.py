"""Choose where marks go in a pair, so that they stand at the same place on both sides.

Dimensions: a source of m units and a target of n units; a link (i, j) says that source unit i and
target unit j are translations of each other.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from nmt.text.changing.mark_forms import placeholder, tag_pair
from nmt.text.changing.units import IS_UNSPACED, Units

Links = frozenset[tuple[int, int]]

MORE = 0.3  # probability of a further mark after each one
MOST = 3  # marks of a kind in a pair
REPLACE_SHARE = 0.5  # of the placeholders; the others are inserted
ATTEMPTS = 4  # places tried for a mark before there is none
LONGEST_SPAN = 5  # source units between a tag and its end
CLOSING = ".,;:!?)]}\u3002\uff0c\uff01\uff1f\u2026"  # marks before these need no space after them


@dataclass
class Edits:
    """The marks that are to be put into a text of n units."""

    replaced: dict[int, str] = field(default_factory=dict)  # unit -> placeholder
    inserted: dict[int, str] = field(default_factory=dict)  # gap (0 to n) -> placeholder
    spans: list[tuple[int, int, str, str]] = field(default_factory=list)  # first unit, end, marks

    def apply(self, text: Units) -> str:
        """Return the text with the marks."""
        units, gaps = [*text.units], [*text.gaps]
        for unit, mark in self.replaced.items():
            units[unit] = mark
        for gap, mark in self.inserted.items():
            before, after = spaces_at(text, gap) or ("", "")
            gaps[gap] = before + mark + after
        # Shorter spans first, so that their marks stand inside those of longer ones.
        for first, end, begin, close in sorted(self.spans, key=lambda each: each[1] - each[0]):
            units[first] = begin + units[first]
            units[end - 1] += close
        return Units(tuple(units), tuple(gaps)).text


def put_marks(
    source: Units,
    target: Units,
    links: Links,
    random: Random,
    *,
    placeholders: bool,
    tags: bool,
) -> tuple[str, str]:
    """Return the texts of a pair with random marks, the same on both sides.

    A text without a place for marks stays as it is.
    """
    edits = Edits(), Edits()
    if not source or not target:
        return source.text, target.text
    if placeholders:
        for _ in range(number_of_marks(random)):
            if random.random() < REPLACE_SHARE:
                replace_words(source, target, links, random, edits)
            else:
                insert_mark(source, target, links, random, edits)
    if tags:
        for _ in range(number_of_marks(random)):
            enclose_words(source, target, links, random, edits)
    return edits[0].apply(source), edits[1].apply(target)


def number_of_marks(random: Random) -> int:
    """Return a number of marks from 1 to `MOST`."""
    number = 1
    while number < MOST and random.random() < MORE:
        number += 1
    return number


def replace_words(
    source: Units, target: Units, links: Links, random: Random, edits: tuple[Edits, Edits]
) -> None:
    """Replace two words that are linked with each other alone by a placeholder, if there are any.

    Characters of unspaced scripts are parts of words, and stay.
    """
    if not links:
        return
    of_source, of_target = (Counter(side) for side in zip(*links, strict=True))
    possible = [
        (i, j)
        for i, j in sorted(links)
        if of_source[i] == of_target[j] == 1
        and is_spaced_word(source, i)
        and is_spaced_word(target, j)
        and i not in edits[0].replaced
    ]
    if possible:
        made = placeholder(random)
        for edit, unit in zip(edits, random.choice(possible), strict=True):
            edit.replaced[unit] = made


def is_spaced_word(text: Units, unit: int) -> bool:
    """Return whether a unit is a word of a script with spaces."""
    return text.is_word(unit) and not IS_UNSPACED.match(text.units[unit])


def insert_mark(
    source: Units, target: Units, links: Links, random: Random, edits: tuple[Edits, Edits]
) -> None:
    """Insert a placeholder between units at a place that no link crosses, if one is found."""
    made = placeholder(random)
    for _ in range(ATTEMPTS):
        i = random.randrange(len(source) + 1)
        j = opposite_gap(source, target, links, i)
        if j is None or i in edits[0].inserted or j in edits[1].inserted:
            continue
        if spaces_at(source, i) and spaces_at(target, j):
            edits[0].inserted[i] = edits[1].inserted[j] = made
            return


def opposite_gap(source: Units, target: Units, links: Links, gap: int) -> int | None:
    """Return the target's gap at the same place as a source's, or None.

    No link crosses it, and the units before it, or those after it, are linked with each other. The
    beginnings of both texts are at the same place, and so are their ends.
    """
    if gap in (0, len(source)):
        return 0 if gap == 0 else len(target)
    before = max((j + 1 for i, j in links if i < gap), default=0)
    after = min((j for i, j in links if i >= gap), default=len(target))
    if before > after:
        return None
    if (gap - 1, before - 1) in links:
        return before
    return after if (gap, after) in links else None


def spaces_at(text: Units, gap: int) -> tuple[str, str] | None:
    """Return the spaces before and after a mark in a gap; None if no mark can stand there."""
    before = text.units[gap - 1][-1] if gap else ""
    after = text.units[gap][0] if gap < len(text) else ""
    if text.gaps[gap] and before and after:
        return " ", " "
    if not before or not after:
        is_spaced = not IS_UNSPACED.match(before or after or " ")
        return " " * (bool(before) and is_spaced), " " * (bool(after) and is_spaced)
    if IS_UNSPACED.match(before):
        return ("", "") if after in CLOSING or IS_UNSPACED.match(after) else None
    return (" ", "") if after in CLOSING and before.isalnum() else None


def enclose_words(
    source: Units, target: Units, links: Links, random: Random, edits: tuple[Edits, Edits]
) -> None:
    """Put a tag and its end around words that are linked with each other alone, if there are any.

    The words are contiguous on both sides. Spans of two tags are apart, or one is in the other.
    """
    begin, close = tag_pair(random)
    for _ in range(ATTEMPTS):
        first = random.randrange(len(source))
        end = min(first + random.randint(1, LONGEST_SPAN), len(source))
        if any(partly_overlap((first, end), each[:2]) for each in edits[0].spans):
            continue
        opposite = opposite_span(source, target, links, range(first, end))
        if opposite:
            edits[0].spans.append((first, end, begin, close))
            edits[1].spans.append((opposite.start, opposite.stop, begin, close))
            return


def partly_overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether two spans overlap, but neither is a smaller part of the other."""
    if max(one[0], other[0]) >= min(one[1], other[1]):
        return False
    inside = other[0] <= one[0] and one[1] <= other[1]
    outside = one[0] <= other[0] and other[1] <= one[1]
    return inside == outside


def opposite_span(source: Units, target: Units, links: Links, span: range) -> range | None:
    """Return the target units that are linked with a span of source units alone, or None.

    The first and the last unit of the span are linked words.
    """
    ends = span[0], span[-1]
    if not all(source.is_word(each) and is_linked(each, links) for each in ends):
        return None
    found = [j for i, j in links if i in span]
    opposite = range(min(found), max(found) + 1)
    if not all(i in span for i, j in links if j in opposite):
        return None
    if not all(target.is_word(each) for each in (opposite[0], opposite[-1])):
        return None
    return opposite


def is_linked(unit: int, links: Iterable[tuple[int, int]]) -> bool:
    """Return whether a source unit has a link."""
    return any(i == unit for i, _ in links)
