"""Divide the text of a block into words and marks, and find short texts such as titles of links."""

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Options, Segment
from nmt.documents.nested import NestedDocument, Part, Piece, Spot
from nmt.documents.pages.html import HtmlReader
from nmt.documents.pages.html_scanner import NAME, OPAQUE_INLINE, VOID
from nmt.documents.pages.markdown_parser import LEVELS, PLACE, Located, escaped, parser
from nmt.documents.pages.runs import Item, Role, has_words

if TYPE_CHECKING:
    from markdown_it.token import Token

TITLE = re.compile(
    r"(?<=\s)(\"(?:\\.|[^\"\\])*+\"|'(?:\\.|[^'\\])*+')(?=\s*\)(?:\{[^{}]*\})?$)", re.DOTALL
)
WORDS = {"text", "text_special", "softbreak"}


class ShortTexts:
    """Makes spots of texts inside marks."""

    def __init__(self, document: NestedDocument, options: Options) -> None:
        """Take the document of the spots."""
        self._html = HtmlReader("", document, options)

    def tag(self, raw: str, number: int) -> tuple[Part, ...]:
        """Return an HTML tag in line `number` as parts."""
        name = NAME.match(raw)
        is_start = name is not None and not raw.startswith("</")
        return self._html.tag(raw, name[1].lower(), number) if name and is_start else (raw,)

    def picture(self, raw: str, token: "Token", number: int) -> tuple[Part, ...]:
        """Return a picture in line `number` as parts, with spots for its text and title."""
        end = 2 + len(token.content)
        text = plain(token.children or [])
        if raw[2:end] != token.content or text is None or not has_words(text):
            return raw[:end], *self.link_end(raw[end:], number)
        segment = Segment(Marked(text.strip()), f"line {number}", context="alt", is_one=True)
        spot = Spot(segment, (Piece((raw[2:end],)),), written_alt)
        return "![", spot, *self.link_end(raw[end:], number)

    def link_end(self, raw: str, number: int) -> tuple[Part, ...]:
        """Return the end of a link or picture as parts, with a spot for its title."""
        from markdown_it.common.utils import unescapeAll

        found = TITLE.search(raw) if raw.startswith("](") else None
        if found is None or not has_words(found[1]) or "\n" in found[1]:
            return (raw,)
        quote, text = found[1][0], unescapeAll(found[1][1:-1])

        def write(translation: Marked) -> str:
            return f"{quote}{escaped_title(translation.text, quote)}{quote}"

        segment = Segment(Marked(text), f"line {number}", context="title", is_one=True)
        return raw[: found.start()], Spot(segment, (Piece((found[1],)),), write), raw[found.end() :]


def plain(tokens: "list[Token]") -> str | None:
    """Return the text of tokens without markup; None if there is some."""
    if any(each.type not in WORDS for each in tokens):
        return None
    return "".join(" " if each.type == "softbreak" else each.content for each in tokens)


def written_alt(translation: Marked) -> str | None:
    """Return the text of a picture with escapes where they are needed."""
    text = " ".join(translation.text.split())
    for level in LEVELS:
        # A pipe would end a cell of a table.
        written = escaped(text, level).replace("|", "&#124;")
        tokens = parser().parseInline(f"![{written}](x)")[0].children or []
        if [each.type for each in tokens] == ["image"] and plain(tokens[0].children or []) == text:
            return written
    return None


def escaped_title(text: str, quote: str) -> str:
    """Return the title of a link with escapes."""
    text = " ".join(text.split()).replace("&", "&amp;").replace("\\", "\\\\")
    return text.replace(quote, "\\" + quote).replace("|", "&#124;")


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
