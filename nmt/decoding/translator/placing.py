"""Cut out what no model translates, tags or unknown symbols, and place it in the translation.

- The text that remains is a row of units, words or characters of a script without spaces. A unit
  has a core, and may have signs before and after it: a span stands on either side of these.
- A pair, an OPEN span and its CLOSE, encloses words; without words it is cut out whole, as a span
  ALONE is. Signs that touch such a span and no word belong to it. "Open %s." is read as "Open.".
- In the translation, a pair encloses the units that are linked to those that it encloses in the
  source, except for one far behind others. Pairs never cross.
- A span ALONE stays with the word that it touches, or stands where it crosses the fewest links, or
  before the first and after the last word as in the source.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import NamedTuple

import numpy

from nmt.decoding.translator.marked import Kind, Mark, Marked, joined
from nmt.decoding.translator.translation import Link
from nmt.text.subwords.words import (
    AFTER,
    BEFORE,
    CHUNKS,
    CLOSING,
    CORE_END,
    END_MARKS,
    UNSPACED,
    Units,
)

WORDLIKE = re.compile(r"\w")
SIGNS = re.compile(r"[^\w\s]*")
TRAILING = re.compile(r"(?:^|\s)([^\w\s]*)\Z")  # signs that touch no word before them
WORD_END = re.compile(rf"[{re.escape(AFTER)}]+(?:\s|\Z)")  # signs of the word before them
UNSPACED_CHARACTER = re.compile(f"[{UNSPACED}]")
# Beside a span: no word, or a script without spaces, which tells nothing; and a word of another.
APART = re.compile(rf"\s|\Z|[{UNSPACED}]")
TOUCHING = re.compile(rf"(?![{UNSPACED}])\w")
LINE_BREAK = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
DEEPEST = 100  # pairs around pairs; what is nested more deeply is copied
RANKS = {Kind.CLOSE: 0, Kind.ALONE: 1, Kind.OPEN: 2}  # of spans that stand at one position


@dataclass
class Span:
    """A part that was cut out at one position, and how it belongs to the units beside it."""

    text: Marked
    kind: Kind
    position: int  # number of units before it
    before: str  # the character beside it, looking through tags; "" is an end of the text
    after: str
    # In chunks: 1 before the next core, -2 after the last core, -1 before its signs, 0 between.
    side: int = 0


@dataclass
class Pair:
    """An OPEN span, its CLOSE, and what they enclose. Those of the whole text are empty."""

    opening: Span
    closing: Span
    pairs: list["Pair"] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)  # ALONE; in the whole, also without a partner

    @property
    def units(self) -> range:
        """Return the units of the source that it encloses, of which there are some."""
        return range(self.opening.position, self.closing.position)


class Cut(NamedTuple):
    """A text without its spans."""

    text: str  # what the model reads
    whole: Pair
    spans: list[Span]  # all, in order


def cut_spans(source: Marked, hidden: Iterable[Mark] = ()) -> Cut:
    """Cut marks, and `hidden` spans, out of a text; line breaks between them are read as spaces."""
    return Cutter(source, hidden).cut()


class Cutter:
    """Reads a text from left to right. Until all is read, positions are those of characters."""

    def __init__(self, source: Marked, hidden: Iterable[Mark]) -> None:
        self.text = source.text
        self._hidden = {*hidden}
        self.marks = sorted([*source.marks, *self._hidden], key=lambda mark: mark[:2])
        self.partner = Marked(source.text, (*self.marks,)).partners()
        self.read = ""
        begin, end = (Span(Marked(""), kind, 0, "", "") for kind in (Kind.OPEN, Kind.CLOSE))
        self._inside = [Pair(begin, end)]  # the whole, and pairs that are open, the innermost last
        self._spans = [begin]
        self._drops_space = False  # an opening sign waits for its word
        self._parts_words = False  # a span ALONE stands before what is read next

    def cut(self) -> Cut:
        """Read the text, and count positions in units."""
        index = end = 0
        while index < len(self.marks):
            stop = self._find_stop(index)
            if stop > index:
                end, index = self._read_alone(end, index, stop), stop
            else:
                self._read_text(self.text[end : self.marks[index].begin])
                self._read_tag(index)
                end, index = self.marks[index].end, index + 1
        self._read_text(self.text[end:])
        self._strip()
        (whole,) = self._inside
        whole.closing.position = len(self.read)
        self._spans.append(whole.closing)
        units = Units(self.read).bounds
        cores, core_ends = [unit[1] for unit in units], [unit[CORE_END] for unit in units]
        for span in self._spans:
            position = span.position
            span.position = unit = bisect_right(core_ends, position)
            if span.kind is Kind.OPEN:
                is_outside = unit < len(units) and max(position, units[unit][0]) < cores[unit]
                span.side = 0 if is_outside else 1
            elif span.kind is Kind.CLOSE:
                span.position = unit = bisect_left(cores, position)
                is_outside = unit > 0 and min(position, units[unit - 1][-1]) > core_ends[unit - 1]
                span.side = 0 if is_outside else -2
        return Cut(self.read, whole, self._spans)

    def _find_stop(self, index: int) -> int:
        """Return the index after the marks that are cut out as one with a mark, or the index."""
        stop = index
        while stop < len(self.marks) and (stop == index or not self._has_words(stop - 1, stop)):
            partner = self.partner.get(stop, -1)
            if self.marks[stop].kind is Kind.ALONE:
                stop += 1
            elif partner > stop and (
                len(self._inside) > DEEPEST or not self._has_words(stop, partner)
            ):
                stop = partner + 1
            else:
                break
        return stop

    def _has_words(self, first: int, last: int) -> bool:
        """Return whether there are words between two marks, apart from the marks between them."""
        return any(
            WORDLIKE.search(self.text, self.marks[index].end, self.marks[index + 1].begin)
            for index in range(first, last)
        )

    def _read_text(self, text: str) -> None:
        if not text:
            return
        text = LINE_BREAK.sub(" ", text)
        if self._drops_space or not self.read:
            text = text.lstrip()
        elif self._parts_words:
            if WORD_END.match(text):
                self._strip()
            elif self.read[-1].isspace():
                text = text.lstrip()
            elif not text[0].isspace():
                text = f" {text}"
        self._drops_space = self._parts_words = False
        self.read += text

    def _strip(self) -> None:
        """Take away white space at the end of what was read."""
        self.read = self.read.rstrip()
        for span in reversed(self._spans):
            if span.position <= len(self.read):
                break
            span.position = len(self.read)

    def _beside(self, index: int, position: int, step: int) -> str:
        """Return the character before (-1) or after (1) a position, past tags that stand there."""
        index += step
        while 0 <= index < len(self.marks) and self.marks[index].kind is not Kind.ALONE:
            near, far = self.marks[index][:2][::step]
            if near != position:
                break
            position, index = far, index + step
        first = position - 1 if step < 0 else position
        return self.text[first : first + 1]  # empty beyond both ends

    def _read_tag(self, index: int) -> None:
        mark = self.marks[index]
        before = self.text[max(0, mark.begin - 1) : mark.begin]
        after = self.text[mark.end : mark.end + 1]
        if mark.kind is Kind.OPEN:
            before = self._beside(index, mark.begin, -1)
        else:
            after = self._beside(index, mark.end, 1)
        text = Marked(self.text[mark.begin : mark.end], (mark.moved(-mark.begin),))
        span = Span(text, mark.kind, len(self.read), before, after)
        self._spans.append(span)
        if index not in self.partner:
            self._inside[0].spans.append(span)
        elif mark.kind is Kind.OPEN:
            pair = Pair(span, span)  # until its CLOSE is read
            self._inside[-1].pairs.append(pair)
            self._inside.append(pair)
        else:
            self._inside.pop().closing = span

    def _read_alone(self, end: int, first: int, stop: int) -> int:
        """Read marks that are cut out as one, and the text from `end` on; return its new end."""
        last = self.marks[stop].begin if stop < len(self.marks) else len(self.text)
        inside = self.marks[first].begin, self.marks[stop - 1].end
        has_word = WORDLIKE.search(self.read) is not None
        bounds = find_bounds(self.text, inside, (end, last), has_word)
        begin, own_end, tail_end, is_after_signs = bounds
        self._read_text(self.text[end:begin])
        has_tail = tail_end > own_end
        if has_tail:
            self._strip()
        visible = (mark for mark in self.marks[first:stop] if mark not in self._hidden)
        text = Marked(self.text[begin:own_end], tuple(mark.moved(-begin) for mark in visible))
        before, after = self._beside(first, begin, -1), self._beside(stop - 1, tail_end, 1)
        span = Span(text, Kind.ALONE, len(self.read), before, after)
        if is_after_signs or (TOUCHING.match(after) and APART.match(before)):
            span.side = 1
        elif has_tail:
            span.side = -2 if self.text[own_end] in CLOSING else -1
        elif TOUCHING.match(before) and APART.match(after):
            span.side = -2
        self._inside[-1].spans.append(span)
        self._spans.append(span)
        self.read += LINE_BREAK.sub(" ", self.text[own_end:tail_end])
        self._parts_words, self._drops_space = not has_tail, is_after_signs
        return tail_end


def find_bounds(
    text: str, marks: tuple[int, int], room: tuple[int, int], has_word: bool
) -> tuple[int, int, int, bool]:
    """Find the signs of a span ALONE.

    marks: where they begin and end. room: the text up to the neighbouring marks. has_word: there is
    a word somewhere before it.

    Return begin and end of the span with its signs, the end of the signs after it that belong to
    the word before it, and whether signs of the word after it stand before it.
    """
    (begin, end), (first, last) = marks, room
    trailing, leading = TRAILING.search(text[first:begin]), SIGNS.match(text, end, last)
    opening, closing = trailing[1] if trailing else "", leading[0] if leading else ""
    is_inside = WORDLIKE.match(text, end + len(closing), last) is not None
    # Brackets and quotation marks around it.
    while opening and closing and opening[-1] in BEFORE and closing[0] in AFTER:
        if closing[0] in END_MARKS:
            break
        opening, closing, begin, end = opening[:-1], closing[1:], begin - 1, end + 1
    kept = len(opening.rstrip("".join({*opening} - {*BEFORE})))
    opening, begin = opening[:kept], begin - len(opening) + kept
    if not is_inside:
        kept = len(closing.rstrip(AFTER))
        closing, end = closing[kept:], end + kept
    elif not closing.startswith(("'", "\u2019")):
        closing, end = "", end + len(closing)
    is_after_signs = bool(opening) and not closing and bool(WORDLIKE.match(text[end:last].lstrip()))
    if not is_after_signs:
        begin -= len(opening)
    if is_inside or not closing:
        return begin, end, end, is_after_signs
    tail_end = end + len(closing)
    before = text[first:begin].rstrip()
    has_word = has_word or WORDLIKE.search(before) is not None
    if not has_word or before.endswith((*".!?\u2026\u3002",)):
        return begin, tail_end, tail_end, False
    word = before.rstrip(END_MARKS)
    if word and len(word) < len(before) < begin - first:
        begin = first + len(word)  # two signs at the end of one word are too many
    return begin, end, tail_end, False


def place_spans(cut: Cut, text: str, links: Iterable[Link]) -> Marked:
    """Return a translation with the spans of its source; links: pairs of a source unit and one."""
    units = Units(text)
    placer = Placer(cut, len(units), links)
    pieces: list[Marked] = []
    tags: list[Span] = []  # since the last chunk or span ALONE
    last: int | Span | None = None
    chunks, room = range(CHUNKS * len(units)), range(len(units))
    # An empty translation keeps the order of the source.
    for item in placer.items(cut.whole, chunks, room) if room else cut.spans:
        if isinstance(item, Span) and item.kind is not Kind.ALONE:
            tags.append(item)
        elif isinstance(item, Span) or units.chunk(item):
            pieces += with_space(tags, "" if last is None else space_between(last, item, units))
            pieces.append(item.text if isinstance(item, Span) else Marked(units.chunk(item)))
            tags, last = [], item
    return joined([*pieces, *with_space(tags, "")])


def space_between(before: int | Span, after: int | Span, units: Units) -> str:
    """Return the white space between two neighbours: chunks or spans ALONE."""
    if isinstance(before, Span):
        is_apart = APART.match(before.after) is not None
        if isinstance(after, Span):
            return " " if is_apart or APART.match(after.before) else ""
        is_apart, unit = is_apart and after % CHUNKS < CORE_END, after // CHUNKS
        is_within = " " not in before.text.text and not APART.match(before.before)  # a word
        is_first = units.bounds[unit][after % CHUNKS] == units.bounds[unit][0]
        is_symbol = not before.text.marks and before.text.text[-1] not in BEFORE
        if is_within and is_first and is_symbol:  # it joins no two words
            return units.space_before(unit)
    elif isinstance(after, Span):
        is_apart = APART.match(after.before) is not None and before % CHUNKS > 0
        unit = before // CHUNKS
    else:
        unit = after // CHUNKS
        return "" if before // CHUNKS == unit else units.space_before(unit)
    begin, *_, end = units.bounds[unit]
    return " " if is_apart and not UNSPACED_CHARACTER.search(units.text, begin, end) else ""


def with_space(tags: Sequence[Span], space: str) -> list[Marked]:
    """Return the tags between two neighbours with the space between these.

    It is outside of what the tags enclose, unless it is inside in the source; or on both sides.
    """
    kinds, texts = [tag.kind for tag in tags], [tag.text for tag in tags]
    index = kinds.index(Kind.OPEN) if Kind.OPEN in kinds else len(tags)
    for number, tag in reversed([*enumerate(tags)]):
        is_open = tag.kind is Kind.OPEN
        inside, outside = (tag.after, tag.before) if is_open else (tag.before, tag.after)
        if inside.isspace() and outside and not outside.isspace():
            index = number + is_open
        elif inside.isspace():
            texts[number] = joined([tag.text, Marked(" ")][:: 1 if is_open else -1])
    return [*texts[:index], Marked(space), *texts[index:]]


class Placed(NamedTuple):
    """A thing and the chunks before which it begins and ends, in the order of a translation."""

    begin: int
    rank: int  # of what begins at one chunk
    end: int
    thing: Span | Pair
    units: range = range(0)  # that a pair encloses


class Placer:
    """Finds where spans stand in one translation."""

    def __init__(self, cut: Cut, units: int, links: Iterable[Link]) -> None:
        """Take links as in `place_spans`; units: how many the translation has."""
        self._source_end, self._count = cut.whole.closing.position, units
        self._sources: list[set[int]] = [set() for _ in range(units)]  # of each unit
        self._targets: dict[int, set[int]] = {}  # of each source unit
        known = sorted({link for link in links if link[1] < units})
        for source, target in known:
            self._sources[target].add(source)
            self._targets.setdefault(source, set()).add(target)
        self._links = numpy.array(known, numpy.int64).reshape(-1, 2)

    def items(self, pair: Pair, chunks: range, room: range) -> Iterator[int | Span]:
        """Yield the chunks and spans of a pair in order; room: the units that it encloses."""
        yield pair.opening
        chunk = chunks.start
        for placed in sorted(self._inside(pair, chunks, room), key=lambda placed: placed[:2]):
            yield from range(chunk, placed.begin)
            chunk = max(chunk, placed.end)
            if isinstance(placed.thing, Pair):
                own = range(placed.begin, placed.end)
                yield from self.items(placed.thing, own, placed.units)
            else:
                yield placed.thing
        yield from range(chunk, chunks.stop)
        yield pair.closing

    def _inside(self, pair: Pair, chunks: range, room: range) -> list[Placed]:
        """Return what a pair encloses."""
        pairs: list[Placed] = []
        for inner, units in self._divide(pair, room):
            begin = max(chunks.start, self._chunk(inner.opening, units.start))
            end = min(chunks.stop, self._chunk(inner.closing, units.stop))
            pairs.append(Placed(begin, len(RANKS), end, inner, units))
        closed = [unit for placed in pairs for unit in placed.units[1:]]
        spans, last = list[Placed](), chunks.start
        for span in pair.spans:
            is_alone = span.kind is Kind.ALONE
            chunk = self._chunk(span, self._span_gap(span, pair, room, closed))
            chunk = min(max(chunk, chunks.start if is_alone else last), chunks.stop)
            for placed in pairs:
                if placed.begin < chunk < placed.end:
                    is_near = is_alone and chunk - placed.begin < placed.end - chunk
                    chunk = placed.begin if is_near else placed.end
            last = last if is_alone else chunk  # tags without partners stay in order
            spans.append(Placed(chunk, RANKS[span.kind], chunk, span))
        return pairs + spans

    def _chunk(self, span: Span, gap: int) -> int:
        """Return the chunk before which a span stands; gap: the unit before which it does."""
        side, outside = span.side, span.before if span.kind is Kind.OPEN else span.after
        if span.kind is Kind.ALONE:
            if gap == self._count and span.position < self._source_end:
                side = min(side, -1)  # what stands between words is not behind the sentence
        elif gap == (0 if span.kind is Kind.OPEN else self._count) and not outside:
            side = 0  # at the same end of both texts it encloses all signs
        return min(max(CHUNKS * gap + side, 0), CHUNKS * self._count)

    def _divide(self, parent: Pair, room: range) -> list[tuple[Pair, range]]:
        """Return the pairs in a pair with the units that they enclose, in order and apart.

        If two pairs have one unit between them, the second one comes into the first.
        """
        found = [(pair, self._enclosed(pair, parent, room)) for pair in parent.pairs]
        found.sort(key=lambda pair: pair[1].start + pair[1].stop)
        apart: list[tuple[Pair, range]] = []
        for pair, units in found:
            if apart and apart[-1][1].stop > units.start:
                before, own = apart.pop()
                both = range(own.start, max(own.stop, units.stop))
                if len(both) == 1:
                    apart.append((replace(before, pairs=[*before.pairs, pair]), own))
                    continue
                gains = [self._worth(before, unit) - self._worth(pair, unit) for unit in both[:-1]]
                sums = [*accumulate(gains)]
                cut = own.start + 1 + sums.index(max(sums))
                apart.append((before, range(own.start, min(own.stop, cut))))
                units = range(max(units.start, cut), max(units.stop, cut + 1))  # noqa: PLW2901 (cut)
            apart.append((pair, units))
        return apart

    def _enclosed(self, pair: Pair, parent: Pair, room: range) -> range:
        """Return the units that a pair should enclose, whatever other pairs do."""
        if not room or pair.units == parent.units:
            return room
        own = {
            unit for source in pair.units for unit in self._targets.get(source, ()) if unit in room
        }
        if not own:
            gap = self._gap(pair.opening.position, parent, room)
            beside = [unit for unit in (gap, gap - 1) if unit in room]
            unit = next((unit for unit in beside if not self._sources[unit]), beside[0])
            return range(unit, unit + 1)
        # The span with the highest sum, from one linked unit to another; the longest of equal ones.
        best, total = (float("-inf"), 0, 0), 0.0
        start, before = min(own), 0.0  # the best begin so far, and the sum before it
        for unit in range(min(own), max(own) + 1):
            if unit in own and total < before:
                start, before = unit, total
            total += self._worth(pair, unit)
            if unit in own:
                best = max(best, (total - before, unit + 1 - start, -start))
        _, length, start = best
        return range(-start, length - start)

    def _worth(self, pair: Pair, unit: int) -> float:
        """Return what a unit adds to a pair: 2 if it is linked to what it encloses, -1 if not."""
        sources = self._sources[unit]
        own = sum(source in pair.units for source in sources)
        return 3 * own / len(sources) - 1 if sources else 0.0

    def _span_gap(self, span: Span, parent: Pair, room: range, closed: Sequence[int]) -> int:
        """Return the unit before which a span stands: that of the word that it touches, if any."""
        touches_after = span.side == 1 or not APART.match(span.after)
        touches_before = span.side != 1 and not APART.match(span.before)
        if span.kind is Kind.ALONE and touches_after != touches_before:
            source = span.position - touches_before
            units = [unit for unit in self._targets.get(source, ()) if unit in room]
            if units:
                return min(units) if touches_after else max(units) + 1
        begin = [] if span.text.marks else [room.start]  # where no symbol from between words is
        return self._gap(span.position, parent, room, [*closed, *begin])

    def _gap(self, position: int, parent: Pair, room: range, closed: Sequence[int] = ()) -> int:
        """Return the unit before which fewest links are crossed; closed: units that do not count.

        A link crosses if it goes from before the position to after the gap, or in reverse.
        Of equal gaps, the best is beside the next word (so may be an end), the last, or as far on.
        """
        source = parent.units
        if position <= source.start or not room:
            return room.start
        if position >= source.stop:
            return room.stop
        sources, targets = self._links.T
        signs = numpy.where(sources < position, -1, 1)
        signs[(sources < source.start) | (sources >= source.stop)] = 0
        score = 4 * numpy.bincount(targets + 1, signs, self._count + 1).cumsum()
        before, after = (self._targets.get(unit, set[int]()) for unit in (position - 1, position))
        next_gaps = {unit for unit in after if unit - 1 not in after}
        last_gaps = {unit + 1 for unit in before if unit + 1 not in before}
        score[[*next_gaps]] -= 2
        score[[*last_gaps]] -= 1
        score[[*{room.start, room.stop} - next_gaps - last_gaps]] += numpy.ptp(score) + 1
        score[closed] = score.max() + 1
        score = score[room.start : room.stop + 1]
        gaps = numpy.flatnonzero(score == score.min())
        middle = (position - source.start) / len(source) * len(room)
        return room.start + int(gaps[numpy.abs(gaps - middle).argmin()])
