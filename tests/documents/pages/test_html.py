"""Pages: blocks are segments with their tags as marks, and every other byte stays."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.documents.document import Options
from nmt.documents.pages.html import read
from nmt.documents.pages.html_scanner import scan
from nmt.documents.pages.page import Role, shown_forms
from nmt.errors import NmtError
from tests.documents.documents import QUICK, changed_by, places, texts, unchanged

GERMAN = Options("en", "de")


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("<ul><li>One<ul><li>Two</ul></ul>tail", ["One", "Two", "tail"]),
        ("<p> <b><i>One two.</i></b> </p>", ["One two."]),
        ('<h2><a href="#a">One</a><a href="#b">¶</a></h2>', ["One"]),
        ("<p><img src=a> One<br>two<br> </p>", ["One<br>two"]),
        ("<p>One<br>\n<br>two</p>", ["One", "two"]),
        ("<p><code>f()</code> ends.</p>", ["<code>f()</code> ends."]),
        ('<p>Hi <i class="a notranslate">Al</i>!', ['Hi <i class="a notranslate">Al</i>!']),
        ("<p translate='no'>One</p>two", ["two"]),
        ("<p>1 &ndash; 2</p><p>&nbsp;One&nbsp;</p>", ["One"]),
        ("a &lt; b &amp; &eacute;", ["a < b & é"]),
        ("a < b, 1 <2 <c", ["a < b, 1 <2 <c"]),
        ("<title>One <b> two</title>", ["One <b> two"]),
        ("<title/><p>One <b>two</b></p><svg><title>x</title></svg>", ["One <b>two</b>"]),
        ("<p>One <!-- two --> three", ["One <!-- two --> three"]),
        ("<pre>One</pre><script>if (a<b) c</script><style>d{}</style>e", ["e"]),
        ("<textarea>One</textarea><template>two</template><noscript>a</noscript>b", ["b"]),
        ("<svg><text>One</text></svg>Two <math><mi>x</mi></math>", ["Two <math><mi>x</mi></math>"]),
        ("<!--> a --><p>b</p><![CDATA[ <p>c</p> ]]><?php if ($a > 1) d ?>", ["a -->", "b"]),
        ("<a\n  href='x'>One</a> two", ["<a href='x'>One</a> two"]),
        ("<?xml:namespace a />One", ["One"]),
        ("<script>a</scripts></script >b", ["b"]),
        ("</code>One</p></b>", ["One"]),
        (
            '<p><img alt="a"> b <img alt="c" title="d"> e <img alt="f"></p><p>g <i title=h>i</i>',
            ["a", 'b <img alt="c" title="d"> e', "c", "d", "f", "g <i title=h>i</i>", "h"],
        ),
    ],
)
def test_blocks_are_segments(text: str, segments: list[str]) -> None:
    document = read(text.encode(), Options())
    assert texts(document) == segments
    assert unchanged(document) == text.encode()


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("<p>One {% if a %}two {% endif %}three", ["One {% if a %}two {% endif %}three"]),
        ("{% block a %}\n\n One\n{% endblock %} {% b %}\r\n<b>two\n{%c%}\n</b>", ["One", "two"]),
        ("One\n{{ block.a }}\ntwo", ["One {{ block.a }} two"]),
        ('<a title="<?= $t ?>">Hello</a> there', ['<a title="<?= $t ?>">Hello</a> there']),
        ("{% block a %}{% t count b %}One{% plural %}two{% endt %}{% endblock %}", ["One", "two"]),
        (
            "One {% if a %}{% b %} two{% elif c %}{% if d %}3{% endif %} three{% endif %} four",
            ["One", "{% b %} two", "{% if d %}3{% endif %} three", "four"],
        ),
        ("{{#if a}}One{{else}}two{{/if}}", ["One", "two"]),
        (
            "One <b {% if a %}c{% else %}d{% endif %}>two</b>",
            ["One <b {% if a %}c{% else %}d{% endif %}>two</b>"],
        ),
        (
            "One\n{% block bodyclass %}{{ block.super }} {{ a }}-b change-form{% endblock %}\ntwo",
            ["One", "two"],
        ),
        (
            "Yes {% block a %}{% block bclass %}c{% endblock %} two{% else %}three{% endblock %}",
            ["Yes", "{% block bclass %}c{% endblock %} two", "three"],
        ),
    ],
)
def test_statements_divide_texts(text: str, segments: list[str]) -> None:
    document = read(text.encode(), Options())
    assert texts(document) == segments
    written = changed_by(document).decode()
    assert written.lower().split() == text.lower().split()


def test_lines_with_statements_stay_and_alternatives_of_a_heading_are_headings() -> None:
    page = b"{% block a %}\n\n One\n  {% endblock %} {% b %} \r\n\t{% plural %}two{% endb %}\n"
    assert changed_by(read(page, Options())).lower() == page.lower()
    found = read(b"<h1>{% if a %}One{% else %}two{% endif %}</h1>", Options()).segments
    assert [segment.is_heading for segment in found] == [True, True]


def test_attributes_that_people_read_are_segments() -> None:
    text = (
        '<meta name="Description" content="A &amp; b"><meta name=viewport content="no text">'
        "<meta property='og:title' content=\"It's\"><input type=submit value=Send title='a'>"
        '<input value="no" placeholder="Name"><p>An <img alt="icon" src="x"> here</p>'
    )
    document = read(text.encode(), Options())
    assert texts(document) == [
        *("A & b", "It's", "Send", "a", "Name", 'An <img alt="icon" src="x"> here', "icon")
    ]
    changed = changed_by(document, lambda part: part.upper() + "\"'<")
    assert changed.decode() == (
        '<meta name="Description" content="A &amp; B&quot;\'&lt;">'
        '<meta name=viewport content="no text">'
        "<meta property='og:title' content=\"IT'S&quot;'&lt;\">"
        "<input type=submit value=\"SEND&quot;'&lt;\" title='A\"&#39;&lt;'>"
        '<input value="no" placeholder="NAME&quot;\'&lt;">'
        '<p>AN "\'&lt;<img alt="ICON&quot;\'&lt;" src="x"> HERE"\'&lt;</p>'
    )


def test_a_translation_may_move_marks_and_escapes_the_rest() -> None:
    document = read(b"<p>a <b>b</b> %s <br> c</p>", Options())
    text = "<br> & <b>%s</b> <i>"
    marks = (
        Mark(0, 4),
        Mark(7, 10, Kind.OPEN),
        Mark(10, 12, is_text=True),
        Mark(12, 16, Kind.CLOSE),
        Mark(17, 20),  # which the source has not
    )
    joined = document.join([Marked(text, marks)])
    assert joined.content == b"<p><br> &amp; <b>%s</b> &lt;i&gt;</p>"


def test_long_tags_are_shown_short_and_come_back() -> None:
    tags = [f"<a href={'x' * 200}{number}>" for number in range(2)]
    page = f"<p>a {tags[0]}b</a> c {tags[1]}d</a> e".encode()
    document = read(page, Options())
    marks = document.segments[0].source.mark_texts()
    assert max(map(len, marks)) < 120
    assert len({*marks}) == 3
    assert changed_by(document).count(b"x" * 200) == 2
    assert changed_by(document).lower() == page


def test_places_and_kinds_of_segments() -> None:
    page = b"<title>a</title>\n<h1>b\n</h1>\n\n<p><i>\nc</i> d</p><button>e</button>"
    document = read(page, Options())
    assert places(document) == ["line 1", "line 2", "line 6", "line 6"]
    assert [segment.is_heading for segment in document.segments] == [True, True, False, False]
    assert [segment.is_one for segment in document.segments] == [True, False, False, True]
    # Lines of old systems and in code of templates count too.
    old = read(b"<p>a\r<p>b\n{# c\nd #}\n<p>e {{ f\n}} <i title=g>\r\nh</i>", Options())
    assert places(old) == ["line 1", "line 2", "line 5", "line 6"]
    # Marks pair, whatever the page holds.
    (segment,) = read(b"<p>a <b>b <i>c</b> d</i> e <u>f", Options()).segments
    assert "".join(mark.kind.value[0] for mark in segment.source.marks) == "oacaa"


def test_the_language_of_the_page_is_that_of_its_translation() -> None:
    page = b'<html lang=en-GB xml:lang="en"><p>One'
    document = read(page, GERMAN)
    assert unchanged(document) == page
    assert changed_by(document) == b'<html lang="de" xml:lang="de"><p>ONE'


@pytest.mark.parametrize(
    ("page", "text", "changed"),
    [
        ('<meta charset="iso-8859-1">“ä”'.encode("cp1252"), "“ä”", "“Ä”&#1046;".encode("cp1252")),
        (b"<meta charset=latin1>\x81\xe4", "\x81ä", b"\x81\xc4&#1046;"),
        ('<?xml version="1.0" encoding="koi8-r"?><p>д'.encode("koi8-r"), "д", b"\xe4\xf6"),
        (
            b'<meta http-equiv="Content-Type" content="text/html; charset=Shift_JIS">\x93\xfa',
            *("日", "日Ж".encode("shift_jis")),
        ),
        ("<!-- <meta charset=latin1> --><meta charset=utf-8>ä".encode(), "ä", "ÄЖ".encode()),
        ('<meta name=x content="charset=koi8-r">ä'.encode(), "ä", "ÄЖ".encode()),
        (b'<meta content="text/html; charset=latin1">\xe4', "ä", b"\xc4&#1046;"),
        (b"<!--> <!-- a --!><meta charset=latin1>\xe4", "ä", b"\xc4&#1046;"),
        (b"<meta charset=utf-16>\xc3\xa4", "ä", "ÄЖ".encode()),
        ("\ufeff<p>ä".encode("utf-16"), "ä", "ÄЖ".encode("utf-16-le")),
    ],
)
def test_the_declared_encoding_is_kept(page: bytes, text: str, changed: bytes) -> None:
    document = read(page, Options())
    assert texts(document) == [text]
    assert unchanged(document) == page
    assert changed_by(document, lambda part: part.upper() + "Ж").endswith(changed)


def test_front_matter_has_no_references_for_characters_that_the_encoding_lacks() -> None:
    page = b"---\ntitle: One\n---\n<meta charset=latin1><p>two"
    document = read(page, Options())
    found = document.join([None, Marked("two Ж")]).content
    assert found == page.replace(b"two", b"two &#1046;")
    with pytest.raises(NmtError, match="has no 'Ж'"):
        document.join([Marked("Ж"), None])


PIECES = [
    *("<p>", "</p>", "<b x='1'>", "</b>", "<title>", "</title>", "<!--", "-->", "<![CDATA[", "]]>"),
    *("<?php ", "?>", "<script>", "</script", "<code", "/>", ">", "<", "a", "=", '"', "'", " "),
    "\n",
]


@QUICK
@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
def test_tokens_are_the_whole_text(text: str) -> None:
    tokens = list(scan(text))
    assert "".join(text[token.begin : token.end] for token in tokens) == text
    assert all(token.begin < token.end for token in tokens)


@pytest.mark.parametrize(
    ("begin", "unit", "end"),
    [
        *[("", unit, "") for unit in ("<!--x>", "<a'", "<pre>", "<a \"'", "&#", "<title>")],
        *[("", unit, "") for unit in ("<p translate='no'>", "<![CDATA[>", "<?php >")],
        *(("<pre>", "<pre", ""), ("a", " ", "a"), ("<a ", "x ", "translate")),
        ("<a translate", " ", "x>"),
        *[("<a ", unit, "") for unit in ('<a ="', "<a ='", '="" ', "=' ", '<a x="\'" ')],
    ],
)
def test_hostile_html_takes_no_time(begin: str, unit: str, end: str) -> None:
    """Each takes milliseconds; with a time that grows with the square, minutes (pytest-timeout)."""
    text = begin + unit * (100_000 // len(unit)) + end
    assert sum(token.end - token.begin for token in scan(text)) == len(text)


@pytest.mark.parametrize(
    "tag",
    ["<p title=don't>", "<p a='1>2' b=\"x'>\" c>", '<a "x>', "<p a='it is open>", "<p a=b'c>"],
)
def test_a_quotation_mark_matters_only_where_a_value_begins(tag: str) -> None:
    tokens = [*scan(f"{tag}One")]
    assert [token.role is Role.TEXT for token in tokens] == [False, True]
    assert tokens[0].end == len(tag)


def test_marks_that_look_alike_get_numbers() -> None:
    given = ["<b>", "<b >", "<b  >", "<b>", "<b >#2", "<b\n>", "<b >"]
    shown = ["<b>", "<b >", "<b >#2", "<b>", "<b >#2#2", "<b >#3", "<b >"]
    assert [shown_forms(given)[mark] for mark in given] == shown


def test_clients_may_send_many_marks_that_look_alike() -> None:
    marks = [f"<b{''.join(blanks)}>" for blanks in product(" \t\n\f\r", repeat=6)]
    shown = [*shown_forms(marks).values()]
    assert shown == ["<b >", *(f"<b >#{number}" for number in range(2, len(marks) + 1))]
