"""Subtitles: SubRip (.srt) and WebVTT (.vtt).

A sentence that goes on in the next subtitles is translated as a whole, and divided among them
again. Numbers, times, settings and blocks that are no subtitle stay.
"""

import html
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import NamedTuple
from unicodedata import combining

from nmt.decoding.translator.marked import Edit, Kind, Mark, Marked
from nmt.documents.document import (
    Document,
    Finding,
    Joined,
    Options,
    Segment,
    SourceDocument,
    decode,
    with_raw_marks,
)
from nmt.documents.marks.tags import with_changed_words, with_tags
from nmt.documents.texts.wrapping import (
    LINE,
    LINE_BREAK,
    Word,
    join_words,
    joined_lines,
    line_width,
    split_words,
)
from nmt.errors import NmtError, shown
from nmt.text.reading.languages import primary

MOST_LINES = 2  # of a subtitle


class Limits(NamedTuple):
    """How much viewers can read in a language."""

    line: int = 42  # characters, spaces too; Netflix, English timed text style guide, I.3
    speed: float = 17  # characters a second; Netflix, most languages; the BBC has 160-180 words


# Netflix, timed text style guides for these languages; in full-width characters.
UNSPACED_LIMITS = {"zh": Limits(16, 9), "ja": Limits(13, 4), "ko": Limits(16, 12)}


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
            key=lambda last: (
                max(0.0, ends[last] - ends[begin] - 1 - capacities[number])
                + max(0.0, total - ends[last] - later - room),
                abs(ends[last] - ideal) - CLAUSE_BONUS * _ends_clause(words[last - 1 : last]),
            ),
        )
        parts.append(words[begin:border])
        begin = border
    return [*parts, words[begin:]]


CLAUSE_BONUS = 8  # characters that a border moves to be at the end of a clause


def _ends_clause(words: Sequence[Word]) -> bool:
    return bool(words) and words[-1].text[-1:] in ",.;:!?\u2026\u3002\uff0c\u3001\uff01\uff1f"


def balanced(words: Sequence[Word], limit: int, most_lines: int) -> list[str]:
    """Return words as one line if they fit, else as two lines of about the same width.

    most_lines: 1 or 2. If even two lines are too narrow, they are wider than the limit.
    """
    total = line_width(words)
    if total <= limit or len(words) < 2 or most_lines < 2:
        return [join_words(words)]
    costs: list[int] = []
    used = 0
    for number, (word, following) in enumerate(pairwise(words)):
        used += word.width + (number > 0 and word.has_space)
        rest = total - used - following.has_space
        over = max(0, used - limit) + max(0, rest - limit)
        # The upper line is rather the shorter one: less of the picture is hidden.
        costs.append(abs(used - rest) + (used > rest) + 100 * over - 6 * _ends_clause([word]))
    best = costs.index(min(costs)) + 1
    return [join_words(words[:best]), join_words(words[best:])]


def closed(parts: Sequence[str], text: Marked) -> list[str]:
    """Close the tags that are open at the end of each part, and open them again in the next.

    parts: of `text`, in order; every mark of it is in one of them.
    """
    pairs, marks = text.partners(), text.mark_texts()
    still_open: list[int] = []
    number = 0
    found: list[str] = []
    for part in parts:
        opened = "".join(marks[mark] for mark in still_open)
        position = 0
        while number < len(marks) and (at := part.find(marks[number], position)) >= 0:
            position = at + len(marks[number])
            if text.marks[number].kind is Kind.OPEN and number in pairs:
                still_open.append(number)
            elif number in pairs:
                still_open.remove(pairs[number])
            number += 1
        closing = (marks[pairs[mark]] for mark in reversed(still_open))
        found.append("".join([opened, part, *closing]))
    return found


def timestamps_in_order(text: Marked) -> Marked:
    """Return a text whose timestamps are in the order of time, as WebVTT demands."""
    marks = text.mark_texts()
    times = iter(sorted(filter(TIMESTAMP.fullmatch, marks), key=lambda time: (len(time), time)))
    return with_raw_marks(
        text, [(mark, next(times) if TIMESTAMP.fullmatch(mark) else mark) for mark in marks]
    )


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
MOST_CUES = 6  # that share a sentence: text without full stops is not all one sentence
LONGEST_PAUSE = 2.0  # seconds within a sentence
OVERLAP = 0.1  # seconds, from which two subtitles are on the screen together
ELLIPSIS = re.compile(r"(?:\.\.\.|\u2026)$")


@dataclass(eq=False)
class Cue:
    """A subtitle: its time and its text."""

    number: int  # from 1
    shown: float  # seconds, from which it is shown
    hidden: float
    begin: int  # of its text in the file
    end: int
    raw: str  # lines of the text
    turns: list["Turn"] = field(default_factory=list)

    @property
    def place(self) -> str:
        """Return its number and its time, for messages."""
        seconds = int(self.shown)
        time = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return f"subtitle {self.number}, {time}"


