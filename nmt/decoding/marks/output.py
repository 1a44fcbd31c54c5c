"""Place the marks of a text in its translation, by the links of its words.

- A pair encloses the units that are linked to those that it encloses in the source: from the first
  to the last, but one that stands apart, behind many others, does not count. Pairs never cross.
- An atom that touches a word stays with it. Another one stands where it crosses the fewest links.
- What stands before the first or after the last word does so in the translation.

Places are counted in chunks of units: three for each, one after the other.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import NamedTuple

from nmt.decoding.marks.tree import CHUNKS, Atom, Edge, Pair, Touch, Tree, Units
from nmt.decoding.translator.marked import Kind, Marked, joined
from nmt.decoding.translator.translation import Link

LINKED, FOREIGN = 2.0, -1.0  # worth of a unit in a pair: linked to what it encloses, or to others

Item = int | Edge | Atom  # a chunk, or a mark


class Placed(NamedTuple):
    """A thing and the chunks before which it begins and ends."""

    thing: Atom | Edge | Pair
    begin: int
    end: int
    units: range = range(0)  # that a pair encloses


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

    def inside(self, placed: Placed) -> list[Placed]:
        """Return what a pair encloses, in the order of the translation."""
        pair, chunks = placed.thing, range(placed.begin, placed.end)
        assert isinstance(pair, Pair)  # noqa: S101 (for the type checker)
        pairs = [
            self._placed_pair(inner, units, chunks)
            for inner, units in self._spans(pair, placed.units)
        ]
        found = [*pairs]
        for atom in pair.atoms:
            gap = self._atom_gap(atom, pair, placed.units, pairs)
            found.append(apart(atom, atom_chunk(atom, gap, self._count), chunks, pairs))
        last = 0
        for edge in pair.edges:
            gap = self._gap(edge.place, pair, placed.units, pairs)
            chunk = max(last, edge_chunk(edge, gap, self._count))
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

    def _placed_pair(self, pair: Pair, units: range, chunks: range) -> Placed:
        assert pair.opening is not None  # noqa: S101 (for the type checker)
        assert pair.closing is not None  # noqa: S101
        begin = max(chunks.start, edge_chunk(pair.opening, units.start, self._count))
        end = min(chunks.stop, edge_chunk(pair.closing, units.stop, self._count))
        return Placed(pair, begin, end, units)

    def _spans(self, parent: Pair, room: range) -> list[tuple[Pair, range]]:
        """Return the pairs in a pair with the units that they enclose, in order and apart.

        If two pairs have one unit between them, the second one comes into the first.
        """
        found = [(pair, self._span(pair, parent, room)) for pair in parent.pairs]
        found.sort(key=lambda pair: (pair[1].start + pair[1].stop, pair[0].number))
        apart: list[tuple[Pair, range]] = []
        for pair, span in found:
            if apart and apart[-1][1].stop > span.start:
                before, units = apart.pop()
                last = max(units.stop, span.stop)
                if last - units.start == 1:
                    apart.append((replace(before, pairs=[*before.pairs, pair]), units))
                    continue
                cut = self._cut(before, pair, range(units.start, last))
                apart.append((before, range(units.start, min(units.stop, cut))))
                span = range(max(span.start, cut), max(span.stop, cut + 1))  # noqa: PLW2901
            apart.append((pair, span))
        return apart

    def _cut(self, before: Pair, after: Pair, room: range) -> int:
        """Return where one of two pairs should end and the other begin."""
        gains = [self._worth(before, unit) - self._worth(after, unit) for unit in room]
        sums = [*accumulate(gains[:-1])]
        return room.start + 1 + sums.index(max(sums))

    def _worth(self, pair: Pair, unit: int) -> float:
        """Return what a unit adds to a pair that encloses it; 0 if it has no links."""
        sources = self._sources[unit]
        if not sources:
            return 0.0
        share = sum(pair.first <= source < pair.end for source in sources) / len(sources)
        return share * LINKED + (1 - share) * FOREIGN

    def _span(self, pair: Pair, parent: Pair, room: range) -> range:
        """Return the units that a pair should enclose, whatever other pairs do."""
        if not room or (pair.first <= parent.first and pair.end >= parent.end):
            return room
        own = [
            unit
            for unit in room
            if any(pair.first <= source < pair.end for source in self._sources[unit])
        ]
        if not own:
            gap = self._gap(pair.first, parent, room, ())
            beside = [unit for unit in (gap, gap - 1) if unit in room]
            unit = next((unit for unit in beside if not self._sources[unit]), beside[0])
            return range(unit, unit + 1)
        sums = [0.0, *accumulate(self._worth(pair, unit) for unit in room)]
        spans = (range(first, last + 1) for first in own for last in own if first <= last)
        return max(
            spans,
            key=lambda span: (
                sums[span.stop - room.start] - sums[span.start - room.start],
                len(span),
                -span.start,
            ),
        )

    def _atom_gap(self, atom: Atom, parent: Pair, room: range, pairs: Sequence[Placed]) -> int:
        """Return the unit before which an atom stands."""
        touches_after = atom.is_after_signs or atom.after is not Touch.SPACE
        touches_before = not atom.is_after_signs and atom.before is not Touch.SPACE
        if touches_after != touches_before:
            source = atom.place if touches_after else atom.place - 1
            targets = [unit for unit in self._targets.get(source, ()) if unit in room]
            if targets:
                return min(targets) if touches_after else max(targets) + 1
        return self._gap(atom.place, parent, room, pairs)

    def _gap(self, place: int, parent: Pair, room: range, pairs: Sequence[Placed]) -> int:
        """Return the unit before which fewest links are crossed.

        A link crosses if its source stands before `place` and its target after the gap, or the
        other way round. Several gaps may be equal: the best is beside the translation of the next
        word, of the word before, or else as far in the text as the place in the source.
        """
        if place <= parent.first or not room:
            return room.start
        if place >= parent.end:
            return room.stop
        change = [0] * (self._count + 1)
        for source, target in self._links:
            if parent.first <= source < parent.end:
                change[min(target + 1, self._count)] += 1 if source >= place else -1
        crossed = [*accumulate(change)]
        share = (place - parent.first) / (parent.end - parent.first)
        middle = room.start + share * len(room)
        inside = {unit for pair in pairs for unit in pair.units[1:]}
        gaps = [gap for gap in range(room.start, room.stop + 1) if gap not in inside]
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


def apart(thing: Atom | Edge, chunk: int, room: range, pairs: Iterable[Placed]) -> Placed:
    """Return a place in a range of chunks and outside of the pairs there, as near as possible."""
    chunk = min(max(chunk, room.start), room.stop)
    for pair in pairs:
        if pair.begin < chunk < pair.end:
            is_near = chunk - pair.begin < pair.end - chunk and isinstance(thing, Atom)
            chunk = pair.begin if is_near else pair.end
    return Placed(thing, chunk, chunk)


def atom_chunk(atom: Atom, gap: int, units: int) -> int:
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


def edge_chunk(edge: Edge, gap: int, units: int) -> int:
    """Return the chunk before which an edge stands; gap: the unit before which it does."""
    if edge.kind is Kind.OPEN:
        is_outside = edge.is_outside or gap == units or (edge.is_at_end and not gap)
        return CHUNKS * gap if is_outside else CHUNKS * gap + 1
    is_outside = edge.is_outside or not gap or (edge.is_at_end and gap == units)
    return CHUNKS * gap if is_outside else CHUNKS * gap - 1


def with_marks(tree: Tree, text: str, links: Sequence[Link]) -> Marked:
    """Return a translation with the marks of its source.

    Args:
        tree: the source.
        text: the translation of the source without its marks.
        links: pairs of a unit of the source and a unit of the translation.
    """
    units = Units.of(text)
    places = Places(links, len(units))
    pieces: list[Marked] = []
    edges: list[Edge] = []  # since the last solid item
    last: int | Atom | None = None
    whole = Placed(tree.whole, 0, CHUNKS * len(units), range(len(units)))
    for item in read_items(whole, places):
        if isinstance(item, Edge):
            edges.append(item)
        elif not isinstance(item, int) or units.chunk(item):
            space = "" if last is None else space_between(last, item, units)
            pieces += with_space(edges, space)
            pieces.append(Marked(units.chunk(item)) if isinstance(item, int) else item.text)
            edges, last = [], item
    return joined([*pieces, *with_space(edges, "")])


def read_items(placed: Placed, places: Places) -> Iterator[Item]:
    """Yield the chunks and marks of a pair, in order."""
    pair = placed.thing
    assert isinstance(pair, Pair)  # noqa: S101 (for the type checker)
    if pair.opening is not None:
        yield pair.opening
    chunk = placed.begin
    for inner in places.inside(placed):
        yield from range(chunk, inner.begin)
        chunk = max(chunk, inner.end)
        if isinstance(inner.thing, Pair):
            yield from read_items(inner, places)
        else:
            yield inner.thing
    yield from range(chunk, placed.end)
    if pair.closing is not None:
        yield pair.closing


def space_between(before: int | Atom, after: int | Atom, units: Units) -> str:
    """Return the white space between two neighbours, of which none opens or closes anything."""
    if isinstance(before, int) and isinstance(after, int):
        unit = after // CHUNKS
        return "" if before // CHUNKS == unit else units.space_before(unit)
    if isinstance(before, int):
        assert isinstance(after, Atom)  # noqa: S101 (for the type checker)
        is_opening = before % CHUNKS == 0
        is_apart = after.before is Touch.SPACE and not is_opening
        return " " if is_apart and not units.has_no_spaces(before // CHUNKS) else ""
    if isinstance(after, int):
        is_closing = after % CHUNKS == CHUNKS - 1
        is_apart = before.after is Touch.SPACE and not is_closing
        return " " if is_apart and not units.has_no_spaces(after // CHUNKS) else ""
    return " " if Touch.SPACE in (before.after, after.before) else ""


def with_space(edges: Sequence[Edge], space: str) -> Iterator[Marked]:
    """Yield the edges between two neighbours, and the space between these, where it belongs.

    By default the space is outside of what the edges enclose. It is inside if it is so in the
    source, and on both sides if the source has two.
    """
    place = next(
        (number for number, edge in enumerate(edges) if edge.kind is Kind.OPEN), len(edges)
    )
    for number, edge in enumerate(edges):
        if edge.has_space_inside and not edge.has_space_outside:
            place = number + (edge.kind is Kind.OPEN)
            break
    for number, edge in enumerate(edges):
        if number == place and space:
            yield Marked(space)
        is_double = edge.has_space_inside and edge.has_space_outside
        if is_double and edge.kind is Kind.CLOSE:
            yield Marked(" ")
        yield edge.mark
        if is_double and edge.kind is Kind.OPEN:
            yield Marked(" ")
    if place == len(edges) and space:
        yield Marked(space)
