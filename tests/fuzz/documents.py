"""Check the promise of every format for any content: an error of one sentence, or a document.

A translation equal to its source changes no byte; any other can be written and read again.
"""

from hypothesis import strategies as st

from nmt.decoding.translator.marked import Marked, joined
from nmt.documents.document import DEFAULTS, Document, Options
from nmt.documents.registry import Read
from tests.fuzz import value_or_error
from tests.fuzz.mutations import changed_bytes, seeded

# What a translation may add that is special to some format.
ODD = " x\"'`\\<&>{}[]#:-*|@$%;=,\n\t\u2028 ]]> --> ${a} "


def spoiled(*samples: bytes, most: int = 4) -> st.SearchStrategy[bytes]:
    """Return a strategy of samples with some changes."""
    return seeded(lambda draw: changed_bytes(draw, draw.choice(samples), most))


def check(
    read: Read, content: bytes, options: Options = DEFAULTS, *, is_bilingual: bool = False
) -> Document | None:
    """Check what a format promises for a content; return the document, or None for an error.

    is_bilingual: the source stays beside its translation, even if they are equal.
    """
    document = value_or_error(lambda: read(content, options))
    if document is None:
        return None
    sources = [each.source for each in document.segments]
    assert is_bilingual or document.join(sources).content == content
    assert document.join([None] * len(sources)).content == content
    for change in (first, twice, strange):
        changed = [change(each) for each in sources]
        value_or_error(lambda changed=changed: document.join(changed).content)  # type: ignore[misc]
    return document


def first(source: Marked) -> Marked:
    """Return a text of one letter, without marks."""
    return Marked("x")


def twice(source: Marked) -> Marked:
    """Return a text twice, with its marks."""
    return joined([source, source])


def strange(source: Marked) -> Marked:
    """Return a text with signs that formats escape around it."""
    return joined([Marked(ODD), source, Marked(ODD)])


def special(source: Marked) -> Marked:
    """Return a text with a word of signs that formats escape before it."""
    return joined([Marked("x\"'`\\<&>{}[]#:|@$%;=,y "), source])


def rereads(read: Read, document: Document) -> None:
    """Check that a format reads the translations that it has written, word by word."""
    changed = [special(each.source) for each in document.segments]
    again = read(document.join(changed).content, DEFAULTS)
    words = " ".join(each.source.text for each in again.segments).split()
    assert words == " ".join(each.text for each in changed).split()
