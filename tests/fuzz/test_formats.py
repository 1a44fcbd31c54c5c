"""Documents of every format: any content keeps its bytes, or one sentence says what is wrong.

Any translation can be written, or one sentence says why not; what it needs besides stays.
"""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.decoding.translator.marked import Marked, joined
from nmt.documents.bitext import READERS, Tally, read_texts
from nmt.documents.document import Document, Segment
from nmt.documents.marks.never_text import template_codes
from nmt.documents.marks.tags import with_changed_words
from nmt.documents.texts.subtitles import TIMES
from nmt.documents.xml.tree import Element, read_xml
from tests.documents.documents import members, texts, zipped
from tests.documents.formats import ALL, BILINGUAL, CONTENTS, OPTIONS, PACKAGES, TEXTS, read
from tests.documents.messages.test_tmx import OTHERS
from tests.documents.pages.test_html import PIECES as PARTS_OF_TAGS
from tests.documents.xml.test_tree import SOURCE
from tests.fuzz import CASES, fuzz, value_or_error
from tests.fuzz.mutations import changed_bytes, seeded

pytestmark = pytest.mark.slow

# A case of a whole document takes some ten times as long as others.
few = settings(fuzz, max_examples=max(1, CASES // 10))

TEMPLATE = [
    *(b"{{ a }}", b"{% if a %}", b"{% endif %}", b"{% raw %}", b"{% endraw %}", b"{{< a >}}\n"),
    *(b"{% else %}", b"\n{% a %}\n", b"{% block aclass %}", b"{% endblock %}", b"{{", b"}}", b"{%"),
    *(b"%}", b"<%= a %>", b"<%", b"%>", b"<?= a ?>", b"{: .a}\n", b"{# a #}", b"&#983040;"),
    *(b"import a from 'b'\n", b"export const a = 1\n", "\U000f0000".encode()),
]
HTML = [
    *map(str.encode, PARTS_OF_TAGS),
    *(b"<i title='a'>", b"</i>", b"<br>", b"<p translate=no>", b"<meta charset=", b"<img alt='"),
    *(b"<html lang=en>", b"&", b"&amp;", b"&#", b"&#x41;", b"&#99999999;", b"&nbsp;", b"One two."),
    *(b"\r\n", b"\t", b"\0", b"\xff", b"latin1", b"utf-16", b"koi8-r", b"idna", b"\xef\xbb\xbf"),
]
MARKDOWN = [
    *(b"# ", b"> ", b"- ", b"1. ", b"    ", b"\n", b"\n\n", b"\r\n", b"\r", b"**", b"*", b"_"),
    b"~~",
    *(b"`", b"```\n", b"```{note}\n", b":::{tip}\n", b":::\n", b"[", b"](", b"](x 't')", b"[ref]"),
    *(b"[ref]: /u\n", b"[^1]", b"[^1]: ", b"![a](x)", b"<b>", b"</b>", b"<p>", b"<kbd>", b"</kbd>"),
    *(b"|", b"| a | b |\n|---|---|\n", b"\\", b"&amp;", b"{ref}`a`", b"$x$", b"$$\n", b"(t)=\n"),
    *(b"% c\n", b"+++\n", b"---\n", b"===\n", b": def\n", b"a", b"One two.", b"  \n", b"\\\n"),
    b"\t",
    *(b"[ ] ", b"[!NOTE]\n", b" {#id}", b"<http://a.b>", b"!", b"---\ntitle: a b\n---\n", b"\xff"),
]
PIECES = {"html": [*TEMPLATE, *HTML], "markdown": [*TEMPLATE, *MARKDOWN]}
PIECES["mdx"] = PIECES["markdown"]
# What a translation may add that is special to some format.
ODD = " x\"'`\\<&>{}[]#:-*|@$%;=,\n\t\u2028Ж ]]> --> ${a} "
CHANGES: list[Callable[[Marked], Marked]] = [
    lambda source: Marked("x"),  # without its marks
    lambda source: joined([source, source]),
    lambda source: joined([Marked(ODD), source, Marked(ODD)]),
]


def check(name: str, content: bytes) -> Document | None:
    """Check what a format promises for a content; return the document, or None for an error."""
    options = ALL if name in BILINGUAL else OPTIONS
    document = value_or_error(lambda: read(name, content, options))
    if document is None:
        return None
    sources = [segment.source for segment in document.segments]
    assert name in BILINGUAL or document.join(sources).content == content
    assert document.join([None] * len(sources)).content == content
    for change in CHANGES[: 1 if name in PIECES else 3]:  # pages are parsed for each
        value_or_error(lambda change=change: document.join([*map(change, sources)]))  # type: ignore[misc]
    return document


def check_written(name: str, document: Document) -> None:
    """Check that what a format has written is read as the translation, or keeps what it must."""
    sources = [segment.source for segment in document.segments]
    before = document.join([None] * len(sources)).content
    if name in PIECES:
        odd = [with_changed_words(source, lambda part: f"{part}<&'\"Ж>") for source in sources]
        made = value_or_error(lambda: document.join(odd).content) or b""
        for code in template_parts(before) if made else ():
            assert before.count(code) <= made.count(code)
    elif name in BILINGUAL:
        made = document.join([Marked("x")] * len(sources)).content
        again = read(name, made, ALL)
        assert len(texts(again)) >= len(sources)
        assert name == "po" or len(texts(again)) == len(sources)
    elif name in ("json", "yaml", "strings"):
        special = [joined([Marked("x\"'`\\<&>{}[]#:|@$%;=,y "), source]) for source in sources]
        words = " ".join(text.text for text in special).split()
        assert " ".join(texts(read(name, document.join(special).content))).split() == words
    elif name in ("srt", "vtt") and not any("-->" in source.text for source in sources):
        made = document.join([joined([source, source]) for source in sources]).content
        assert times(made) == times(before)


def template_parts(content: bytes) -> list[bytes]:
    text = content.decode("latin-1")
    return [text[begin:end].encode("latin-1") for begin, end in template_codes(text)]


def times(content: bytes) -> list[bytes]:
    return [line for line in content.splitlines() if TIMES.fullmatch(line.decode("latin-1"))]


def spoiled(*samples: bytes) -> st.SearchStrategy[bytes]:
    return seeded(lambda draw: changed_bytes(draw, draw.choice(samples), 4))


@pytest.mark.parametrize("name", TEXTS)
@given(data=st.data())
@fuzz
def test_any_content_is_kept_or_refused(name: str, data: st.DataObject) -> None:
    contents = spoiled(*CONTENTS[name])
    if name in PIECES:
        contents |= st.lists(st.sampled_from(PIECES[name]), max_size=20).map(b"".join)
    document = check(name, data.draw(contents))
    if document is not None:
        check_written(name, document)


def with_spoiled_member(draw: Random, content: bytes) -> bytes:
    parts = members(content)
    name = draw.choice(sorted(part for part in parts if not part.endswith((".jpeg", "/"))))
    parts[name] = changed_bytes(draw, parts[name], 3)
    return zipped(parts)


@pytest.mark.parametrize("name", PACKAGES)
@given(draw=seeded(lambda draw: draw))
@few
def test_any_package_is_kept_or_refused(name: str, draw: Random) -> None:
    spoil = draw.choice([with_spoiled_member, changed_bytes])
    check(name, spoil(draw, CONTENTS[name][0]))


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
@fuzz
def test_pairs_to_train_on(name: str, data: st.DataObject) -> None:
    content = data.draw(spoiled(*CONTENTS[name], *[OTHERS.encode()][: name == "tmx"]))
    reader, path, tally = READERS[name], Path(f"de.{name}"), Tally()
    value_or_error(lambda: [*reader.stated(BytesIO(content), path)])
    units = value_or_error(lambda: [*reader.units(BytesIO(content), path)]) or []
    for unit in units:
        for pair in read_texts(unit, ("en", "de"), tally) if not unit.problem else ():
            assert not any("\n" in text or text != text.strip() for text in pair)


XML_PIECES = [
    *("<a>", "</a>", "<b/>", "<v:b xmlns:v='w'>", "</v:b>", "<a b='c' d=\">\">", "x", "ä", " "),
    *("&amp;", "&#65;", "&lt;", "&x;", "<![CDATA[", "]]>", "<!--", "-->", "<?p ", "?>", "\r\n"),
    *("<!DOCTYPE a>", "<!DOCTYPE a [<!ENTITY x 'y'>]>", "<?xml version='1.0'?>", "<", ">", "'"),
]


def check_positions(element: Element) -> None:
    """Check that the parts of an element are in order and within it."""
    end = element.inner_begin
    assert element.begin < end <= element.inner_end <= element.end
    for child in element.children:
        assert child.begin == end
        end = child.end
        if isinstance(child, Element):
            check_positions(child)
    assert end == element.inner_end


@given(spoiled(SOURCE) | st.lists(st.sampled_from(XML_PIECES)).map("".join).map(str.encode))
@fuzz
def test_any_xml_is_read_as_another_parser_reads_it(content: bytes) -> None:
    xml = value_or_error(lambda: read_xml(content))
    if xml is None:
        return
    check_positions(xml.root)
    xml.add(Segment(Marked("x")))
    for element in xml.root.all():
        xml.change(element.end, element.end, "")
    assert xml.join([Marked("y")]).content == content
    if "&nbsp;" not in xml.source.decode() and xml.encoding.name == "utf-8":
        expected = "".join(ElementTree.fromstring(xml.source).itertext())
        assert xml.root.text() == expected
