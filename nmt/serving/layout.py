"""Divide texts into lines to translate and what stays as it is, and join them again."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from nmt.serving.refusals import bad_request

LINE_BREAK = re.compile(r"(\r?\n)")
# Each expression takes a time that grows with the text, not with its square: clients choose texts.
BEGINS_MARKUP = re.compile(r"<(?=/?[a-zA-Z]|!|\?)")
# A declaration, an instruction, or a tag; comments are found apart. As in HTML, a quotation mark
# begins a value only after "=", so that an apostrophe elsewhere does not swallow the text.
MARKUP = re.compile(r"<[!?][^>]*>|</?[a-zA-Z](?>[^>=]|=\s*+(?:\"[^\"]*\"|'[^']*')?)*+>")
COMMENT, COMMENT_END = "<!--", "-->"
# Elements whose content is no text, or must not change.
OPAQUE = re.compile(r"<(script|style|pre|code|textarea|svg|math|noscript)\b", re.IGNORECASE)
NOT_TRANSLATED = re.compile(r"\stranslate\s*=\s*[\"']?no\b", re.IGNORECASE)
NAME = re.compile(r"</?([a-zA-Z][a-zA-Z0-9:-]*)")
VOID = re.compile("area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr", re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """A text as parts: fixed ones, and the places of lines to translate."""

    fixed: tuple[str, ...]  # before, between and after the lines; one more than there are lines
    lines: tuple[str, ...]
    is_html: bool = False

    def join(self, translations: Sequence[str]) -> str:
        """Return the text with a translation in place of each line, escaped in HTML."""
        texts = [html.escape(each, quote=False) for each in translations]
        whole = [self.fixed[0]]
        for text, after in zip(
            texts if self.is_html else translations, self.fixed[1:], strict=True
        ):
            whole += (text, after)
        return "".join(whole)

    def candidates(self, found: Sequence[Sequence[str]], most: int) -> list[str]:
        """Return up to `most` texts, the best first; found: the translations of each line.

        There is always one. There are no more than the line with the fewest translations has.
        """
        count = min([most, *map(len, found)]) if found else 1
        return [self.join([each[rank] for each in found]) for rank in range(count)]


class Parts:
    """Collects the parts of a layout."""

    def __init__(self) -> None:
        """Begin without a part."""
        self.fixed, self.lines = [[""]], list[str]()

    def keep(self, text: str) -> None:
        """Add a text that stays as it is."""
        self.fixed[-1].append(text)

    def translate(self, line: str) -> None:
        """Add a line to translate."""
        self.lines.append(line)
        self.fixed.append([])

    def layout(self, *, is_html: bool) -> Layout:
        """Return the layout."""
        return Layout(tuple(map("".join, self.fixed)), tuple(self.lines), is_html)


def layout_of_text(text: str) -> Layout:
    """Return the layout of a plain text: as `nmt translate` does, each line is a segment.

    A line without words becomes an empty line. Line breaks are kept.
    """
    parts = Parts()
    for number, part in enumerate(LINE_BREAK.split(text)):
        if number % 2:
            parts.keep(part)
        elif part.strip():
            parts.translate(part.removesuffix("\r"))
    return parts.layout(is_html=False)


def layout_of_html(text: str) -> Layout:
    """Return the layout of HTML: tags stay as they are, the text between two tags is a segment.

    The content of elements such as `script` and `pre`, and of those with `translate="no"`, stays as
    it is.
    """
    parts, place = Parts(), 0
    while begin := BEGINS_MARKUP.search(text, place):
        end = end_of_markup(text, begin.start())
        if end is None:
            break  # no markup ends after this; the rest is text, which is escaped
        add_text(text[place : begin.start()], parts)
        parts.keep(text[begin.start() : end])
        place = end
    add_text(text[place:], parts)
    return parts.layout(is_html=True)


def end_of_markup(text: str, begin: int) -> int | None:
    """Return where a tag or comment ends, or an element that stays as it is; None if nowhere."""
    if text.startswith(COMMENT, begin):
        end = text.find(COMMENT_END, begin + len(COMMENT))
        return None if end < 0 else end + len(COMMENT_END)
    tag = MARKUP.match(text, begin)
    if tag is None:
        return None
    is_start = tag[0][1].isalpha()
    if OPAQUE.match(tag[0]) or (is_start and NOT_TRANSLATED.search(tag[0])):
        return end_of_element(text, tag)
    return tag.end()


def add_text(text: str, parts: Parts) -> None:
    """Add the text between two tags; white space around it is kept, and inside it is one space."""
    inner = text.strip()
    before = text[: len(text) - len(text.lstrip())]
    after = text[len(before) + len(inner) :]
    try:
        words = " ".join(html.unescape(inner).split())
    except ValueError as error:  # of a number with thousands of digits
        raise bad_request("'q' has a character reference that is no character") from error
    parts.keep(before)
    if words:
        parts.translate(words)
    else:
        parts.keep(inner)
    parts.keep(after)


def end_of_element(text: str, tag: "re.Match[str]") -> int:
    """Return where the element that a tag begins ends: after its end tag, or at the text's end."""
    name = NAME.match(tag[0])
    assert name is not None  # noqa: S101 (a tag has a name)
    if tag[0].endswith("/>") or VOID.fullmatch(name[1]):
        return tag.end()
    depth = 1
    for each in re.compile(rf"<(/?){re.escape(name[1])}\b[^<>]*>", re.IGNORECASE).finditer(
        text, tag.end()
    ):
        depth += -1 if each[1] else (0 if each[0].endswith("/>") else 1)
        if not depth:
            return each.end()
    return len(text)
