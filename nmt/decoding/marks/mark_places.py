"""Choose the places of marks in a translation by the links of its words.

- A pair encloses the units that are linked to those that it encloses in the source: from the first
  to the last, but one that stands apart, behind many others, does not count. Pairs never cross.
- An atom that touches a word stays with it. Another one stands where it crosses the fewest links.
- What stands before the first or after the last word does so in the translation.

Places are counted in chunks of units: three for each, one after the other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import NamedTuple

from nmt.decoding.marks.mark_tree import Atom, Edge, Pair, Touch
from nmt.decoding.marks.marked import Kind
from nmt.decoding.marks.units import CHUNKS
from nmt.decoding.translator.translation import Link

LINKED, FOREIGN = 2.0, -1.0  # worth of a unit in a pair: linked to what it encloses, or to others


class Span(NamedTuple):
    """A range of units, or of their chunks."""

    begin: int
    end: int


class Placed(NamedTuple):
    """A thing and the chunks before which it begins and ends."""

    thing: Atom | Edge | Pair
    begin: int
    end: int
    units: Span = Span(0, 0)  # that a pair encloses


class Places:
    """Finds the places of marks in one translation."""

    def __init__(self, links: Sequence[Link], units: int) -> None:
        """Take the links of units; units: how many the translation has."""
        self._count = units
        self._links = [link for link in links if link[1] < units]
        self._sources: list[set[int]] = [set() for _ in range(units)]  # of each unit
        self._targets: dict[int, list[int]] = {}  # of each source unit
        for source, target in self._links:
            self._sources[target].add(source)
            self._targets.setdefault(source, []).append(target)

    def whole(self, pair: Pair) -> Placed:
        """Return the place of the pair without marks that encloses all."""
        return Placed(pair, 0, CHUNKS * self._count, Span(0, self._count))

    def inside(self, placed: Placed) -> list[Placed]:
        """Return what a pair encloses, in the order of the translation."""
        pair, chunks = placed.thing, Span(placed.begin, placed.end)
        assert isinstance(pair, Pair)  # noqa: S101 (for the type checker)
        pairs = [
            self._placed_pair(each, span, chunks) for each, span in self._spans(pair, placed.units)
        ]
        found = [*pairs]
        for atom in pair.atoms:
            gap = self._gap_of(atom, pair, placed.units, pairs)
            found.append(apart(atom, chunk_of_atom(atom, gap, self._count), chunks, pairs))
        last = 0
        for edge in pair.edges:
            gap = self._gap(edge.place, pair, placed.units, pairs)
            chunk = max(last, chunk_of_edge(edge, gap, self._count))
            found.append(apart(edge, chunk, chunks, pairs))
            last = found[-1].begin
        return sorted(found, key=self._rank)

    def _rank(self, placed: Placed) -> tuple[int, int, int]:
        """Return the order of what stands at one place; an empty translation keeps the source's."""
        thing = placed.thing
        if isinstance(thing, Pair):
            return placed.begin, 3 if self._count else 1, thing.number
        order = 1
        if isinstance(thing, Edge) and self._count:
            order = 0 if thing.kind is Kind.CLOSE else 2
        return placed.begin, order, thing.number

    def _placed_pair(self, pair: Pair, span: Span, chunks: Span) -> Placed:
        assert pair.opening is not None  # noqa: S101 (for the type checker)
        assert pair.closing is not None  # noqa: S101
        begin = max(chunks.begin, chunk_of_edge(pair.opening, span.begin, self._count))
        end = min(chunks.end, chunk_of_edge(pair.closing, span.end, self._count))
        return Placed(pair, begin, end, span)

    def _spans(self, parent: Pair, room: Span) -> list[tuple[Pair, Span]]:
        """Return the pairs in a pair with the units that they enclose, in order and apart.

        If two pairs have one unit between them, the second one comes into the first.
        """
        found = [(each, self._span(each, parent, room)) for each in parent.pairs]
        found.sort(key=lambda each: (sum(each[1]), each[0].number))
        apart: list[tuple[Pair, Span]] = []
        for pair, span in found:
            if apart and apart[-1][1].end > span.begin:
                before, (begin, end) = apart.pop()
                last = max(end, span.end)
                if last - begin == 1:
                    apart.append((replace(before, pairs=[*before.pairs, pair]), Span(begin, end)))
                    continue
                cut = self._cut(before, pair, Span(begin, last))
                apart.append((before, Span(begin, min(end, cut))))
                span = Span(max(span.begin, cut), max(span.end, cut + 1))  # noqa: PLW2901
            apart.append((pair, span))
        return apart

    def _cut(self, before: Pair, after: Pair, room: Span) -> int:
        """Return where one of two pairs should end and the other begin."""
        gains = [self._worth(before, unit) - self._worth(after, unit) for unit in range(*room)]
        sums = [*accumulate(gains[:-1])]
        return room.begin + 1 + sums.index(max(sums))

    def _worth(self, pair: Pair, unit: int) -> float:
        """Return what a unit adds to a pair that encloses it; 0 if it has no links."""
        sources = self._sources[unit]
        if not sources:
            return 0.0
        share = sum(pair.first <= each < pair.end for each in sources) / len(sources)
        return share * LINKED + (1 - share) * FOREIGN

    def _span(self, pair: Pair, parent: Pair, room: Span) -> Span:
        """Return the units that a pair should enclose, whatever other pairs do."""
        if room.begin == room.end or (pair.first <= parent.first and pair.end >= parent.end):
            return room
        worth = [self._worth(pair, unit) for unit in range(*room)]
        own = [
            place
            for place in range(len(worth))
            if any(pair.first <= each < pair.end for each in self._sources[room.begin + place])
        ]
        if not own:
            gap = self._gap(pair.first, parent, room, ())
            beside = [unit for unit in (gap, gap - 1) if is_in(unit, room)]
            unit = next((each for each in beside if not self._sources[each]), beside[0])
            return Span(unit, unit + 1)
        sums = [0.0, *accumulate(worth)]
        best = max(
            ((first, last + 1) for first in own for last in own if first <= last),
            key=lambda ends: (sums[ends[1]] - sums[ends[0]], ends[1] - ends[0], -ends[0]),
        )
        return Span(room.begin + best[0], room.begin + best[1])

    def _gap_of(self, atom: Atom, parent: Pair, room: Span, pairs: Sequence[Placed]) -> int:
        """Return the unit before which an atom stands."""
        touches_after = atom.is_after_signs or atom.after is not Touch.SPACE
        touches_before = not atom.is_after_signs and atom.before is not Touch.SPACE
        if touches_after and not touches_before:
            targets = [each for each in self._targets.get(atom.place, ()) if is_in(each, room)]
            if targets:
                return min(targets)
        if touches_before and not touches_after:
            targets = [each for each in self._targets.get(atom.place - 1, ()) if is_in(each, room)]
            if targets:
                return max(targets) + 1
        return self._gap(atom.place, parent, room, pairs)

    def _gap(self, place: int, parent: Pair, room: Span, pairs: Sequence[Placed]) -> int:
        """Return the unit before which fewest links are crossed.

        A link crosses if its source stands before `place` and its target after the gap, or the
        other way round. Several gaps may be equal: the best is beside the translation of the next
        word, of the word before, or else as far in the text as the place in the source.
        """
        if place <= parent.first or room.begin == room.end:
            return room.begin
        if place >= parent.end:
            return room.end
        change = [0] * (self._count + 1)
        for source, target in self._links:
            if parent.first <= source < parent.end:
                change[min(target + 1, self._count)] += 1 if source >= place else -1
        crossed = [*accumulate(change)]
        share = (place - parent.first) / (parent.end - parent.first)
        middle = room.begin + share * (room.end - room.begin)
        inside = {unit for each in pairs for unit in range(each.units.begin + 1, each.units.end)}
        gaps = [gap for gap in range(room.begin, room.end + 1) if gap not in inside]
        return min(
            gaps,
            key=lambda gap: (crossed[gap], -self._nearness(place, gap), abs(gap - middle), gap),
        )

    def _nearness(self, place: int, gap: int) -> int:
        """Return how well a gap keeps beside the units that a place in the source is between."""
        before = self._sources[gap - 1] if gap else set[int]()
        after = self._sources[gap] if gap < self._count else set[int]()
        is_before_next = place in after and place not in before
        is_after_last = place - 1 in before and place - 1 not in after
        return 2 * is_before_next + is_after_last


