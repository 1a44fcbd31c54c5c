"""Parse Markdown with markdown-it-py, and note where each inline token stands in its text.

The library gives lines of blocks, but no places of inline markup. Each inline rule reads a
part of the text at a time, so a rule that is wrapped can give this place to the tokens that it
adds.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from nmt.formats.packages import missing

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