@dataclass(frozen=True, eq=False)
class Turn:
    """The words of one speaker in a subtitle."""

    cue: Cue
    lines: Sequence[str]  # as they are in the file
    prefix: str  # what stays before the text: a dash, a note, tags
    text: str  # on one line, with the tags in it
    suffix: str
    is_dialogue: bool  # begins with a dash
    is_whole: bool  # nothing is continued in or from other subtitles: a sound, a song's line

    def goes_on(self, following: "Turn") -> bool:
        """Return whether a sentence goes on in another turn: the first one of the next subtitle."""
        cue = following.cue
        return (
            cue.number == self.cue.number + 1
            and following is cue.turns[0]
            and self is self.cue.turns[-1]
            and -OVERLAP <= cue.shown - self.cue.hidden <= LONGEST_PAUSE
            and not (self.is_whole or following.is_whole or following.is_dialogue)
            and not (TIMESTAMP.search(self.text) or TIMESTAMP.search(following.text))
            and self._is_unfinished(TAG.sub("", following.text)[:1])
        )

    def _is_unfinished(self, following: str) -> bool:
        text = TAG.sub("", self.text).rstrip()
        return following.islower() if ELLIPSIS.search(text) else not SENTENCE_END.search(text)


def find_turns(cue: Cue) -> list[Turn]:
    """Return the turns of a subtitle, which have one line for each of its lines."""
    groups: list[list[str]] = []
    was_sound = True
    for line in SAME_TAG.sub(r"\2", cue.raw).splitlines():
        is_sound = bool(SOUND.fullmatch(line))
        if was_sound or is_sound or BEGINS_TURN.match(line):
            groups.append([])
        groups[-1].append(line.strip())
        was_sound = is_sound
    return [_turn(cue, group) for group in groups]


def _turn(cue: Cue, lines: list[str]) -> Turn:
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
    return Turn(cue, lines, line[:begin], line[begin:end], line[end:], is_dialogue, is_whole)


def _is_around(character: str) -> bool:
    return character.isspace() or bool(MUSIC.match(character))


TIME = r"(?:\d{1,6}:)?\d{1,2}:\d{1,2}(?:[.,]\d{1,3})?"
# With a mistyped arrow, only times such as 0:00:01,5: a text may be "9:30:00 -> 10:15:00".
LONG_TIME = r"(?:\d+:)?\d+:\d+[.,]\d+"
ALMOST_TIMES = re.compile(
    r"[ \t]*(?:\d[\d:.,]*[ \t]*-->[ \t]*\d[\d:.,]*"
    rf"|{LONG_TIME}[ \t]*(?:[-–—]+[ \t]*>|→)[ \t]*{LONG_TIME}(?:[ \t][^\r\n]*)?)\s*"
)
TIMES = re.compile(rf"[ \t]*({TIME})[ \t]*-->[ \t]*({TIME})(?:[ \t][^\r\n]*)?\s*")
NUMBER = re.compile(r"[ \t]*\d+\s*")


def read(content: bytes, options: Options) -> Document:
    """Return the document of subtitles; sentences over several subtitles are one segment.

    Raises:
        NmtError: if there are no subtitles in the text.
    """
    text, encoding = decode(content)
    is_vtt = text.startswith("WEBVTT")
    cues = list(_cues(text, is_vtt))
    if text.strip() and not cues and not is_vtt:
        raise NmtError(
            "line 1: the file has no subtitle; each has a line with its times, such as"
            " 00:00:01,000 --> 00:00:02,500, and WebVTT begins with WEBVTT"
        )
    limits = UNSPACED_LIMITS.get(primary(options.target_language), Limits())
    document = Subtitles(content, text, encoding, is_vtt=is_vtt, cues=cues, limits=limits)
    groups = document.groups
    for turn in (turn for cue in cues for turn in cue.turns):
        if any(map(str.isalpha, TAG.sub("", turn.text))):
            if groups and len(groups[-1]) < MOST_CUES and groups[-1][-1].goes_on(turn):
                groups[-1].append(turn)
            else:
                groups.append([turn])
    for group in groups:
        source = with_tags(joined_lines([turn.text for turn in group]), TAG)
        source = with_changed_words(source, html.unescape) if is_vtt else source
        document.add(Segment(source, group[0].cue.place))
    return document


def _cues(text: str, is_vtt: bool) -> Iterator[Cue]:
    """Yield the subtitles of a file; raises NmtError for times that are not valid."""
    lines = list(LINE.finditer(text))
    for at, line in enumerate(lines, 1):
        if ALMOST_TIMES.fullmatch(line[0]) and not TIMES.fullmatch(line[0]):
            raise NmtError(
                f"line {at}: the times {shown(line[0].strip())} are not valid; correct them, such"
                " as 00:00:01,000 --> 00:00:02,500"
            )
    at = number = 0
    while at < len(lines):
        times = TIMES.fullmatch(lines[at][0])
        at += 1
        if times:
            first = at
            while at < len(lines) and not _ends_cue(lines, at, is_vtt):
                at += 1
            filled = [line for line in lines[first:at] if line[0].strip()]
            begin, end = (filled[0].start(), filled[-1].end()) if filled else (0, 0)
            number += 1
            seconds = _seconds(times[1]), _seconds(times[2])
            cue = Cue(number, *seconds, begin, end, text[begin:end])
            cue.turns += find_turns(cue)
            yield cue


