"""Compare the numbers of a text and its translation, however a language writes them."""

import re
import unicodedata
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

NUMBER = re.compile(
    r"\d{1,3}(?:[ '\u2019]\d{3})+(?!\d)(?:[.,]\d+)?"  # 1 000 000,5 or 1'000'000.5
    r"|\d+(?:[.,]\d+)*"
)
GROUPING = re.compile(r"[ '\u2019]")  # characters that only group digits
GROUPS = re.compile(r"\d{1,3}(?:\.\d{2,3})*\.\d{3}")  # 1.000.000; in India 10.00.000
ARABIC = str.maketrans("\u066b\u066c", ",'")  # decimal separator and thousands separator

Reading = Decimal | tuple[Decimal, ...]


class Differences(NamedTuple):
    """The numbers that only one of two texts has, as they are written there."""

    missing: list[str]  # in the translation
    added: list[str]  # by the translation


def number_differences(source: str, translation: str) -> Differences:
    """Return the numbers that a translation lacks and those that it adds.

    Two numbers are the same if one value can be read from both: 1,000.5 is 1.000,5 and 1 000,5.
    Digits inside words count, so that "1st" is "1.". A date or a time is the same whether it is one
    number (24.12.2024) or several (24/12/2024).
    """
    missing, added = without_equal(numbers_of(source), numbers_of(translation))
    missing, added = without_parts(missing, added)
    added, missing = without_parts(added, missing)
    return Differences(missing, added)


def numbers_of(text: str) -> list[str]:
    """Return the numbers of a text as they are written, in compatibility form (NFKC)."""
    return NUMBER.findall(unicodedata.normalize("NFKC", text).translate(ARABIC))


@lru_cache(10_000)
def readings(number: str) -> frozenset[Reading]:
    """Return the values that a number may have: one, or two as for 1.000.

    The reading of a number without a value, such as the date 24.12.2024, is the tuple of its parts.
    """
    plain = GROUPING.sub("", number)
    parts = parts_of(plain)
    if len(parts) == 1:
        return frozenset(parts)
    found: set[Reading] = set()
    separators = re.findall("[.,]", plain)
    whole, _, fraction = plain.rpartition(separators[-1])
    if len({*separators}) == 1 and GROUPS.fullmatch(plain.replace(",", ".")):
        found.add(Decimal(re.sub("[.,]", "", plain)))
    if separators[-1] not in whole and (
        len(parts) == 2 or GROUPS.fullmatch(whole.replace(",", "."))
    ):
        found.add(Decimal(f"{re.sub('[.,]', '', whole)}.{fraction}"))
    return frozenset(found or {parts})


def parts_of(number: str) -> tuple[Decimal, ...]:
    """Return the values of the digits between separators."""
    return tuple(map(Decimal, re.findall(r"\d+", number)))


def without_equal(ours: Iterable[str], theirs: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the numbers of both sides without pairs that share a reading."""
    places: dict[Reading, deque[int]] = defaultdict(deque)
    for place, number in enumerate(theirs):
        for reading in readings(number):
            places[reading].append(place)
    taken: set[int] = set()
    left = []
    for number in ours:
        for reading in readings(number):
            free = places[reading]
            while free and free[0] in taken:
                free.popleft()
            if free:
                taken.add(free.popleft())
                break
        else:
            left.append(number)
    return left, [number for place, number in enumerate(theirs) if place not in taken]


def without_parts(ours: Iterable[str], theirs: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the numbers of both sides without those of several parts that the other side splits.

    10.30 on our side takes away 10 and 30 on their side.
    """
    single = Counter(parts[0] for parts in map(parts_of, theirs) if len(parts) == 1)
    taken: Counter[Decimal] = Counter()
    left = []
    for number in ours:
        parts = Counter(parts_of(number))
        if parts.total() > 1 and parts <= single:
            single -= parts
            taken += parts
        else:
            left.append(number)
    rest = []
    for number in theirs:
        parts = Counter(parts_of(number))
        if parts.total() == 1 and parts <= taken:
            taken -= parts
        else:
            rest.append(number)
    return left, rest
