"""Parse Markdown, and find where its parts are in the source."""

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from nmt.decoding.translator.marked import Marked
from nmt.documents.document import Segment
from nmt.documents.nested import Piece, Spot, Write
from nmt.documents.pages.runs import has_words
from nmt.documents.registry import missing

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

    Rule = Callable[[StateInline, bool], bool]

DEEPEST = 60  # blocks and marks within each other; each level of a list has two
PLACE = "nmt.place"  # in `Token.meta`: where it begins and ends in the text of its block
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
    # Tokens keep their order and their places.
    md.disable(["footnote_tail", "text_join"])
    md.inline.ruler2.disable("fragments_join")
    for rule in md.inline.ruler.__rules__:
        if rule.name not in PARTS_OF_TEXT:
            md.inline.ruler.at(rule.name, placing(rule.name, rule.fn))
    return md


def placing(name: str, rule: "Rule") -> "Rule":
    """Return an inline rule that gives their places to the tokens that it adds."""

    def placed(state: "StateInline", silent: bool) -> bool:
        if silent:
            return rule(state, True)
        begin, count = state.pos, len(state.tokens)
        if not rule(state, False):
            return False
        if name in WITH_ATTRIBUTES and len(state.tokens) > count:
            found = ATTRIBUTES.match(state.src, state.pos, state.posMax)
            state.pos = found.end() if found else state.pos
        give_places(name, state, [t for t in state.tokens[count:] if PLACE not in t.meta], begin)
        return True

    return placed


def give_places(name: str, state: "StateInline", added: "list[Token]", begin: int) -> None:
    """Give places to tokens that were added when a rule read from a place up to `state.pos`.

    The first may be a text before the place, which the library adds late; it gets no place.
    """
    end = state.pos
    if name in ("emphasis", "strikethrough"):  # one text for each delimiter
        after = end
        for token in reversed(added):
            if after > begin:
                token.meta[PLACE] = (after - len(token.content), after)
                after -= len(token.content)
    elif name == "link":
        state.pos = begin
        label_end = state.md.helpers.parseLinkLabel(state, begin, True)
        state.pos = end
        markers = [each for each in added if each.type in ("link_open", "link_close")]
        if markers:
            markers[0].meta[PLACE] = (begin, begin + 1)
            markers[-1].meta[PLACE] = (label_end, end)
    else:
        marks = [each for each in added if each.type != "text"]
        if marks and marks[0].type.endswith("break"):
            while begin and state.src[begin - 1] == " ":
                begin -= 1
        for token in marks:  # after the first: the end of an address in <>
            token.meta[PLACE] = (begin, end)
            begin = end


LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n|$)")
PIPE = re.compile(r"(?<!\\)\|")


class Line(NamedTuple):
    """A line of Markdown: a line of the file, perhaps without a prefix."""

    begin: int  # in the file
    text: str
    number: int
    outer: str = ""  # the prefix in the file that the text lacks


def lines_of(text: str) -> list[Line]:
    """Return the lines of a file, without their ends."""
    lines, place = list[Line](), 0
    while place < len(text):
        found = LINE.match(text, place)
        assert found is not None  # noqa: S101 (it matches everywhere)
        lines.append(Line(place, found[0].rstrip("\r\n"), len(lines) + 1))
        place = found.end()
    return lines


class Located(NamedTuple):
    """The text of a block, and where its parts are in the file."""

    content: str
    begins: tuple[int, ...]  # of parts in the content
    places: tuple[int, ...]  # of the same parts in the file
    prefix: str = ""  # of the second line in the file, such as "> "
    column: int = 0  # of the first character
    number: int = 0  # of the first line

    def at(self, place: int) -> int:
        """Return the place in the file of a place in the content."""
        part = max(0, bisect_right(self.begins, place) - 1)
        return self.places[part] + place - self.begins[part]


def inner_lines(content: str, lines: Sequence[Line]) -> list[Line] | None:
    """Return the lines of a file that have a text, which may lack a prefix; None if they do not."""
    found = list[Line]()
    for part, line in zip(content.splitlines(), lines, strict=False):
        if not line.text.endswith(part):
            return None
        column = len(line.text) - len(part)
        found.append(Line(line.begin + column, part, line.number, line.outer + line.text[:column]))
    return found


def paragraph(content: str, lines: Sequence[Line]) -> Located | None:
    """Return where the text of a paragraph is, whose lines end lines of the file; None if not."""
    begins, places, prefixes = list[int](), list[int](), list[str]()
    begin = 0
    for part, line in zip(content.split("\n"), lines, strict=False):
        stripped = part.strip()
        if not stripped or not line.text.rstrip().endswith(stripped):
            return None
        column = len(line.text.rstrip()) - len(stripped)
        begins.append(begin + len(part) - len(part.lstrip()))
        places.append(line.begin + column)
        prefixes.append(line.outer + line.text[:column])
        begin += len(part) + 1
    if len(begins) != content.count("\n") + 1:
        return None
    prefix = prefixes[1] if len(prefixes) > 1 else ""
    return Located(content, tuple(begins), tuple(places), prefix, len(prefixes[0]), lines[0].number)


