"""Subtitles: SubRip (.srt) and WebVTT (.vtt).

A sentence that goes on in the next subtitles is translated as a whole, and divided among them
again. Numbers, times, settings and blocks that are no subtitle stay.
"""

import html
import re
from collections.abc import Sequence
from typing import NamedTuple

from nmt.decoding.marks.marked import Marked
from nmt.errors import NmtError
from nmt.formats.document import Document, Finding, Joined, Options, Segment
from nmt.formats.encoding import Encoding, decode
from nmt.formats.marking.tags import with_changed_words, with_tags
from nmt.formats.subtitles.lines import (
    MOST_LINES,
    Limits,
    balanced,
    characters_of,
    closed,
    divide,
    limits_of,
    timestamps_in_order,
)
from nmt.formats.subtitles.turns import TAG, Turn, turns_of
from nmt.formats.wrapping import LINE, LINE_BREAK, joined_lines, words_of

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
