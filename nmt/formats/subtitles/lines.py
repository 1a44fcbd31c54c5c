"""Divide a translation among the subtitles of its source, in lines that fit the screen."""

from collections.abc import Sequence
from typing import NamedTuple
from unicodedata import combining

from nmt.decoding.marks.marked import Kind, Marked, joined
from nmt.formats.subtitles.turns import TIMESTAMP
from nmt.formats.wrapping import Word, line_of, width_of_line
from nmt.text.languages import primary

MOST_LINES = 2  # of a subtitle


class Limits(NamedTuple):
    """How much viewers can read in a language."""

    line: int = 42  # characters, spaces too; Netflix, English timed text style guide, I.3
    speed: float = 17  # characters a second; Netflix, most languages; the BBC has 160-180 words

    def characters(self, seconds: float) -> float:
        """Return how many characters fit a subtitle of a duration."""
        return min(MOST_LINES * self.line, self.speed * seconds)


# Netflix, timed text style guides for these languages; in full-width characters.
UNSPACED_LIMITS = {"zh": Limits(16, 9), "ja": Limits(13, 4), "ko": Limits(16, 12)}


def characters_of(text: str) -> int:
    """Return the number of characters of a text; accents that combine with a letter are none."""
    return len(text) if text.isascii() else sum(not combining(each) for each in text)


def limits_of(language: str) -> Limits:
    """Return the limits of a language by its code; those of most languages if it has no others."""
    return UNSPACED_LIMITS.get(primary(language), Limits())


def divide(
    words: Sequence[Word], weights: Sequence[float], capacities: Sequence[float]
) -> list[Sequence[Word]]:
    """Divide words among subtitles in proportion to weights, at ends of clauses if they are near.

    weights, capacities: of each subtitle; the latter in characters. A subtitle gets more than its
    capacity only if the next ones have no room either. If there are fewer words than subtitles,
    the last subtitles get none.
    """
    ends = [0]
    for word in words:
        ends.append(ends[-1] + word.width + word.has_space)
    total, whole, passed = ends[-1], sum(weights) or 1.0, 0.0
    parts: list[Sequence[Word]] = []
    begin = 0
    for number, weight in enumerate(weights[:-1]):
        passed += weight
        later = len(weights) - number - 1
        fewest = min(begin + 1, len(words))
        most = max(fewest, len(words) - later)
        ideal = total * passed / whole
        room = sum(capacities[number + 1 :])
        border = min(
            range(fewest, most + 1),
            key=lambda each: (
                max(0.0, ends[each] - ends[begin] - 1 - capacities[number])
                + max(0.0, total - ends[each] - later - room),
                abs(ends[each] - ideal) - CLAUSE_BONUS * _ends_clause(words[each - 1 : each]),
            ),
        )
        parts.append(words[begin:border])
        begin = border
    return [*parts, words[begin:]]


CLAUSE_BONUS = 8  # characters that a border moves to be at the end of a clause


def _ends_clause(words: Sequence[Word]) -> bool:
    return bool(words) and words[-1].text[-1:] in ",.;:!?\u2026\u3002\uff0c\u3001\uff01\uff1f"


def balanced(words: Sequence[Word], limit: int, most_lines: int = MOST_LINES) -> list[str]:
    """Return words as one line if they fit, else as two lines of about the same width.

    most_lines: 1 or 2. If even two lines are too narrow, they are wider than the limit.
    """
    if width_of_line(words) <= limit or len(words) < 2 or most_lines < 2:
        return [line_of(words)]
    total = width_of_line(words)
    best, cost, used = 1, float("inf"), 0
    for number, word in enumerate(words[:-1]):
        used += word.width + (number > 0 and word.has_space)
        rest = total - used - words[number + 1].has_space
        over = max(0, used - limit) + max(0, rest - limit)
        # The upper line is rather the shorter one: less of the picture is hidden.
        here = abs(used - rest) + (used > rest) + 100 * over - 6 * _ends_clause([word])
        if here < cost:
            best, cost = number + 1, here
    return [line_of(words[:best]), line_of(words[best:])]


def closed(parts: Sequence[str], text: Marked) -> list[str]:
    """Close the tags that are open at the end of each part, and open them again in the next.

    parts: of `text`, in order; every mark of it is in one of them.
    """
    pairs = text.partners()
    marks = text.mark_texts()
    still_open: list[int] = []
    number = 0
    found: list[str] = []
    for part in parts:
        opened = "".join(marks[each] for each in still_open)
        place = 0
        while number < len(marks) and (at := part.find(marks[number], place)) >= 0:
            place = at + len(marks[number])
            if text.marks[number].kind is Kind.OPEN and number in pairs:
                still_open.append(number)
            elif number in pairs:
                still_open.remove(pairs[number])
            number += 1
        found.append(opened + part + "".join(marks[pairs[each]] for each in reversed(still_open)))
    return found


def timestamps_in_order(text: Marked) -> Marked:
    """Return a text whose timestamps are in the order of time, as WebVTT demands."""
    numbers = [number for number, each in enumerate(text.mark_texts()) if TIMESTAMP.fullmatch(each)]
    times = sorted(
        (text.mark_texts()[each] for each in numbers), key=lambda time: (len(time), time)
    )
    if not numbers:
        return text
    new = dict(zip(numbers, times, strict=True))
    parts: list[Marked] = []
    number = 0
    for part, is_mark in text.parts():
        shown = new.get(number, part) if is_mark else part
        marks = (text.marks[number]._replace(begin=0, end=len(shown)),) if is_mark else ()
        parts.append(Marked(shown, marks))
        number += is_mark
    return joined(parts)