def heading(content: str, line: Line, markup: str) -> Located | None:
    """Return where the text of a heading that begins with `#` is; None if nowhere."""
    begin = line.text.find(markup)
    column = line.text.find(content, begin + len(markup)) if begin >= 0 else -1
    if column < 0:
        return None
    return Located(content, (0,), (line.begin + column,), number=line.number)


def cells(contents: Sequence[str], line: Line) -> list[Located | None]:
    """Return where the cells of a row are; None for those that are empty or not found."""
    ends = [each.start() for each in PIPE.finditer(line.text)] + [len(line.text)]
    begins = [0] + [each + 1 for each in ends[:-1]]
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
    parts, places = [0], [line.begin + column]
    for number, place in enumerate(each.start() for each in re.finditer(r"\|", content)):
        parts.append(place)
        places.append(line.begin + column + place + number + 1)
    return Located(content, tuple(parts), tuple(places), number=line.number)


# How much is escaped: nothing; what often is markup; every character that can be.
NOTHING, OFTEN, ALL = LEVELS = range(3)

PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
OFTEN_MARKUP = re.compile(
    r"(\\(?=[!-/:-@\[-`{-~])|[`*\[\]]|~~|<(?=[a-zA-Z/!?])|&(?=#?\w+;)|\$"
    r"|(?<![^\W_])_|_(?![^\W_])|\{(?=[\w:.#%]))"
)
BEGINS_BLOCK = re.compile(r"[-+*](?=\s|$)|#{1,6}(?=\s|$)|[>%:~]|=+$|-+$|\+{3}|\(")
DEFINITION = re.compile(r"[:~](?=\s|$)")
NUMBER = re.compile(r"(\d{1,9})([.)])(?=\s|$)")


def escaped(text: str, level: int) -> str:
    """Return a text with a backslash before what may be markup in it."""
    if level == NOTHING:
        return text
    if level == OFTEN:
        return OFTEN_MARKUP.sub(r"\\\1", text)
    # Tables do not see the backslash before a pipe in their only column.
    return PUNCTUATION.sub(r"\\\1", text).replace("\\|", "&#124;")


def escaped_begin(text: str, level: int) -> str:
    """Return an escaped text that does not begin a list, a heading or a quotation.

    level: that at which the text was escaped.
    """
    if level == NOTHING:
        # After a paragraph, this would be its definition; the parser does not see it alone.
        return "\\" + text if DEFINITION.match(text) else text
    if found := NUMBER.match(text):
        return f"{found[1]}\\{text[len(found[1]) :]}"
    return "\\" + text if BEGINS_BLOCK.match(text) else text


FENCES = ("---", "+++")  # of YAML and TOML
KEY = re.compile(r"[\w-]+[ \t]*[:=]|#")
# A value on one line: in quotation marks without escapes, or plain.
TEXT = re.compile(
    r"(?:title|description)[ \t]*[:=][ \t]*(\"[^\"\\]*\"|'[^'\\]*'|[^\W\d_][^#]*?)[ \t]*"
)
PLAIN = re.compile(r"[^\W\d_](?:[^:#]|:(?=\S)|(?<=\S)#)*(?<![:\s])")
NO_TEXT = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def front_matter_length(lines: Sequence[Line]) -> int:
    """Return how many lines the front matter of a page has; 0 if there is none."""
    fence = lines[0].text.rstrip() if lines else ""
    first = next((each.text for each in lines[1:] if each.text.strip()), "")
    if fence not in FENCES or not KEY.match(first):
        return 0
    ends = (n for n, each in enumerate(lines) if n and each.text.rstrip() == fence)
    return next(ends, -1) + 1


def front_matter_texts(lines: Sequence[Line]) -> Iterator[tuple[int, int, Spot]]:
    """Yield the titles and descriptions in front matter, each with its place in the file."""
    is_yaml = bool(lines) and lines[0].text.startswith("-")
    for line in lines:
        found = TEXT.fullmatch(line.text)
        if found is None or not has_words(found[1]):
            continue
        raw = found[1]
        quote = raw[0] if raw[0] in "\"'" else ""
        if not quote and (not is_yaml or not is_plain(raw)):
            continue
        text = raw[1:-1] if quote else raw
        segment = Segment(Marked(text), f"line {line.number}", context="front matter")
        begin = line.begin + found.start(1)
        yield (
            begin,
            begin + len(raw),
            Spot(segment, (Piece((raw,)),), writing(is_yaml and not quote)),
        )


def writing(may_be_plain: bool) -> Write:
    """Return how a value is written: in quotation marks unless it may be plain."""

    def write(translation: Marked) -> str:
        text = " ".join(translation.text.split())
        return text if may_be_plain and is_plain(text) else json.dumps(text, ensure_ascii=False)

    return write


def is_plain(text: str) -> bool:
    """Return whether YAML reads a text without quotation marks as this text."""
    return PLAIN.fullmatch(text) is not None and text.lower() not in NO_TEXT
