"""Plain lines: each line of a text is a segment, as in a corpus."""

from nmt.decoding.marks.marked import Marked
from nmt.formats.document import Document, Options, Segment, Skeleton
from nmt.formats.encoding import decode
from nmt.formats.wrapping import LINE, unbroken


def read(content: bytes, options: Options) -> Document:
    """Return the document of a text; each line with words is a segment.

    A line ends at a line feed, a carriage return or both.
    """
    text, encoding = decode(content)
    skeleton = Skeleton(encoding)
    for number, found in enumerate(LINE.finditer(text), 1):
        line = found[0]
        words = line.strip()
        begin = line.find(words)
        skeleton.keep(line[:begin])
        if words:
            segment = Segment(Marked(words), f"line {number}", is_one=True)
            skeleton.translate(words, segment, unbroken)
        skeleton.keep(line[begin + len(words) :])
    return skeleton
