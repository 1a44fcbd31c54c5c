"""Find what is said in a subtitle: turns of speakers without dashes, notes and tags around."""

import re
from dataclasses import dataclass

from nmt.formats.marking.tags import with_tags
from nmt.formats.wrapping import joined_lines

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
