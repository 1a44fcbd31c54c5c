"""Write a translation with its marks: what stands where, and the spaces between."""

from collections.abc import Iterator, Sequence

from nmt.decoding.marks.mark_places import Placed, Places
from nmt.decoding.marks.mark_tree import Atom, Edge, Pair, Touch, Tree
from nmt.decoding.marks.marked import Kind, Marked, joined
from nmt.decoding.marks.units import CHUNKS, Units
from nmt.decoding.translator.translation import Link

Item = int | Edge | Atom  # a chunk, or a mark


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
    for item in items_of(places.whole(tree.whole), places):
        if isinstance(item, Edge):
            edges.append(item)
        elif not isinstance(item, int) or units.chunk(item):
            space = "" if last is None else space_between(last, item, units)
            pieces += with_space(edges, space)
            pieces.append(Marked(units.chunk(item)) if isinstance(item, int) else item.text)
            edges, last = [], item
    return joined([*pieces, *with_space(edges, "")])


def items_of(placed: Placed, places: Places) -> Iterator[Item]:
    """Yield the chunks and marks of a pair, in order."""
    pair = placed.thing
    assert isinstance(pair, Pair)  # noqa: S101 (for the type checker)
    if pair.opening is not None:
        yield pair.opening
    chunk = placed.begin
    for each in places.inside(placed):
        yield from range(chunk, each.begin)
        chunk = max(chunk, each.end)
        if isinstance(each.thing, Pair):
            yield from items_of(each, places)
        else:
            yield each.thing
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
        (number for number, each in enumerate(edges) if each.kind is Kind.OPEN), len(edges)
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