def is_in(unit: int, room: Span) -> bool:
    """Return whether a unit is in a range."""
    return room.begin <= unit < room.end


def apart(thing: Atom | Edge, chunk: int, room: Span, pairs: Iterable[Placed]) -> Placed:
    """Return a place in a range of chunks and outside of the pairs there, as near as possible."""
    chunk = min(max(chunk, room.begin), room.end)
    for each in pairs:
        if each.begin < chunk < each.end:
            is_near = chunk - each.begin < each.end - chunk and isinstance(thing, Atom)
            chunk = each.begin if is_near else each.end
    return Placed(thing, chunk, chunk)


def chunk_of_atom(atom: Atom, gap: int, units: int) -> int:
    """Return the chunk before which an atom stands; gap: the unit before which it does."""
    is_before_core = atom.is_after_signs or (
        atom.after is Touch.WORD and atom.before is Touch.SPACE
    )
    if is_before_core and gap < units:
        return CHUNKS * gap + 1
    is_after_core = atom.is_before_signs or (
        atom.before is Touch.WORD and atom.after is Touch.SPACE
    )
    return CHUNKS * gap - 1 if is_after_core and gap else CHUNKS * gap


def chunk_of_edge(edge: Edge, gap: int, units: int) -> int:
    """Return the chunk before which an edge stands; gap: the unit before which it does."""
    if edge.kind is Kind.OPEN:
        is_outside = edge.is_outside or gap == units or (edge.is_at_end and not gap)
        return CHUNKS * gap if is_outside else CHUNKS * gap + 1
    is_outside = edge.is_outside or not gap or (edge.is_at_end and gap == units)
    return CHUNKS * gap if is_outside else CHUNKS * gap - 1
