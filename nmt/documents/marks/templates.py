"""Code of templates in pages: hidden from the readers of HTML and Markdown, and put back later.

A template is filled in before anyone reads HTML or Markdown, so its code may stand anywhere: in a
tag, in the address of a link, across blocks. Each code becomes one character of Unicode's private
planes, which is neither a letter nor markup. In the texts of segments, the codes are marks.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator

from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.documents.marks.never_text import is_word, paired, template_codes

FIRST, LAST = "\U000f0000", "\U0010fffe"
SIGN = "\U0010ffff"  # begins a comment that is none of the file
PRIVATE = f"[{FIRST}-{SIGN}]"
# A page may have such characters itself.
OWN = re.compile(
    rf"{PRIVATE}|&#(?:[xX]0*(?:[fF]|10)[0-9a-fA-F]{{4}}|0*(?:98[3-9]\d{{3}}|99\d{{4}}|1[01]\d{{5}}));"
)
STAND_IN = re.compile(PRIVATE)
ALONE = re.compile(rf"(?m)^([ \t>]*+)({PRIVATE}(?:[ \t]*+{PRIVATE})*+)(?=[ \t]*+\r?$)")
COMMENT = re.compile(f"<!--{SIGN}([^->]*+)-->")
NUMBER = re.compile(r"\d+")


class Templates:
    """The code of templates in a text."""

    def __init__(self, text: str = "", lines: re.Pattern[str] | None = None) -> None:
        """Find the code; the attribute `text` is the text with stand-ins in its place.

        lines: for Markdown, what is code on lines of its own, besides. As a template leaves nothing
        of lines with statements alone, these become comments of HTML, which divide paragraphs.
        """
        self._codes: dict[str, str] = {}  # by their characters
        self._characters: dict[str, str] = {}  # by the code
        self._marks: dict[str, str] = {}  # of the format as they are written here, by how shown
        self._breaks: list[int] = []  # numbers of the lines with code on several lines
        self._hidden = [0]  # how many lines are hidden before each of these, and after the last
        own = [each.span() for each in OWN.finditer(text)]
        own += [each.span() for each in lines.finditer(text)] if lines else []
        parts, end, line = list[str](), 0, 1
        for begin, last in sorted(
            [*template_codes(text), *own], key=lambda each: (each[0], -each[1])
        ):
            if begin < end or len(self._codes) > ord(LAST) - ord(FIRST):
                continue
            before, code = text[end:begin], text[begin:last]
            character = self._characters.setdefault(code, chr(ord(FIRST) + len(self._codes)))
            self._codes[character] = code
            parts += before, character
            line += before.count("\n")
            if "\n" in code:
                self._breaks.append(line)
                self._hidden.append(self._hidden[-1] + code.count("\n"))
            end = last
        self.text = "".join([*parts, text[end:]])
        if lines and self._codes:
            self.text = ALONE.sub(self._comment, self.text)

    def _comment(self, line: re.Match[str]) -> str:
        """Return a line of code alone as a comment, unless it has words when it is filled in."""
        is_output = any(is_word(self._codes[each]) for each in STAND_IN.findall(line[2]))
        return line[0] if is_output else f"{line[1]}<!--{SIGN}{line[2]}-->"

    def restored(self, text: str) -> str:
        """Return a text with the codes in place of their stand-ins."""
        if not self._codes:
            return text
        text = COMMENT.sub(r"\1", text)
        return STAND_IN.sub(lambda found: self._codes.get(found[0], found[0]), text)

    def place(self, place: str) -> str:
        """Return a place such as "line 12", which counts hidden lines too."""
        if not self._breaks:
            return place
        return NUMBER.sub(
            lambda found: str(
                int(found[0]) + self._hidden[bisect_left(self._breaks, int(found[0]))]
            ),
            place,
        )

    def shown(self, source: Marked) -> Marked:
        """Return the text of a segment with its codes as marks."""
        if not self._codes:
            return source
        texts, marks, length = list[str](), list[Mark](), 0
        own = iter(source.marks)
        for part, is_mark in source.parts():
            pieces = self._pieces(part)
            if is_mark:
                pieces = iter([(self.restored(part), next(own).kind)])
                self._marks[self.restored(part)] = part
            for text, kind in pieces:
                if kind is not None:
                    marks.append(Mark(length, length + len(text), kind))
                texts.append(text)
                length += len(text)
        return Marked("".join(texts), tuple(paired("".join(texts), marks)))

    def _pieces(self, text: str) -> Iterator[tuple[str, Kind | None]]:
        """Yield the parts of a text without marks: words, and codes with a kind."""
        end = 0
        for found in STAND_IN.finditer(text):
            yield text[end : found.start()], None
            yield self.restored(found[0]), Kind.ALONE
            end = found.end()
        yield text[end:], None

    def hidden(self, translation: Marked) -> Marked:
        """Return a translation of what `shown` returned with stand-ins, and without their marks."""
        if not self._codes:
            return translation
        texts, marks, length = list[str](), list[Mark](), 0
        own = iter(translation.marks)
        for part, is_mark in translation.parts():
            text = self._characters.get(part, self._marks.get(part, part)) if is_mark else part
            if is_mark:
                mark = next(own)
                if part not in self._characters:
                    marks.append(mark._replace(begin=length, end=length + len(text)))
            texts.append(text)
            length += len(text)
        return Marked("".join(texts), tuple(marks))
