"""Choose among marks that overlap."""

from collections.abc import Iterable, Iterator

from nmt.decoding.marks.marked import Mark


def without_overlaps(marks: Iterable[Mark]) -> list[Mark]:
    """Return marks in order, without those that overlap one before them, and without empty ones.

    Of two marks that begin together the longer one stays.
    """
    kept: list[Mark] = []
    for each in sorted(marks, key=lambda each: (each.begin, -each.end)):
        if each.begin < each.end and (not kept or kept[-1].end <= each.begin):
            kept.append(each)
    return kept


def outside(marks: Iterable[Mark], taken: Iterable[Mark]) -> Iterator[Mark]:
    """Yield the marks that overlap none of others, in order; taken: in order and apart."""
    others = iter(taken)
    other = next(others, None)
    for each in sorted(marks, key=lambda each: each[:2]):
        while other is not None and other.end <= each.begin:
            other = next(others, None)
        if other is None or each.end <= other.begin:
            yield each
