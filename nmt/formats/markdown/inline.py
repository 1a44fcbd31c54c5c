"""Divide the text of a block into words and marks."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from nmt.formats.html.elements import OPAQUE_INLINE, VOID
from nmt.formats.html.scanner import NAME
from nmt.formats.inline import Item, Role
from nmt.formats.markdown.parser import PLACE
from nmt.formats.markdown.places import Located
from nmt.formats.markdown.short_texts import ShortTexts
from nmt.formats.nested import Part

if TYPE_CHECKING:
    from markdown_it.token import Token

ROLES = {
    "image": Role.ALONE,
    "hardbreak": Role.ALONE,
    "footnote_ref": Role.ALONE,
    "footnote_anchor": Role.ALONE,
}
OPAQUE_TAGS = {f"<{name}>" for name in OPAQUE_INLINE}
# A text may begin with the kind of an admonition or the box of a task, and end with attributes.
BEGIN = re.compile(r"\[![A-Za-z]+\][+-]?[ \t]*(?:\n|$)|\[[ xX]\][ \t]+")
END = re.compile(r"(?<=[^\s])[ \t]\{[#.:][^{}\n]*\}$")
REFERENCE = re.compile(r"\](?:\[\])?")


class Words(NamedTuple):
    """A part of a text that is no markup."""

    begin: int  # in the text
    end: int
    text: str  # without escapes


class Inline:
    """Collects the items of a text."""

    def __init__(self, located: Located, source: str, short: ShortTexts) -> None:
        """Take the text of a block, the file it is in, and what makes spots of short texts."""
        self._located, self._source, self._short = located, source, short
        self._words: list[Words] = []
        self.items: list[Item] = []
        self.places: list[tuple[int, int]] = []  # of the items in the text

    def add(self, tokens: "Sequence[Token]") -> None:
        """Add the tokens of the text."""
        content, end = self._located.content, 0
        if found := BEGIN.match(content):
            end = found.end()
            self._add(Item(Role.ALONE, (self._raw(0, end),), found[0]), 0, end)
        attributes = END.search(content, end)
        last = attributes.start() if attributes else len(content)
        for token in merged(tokens):
            begin, after = token.meta[PLACE]
            if after <= begin or begin < end or after > last:
                continue
            self._words += parts_of(content, end, begin)
            end = after
            if token.type in ("text_special", "text"):
                self._words.append(Words(begin, after, token.content))
            elif token.type == "softbreak":
                self._words.append(Words(begin, after, " "))
            else:
                self._flush()
                self._add_mark(token, begin, after)
        self._words += parts_of(content, end, last)
        self._flush()
        if attributes:
            raw = self._raw(last, len(content))
            self._add(Item(Role.ALONE, (raw,), attributes[0]), last, len(content))
        self._fuse_opaque()

    def _raw(self, begin: int, end: int) -> str:
        """Return what the file has for a part of the text."""
        return self._source[self._located.at(begin) : self._located.at(end)]

    def _add(self, item: Item, begin: int, end: int) -> None:
        self.items.append(item)
        self.places.append((begin, end))

    def _flush(self) -> None:
        """Add the words since the last mark, apart from the white space around them."""
        words, self._words = self._words, []
        first, last = 0, len(words)
        while first < last and not words[first].text.strip():
            first += 1
        while first < last and not words[last - 1].text.strip():
            last -= 1
        for group in (words[:first], words[first:last], words[last:]):
            if group:
                begin, end = group[0].begin, group[-1].end
                text = "".join(each.text for each in group)
                self._add(Item(Role.TEXT, (self._raw(begin, end),), text), begin, end)

    def _add_mark(self, token: "Token", begin: int, end: int) -> None:
        """Add a mark."""
        shown = self._located.content[begin:end]
        raw = self._raw(begin, end)
        parts: tuple[Part, ...] = (raw,)
        name, changed = token.type, ""
        if token.type == "html_inline":
            role, name = html_role(shown)
        else:
            role = ROLES.get(token.type, Role.WORD)
        if token.type.endswith("_open") and token.markup != "autolink":
            role, name = Role.START, token.type.removesuffix("_open")
        elif token.type.endswith("_close"):
            role, name = Role.END, token.type.removesuffix("_close")
        if token.type == "hardbreak":
            changed = "\\\n" if shown.startswith("\\") else "  \n"
        elif shown != raw:
            changed = one_line(shown)
        elif token.type == "html_inline":
            parts = self._short.tag(raw, self._located.number)
        elif token.type == "image":
            parts = self._short.picture(raw, token, self._located.number)
        elif token.type == "link_close":
            parts = self._short.link_end(raw, self._located.number)
            changed = self._reference(shown, begin)
        self._add(Item(role, parts, shown, name, changed), begin, end)

    def _reference(self, shown: str, end: int) -> str:
        """Return the end of a link that is named by its own text: the name stays; else ""."""
        if not REFERENCE.fullmatch(shown):
            return ""
        begin = next(
            place[0]
            for place, item in zip(reversed(self.places), reversed(self.items), strict=True)
            if item.role is Role.START and item.name == "link"
        )
        label = one_line(self._located.content[begin + 1 : end])
        return f"][{label}]"

    def _fuse_opaque(self) -> None:
        """Make one item of each HTML element that stays as it is, such as <kbd>Ctrl</kbd>."""
        items, places = self.items, self.places
        self.items, self.places = [], []
        ends = dict[str, list[int]]()
        for number, item in reversed([*enumerate(items)]):
            if item.role is Role.END and item.name in OPAQUE_TAGS:
                ends.setdefault(item.name, []).append(number)
        number = 0
        while number < len(items):
            item, last = items[number], number
            following = ends.get(item.name, []) if item.role is Role.START else []
            while following and following[-1] < number:
                following.pop()
            if following:
                last = following[-1]
                begin, end = places[number][0], places[last][1]
                shown, raw = self._located.content[begin:end], self._raw(begin, end)
                changed = "" if shown == raw else one_line(shown)
                item = Item(Role.WORD, (raw,), shown, changed=changed)
            self._add(item, places[number][0], places[last][1])
            number = last + 1


def parts_of(content: str, begin: int, end: int) -> Iterator[Words]:
    """Yield a part of a text without markup, and the white space around it apart."""
    part = content[begin:end]
    inner = part.strip()
    first = begin + len(part) - len(part.lstrip()) if inner else end
    last = first + len(inner)
    for place, after in ((begin, first), (first, last), (last, end)):
        if place < after:
            yield Words(place, after, one_line(content[place:after]))


def one_line(text: str) -> str:
    """Return a text with a space for each line break and the white space around it."""
    first, *others = text.split("\n")
    if not others:
        return text
    inner = [each.strip() for each in others[:-1]]
    return " ".join([first.rstrip(), *inner, others[-1].lstrip()])


def merged(tokens: "Sequence[Token]") -> "Iterator[Token]":
    """Yield the tokens that have a place; the two characters of a delimiter are one token.

    The parser makes an empty text of one of the two.
    """
    placed = sorted(
        (each for each in tokens if PLACE in each.meta), key=lambda each: each.meta[PLACE]
    )
    for number, token in enumerate(placed):
        if token.type != "text" or token.content:
            continue
        begin, end = token.meta[PLACE]
        following = placed[number + 1] if number + 1 < len(placed) else None
        before = placed[number - 1] if number else None
        if following and following.type.endswith("_open") and is_short(following):
            following.meta[PLACE] = (begin, following.meta[PLACE][1])
        elif before and before.type.endswith("_close") and is_short(before):
            before.meta[PLACE] = (before.meta[PLACE][0], end)
    yield from (each for each in placed if each.type != "text" or each.content)


def is_short(token: "Token") -> bool:
    """Return whether a delimiter lacks a character."""
    begin, end = token.meta[PLACE]
    return bool(end - begin < len(token.markup))


def html_role(tag: str) -> tuple[Role, str]:
    """Return what an HTML tag in a text is, and the name of its element."""
    name = NAME.match(tag)
    if name is None or name[1].lower() in VOID or tag.endswith("/>"):
        return Role.ALONE, ""
    return (Role.END if tag.startswith("</") else Role.START), f"<{name[1].lower()}>"
