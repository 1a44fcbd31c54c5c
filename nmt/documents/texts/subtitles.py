"""Subtitles: SubRip (.srt) and WebVTT (.vtt).

A sentence that goes on in the next subtitles is translated as a whole, and divided among them
again. Numbers, times, settings and blocks that are no subtitle stay.
"""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from unicodedata import combining

from nmt.decoding.translator.marked import Kind, Marked, joined
from nmt.documents.document import Document, Finding, Joined, Options, Segment
from nmt.documents.encoding import Encoding, decode
from nmt.documents.marks.tags import with_changed_words, with_tags
from nmt.documents.texts.wrapping import (
    LINE,
    LINE_BREAK,
    Word,
    joined_lines,
    line_of,
    width_of_line,
    words_of,
)
from nmt.errors import NmtError
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


TIMESTAMP = re.compile(r"<[\d:.]{5,20}>")
TAG = re.compile(
    r"<(?P<end>/?)(?P<name>[A-Za-z]+)(?:[ \t.][^<>\r\n]{0,500})?>|"
    + TIMESTAMP.pattern
    + r"|\{\\[^{}\r\n]{1,200}\}"
)
TAGS = rf"(?:{TAG.pattern.replace('?P<end>', '?:').replace('?P<name>', '?:')})*+"
DASH = re.compile(r"[-\u2010-\u2015](?=\s*[^\s\d\u2010-\u2015-])[ \t]*")  # "-5" is a number
MUSIC = re.compile(r"[\u2669-\u266f\U0001f3b5\U0001f3b6]+")
SOUND = re.compile(rf"\s*{TAGS}(?:\[[^\[\]]*\]|\([^()]*\)){TAGS}\s*")  # a line that tells a sound
BEGINS_TURN = re.compile(rf"\s*{TAGS}(?:{DASH.pattern}|{MUSIC.pattern})")
# One tag around several lines is sometimes written on each of them.
SAME_TAG = re.compile(r"</([ibu])>([ \t]*\r?\n[ \t]*)<\1>")
SENTENCE_END = re.compile(
    r"(?:[.!?:\u2026\u3002\uff01\uff1f]|--|[\u2013\u2014])[\"'\u201d\u2019\u00bb)\]]*$"
)
ELLIPSIS = re.compile(r"(?:\.\.\.|\u2026)$")


@dataclass(frozen=True)
class Turn:
    """The words of one speaker in a subtitle."""

    lines: tuple[str, ...]  # as they are in the file
    prefix: str  # what stays before the text: a dash, a note, tags
    text: str  # on one line, with the tags in it
    suffix: str
    is_dialogue: bool  # begins with a dash
    is_whole: bool  # nothing is continued in or from other subtitles: a sound, a song's line

    def is_continued(self, following: "Turn") -> bool:
        """Return whether a sentence goes on in the first turn of the next subtitle."""
        if self.is_whole or following.is_whole or following.is_dialogue:
            return False
        if TIMESTAMP.search(self.text) or TIMESTAMP.search(following.text):
            return False
        text = TAG.sub("", self.text).rstrip()
        if ELLIPSIS.search(text):
            return TAG.sub("", following.text)[:1].islower()
        return not SENTENCE_END.search(text)


def turns_of(payload: str) -> list[Turn]:
    """Return the turns of a subtitle's text, which has one line for each of its lines."""
    groups: list[list[str]] = []
    was_sound = True
    for line in SAME_TAG.sub(r"\2", payload).splitlines():
        is_sound = bool(SOUND.fullmatch(line))
        if was_sound or is_sound or BEGINS_TURN.match(line):
            groups.append([])
        groups[-1].append(line.strip())
        was_sound = is_sound
    return [_turn(group) for group in groups]


def _turn(lines: list[str]) -> Turn:
    line = joined_lines(lines)
    text = with_tags(line, TAG)
    marks, pairs = text.marks, text.partners()
    begin, end = 0, len(line)
    first, last = 0, len(marks) - 1  # marks within
    is_dialogue = False
    while begin < end:
        is_begin = first <= last and marks[first].begin == begin
        is_end = first <= last and marks[last].end == end
        if _is_around(line[begin]):
            begin += 1
        elif _is_around(line[end - 1]):
            end -= 1
        elif not is_dialogue and (dash := DASH.match(line, begin)):
            is_dialogue, begin = True, dash.end()
        elif is_begin and first not in pairs:
            begin, first = marks[first].end, first + 1
        elif is_end and last not in pairs:
            end, last = marks[last].begin, last - 1
        elif is_begin and is_end and pairs[first] == last:
            begin, end = marks[first].end, marks[last].begin
            first, last = first + 1, last - 1
        else:
            break
    is_sound = bool(SOUND.fullmatch(line))
    if is_sound and line[begin] in "[(" and line[end - 1] in "])":
        begin, end = begin + 1, end - 1
    is_whole = is_sound or bool(MUSIC.search(line))
    return Turn(tuple(lines), line[:begin], line[begin:end], line[end:], is_dialogue, is_whole)


