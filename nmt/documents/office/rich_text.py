"""Paragraphs of office documents: their texts, and marks for what is no text."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from itertools import groupby
from typing import NamedTuple

from nmt.decoding.translator.marked import Kind, Mark, Marked, joined
from nmt.decoding.translator.odd_input import has_words
from nmt.documents.document import Options, Segment
from nmt.documents.office.package import Element, Tree, add_child, clean, local, namespace

BREAK, TAB = "\n", "\t"  # how marks for them are shown


class Look(NamedTuple):
    """How text is formatted. Looks with equal keys are equal."""

    key: tuple[object, ...] = ()
    around: tuple[Element, ...] = ()  # the elements around it that format it, outermost first
    is_link: bool = False  # what is not linked never looks like it


class Node(NamedTuple):
    """A part of the tree: it is moved into the translation."""

    content: Element | str
    around: tuple[Element, ...] = ()  # copied around it without what else they contain


class Part(NamedTuple):
    """A part of a paragraph: a text, a mark, or a pair of marks with what is between them."""

    nodes: tuple[Node, ...] = ()  # as in the file; a new text has none
    kind: Kind | None = None  # None: a text; OPEN: a pair
    text: str = ""  # of a mark: how it is shown; "": as a number
    look: Look = Look()  # of a text; of a pair: that of most of the text in it
    is_outside: bool = True  # of a mark: it means nothing to the words beside it
    role: str = ""  # for the format
    inner: tuple["Part", ...] = ()  # of a pair
    end: tuple[Node, ...] = ()  # of a pair: what follows `inner`
    # Of a pair: the element that is the pair, and the one in it that contains `inner`.
    elements: tuple[Element, Element] | None = None

    @property
    def is_space(self) -> bool:
        """Return whether it is text without a visible character."""
        return self.kind is None and not self.text.strip()

    @property
    def is_separator(self) -> bool:
        """Return whether it is a tab or a line break."""
        return self.text in {BREAK, TAB} and self.kind is Kind.ALONE


def nodes_in(parts: Iterable[Part]) -> tuple[Node, ...]:
    """Return all nodes of some parts."""
    nodes: list[Node] = []
    for part in parts:
        inner = (Node(part.elements[0]),) if part.elements else nodes_in(part.inner)
        nodes += (*part.nodes, *inner, *part.end)
    return tuple(nodes)


def united(parts: Iterable[Part]) -> list[Part]:
    """Return the parts with neighbours joined: equal looks, and marks that stand alone."""

    def alike(pair: tuple[int, Part]) -> tuple[object, ...]:
        number, part = pair
        is_joined = part.kind is None or (part.kind is Kind.ALONE and not part.is_separator)
        return part.kind, part.look.key, -1 if is_joined else number

    groups = ([part for _, part in group] for _, group in groupby(enumerate(parts), key=alike))
    return [
        group[0]._replace(
            nodes=nodes_in(group),
            text="".join(part.text for part in group),
            is_outside=all(part.is_outside for part in group),
        )
        if len(group) > 1
        else group[0]
        for group in groups
    ]


def arranged(parts: Iterable[Part]) -> list[Part]:
    """Return the parts united, with spaces that look as the text beside them."""
    result: list[Part] = []
    parts = united(parts)
    for number, part in enumerate(parts):
        beside = [*result[-1:], *parts[number + 1 : number + 2]]
        looks = [other.look for other in beside if other.kind is None]
        if part.inner:
            result.append(part._replace(inner=tuple(arranged(part.inner))))
        else:
            result.append(part._replace(look=looks[0]) if part.is_space and looks else part)
    return united(result)


def words(parts: Iterable[Part]) -> str:
    """Return all text of some parts."""
    return "".join(part.text if part.kind is None else words(part.inner) for part in parts)


def leading(parts: Sequence[Part]) -> int:
    """Return how many parts before the words do not belong to them; 0 if no part has words."""
    count = 0
    is_outside = True
    for number, part in enumerate(parts, 1):
        if part.kind is Kind.OPEN or (part.kind is None and has_words(part.text)):
            return count
        is_outside = is_outside and (part.is_space if part.kind is None else part.is_outside)
        # What a tab or a line break separates from the words is none of theirs: a page number.
        if is_outside or part.is_separator:
            is_outside = True
            count = number
    return 0


def stripped(parts: Sequence[Part]) -> tuple[Part, list[Part], Part]:
    """Return the spaces at the beginning, the parts without spaces at the edges, and the others."""
    inner = list(parts)
    spaces = []
    for index, strip in ((0, str.lstrip), (-1, str.rstrip)):
        part = inner[index]
        kept = strip(part.text) if part.kind is None else part.text
        spaces.append(Part(text=part.text.replace(kept, "", 1) if kept else "", look=part.look))
        inner[index] = part._replace(text=kept)
    return spaces[0], inner, spaces[1]


def with_looks(parts: Sequence[Part]) -> tuple[list[Part], Look]:
    """Return the parts with a pair around each text that does not look like most; and that look.

    It is the most frequent look; at the same frequency, the first one.
    """
    looks: dict[tuple[object, ...], Look] = {}
    characters = Counter[tuple[object, ...]]()
    for part in parts:
        if part.kind is None:
            looks.setdefault(part.look.key, part.look)
            characters[part.look.key] += len(part.text.strip())
    keys = sorted(looks, key=lambda key: (looks[key].is_link, -characters[key]))
    base = looks[keys[0]] if keys else Look()
    result: list[Part] = []
    number = 0
    while number < len(parts):
        part = parts[number]
        end = number + 1
        if part.kind is Kind.OPEN:
            inner, look = with_looks(part.inner)
            result.append(part._replace(inner=tuple(inner), look=look))
        elif part.kind is None and not part.is_space and part.look.key != base.key:
            end = find_look_end(parts, number)
            before, inner, after = stripped(parts[number:end])
            pair = Part(kind=Kind.OPEN, inner=tuple(inner), look=part.look)
            result += before, pair, after
        else:
            result.append(part)
        number = end
    return result, base


def find_look_end(parts: Sequence[Part], begin: int) -> int:
    """Return the end of all that looks like a text, with the marks that stand alone in it."""
    end = begin + 1
    for number in range(begin + 1, len(parts)):
        part = parts[number]
        if part.kind is None and not part.is_space and part.look.key == parts[begin].look.key:
            end = number + 1
        elif part.kind is not Kind.ALONE and not part.is_space:
            break
    return end


def copied(parent: Element, element: Element) -> Element:
    """Add a copy of an element with its properties, but without its content; return the copy."""
    copy = add_child(parent, element.tag, dict(element.attrib))
    add_properties(copy, element)
    return copy


def add_properties(run: Element, source: Element) -> None:
    """Copy what says how a run looks to another one."""
    for properties in source.iterchildren("{*}rPr"):
        run.append(deepcopy(properties))
        run[-1].tail = None


def add_run(parent: Element, text: str, look: Look) -> Element:
    """Add a text as a run, as in a Word file or in a shape; return the element of the characters.

    It can hold no line end.
    """
    space = namespace(parent.tag)
    run = add_child(parent, f"{space}r")
    for source in look.around:
        add_properties(run, source)
    element = add_child(run, f"{space}t")
    element.text = clean(" ".join(text.split("\n")))
    return element


def append_text(parent: Element, text: str) -> None:
    """Add characters at the end of an element."""
    last = next(parent.iterchildren(reversed=True), None)  # len(parent) takes linear time
    if last is None:
        parent.text = (parent.text or "") + text
    else:
        last.tail = (last.tail or "") + text


def key(element: Element) -> tuple[object, ...]:
    """Return what tells elements that say how a text looks apart."""
    return element.tag, *sorted(element.attrib.items()), *map(key, element.iterchildren("*"))


class Opened(NamedTuple):
    """A pair of marks that is open at the current position in the translation."""

    closed_by: str
    pair: Part
    parent: Element  # gets what is in it


class Paragraph:
    """A paragraph: the segment, and what is needed to write its translation."""

    source: Marked | None = None  # None: it has no words

    def __init__(
        self, parts: Iterable[Part], put_text: Callable[[Element, str, Look], None]
    ) -> None:
        """Take the parts of a paragraph; put_text: adds a text to an element as it looks."""
        self._put_text = put_text
        self._shown: dict[str, list[Part]] = {}  # the marks, by how they are shown
        self._count = 0  # of marks that are shown as a number
        # What is around the segment: parts before it, the pair that it is all of, parts after it.
        self._around: list[tuple[list[Part], Part, list[Part]]] = []
        inner = arranged(parts)
        if not has_words(words(inner)):
            return
        pair = Part(kind=Kind.OPEN)
        while pair.kind is Kind.OPEN:
            begin = leading(inner)
            end = len(inner) - leading(inner[begin:][::-1])
            if begin == end:  # a link without parts between single letters
                return
            before, inner, after = inner[:begin], inner[begin:end], inner[end:]
            pair = inner[0] if len(inner) == 1 else Part()
            if pair.kind is Kind.OPEN:
                inner = list(pair.inner)
                self._around.append((before, pair, [Part(pair.end), *after]))
        first, inner, last = stripped(inner)
        self._around.append(([*before, first], Part(), [last, *after]))
        inner, self._base = with_looks(inner)
        self.source = joined(self._marked(inner))

    def _marked(self, parts: Iterable[Part]) -> Iterator[Marked]:
        for part in parts:
            text = part.text
            if part.kind is None:
                yield Marked(text)
                continue
            self._count += not text
            number = self._count
            is_pair = part.kind is Kind.OPEN
            text = text or (f"<{number}>" if is_pair else f"<{number}/>")
            self._shown.setdefault(text, []).append(part)
            yield Mark(0, 0, part.kind).over(text)
            if is_pair:
                yield from self._marked(part.inner)
                yield Mark(0, 0, Kind.CLOSE).over(f"</{number}>")

    def write(self, element: Element, translation: Marked) -> None:
        """Put a translation into its element: valid, even if marks are lost or in disorder."""
        children = list(element.iterchildren("*"))
        element[:] = [child for child in children[:1] if local(child.tag) == "pPr"]
        if len(element):
            element[0].tail = None
        else:
            element.text = None
        parents = [element]
        for before, pair, _ in self._around:
            for part in before:
                self._put(part, parents[-1])
            parents.append(self._put(pair, parents[-1]))
        self._write(parents.pop(), translation.of_format())
        for _, _, after in reversed(self._around):
            parent = parents.pop()
            for part in after:
                self._put(part, parent)
        element.extend(child for child in children[-1:] if local(child.tag) == "endParaRPr")

    def _write(self, parent: Element, translation: Marked) -> None:
        """Add a translation; a mark that stands alone and is lost is written at the end."""
        left = {text: list(parts) for text, parts in self._shown.items()}
        opened = [Opened("", Part(look=self._base), parent)]

        def close(number: int) -> None:
            while len(opened) > number:
                end = opened.pop().pair.end
                self._put(Part(end), opened[-1].parent)

        for text, mark in translation.parts():
            if not mark:
                self._put_text(opened[-1].parent, text, opened[-1].pair.look)
            elif left.get(text):
                part = left[text].pop(0)
                inner = self._put(part, opened[-1].parent)
                if part.kind is Kind.OPEN:
                    opened.append(Opened("</" + text[1:], part, inner))
            elif numbers := [n for n, pair in enumerate(opened) if pair.closed_by == text]:
                close(numbers[-1])
        close(1)
        for lost in left.values():
            for part in lost:
                if part.kind is Kind.ALONE:
                    self._put(part, parent)

    def _put(self, part: Part, parent: Element) -> Element:
        """Add a part to an element, a pair without what is in it; return what gets that."""
        if part.kind is None and part.text and not part.nodes:
            self._put_text(parent, part.text, part.look)
        for content, around in part.nodes:
            target = parent
            for element in around:
                target = copied(target, element)
            if isinstance(content, str):
                append_text(target, content)
            else:
                content.tail = None
                target.append(content)
        if part.elements is None:
            return parent
        outer, inner = part.elements
        inner[:] = []
        inner.text = outer.tail = None
        parent.append(outer)
        return inner


class Story(ABC):
    """The text of one tree: its paragraphs become segments. Each format says what is special."""

    paragraphs: frozenset[str] = frozenset()  # names of their elements

    def __init__(self, tree: Tree, options: Options) -> None:
        """Take a tree that has none of the segments yet."""
        self.tree, self.options = tree, options
        # Numbers of segments by their sources, within a copy of text that was read before.
        self.copies: dict[Marked, int] | None = None
        self._count = 0

    @property
    def place(self) -> str:
        """Return the paragraph that was reached, for messages."""
        return f"paragraph {self._count}"

    def visit(self, parent: Element) -> None:
        """Add the paragraphs in an element."""
        for child in parent.iterchildren("*"):
            if child.tag in self.paragraphs:
                self._add(child)
            if not self.is_done(child):
                self.visit(child)

    def _add(self, element: Element) -> None:
        self._count += 1
        paragraph = Paragraph(self.parts(element), self.put_text)
        if paragraph.source is None:
            return

        def write(translation: Marked) -> None:
            self.state_language(element)
            paragraph.write(element, translation)

        if self.copies is not None and paragraph.source in self.copies:
            self.tree.writes[self.copies[paragraph.source]].append(write)
        else:
            is_heading = self.is_heading(element)
            segment = Segment(paragraph.source, self.place, is_heading=is_heading)
            self.tree.translate(segment, write)

    @abstractmethod
    def parts(self, paragraph: Element) -> Iterable[Part]:
        """Return the parts of a paragraph, without its properties."""

    def put_text(self, parent: Element, text: str, look: Look) -> None:
        """Add a text of a translation to an element."""
        add_run(parent, text, look)

    @abstractmethod
    def is_heading(self, paragraph: Element) -> bool:
        """Return whether a paragraph is a heading."""

    def is_done(self, element: Element) -> bool:
        """Add what is special in an element; return whether nothing else in it is added."""
        return False

    def state_language(self, paragraph: Element) -> None:  # noqa: B027 (some formats state it elsewhere)
        """Name the target language in a paragraph, which is translated."""
