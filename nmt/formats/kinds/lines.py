"""Plain lines: each line of a text is a segment, as in a corpus."""

from nmt.decoding.marked import Marked
from nmt.formats.document import Document, Options, Segment, Skeleton
from nmt.formats.encoding import decode


def read(content: bytes, options: Options) -> Document:
    """Return the document of a text; each line with words is a segment."""
    text, encoding = decode(content)
    skeleton = Skeleton(encoding)
    for number, line in enumerate(text.split("\n"), 1):
        skeleton.keep("\n" if number > 1 else "")
        words = line.strip()
        begin = line.find(words)
        skeleton.keep(line[:begin])
        if words:
            segment = Segment(Marked(words), f"line {number}", is_one=True)
            skeleton.translate(words, segment, text_of)
        skeleton.keep(line[begin + len(words) :])
    return skeleton


def text_of(translation: Marked) -> str:
    """Return a translation on one line."""
    return " ".join(translation.text.splitlines())
