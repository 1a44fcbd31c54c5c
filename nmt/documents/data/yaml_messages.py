"""YAML: the texts among the values of messages; Rails names the language by the key at the top."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Document, Options, SourceDocument, decode
from nmt.documents.marks.never_text import is_text
from nmt.documents.marks.tags import with_tags
from nmt.documents.registry import missing
from nmt.documents.texts.wrapping import join_words, measure_width, split_words, wrapped
from nmt.errors import NmtError, shorten_reason
from nmt.text.reading.languages import is_language, primary

DEEPEST = 100  # levels of nesting
STRING = "tag:yaml.org,2002:str"
PROPERTIES = re.compile(r"(?:[&!][^\s]*\s+)+")  # an anchor and a tag before a scalar

HEADER = re.compile(r"[|>][^\r\n]*(\r?\n|\r)")
INDICATOR = re.compile(r"[|>][+-]?([1-9])")
INDENT = re.compile(r"(?:(?<=[\r\n])|\A)( *)(?=[^ \r\n])")
UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\ufeff\u2028\u2029\x85]"
)
NOT_ASCII = re.compile(rf"[^\x00-\x7f]|{UNPRINTABLE.pattern}")
NAMED = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


class Scalar(NamedTuple):
    """A scalar: where it is, without its anchor and tag."""

    begin: int
    end: int
    raw: str
    value: str
    style: str  # "" for plain, else ', ", | or >
    keys: tuple[str, ...]  # that lead to it
    is_key: bool
    is_string: bool  # for programs that read it; else a number, a date, an own type
    is_in_flow: bool  # within [ ] or { }

    @property
    def header(self) -> re.Match[str] | None:
        """Return the header of a block, | or >, with what follows on its line."""
        return HEADER.match(self.raw) if self.style in ("|", ">") else None

    def _indents(self) -> tuple[str, int]:
        """Return the indentation of a block, and that of its parent if the header counts so."""
        counted = INDICATOR.match(self.raw)
        found = INDENT.findall(self.raw, self.header.end() if self.header else 0)
        if not counted:
            return next(iter(found), " "), 0
        indent = min(found, key=len, default=" ")
        return indent, max(0, len(indent) - int(counted[1]))

    def write(self, translation: Marked) -> str:
        """Return the scalar for a text: in the style of the source, else in double quotes."""
        text, written = translation.text, ""
        if self.header:
            written = self._block(text, self.header)
        elif "\n" not in text and self.style == "":
            written = text
        elif "\n" not in text and self.style == "'":
            written = "'" + text.replace("'", "''") + "'"
        return written if written and self._reads(written, text) else self._double(text)

    def _reads(self, written: str, text: str) -> bool:
        """Return whether a parser reads a scalar as this text, wherever it stands."""
        if not written.endswith(("\n", "\r")):
            written += "\n"
        if self.is_in_flow:
            files = {
                f"[{written}, x]": [text, "x"],
                f"{{k: {written}, x: y}}": ["k", text, "x", "y"],
            }
        elif not self.keys:
            files = {f"--- {written}": [text]}
        else:
            parent = self._indents()[1]
            opening, first = (f"a:\n{' ' * parent}", ["a"]) if parent else ("", [])
            files = {
                f"{opening}k: {written}": [*first, "k", text],
                f"{opening}- {written}": [*first, text],
            }
        is_other_type = self.style == "" and is_other(text)
        return not is_other_type and all(
            self._scalars(file, text) == scalars for file, scalars in files.items()
        )

    def _scalars(self, file: str, text: str) -> list[str]:
        """Return the scalars of a small file; none if the one with the text has another style."""
        yaml = yaml_package()
        try:
            events = list(parse(file))
        except yaml.YAMLError:
            return []
        found = [event for event in events if isinstance(event, yaml.ScalarEvent)]
        styles = {event.style or "" for event in found if event.value == text}
        return [event.value for event in found] if self.style in styles else []

    def _block(self, text: str, header: re.Match[str]) -> str:
        lines = text.rstrip("\n").split("\n")
        if self.style == ">":
            body = self.raw[header.end() :].splitlines()
            columns = max((measure_width(line.strip()) for line in body), default=0)
            folded = [
                "\n".join(map(join_words, wrapped(split_words(Marked(x)), columns))) for x in lines
            ]
            lines = "\n\n".join(folded).split("\n")
        indent, _ = self._indents()
        written = header[1].join(indent + line if line else "" for line in lines)
        return header[0] + written + self.raw[len(self.raw.rstrip()) :]

    def _double(self, text: str) -> str:
        raw = self.raw
        is_ascii = self.style == '"' and raw.isascii() and re.search(r"\\[xuU]", raw)
        written = re.sub(r'["\\\n\t\r]', lambda found: NAMED[found[0]], text)
        unprintable = NOT_ASCII if is_ascii else UNPRINTABLE
        written = unprintable.sub(lambda found: _escape(found[0]), written)
        after = raw[len(raw.rstrip()) :] if self.header else ""  # line ends are part of a block
        return f'"{written}"{after}'


def is_other(plain: str) -> bool:
    """Return whether a plain scalar is no string but a number, a date, yes or no."""
    yaml = yaml_package()
    tag: str = yaml.resolver.Resolver().resolve(yaml.ScalarNode, plain, (True, False))
    return tag != STRING


def parse(text: str) -> Iterator[Any]:
    """Yield the events of a text: by libyaml if PyYAML has it."""
    yaml = yaml_package()
    yield from yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def yaml_package() -> Any:
    """Return the package yaml; raises NmtError if it is not installed."""
    try:
        import yaml
    except ImportError as error:
        raise missing("YAML", "pyyaml") from error
    return yaml


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


@dataclass
class Level:
    """A mapping or a sequence that is being read."""

    key: str | int  # of the value that is being read; an index in a sequence
    is_flow: bool
    is_key: bool  # it is a key itself, or within one
    anchor: str | None
    expects_key: bool


@dataclass
class Reader:
    """Read the events of a text."""

    text: str
    levels: list[Level] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    has_inner_mapping: bool = False  # a mapping at the top has one as a value

    def scalars(self) -> Iterator[Scalar]:
        """Yield keys and values in order.

        Raises:
            NmtError: for what is not YAML, for deep nesting, and for an alias within its anchor.
        """
        yaml = yaml_package()
        try:
            for event in parse(self.text):
                if isinstance(event, yaml.ScalarEvent):
                    yield self._scalar(event)
                    self._next(event.value)
                elif isinstance(event, yaml.CollectionStartEvent):
                    self._begin(event, isinstance(event, yaml.MappingStartEvent))
                elif isinstance(event, yaml.CollectionEndEvent):
                    self.levels.pop()
                    self._next("")
                elif isinstance(event, yaml.AliasEvent):
                    self._check_alias(event)
                    self._next("")
                elif isinstance(event, yaml.DocumentStartEvent):
                    self.anchors.clear()
        except yaml.YAMLError as error:
            raise self._refused(error) from error

    def _begin(self, event: Any, is_mapping: bool) -> None:
        """Follow the begin of a mapping or a sequence."""
        self.anchors.add(event.anchor)
        if len(self.levels) == DEEPEST:
            raise NmtError(
                f"line {event.start_mark.line + 1}: the YAML is nested more than {DEEPEST}"
                " levels deep; a file of texts is flatter"
            )
        is_key = self._is_key()
        if is_mapping and not is_key and len(self.levels) == 1:
            self.has_inner_mapping |= isinstance(self.levels[0].key, str)
        key = "" if is_mapping else 0
        self.levels.append(Level(key, bool(event.flow_style), is_key, event.anchor, is_mapping))

    def _check_alias(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if event.anchor not in self.anchors:
            raise NmtError(f"line {line}: the alias has no anchor before it; define &... above")
        if any(level.anchor == event.anchor for level in self.levels):
            raise NmtError(f"line {line}: the alias is within its own anchor; remove the cycle")

    def _is_key(self) -> bool:
        return bool(self.levels) and (self.levels[-1].is_key or self.levels[-1].expects_key)

    def _next(self, key: str) -> None:
        """Take the end of a key or a value into account."""
        if not self.levels:
            return
        level = self.levels[-1]
        if isinstance(level.key, int):
            level.key += 1
        else:
            level.key = key if level.expects_key else level.key
            level.expects_key = not level.expects_key

    def _scalar(self, event: Any) -> Scalar:
        self.anchors.add(event.anchor)
        begin, end = event.start_mark.index, event.end_mark.index
        if (event.anchor or event.tag) and (found := PROPERTIES.match(self.text, begin, end)):
            begin = found.end()
        is_plain = event.implicit[0] and not event.tag
        return Scalar(
            begin,
            end,
            self.text[begin:end],
            event.value,
            event.style or "",
            tuple(str(level.key) for level in self.levels),
            is_key=self._is_key(),
            is_string=not is_other(event.value) if is_plain else event.tag in (None, "!", STRING),
            is_in_flow=any(level.is_flow for level in self.levels),
        )

    def _refused(self, error: Any) -> NmtError:
        mark = getattr(error, "problem_mark", None)
        if "end of stream" in str(error):  # it began earlier
            mark = getattr(error, "context_mark", None) or mark
        position = getattr(error, "position", 0)
        position = position if isinstance(position, int) else 0
        line = mark.line + 1 if mark else self.text.count("\n", 0, position) + 1
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it is odd"
        return NmtError(
            f"line {line}: the YAML is not valid ({shorten_reason(Exception(problem))}); correct it"
            " in an editor that checks YAML"
        )


def read(content: bytes, options: Options) -> Document:
    """Return the document of a YAML file; each value that is a text has segments.

    Keys, comments, anchors, aliases, numbers and values with tags of programs stay.

    Raises:
        NmtError: for what is not YAML, for deep nesting, and for an alias within its anchor.
    """
    text, encoding = decode(content)
    document = SourceDocument(content, text, encoding)
    top_keys: list[Scalar] = []
    reader = Reader(text)
    for scalar in reader.scalars():
        if scalar.is_key:
            top_keys += [scalar] * (len(scalar.keys) == 1)
        elif scalar.is_string and is_text(scalar.value) and not is_setting(scalar):
            source = with_tags(scalar.value)
            document.fill_text(scalar.begin, scalar.end, source, scalar.write, scalar.keys)
    if len(top_keys) == 1 and reader.has_inner_mapping:
        _follow_language(document, top_keys[0], options)
    return document


def is_setting(scalar: Scalar) -> bool:
    """Return whether a word in a file of Rails is for programs: a part of a date, a rounding."""
    is_part = scalar.keys[-3:-1] == ("date", "order") and scalar.value in {"year", "month", "day"}
    return is_part or scalar.keys[-1:] == ("round_mode",)


def _follow_language(document: SourceDocument, key: Scalar, options: Options) -> None:
    """Replace the key at the top if it is the language of the source, as Rails has it."""
    code, language = primary(key.value), options.target_language
    if language and is_language(code) and code == primary(options.source_language or code):
        # In quotes if it is no text in YAML: no is false.
        quote = '"' if not key.style and is_other(language) else ""
        changed = key.raw.replace(key.value, f"{quote}{language}{quote}")
        document.change(key.begin, key.end, changed)
