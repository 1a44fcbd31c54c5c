"""Trees of marks: pairs that enclose words, and atoms, which are copied."""

from dataclasses import dataclass, field
from enum import Enum

from nmt.decoding.marks.marked import Kind, Marked
from nmt.decoding.marks.units import Units


class Touch(Enum):
    """Tell what an atom touches on one side."""

    SPACE = 0  # or an end of the text
    SIGN = 1
    WORD = 2


@dataclass
class Atom:
    """A part of a text that is copied, with marks in it, and its place among the units."""

    text: Marked
    number: int  # in the order of the source
    place: int  # number of units before it
    before: Touch = Touch.SPACE
    after: Touch = Touch.SPACE
    is_before_signs: bool = False  # punctuation of the unit before follows it
    is_after_signs: bool = False  # punctuation of the unit after it stands before it


@dataclass
class Edge:
    """A mark that opens or closes, alone or one side of a pair."""

    mark: Marked  # it alone
    number: int  # in the order of the source
    place: int  # number of units before it
    is_outside: bool = False  # punctuation of its unit is enclosed too
    is_at_end: bool = False  # nothing but marks stands outside of it
    has_space_inside: bool = False
    has_space_outside: bool = False

    @property
    def kind(self) -> Kind:
        """The kind of the mark."""
        return self.mark.marks[0].kind


@dataclass
class Pair:
    """Two marks that enclose words; or, without marks, the whole text."""

    opening: Edge | None = None
    closing: Edge | None = None
    first: int = 0  # unit that is enclosed
    end: int = 0  # the unit after the last one
    pairs: list["Pair"] = field(default_factory=list)
    atoms: list[Atom] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)  # without a partner

    @property
    def number(self) -> int:
        """The number of its first mark."""
        return self.opening.number if self.opening else 0


@dataclass(frozen=True)
class Tree:
    """A text without its marks."""

    text: str  # what the model reads
    units: Units  # of it
    whole: Pair
