"""Parse Markdown: what its texts are, where they are in the file, and the marks in them."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from nmt.documents.pages.html_scanner import NAME, OPAQUE_INLINE, VOID
from nmt.documents.pages.page import Item, Role
from nmt.documents.registry import missing
from nmt.documents.texts.wrapping import on_one_line

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

    Rule = Callable[[StateInline, bool], bool]

DEEPEST = 60  # blocks and marks within each other; each level of a list has two
SPAN = "nmt.span"  # in `Token.meta`: where it begins and ends in the text of its block
ATTRIBUTES = re.compile(r"\{[#.:%\w][^{}\n]*\}")  # after a link, a picture or code
WITH_ATTRIBUTES = {"link", "image", "backticks"}
PARTS_OF_TEXT = {"text", "linkify"}


@cache
def parser() -> "MarkdownIt":
    """Return the parser: CommonMark, tables, footnotes, definition lists, and MyST's additions.

    Raises NmtError if its packages are not installed.
    """
    try:
        from markdown_it import MarkdownIt
        from mdit_py_plugins.colon_fence import colon_fence_plugin
        from mdit_py_plugins.deflist import deflist_plugin
        from mdit_py_plugins.dollarmath import dollarmath_plugin
        from mdit_py_plugins.footnote import footnote_plugin
        from mdit_py_plugins.myst_blocks import myst_block_plugin
        from mdit_py_plugins.myst_role import myst_role_plugin
    except ImportError as error:
        raise missing("Markdown", error.name or "markdown-it-py") from error
    md = MarkdownIt("commonmark", {"maxNesting": DEEPEST}).enable(["table", "strikethrough"])
    md.use(footnote_plugin).use(deflist_plugin).use(colon_fence_plugin)
    md.use(myst_block_plugin).use(myst_role_plugin)
    md.use(dollarmath_plugin, allow_space=False, allow_digits=False)
    # Tokens keep their order and their spans.
    md.disable(["footnote_tail", "text_join"])
    md.inline.ruler2.disable("fragments_join")
    for rule in md.inline.ruler.__rules__:
        if rule.name not in PARTS_OF_TEXT:
            md.inline.ruler.at(rule.name, with_spans(rule.name, rule.fn))
    return md


def with_spans(name: str, rule: "Rule") -> "Rule":
    """Return an inline rule that gives their spans to the tokens that it adds."""

    def located(state: "StateInline", silent: bool) -> bool:
        if silent:
            return rule(state, True)
        begin, count = state.pos, len(state.tokens)
        if not rule(state, False):
            return False
        if name in WITH_ATTRIBUTES and len(state.tokens) > count:
            found = ATTRIBUTES.match(state.src, state.pos, state.posMax)
            state.pos = found.end() if found else state.pos
        give_spans(name, state, [t for t in state.tokens[count:] if SPAN not in t.meta], begin)
        return True

    return located


def give_spans(name: str, state: "StateInline", added: "list[Token]", begin: int) -> None:
    """Give spans to tokens that were added when a rule read from a position up to `state.pos`.

    The first may be a text before the position, which the library adds late; it gets no span.
    """
    end = state.pos
    if name in ("emphasis", "strikethrough"):  # one text for each delimiter
        after = end
        for token in reversed(added):
            if after > begin:
                token.meta[SPAN] = (after - len(token.content), after)
                after -= len(token.content)
    elif name == "link":
        state.pos = begin
        label_end = state.md.helpers.parseLinkLabel(state, begin, True)
        state.pos = end
        markers = [token for token in added if token.type in ("link_open", "link_close")]
        if markers:
            markers[0].meta[SPAN] = (begin, begin + 1)
            markers[-1].meta[SPAN] = (label_end, end)
    else:
        marks = [token for token in added if token.type != "text"]
        if marks and marks[0].type.endswith("break"):
            while begin and state.src[begin - 1] == " ":
                begin -= 1
        for token in marks:  # after the first: the end of an address in <>
            token.meta[SPAN] = (begin, end)
            begin = end


LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n|$)")
PIPE = re.compile(r"(?<!\\)\|")


class Line(NamedTuple):
    """A line of Markdown: a line of the file, perhaps without a prefix."""

    begin: int  # in the file
    text: str
    outer: str = ""  # the prefix in the file that the text lacks


def split_lines(text: str, begin: int) -> list[Line]:
    """Return the lines of a file from a position on, without their ends."""
    found = (line for line in LINE.finditer(text, begin) if line[0])
    return [Line(line.start(), line[0].rstrip("\r\n")) for line in found]


class Located(NamedTuple):
    """The text of a block, and where its parts are in the file."""

    content: str
    begins: tuple[int, ...]  # of parts in the content
    positions: tuple[int, ...]  # of the same parts in the file
    prefix: str = ""  # of the second line in the file, such as "> "
    column: int = 0  # of the first character

    def at(self, position: int) -> int:
        """Return the position in the file of a position in the content."""
        part = max(0, bisect_right(self.begins, position) - 1)
        return self.positions[part] + position - self.begins[part]


def inner_lines(content: str, lines: Sequence[Line]) -> list[Line] | None:
    """Return the lines of a file that have a text, which may lack a prefix; None if they do not."""
    found = list[Line]()
    for part, line in zip(content.splitlines(), lines, strict=False):
        if not line.text.endswith(part):
            return None
        column = len(line.text) - len(part)
        found.append(Line(line.begin + column, part, line.outer + line.text[:column]))
    return found


def paragraph(content: str, lines: Sequence[Line]) -> Located | None:
    """Return where the text of a paragraph is, whose lines end lines of the file; None if not."""
    begins, positions, prefixes = list[int](), list[int](), list[str]()
    begin = 0
    for part, line in zip(content.split("\n"), lines, strict=False):
        stripped = part.strip()
        if not stripped or not line.text.rstrip().endswith(stripped):
            return None
        column = len(line.text.rstrip()) - len(stripped)
        begins.append(begin + len(part) - len(part.lstrip()))
        positions.append(line.begin + column)
        prefixes.append(line.outer + line.text[:column])
        begin += len(part) + 1
    if len(begins) != content.count("\n") + 1:
        return None
    prefix = prefixes[1] if len(prefixes) > 1 else ""
    return Located(content, tuple(begins), tuple(positions), prefix, len(prefixes[0]))


def heading(content: str, line: Line, markup: str) -> Located | None:
    """Return where the text of a heading that begins with `#` is; None if nowhere."""
    begin = line.text.find(markup)
    column = line.text.find(content, begin + len(markup)) if begin >= 0 else -1
    if column < 0:
        return None
    return Located(content, (0,), (line.begin + column,))


def cells(contents: Sequence[str], line: Line) -> list[Located | None]:
    """Return where the cells of a row are; None for those that are empty or not found."""
    ends = [*(pipe.start() for pipe in PIPE.finditer(line.text)), len(line.text)]
    begins = [0, *(end + 1 for end in ends[:-1])]
    rest = iter(zip(begins, ends, strict=True))
    found = list[Located | None]()
    for content in contents:
        located = None
        while content and located is None and (span := next(rest, None)):
            located = cell(content, line, *span)
        found.append(located)
    return found


def cell(content: str, line: Line, begin: int, end: int) -> Located | None:
    """Return where a cell is in a part of a row; None if the part is another cell."""
    raw = line.text[begin:end].rstrip()
    # The first part of a row may begin with the prefix of a list or a quotation.
    escaped = content.replace("|", "\\|")
    if not (raw.endswith(escaped) if begin == 0 else raw.strip() == escaped):
        return None
    column = begin + len(raw) - len(escaped)
    position = line.begin + column
    pipes = [pipe.start() for pipe in re.finditer(r"\|", content)]
    positions = [position + pipe + escapes for escapes, pipe in enumerate(pipes, 1)]
    return Located(content, (0, *pipes), (position, *positions))


WORDS = {"text", "text_special", "softbreak"}
ALONE = {"image", "hardbreak", "footnote_ref", "footnote_anchor"}
OPAQUE_TAGS = {f"<{name}>" for name in OPAQUE_INLINE}
# A text may begin with the kind of an admonition or the box of a task, and end with attributes.
BEGIN = re.compile(r"\[![A-Za-z]+\][+-]?[ \t]*(?:\n|$)|\[[ xX]\][ \t]+")
END = re.compile(r"(?<=[^\s])[ \t]\{[#.:][^{}\n]*\}$")
REFERENCE = re.compile(r"\](?:\[\])?")
Raw = Callable[[int, int], str]  # returns what the file has for a part of the text of a block


def read_items(content: str, tokens: "Sequence[Token]", raw: Raw) -> list[Item]:
    """Return the words and marks of the text of a block, with their positions in it."""
    items, words, end = list[Item](), list[Item](), 0
    if found := BEGIN.match(content):
        end = found.end()
        items.append(Item(Role.ALONE, 0, end, found[0]))
    attributes = END.search(content, end)
    last = attributes.start() if attributes else len(content)
    for token in merged(tokens):
        begin, after = token.meta[SPAN]
        if after <= begin or begin < end or after > last:
            continue
        words += plain_parts(content, end, begin)
        end = after
        if token.type in WORDS:
            text = " " if token.type == "softbreak" else token.content
            words.append(Item(Role.TEXT, begin, after, text))
        else:
            items += joined_words(words)
            words = []
            items.append(mark_item(token, items, content, raw))
    items += joined_words([*words, *plain_parts(content, end, last)])
    if attributes:
        items.append(Item(Role.ALONE, last, len(content), attributes[0]))
    return fuse_opaque(items, content, raw)


def plain_parts(content: str, begin: int, end: int) -> Iterator[Item]:
    """Yield a part of a text without markup, and the white space around it apart."""
    part = content[begin:end]
    inner = part.strip()
    first = begin + len(part) - len(part.lstrip()) if inner else end
    last = first + len(inner)
    for start, after in ((begin, first), (first, last), (last, end)):
        if start < after:
            yield Item(Role.TEXT, start, after, on_one_line(content[start:after]))


def joined_words(words: Sequence[Item]) -> Iterator[Item]:
    """Yield words as one item, and the white space around them apart."""
    first, last = 0, len(words)
    while first < last and not words[first].text.strip():
        first += 1
    while first < last and not words[last - 1].text.strip():
        last -= 1
    for group in (words[:first], words[first:last], words[last:]):
        if group:
            text = "".join(item.text for item in group)
            yield Item(Role.TEXT, group[0].begin, group[-1].end, text)


def mark_item(token: "Token", before: Sequence[Item], content: str, raw: Raw) -> Item:
    """Return the item of a token that is a mark; before: the items before it."""
    begin, end = token.meta[SPAN]
    shown = content[begin:end]
    role, name, changed = Role.ALONE if token.type in ALONE else Role.WORD, token.type, ""
    if token.type == "html_inline":
        role, name = html_role(shown)
    elif token.type.endswith("_open") and token.markup != "autolink":
        role, name = Role.START, token.type.removesuffix("_open")
    elif token.type.endswith("_close"):
        role, name = Role.END, token.type.removesuffix("_close")
    if token.type == "hardbreak":
        changed = "\\\n" if shown.startswith("\\") else "  \n"
    elif shown != raw(begin, end):
        changed = on_one_line(shown)
    elif name == "link" and REFERENCE.fullmatch(shown):
        # A link that is named by its own text: the name stays.
        links = (item for item in reversed(before) if item.name == "link")
        start = next(item.end for item in links if item.role is Role.START)
        changed = f"][{on_one_line(content[start:begin])}]"
    return Item(role, begin, end, shown, name, changed)


def fuse_opaque(items: Sequence[Item], content: str, raw: Raw) -> list[Item]:
    """Make one item of each HTML element that stays as it is, such as <kbd>Ctrl</kbd>."""
    fused, number = list[Item](), 0
    ends = dict[str, list[int]]()
    for index, item in reversed([*enumerate(items)]):
        if item.role is Role.END and item.name in OPAQUE_TAGS:
            ends.setdefault(item.name, []).append(index)
    while number < len(items):
        item = items[number]
        following = ends.get(item.name, []) if item.role is Role.START else []
        while following and following[-1] < number:
            following.pop()
        if following:
            number = following[-1]
            begin, end = item.begin, items[number].end
            shown = content[begin:end]
            changed = "" if shown == raw(begin, end) else on_one_line(shown)
            item = Item(Role.WORD, begin, end, shown, changed=changed)
        fused.append(item)
        number += 1
    return fused


def plain(tokens: "Sequence[Token]") -> str | None:
    """Return the text of tokens without markup; None if there is some."""
    if any(token.type not in WORDS for token in tokens):
        return None
    return "".join(" " if token.type == "softbreak" else token.content for token in tokens)


def merged(tokens: "Sequence[Token]") -> "Iterator[Token]":
    """Yield the tokens that have a span; the two characters of a delimiter are one token.

    The parser makes an empty text of one of the two.
    """
    located = sorted(
        (token for token in tokens if SPAN in token.meta), key=lambda token: token.meta[SPAN]
    )
    for number, token in enumerate(located):
        if token.type != "text" or token.content:
            continue
        begin, end = token.meta[SPAN]
        following = located[number + 1] if number + 1 < len(located) else None
        before = located[number - 1] if number else None
        if following and following.type.endswith("_open") and is_short(following):
            following.meta[SPAN] = (begin, following.meta[SPAN][1])
        elif before and before.type.endswith("_close") and is_short(before):
            before.meta[SPAN] = (before.meta[SPAN][0], end)
    yield from (token for token in located if token.type != "text" or token.content)


def is_short(token: "Token") -> bool:
    """Return whether a delimiter lacks a character."""
    begin, end = token.meta[SPAN]
    return bool(end - begin < len(token.markup))


def html_role(tag: str) -> tuple[Role, str]:
    """Return what an HTML tag in a text is, and the name of its element."""
    name = NAME.match(tag)
    if name is None or name[1].lower() in VOID or tag.endswith("/>"):
        return Role.ALONE, ""
    return (Role.END if tag.startswith("</") else Role.START), f"<{name[1].lower()}>"