def _ends_cue(lines: Sequence[re.Match[str]], at: int, is_vtt: bool) -> bool:
    """Return whether a line follows the text of a subtitle; that of SubRip may have blank lines."""
    if is_vtt and not lines[at][0].strip():
        return True
    if NUMBER.fullmatch(lines[at][0]) and at + 1 < len(lines):
        at += 1
    return bool(TIMES.fullmatch(lines[at][0]))


def _seconds(time: str) -> float:
    seconds = 0.0
    for part in time.replace(",", ".").split(":"):
        seconds = 60 * seconds + float(part)
    return seconds


@dataclass
class Subtitles(SourceDocument):
    """A file of subtitles, whose segments are parts of several ones."""

    is_vtt: bool = False
    limits: Limits = field(default_factory=Limits)
    cues: Sequence[Cue] = ()
    groups: list[list[Turn]] = field(default_factory=list)  # of each segment

    def join(self, translations: Sequence[Marked | None]) -> Joined:
        """Return the file with translations, and the subtitles that are too long for viewers."""
        lines: dict[Turn, list[str]] = {}
        findings: list[Finding] = []
        for number, translation in self.translated(translations).items():
            group = self.groups[number]
            parts = self._divided(translation, group)
            if len(parts) < len(group):
                message = f"the sentence has fewer words than its {len(group)} subtitles"
                findings.append(Finding(group[0].cue.place, message))
                parts += [parts[-1]] * (len(group) - len(parts))
            lines.update(zip(group, parts, strict=True))
        edits = []
        for cue in self.cues:
            if any(turn in lines for turn in cue.turns):
                edits.append(Edit(cue.begin, cue.end, self._written(cue, lines)))
                findings += self._too_long(cue, edits[-1].text)
        text = Marked(str(self.source)).edited(edits).text
        return Joined(self.encoding.encode(text), tuple(findings))

    def _divided(self, translation: Marked, group: list[Turn]) -> list[list[str]]:
        """Return the lines of each subtitle; with too few words, the last ones have none."""
        text = timestamps_in_order(translation)
        if self.is_vtt:
            text = with_changed_words(text, partial(html.escape, quote=False))
        most = MOST_LINES * self.limits.line
        seconds = [turn.cue.hidden - turn.cue.shown for turn in group]
        parts = divide(
            split_words(text, self._width),
            weights=[self._width(TAG.sub("", turn.text)) or 1 for turn in group],
            capacities=[min(most, self.limits.speed * duration) for duration in seconds],
        )
        lines = []
        for part, turn in zip([*filter(None, parts)] or [[]], group, strict=False):
            width = self.limits.line - self._width(TAG.sub("", turn.prefix + turn.suffix))
            most_lines = MOST_LINES if len(turn.cue.turns) == 1 else 1
            lines.append("\n".join(balanced(part, max(1, width), most_lines)))
        return [part.split("\n") for part in closed(lines, text)]

    def _width(self, part: str, mark: Mark | None = None) -> int:
        """Return the number of characters that are seen of a part of a text; a tag has none."""
        if mark and TAG.fullmatch(part):
            return 0
        text = html.unescape(part) if self.is_vtt else part
        return sum(not combining(character) for character in text)

    def _written(self, cue: Cue, lines: dict[Turn, list[str]]) -> str:
        """Return the text of a subtitle with the lines of its translated turns."""
        written: list[str] = []
        for turn in cue.turns:
            own = lines.get(turn)
            text = None if own is None else turn.prefix + "\n".join(own) + turn.suffix
            written += turn.lines if text is None else text.split("\n")
        found = LINE_BREAK.search(cue.raw) or LINE_BREAK.search(str(self.source))
        line_break = found[0] if found else "\n"
        end = line_break if cue.raw.endswith(("\r", "\n")) else ""
        return line_break.join(written) + end

    def _too_long(self, cue: Cue, written: str) -> list[Finding]:
        limits = self.limits
        lines = [self._width(TAG.sub("", line).strip()) for line in written.splitlines()]
        seconds = cue.hidden - cue.shown
        reasons = []
        longest = max(lines, default=0)
        if longest > limits.line:
            reasons.append(f"a line of {longest} characters ({limits.line} at most)")
        if seconds <= 0:
            reasons.append("no time")
        elif sum(lines) > limits.speed * seconds:
            speed = math.ceil(sum(lines) / seconds)
            reasons.append(f"{speed} characters a second ({limits.speed:g} at most)")
        if len(lines) > max(MOST_LINES, len(cue.raw.splitlines())):
            reasons.append(f"{len(lines)} lines ({MOST_LINES} at most)")
        message = f"the subtitle has {' and '.join(reasons)}"
        return [Finding(cue.place, message)] if reasons else []