def _is_around(character: str) -> bool:
    return character.isspace() or bool(MUSIC.match(character))


TIME = r"(?:\d{1,6}:)?\d{1,2}:\d{1,2}(?:[.,]\d{1,3})?"
TIMES = re.compile(rf"[ \t]*({TIME})[ \t]*-->[ \t]*({TIME})(?:[ \t][^\r\n]*)?\s*")
NUMBER = re.compile(r"[ \t]*\d+\s*")
MOST_CUES = 6  # that share a sentence: text without full stops is not all one sentence
LONGEST_PAUSE = 2.0  # seconds within a sentence
OVERLAP = 0.1  # seconds, from which two subtitles are on the screen together


class Cue(NamedTuple):
    """A subtitle: its time and its text."""

    begin: float  # seconds
    end: float
    raw: str  # lines of the text
    turns: list[Turn]


class Place(NamedTuple):
    """The place of a text: a turn of a subtitle."""

    cue: int
    turn: int


def read(content: bytes, options: Options) -> Document:
    """Return the document of subtitles; sentences over several subtitles are one segment.

    Raises:
        NmtError: if there are no subtitles in the text.
    """
    text, encoding = decode(content)
    is_vtt = text.startswith("WEBVTT")
    parts = _scanned(text, is_vtt)
    if text.strip() and len(parts) == 1 and not is_vtt:
        raise NmtError(
            "line 1: the file has no subtitle; each has a line with its times, such as"
            " 00:00:01,000 --> 00:00:02,500, and WebVTT begins with WEBVTT"
        )
    return Subtitles(parts, encoding, is_vtt, limits_of(options.target_language))


def _scanned(text: str, is_vtt: bool) -> list[str | Cue]:
    """Return the subtitles of a file, and what is between them."""
    lines = [each[0] for each in LINE.finditer(text)]
    parts: list[str | Cue] = []
    kept = at = 0
    while at < len(lines):
        times = TIMES.fullmatch(lines[at])
        at += 1
        if times:
            end = at
            while end < len(lines) and not _ends_cue(lines, end, is_vtt):
                end += 1
            while at < end and not lines[at].strip():
                at += 1
            next_at = end
            while end > at and not lines[end - 1].strip():
                end -= 1
            raw = "".join(lines[at:end])
            parts += [
                "".join(lines[kept:at]),
                Cue(_seconds(times[1]), _seconds(times[2]), raw, turns_of(raw)),
            ]
            kept, at = end, next_at
    return [*parts, "".join(lines[kept:])]


def _ends_cue(lines: Sequence[str], at: int, is_vtt: bool) -> bool:
    """Return whether a line follows the text of a subtitle; that of SubRip may have blank lines."""
    if is_vtt and not lines[at].strip():
        return True
    return bool(
        TIMES.fullmatch(lines[at])
        or (NUMBER.fullmatch(lines[at]) and at + 1 < len(lines) and TIMES.fullmatch(lines[at + 1]))
    )


def _seconds(time: str) -> float:
    seconds = 0.0
    for part in time.replace(",", ".").split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


