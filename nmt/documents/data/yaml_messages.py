"""YAML: the texts among the values of messages; Rails names the language by the key at the top."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nmt.decoding.translator.marked import Marked
from nmt.documents.data.values import ValueDocument, path_of
from nmt.documents.document import Document, Options
from nmt.documents.encoding import decode
from nmt.documents.marks.never_text import is_text
from nmt.documents.marks.tags import message
from nmt.documents.registry import missing
from nmt.documents.texts.wrapping import line_of, width_of, words_of, wrapped
from nmt.errors import NmtError, reason_of
from nmt.text.languages import is_language, primary

DEEPEST = 100  # levels of nesting
STRING = "tag:yaml.org,2002:str"
PROPERTIES = re.compile(r"(?:[&!][^\s]*\s+)+")  # an anchor and a tag before a scalar


class Scalar(NamedTuple):
    """A scalar: where it is, without its anchor and tag."""

    begin: int
    end: int
    value: str
    style: str  # "" for plain, else ', ", | or >
    keys: tuple[str, ...]  # that lead to it
    line: int
    is_key: bool
    is_string: bool  # for programs that read it; else a number, a date, an own type
    is_in_flow: bool  # within [ ] or { }
    has_mapping: bool = False  # a key whose value is a mapping


@dataclass
class Level:
    """A mapping or a sequence that is being read."""

    is_mapping: bool
    is_flow: bool
    is_key: bool  # it is a key itself, or within one
    anchor: str | None
    expects_key: bool = False
    key: str = ""
    index: int = 0

    def name(self) -> str:
        """Return the key or the index of the value that is being read."""
        return self.key if self.is_mapping else str(self.index)


@dataclass
class Reader:
    """Read the events of a text."""

    text: str
    levels: list[Level] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def scalars(self) -> Iterator[Scalar]:
        """Yield keys and values in order.

        Raises:
            NmtError: for what is not YAML, for deep nesting, and for an alias within its anchor.
        """
        yaml = yaml_package()
        held: Scalar | None = None  # a key, until it is known what its value is
        try:
            for event in yaml.parse(self.text, Loader=fastest_loader(yaml)):
                if held:
                    yield held._replace(has_mapping=isinstance(event, yaml.MappingStartEvent))
                    held = None
                if isinstance(event, yaml.ScalarEvent):
                    scalar = self._scalar(event)
                    if scalar.is_key:
                        held = scalar
                    else:
                        yield scalar
                else:
                    self._structure(event, yaml)
        except yaml.YAMLError as error:
            raise self._refused(error) from error

    def _structure(self, event: Any, yaml: Any) -> None:
        """Follow the begin or the end of a collection or a document, and aliases."""
        if isinstance(event, yaml.CollectionStartEvent):
            self._define(event.anchor)
            if len(self.levels) == DEEPEST:
                raise NmtError(
                    f"line {event.start_mark.line + 1}: the YAML is nested more than {DEEPEST}"
                    " levels deep; a file of texts is flatter"
                )
            is_key = self._is_key()
            is_mapping = isinstance(event, yaml.MappingStartEvent)
            level = Level(is_mapping, bool(event.flow_style), is_key, event.anchor, is_mapping)
            self.levels.append(level)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.levels.pop()
            self._next("")
        elif isinstance(event, yaml.AliasEvent):
            line = event.start_mark.line + 1
            if event.anchor not in self.anchors:
                raise NmtError(f"line {line}: the alias has no anchor before it; define &... above")
            if any(each.anchor == event.anchor for each in self.levels):
                raise NmtError(f"line {line}: the alias is within its own anchor; remove the cycle")
            self._next("")
        elif isinstance(event, yaml.DocumentStartEvent):
            self.anchors.clear()

    def _define(self, anchor: str | None) -> None:
        if anchor is not None:
            self.anchors.add(anchor)

    def _is_key(self) -> bool:
        return bool(self.levels) and (self.levels[-1].is_key or self.levels[-1].expects_key)

    def _next(self, key: str) -> None:
        """Take the end of a key or a value into account."""
        if not self.levels:
            return
        level = self.levels[-1]
        if not level.is_mapping:
            level.index += 1
        elif level.expects_key:
            level.key, level.expects_key = key, False
        else:
            level.expects_key = True

    def _scalar(self, event: Any) -> Scalar:
        self._define(event.anchor)
        begin, end = event.start_mark.index, event.end_mark.index
        if (event.anchor or event.tag) and (found := PROPERTIES.match(self.text, begin, end)):
            begin = found.end()
        is_plain = event.implicit[0] and not event.tag
        scalar = Scalar(
            begin,
            end,
            event.value,
            event.style or "",
            tuple(each.name() for each in self.levels),
            event.start_mark.line + 1,
            is_key=self._is_key(),
            is_string=not is_other(event.value) if is_plain else event.tag in (None, "!", STRING),
            is_in_flow=any(each.is_flow for each in self.levels),
        )
        self._next(event.value)
        return scalar

    def _refused(self, error: Any) -> NmtError:
        mark = getattr(error, "problem_mark", None)
        if "end of stream" in str(error):  # it began earlier
            mark = getattr(error, "context_mark", None) or mark
        place = getattr(error, "position", 0)
        place = place if isinstance(place, int) else 0
        line = mark.line + 1 if mark else self.text.count("\n", 0, place) + 1
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it is odd"
        return NmtError(
            f"line {line}: the YAML is not valid ({reason_of(Exception(problem))}); correct it in"
            " an editor that checks YAML"
        )


def is_other(plain: str) -> bool:
    """Return whether a plain scalar is no string but a number, a date, yes or no."""
    yaml = yaml_package()
    tag: str = yaml.resolver.Resolver().resolve(yaml.ScalarNode, plain, (True, False))
    return tag != STRING


def fastest_loader(yaml: Any) -> Any:
    """Return the loader whose events are read: that of libyaml if PyYAML has it."""
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def yaml_package() -> Any:
    """Return the package yaml; raises NmtError if it is not installed."""
    try:
        import yaml
    except ImportError as error:
        raise missing("YAML", "pyyaml") from error
    return yaml


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


def read(content: bytes, options: Options) -> Document:
    """Return the document of a YAML file; each value that is a text has segments.

    Keys, comments, anchors, aliases, numbers and values with tags of programs stay.

    Raises:
        NmtError: for what is not YAML, for deep nesting, and for an alias within its anchor.
    """
    text, encoding = decode(content)
    document = ValueDocument(encoding)
    kept = 0
    tops = 0  # keys at the top
    for scalar in Reader(text).scalars():
        raw = text[scalar.begin : scalar.end]
        if scalar.is_key:
            tops += len(scalar.keys) == 1
            if tops == 1 == len(scalar.keys) and _is_locale(scalar, options):
                document.keep(text[kept : scalar.begin])
                document.follow(raw, _named(scalar, raw, options.target_language))
                kept = scalar.end
        elif scalar.is_string and is_text(scalar.value) and not is_setting(scalar):
            document.keep(text[kept : scalar.begin])
            writer = ScalarWriter(raw, scalar.style, scalar.is_in_flow, not scalar.keys)
            document.translate(
                raw,
                message(scalar.value),
                writer.write,
                place=f"line {scalar.line}",
                context=path_of(scalar.keys),
            )
            kept = scalar.end
    document.keep(text[kept:])
    if tops > 1:
        document.keep_following()
    return document


def is_setting(scalar: Scalar) -> bool:
    """Return whether a word in a file of Rails is for programs: a part of a date, a rounding."""
    is_part = scalar.keys[-3:-1] == ("date", "order") and scalar.value in {"year", "month", "day"}
    return is_part or scalar.keys[-1:] == ("round_mode",)


def _named(key: Scalar, raw: str, language: str) -> str:
    """Return a key with another language; in quotes if it is no text in YAML: no is false."""
    quote = '"' if not key.style and is_other(language) else ""
    return raw.replace(key.value, f"{quote}{language}{quote}")


def _is_locale(key: Scalar, options: Options) -> bool:
    """Return whether the only key at the top is the language of the source, as Rails has it."""
    code = primary(key.value)
    is_source = code == primary(options.source_language or code) and is_language(code)
    return bool(options.target_language) and key.has_mapping and is_source
