"""Find the texts in the front matter of a page: between two lines of `---` or `+++`."""

import json
import re
from collections.abc import Iterator, Sequence

from nmt.decoding.marks.marked import Marked
from nmt.formats.document import Segment
from nmt.formats.inline import has_words
from nmt.formats.markdown.places import Line
from nmt.formats.nested import Piece, Spot, Write

FENCES = ("---", "+++")  # of YAML and TOML
KEY = re.compile(r"[\w-]+[ \t]*[:=]|#")
# A value on one line: in quotation marks without escapes, or plain.
TEXT = re.compile(
    r"(?:title|description)[ \t]*[:=][ \t]*(\"[^\"\\]*\"|'[^'\\]*'|[^\W\d_][^#]*?)[ \t]*"
)
PLAIN = re.compile(r"[^\W\d_](?:[^:#]|:(?=\S)|(?<=\S)#)*(?<![:\s])")
NO_TEXT = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def length(lines: Sequence[Line]) -> int:
    """Return how many lines the front matter of a page has; 0 if there is none."""
    fence = lines[0].text.rstrip() if lines else ""
    first = next((each.text for each in lines[1:] if each.text.strip()), "")
    if fence not in FENCES or not KEY.match(first):
        return 0
    ends = (n for n, each in enumerate(lines) if n and each.text.rstrip() == fence)
    return next(ends, -1) + 1


def texts(lines: Sequence[Line]) -> Iterator[tuple[int, int, Spot]]:
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
