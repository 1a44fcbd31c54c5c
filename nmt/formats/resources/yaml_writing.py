"""Write texts as scalars of YAML, in the style of the source if it can hold them."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from nmt.decoding.marks.marked import Marked
from nmt.formats.resources.yaml_scalars import fastest_loader, is_other, yaml_package
from nmt.formats.subtitles.width import width_of
from nmt.formats.wrapping import line_of, words_of, wrapped

HEADER = re.compile(r"[|>][^\r\n]*(\r?\n|\r)")
INDICATOR = re.compile(r"[|>][+-]?([1-9])")
INDENT = re.compile(r"^( *)(?=[^ \r\n])", re.MULTILINE)
UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\ufeff\u2028\u2029\x85]"
)
NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


class ScalarWriter(NamedTuple):
    """How the file has a scalar, and where."""

    raw: str
    style: str
    is_in_flow: bool
    is_root: bool

    def write(self, translation: Marked) -> str:
        """Return the scalar for a text: in the style of the source, else in double quotes."""
        text = translation.text
        return next(
            (each for each in self._candidates(text) if self._reads(each, text)),
            self._double(text) + self._tail(),
        )

    def _candidates(self, text: str) -> Iterator[str]:
        if self.style in ("|", ">"):
            yield self._block(text)
        elif "\n" not in text and self.style == "":
            yield text
        elif "\n" not in text and self.style == "'":
            yield "'" + text.replace("'", "''") + "'"

    def _reads(self, written: str, text: str) -> bool:
        """Return whether a parser reads a scalar as this text, wherever it stands."""
        if not written.endswith(("\n", "\r")):
            written += "\n"
        if self.is_in_flow:
            files = {
                f"[{written}, x]": [text, "x"],
                f"{{k: {written}, x: y}}": ["k", text, "x", "y"],
            }
        elif self.is_root:
            files = {f"--- {written}": [text]}
        else:
            parent = self._parent_indent()
            opening, first = (f"a:\n{' ' * parent}", ["a"]) if parent else ("", [])
            files = {
                f"{opening}k: {written}": [*first, "k", text],
                f"{opening}- {written}": [*first, text],
            }
        return all(
            self._scalars(file, text) == scalars for file, scalars in files.items()
        ) and not (self.style == "" and is_other(text))

    def _scalars(self, file: str, text: str) -> list[str]:
        """Return the scalars of a small file; none if the one with the text has another style."""
        yaml = yaml_package()
        try:
            events = [*yaml.parse(file, Loader=fastest_loader(yaml))]
        except yaml.YAMLError:
            return []
        found = [each for each in events if isinstance(each, yaml.ScalarEvent)]
        styles = {each.style or "" for each in found if each.value == text}
        return [each.value for each in found] if self.style in styles else []

    def _parent_indent(self) -> int:
        """Return the indentation of the parent if the header of a block counts from there."""
        found = INDICATOR.match(self.raw)
        return max(0, len(self._indent()) - int(found[1])) if found else 0

    def _indent(self) -> str:
        header = HEADER.match(self.raw)
        found = INDICATOR.match(self.raw)
        lines = INDENT.findall(self.raw, header.end() if header else 0)
        return min(lines, key=len) if lines and found else next(iter(lines), " ")

    def _tail(self) -> str:
        """Return the line ends after a block, which are part of it."""
        header = HEADER.match(self.raw)
        is_block = self.style in ("|", ">") and header
        return self.raw[len(self.raw.rstrip()) :] if is_block else ""

    def _block(self, text: str) -> str:
        header = HEADER.match(self.raw)
        if not header:
            return self._double(text)
        line_break, indent = header[1], self._indent()
        lines = text.rstrip("\n").split("\n")
        if self.style == ">":
            body = self.raw[header.end() :].splitlines()
            columns = max((width_of(each.strip()) for each in body), default=0)
            folded = ["\n".join(map(line_of, wrapped(words_of(Marked(x)), columns))) for x in lines]
            lines = "\n\n".join(folded).split("\n")
        written = line_break.join(indent + each if each else "" for each in lines)
        return header[0] + written + self._tail()

    def _double(self, text: str) -> str:
        is_ascii = self.style == '"' and self.raw.isascii() and re.search(r"\\[xuU]", self.raw)
        written = re.sub(r'["\\\n\t\r]', lambda found: NAMED[found[0]], text)
        written = UNPRINTABLE.sub(lambda found: _escape(found[0]), written)
        if is_ascii:
            written = re.sub(r"[^\x00-\x7f]", lambda found: _escape(found[0]), written)
        return f'"{written}"'


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