class Subtitles:
    """A file of subtitles."""

    def __init__(
        self, parts: list[str | Cue], encoding: Encoding, is_vtt: bool, limits: Limits
    ) -> None:
        self.segments: list[Segment] = []
        self._parts = parts
        self._cues = [each for each in parts if isinstance(each, Cue)]
        self._encoding = encoding
        self._is_vtt = is_vtt
        self._limits = limits
        found = LINE_BREAK.search(str(parts[0]))  # what is before the first text
        self._line_break = found[0] if found else "\n"  # that of the file
        self._groups: list[list[Place]] = []  # of each segment
        for number, cue in enumerate(self._cues):
            for turn, said in enumerate(cue.turns):
                place = Place(number, turn)
                if any(map(str.isalpha, TAG.sub("", said.text))):
                    if self._groups and self._goes_on(self._groups[-1], place):
                        self._groups[-1].append(place)
                    else:
                        self._groups.append([place])
        self.segments = [Segment(self._source(each), self._name(each[0])) for each in self._groups]

    def _goes_on(self, group: list[Place], place: Place) -> bool:
        last = group[-1]
        before, cue = self._cues[last.cue], self._cues[place.cue]
        return (
            place == (last.cue + 1, 0)
            and last.turn == len(before.turns) - 1
            and len(group) < MOST_CUES
            and -OVERLAP <= cue.begin - before.end <= LONGEST_PAUSE
            and before.turns[last.turn].is_continued(cue.turns[0])
        )

    def _turn(self, place: Place) -> Turn:
        return self._cues[place.cue].turns[place.turn]

    def _source(self, group: list[Place]) -> Marked:
        text = with_tags(joined_lines([self._turn(each).text for each in group]), TAG)
        return with_changed_words(text, html.unescape) if self._is_vtt else text

    def _name(self, place: Place) -> str:
        seconds = int(self._cues[place.cue].begin)
        time = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return f"subtitle {place.cue + 1}, {time}"

    def join(self, translations: Sequence[Marked | None]) -> Joined:
        """Return the file with translations, and the subtitles that are too long for viewers."""
        texts: dict[Place, list[str]] = {}  # the lines of turns
        findings: list[Finding] = []
        for segment, group, translation in zip(
            self.segments, self._groups, translations, strict=True
        ):
            own = translation and translation.of_format()
            if own is None or own == segment.source:
                continue
            parts = self._divided(own, group)
            texts.update(zip(group, parts, strict=True))
            if len({id(each) for each in parts}) < len(group):
                message = f"the sentence has fewer words than its {len(group)} subtitles"
                findings.append(Finding(self._name(group[0]), message))
        changed = {place.cue for place in texts}
        number = 0
        written: list[str] = []
        for part in self._parts:
            if isinstance(part, str):
                written.append(part)
                continue
            written.append(self._written(number, texts) if number in changed else part.raw)
            if number in changed:
                findings += self._too_long(number, written[-1])
            number += 1
        return Joined(self._encoding.encode("".join(written)), tuple(findings))

    def _divided(self, translation: Marked, group: list[Place]) -> list[list[str]]:
        """Return the lines of each subtitle; without words of its own, it repeats the last ones."""
        text = timestamps_in_order(translation)
        if self._is_vtt:
            text = with_changed_words(text, _escape)
        words = words_of(text, self._width)
        turns = [self._turn(each) for each in group]
        cues = [self._cues[each.cue] for each in group]
        parts = divide(
            words,
            weights=[self._width(TAG.sub("", each.text), False) or 1 for each in turns],
            capacities=[self._limits.characters(each.end - each.begin) for each in cues],
        )
        filled = [each for each in parts if each] or [[]]
        lines = []
        for part, turn, cue in zip(filled, turns, cues, strict=False):
            around = self._width(TAG.sub("", turn.prefix + turn.suffix), False)
            most_lines = MOST_LINES if len(cue.turns) == 1 else 1
            lines.append(balanced(part, max(1, self._limits.line - around), most_lines))
        whole = closed(["\n".join(each) for each in lines], text)
        found = [each.split("\n") for each in whole]
        return found + [found[-1]] * (len(group) - len(found))

    def _width(self, part: str, is_mark: bool) -> int:
        if is_mark and TAG.fullmatch(part):
            return 0
        return characters_of(html.unescape(part) if self._is_vtt else part)

    def _written(self, number: int, texts: dict[Place, list[str]]) -> str:
        cue = self._cues[number]
        lines: list[str] = []
        for turn, said in enumerate(cue.turns):
            translated = texts.get(Place(number, turn))
            if translated is None:
                lines += said.lines
            else:
                lines += (said.prefix + "\n".join(translated) + said.suffix).split("\n")
        found = LINE_BREAK.search(cue.raw)
        line_break = found[0] if found else self._line_break
        end = line_break if cue.raw.endswith(("\r", "\n")) else ""
        return line_break.join(lines) + end

    def _too_long(self, number: int, written: str) -> list[Finding]:
        lines = [self._width(TAG.sub("", each).strip(), False) for each in written.splitlines()]
        cue = self._cues[number]
        seconds = cue.end - cue.begin
        reasons = []
        longest = max(lines, default=0)
        if longest > self._limits.line:
            reasons.append(f"a line of {longest} characters ({self._limits.line} at most)")
        if seconds <= 0:
            reasons.append("no time")
        elif sum(lines) > self._limits.speed * seconds:
            speed = sum(lines) / seconds
            reasons.append(f"{speed:.0f} characters a second ({self._limits.speed:g} at most)")
        if len(lines) > max(MOST_LINES, len(cue.raw.splitlines())):
            reasons.append(f"{len(lines)} lines ({MOST_LINES} at most)")
        message = f"the subtitle has {' and '.join(reasons)}"
        return [Finding(self._name(Place(number, 0)), message)] if reasons else []


def _escape(text: str) -> str:
    """Return a text as WebVTT writes it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
