"""Read the units of large XML files, such as translation memories, one after the other.

Memory holds one unit at a time. Entities that a file declares are refused, and nothing is fetched.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat

from nmt.errors import DamagedError, NmtError
from nmt.system.files import unreadable
from nmt.text.reading.lines import DAMAGE, TEXT, open_bytes

BLOCK = 1 << 20  # bytes that are read at a time
LONGEST_UNIT = 2_000_000  # bytes, with notes and attributes
DEEPEST = 100  # elements within each other
NAMES = {"tmx": "TMX", "xliff": "XLIFF"}  # of formats, by the roots of their files


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, packed or not; what is wrong in it is an error with its name."""
    with open_bytes(path) as stream:
        try:
            yield stream
        except DAMAGE as error:
            raise DamagedError(f"{path} is damaged ({error}); copy it again") from error
        except OSError as error:
            raise unreadable(TEXT, path, error) from error
        except NmtError as error:
            if str(path) in str(error):
                raise
            comma = "," if str(error).startswith("line ") else ":"
            raise NmtError(f"{path}{comma} {error}") from error


@dataclass(slots=True)
class Node:
    """An element of a unit; names have no prefix of a namespace, except those of attributes."""

    name: str
    attributes: dict[str, str]  # of a unit: with those of the elements around it
    children: "list[Node | str]" = field(default_factory=list)
    line: int = 0  # of a unit

    def text(self) -> str:
        """Return all characters in the element."""
        return "".join(child if isinstance(child, str) else child.text() for child in self.children)

    def elements(self, name: str) -> "Iterator[Node]":
        """Yield the children of a name."""
        for child in self.children:
            if isinstance(child, Node) and child.name == name:
                yield child


class Units:
    """Build the elements of each unit from the events of expat."""

    def __init__(self, root: str, names: Collection[str], *, with_text: bool = True) -> None:
        """Take the names of the root and of the units; with_text: else there are only elements."""
        self._root, self._names = root, names
        self._units: list[Node] = []
        self._open: list[Node] = []  # of a unit, from itself to the innermost element
        # Attributes of elements around units, with inherited ones.
        self._around: list[dict[str, str]] = [{}]
        self._prefix: str | None = None  # of the format's names, with a colon; None: not known
        self._read = 0  # bytes
        self._begin = 0  # of the unit, bytes
        self._parser: Any = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        if with_text:
            self._parser.CharacterDataHandler = self._characters
        self._parser.EntityDeclHandler = self._entity
        self._parser.SkippedEntityHandler = self._entity

    def read(self, stream: IO[bytes]) -> Iterator[Node]:
        """Yield the units of a file; raises NmtError with the line for what is wrong in it."""
        for block in chain(iter(lambda: stream.read(BLOCK), b""), [b""]):
            self._parse(block)
            yield from self._units
            self._units = []

    def _parse(self, block: bytes) -> None:
        """Read the next bytes of the file; none: its end."""
        try:
            self._parser.Parse(block, not block)
        except expat.ExpatError as error:
            raise NmtError(
                f"line {error.lineno}: the XML is not well-formed"
                f" ({expat.ErrorString(error.code)}); correct it in an editor that checks XML"
            ) from error
        except (LookupError, ValueError) as error:
            raise NmtError("its encoding cannot be read; save the file in UTF-8") from error
        self._read += len(block)
        if self._open:
            self._check_size(self._read)
        if block and self._read - self._parser.CurrentByteIndex > LONGEST_UNIT + BLOCK:
            raise self._refused(
                f"a tag or a comment has more than {LONGEST_UNIT:,} bytes; remove it"
            )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if ":" in name or self._prefix is None:
            name = self._local(name)
        if self._open:
            node = Node(name, attributes, [])
            self._open[-1].children.append(node)
            self._open.append(node)
        elif name in self._names:
            self._begin = self._parser.CurrentByteIndex
            line = self._parser.CurrentLineNumber
            self._open.append(Node(name, self._around[-1] | attributes, [], line))
        else:
            self._around.append(self._around[-1] | attributes)
        if len(self._around) == 2 and not self._open and name != self._root:
            raise self._refused(
                f"the root is <{name[:40]}>, but that of {NAMES[self._root]} is <{self._root}>;"
                f" name a {NAMES[self._root]} file"
            )
        if len(self._around) + len(self._open) > DEEPEST:
            raise self._refused(f"elements are nested more than {DEEPEST} deep; make them flatter")

    def _local(self, name: str) -> str:
        """Return a name without the prefix that the root has; others are of another format."""
        if self._prefix is None:
            self._prefix = name.removesuffix(self._root) if name.endswith(f":{self._root}") else ""
        return name.removeprefix(self._prefix) if self._prefix else name

    def _end(self, _name: str) -> None:
        if not self._open:
            self._around.pop()
            return
        node = self._open.pop()
        if not self._open:
            self._check_size(self._parser.CurrentByteIndex)
            self._units.append(node)

    def _characters(self, text: str) -> None:
        if self._open:
            self._open[-1].children.append(text)

    def _check_size(self, end: int) -> None:
        if end - self._begin > LONGEST_UNIT:
            raise self._refused(f"a unit has more than {LONGEST_UNIT:,} bytes; remove or divide it")

    def _entity(self, name: str, *_rest: object) -> None:
        raise self._refused(f"the entity {name[:40]} is not allowed; write its characters")

    def _refused(self, message: str) -> NmtError:
        return NmtError(f"line {self._parser.CurrentLineNumber}: {message}")
