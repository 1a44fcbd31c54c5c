"""Find the scalars of YAML by their places, from the events of PyYAML; no value is constructed.

An alias is not followed, so that neither cycles nor many aliases of aliases cost anything.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from nmt.errors import NmtError, reason_of
from nmt.formats.packages import missing

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
