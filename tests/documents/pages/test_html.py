"""Pages: blocks are segments with their tags as marks, and every other byte stays."""

import html
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest
import sphinx
import tensorboard
from sphinx.application import Sphinx

from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.documents.document import DEFAULTS, Options
from nmt.documents.pages import html_scanner as elements
from nmt.documents.pages.html import read
from nmt.errors import NmtError
from tests.documents.reading import changed_by, same, texts_of

MANUAL = Path(__file__).parents[3] / "docs"
GERMAN = Options("en", "de")


def of(text: str) -> list[str]:
    return texts_of(read(text.encode(), DEFAULTS))


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("<p>One <b>two</b>\n  three.</p><p>Four", ["One <b>two</b> three.", "Four"]),
        ("<ul><li>One<ul><li>Two</ul></ul>tail", ["One", "Two", "tail"]),
        ("<p> <b><i>One two.</i></b> </p>", ["One two."]),
        ('<h2><a href="#a">One</a><a href="#b">¶</a></h2>', ["One"]),
        ("<p><img src=a> One<br>two<br> </p>", ["One<br>two"]),
        ("<p>One<br>\n<br>two</p>", ["One", "two"]),
        ("<p><code>f()</code> ends.</p>", ["<code>f()</code> ends."]),
        ("<p>Hi <i translate=no>Al <b>X</b></i>!", ["Hi <i translate=no>Al <b>X</b></i>!"]),
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
        ("<code>never closed", []),
    ],
    ids=[
        *("inline", "lists", "around", "anchors", "edges", "breaks", "code", "no", "class"),
        *(
            "block-no",
            "no-words",
            "references",
            "no-tags",
            "title",
            "empty-title",
            "comment",
            "opaque",
            "templates",
        ),
        *("vectors", "sections", "line-break", "namespace", "script-end", "ends", "open"),
    ],
)
def test_blocks_are_segments(text: str, segments: list[str]) -> None:
    assert of(text) == segments
    assert same(read(text.encode(), DEFAULTS)) == text.encode()


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("<p>One {% if a %}two {% endif %}three", ["One {% if a %}two {% endif %}three"]),
        ("{% block a %}\n\n One\n{% endblock %} {% b %}\r\n<b>two\n{%c%}\n</b>", ["One", "two"]),
        ("One\n{{ block.a }}\ntwo", ["One {{ block.a }} two"]),
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
    ids=["pair", "lines", "output", "plural", "else", "handlebars", "tag", "class", "classes"],
)
def test_statements_divide_texts(text: str, segments: list[str]) -> None:
    assert of(text) == segments
    written = changed_by(read(text.encode(), DEFAULTS), str.upper).decode()
    assert written.lower().split() == text.lower().split()


def test_lines_with_statements_stay() -> None:
    page = b"{% block a %}\n\n One\n  {% endblock %} {% b %} \r\n\t{% plural %}two{% endb %}\n"
    assert changed_by(read(page, DEFAULTS), str.upper).lower() == page.lower()


def test_alternatives_of_a_heading_are_headings() -> None:
    found = read(b"<h1>{% if a %}One{% else %}two{% endif %}</h1>", DEFAULTS).segments
    assert [segment.is_heading for segment in found] == [True, True]


def test_code_of_a_server_in_an_attribute_stays() -> None:
    text = b'<p><a href="/x" title="<?= $title ?>">Hello</a> there</p>'
    document = read(text, DEFAULTS)
    assert texts_of(document) == ['<a href="/x" title="<?= $title ?>">Hello</a> there']
    assert b'title="<?= $title ?>">HELLO' in changed_by(document, str.upper)


def test_attributes_that_people_read_are_segments() -> None:
    text = (
        '<meta name="Description" content="A &amp; b"><meta name=viewport content="no text">'
        "<meta property='og:title' content=\"It's\"><input type=submit value=Send title='a'>"
        '<input value="no" placeholder="Name"><p>An <img alt="icon" src="x"> here</p>'
    )
    document = read(text.encode(), DEFAULTS)
    assert texts_of(document) == [
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


def test_marks_pair_whatever_the_page_holds() -> None:
    (segment,) = read(b"<p>a <b>b <i>c</b> d</i> e <u>f", DEFAULTS).segments
    kinds = [each.kind for each in segment.source.marks]
    assert kinds == [Kind.OPEN, Kind.ALONE, Kind.CLOSE, Kind.ALONE, Kind.ALONE]


def test_a_translation_may_move_marks_and_escapes_the_rest() -> None:
    document = read(b"<p>a <b>b</b> %s <br> c</p>", DEFAULTS)
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
    document = read(page, DEFAULTS)
    marks = document.segments[0].source.mark_texts()
    assert max(map(len, marks)) < 120
    assert len({*marks}) == 3
    assert changed_by(document, str.upper).count(b"x" * 200) == 2
    assert changed_by(document, str.upper).lower() == page


def test_places_and_kinds_of_segments() -> None:
    page = b"<title>a</title>\n<h1>b\n</h1>\n\n<p><i>\nc</i> d</p><button>e</button>"
    found = read(page, DEFAULTS).segments
    assert [each.place for each in found] == ["line 1", "line 2", "line 6", "line 6"]
    assert [each.is_heading for each in found] == [True, True, False, False]
    assert [each.is_one for each in found] == [True, False, False, True]


def test_the_language_of_the_page_is_that_of_its_translation() -> None:
    page = b'<html lang=en-GB xml:lang="en"><p>One'
    document = read(page, GERMAN)
    assert same(document) == page
    assert changed_by(document, str.upper) == b'<html lang="de" xml:lang="de"><p>ONE'


@pytest.mark.parametrize(
    ("page", "text", "changed"),
    [
        ('<meta charset="iso-8859-1">“ä”'.encode("cp1252"), "“ä”", "“Ä”&#1046;".encode("cp1252")),
        (b"<meta charset=latin1>\x81\xe4", "\x81ä", b"\x81\xc4&#1046;"),
        (
            '<?xml version="1.0" encoding="koi8-r"?><p>д'.encode("koi8-r"),
            "д",
            "ДЖ".encode("koi8-r"),
        ),
        (
            b'<meta http-equiv="Content-Type" content="text/html; charset=Shift_JIS">\x93\xfa',
            "日",
            b"\x93\xfa&#1046;".replace(b"&#1046;", "Ж".encode("shift_jis")),
        ),
        ("<!-- <meta charset=latin1> --><meta charset=utf-8>ä".encode(), "ä", "ÄЖ".encode()),
        ('<meta name=x content="charset=koi8-r">ä'.encode(), "ä", "ÄЖ".encode()),
        (b'<meta content="text/html; charset=latin1">\xe4', "ä", b"\xc4&#1046;"),
        (b"<!--> <!-- a --!><meta charset=latin1>\xe4", "ä", b"\xc4&#1046;"),
        (b"<meta charset=utf-16>\xc3\xa4", "ä", "ÄЖ".encode()),
        ("\ufeff<p>ä".encode("utf-16"), "ä", "ÄЖ".encode("utf-16-le")),
    ],
    ids=[
        "western",
        "controls",
        "xml",
        "http-equiv",
        "comment",
        "description",
        "loose",
        "odd-comments",
        "impossible",
        "mark",
    ],
)
def test_the_declared_encoding_is_kept(page: bytes, text: str, changed: bytes) -> None:
    document = read(page, DEFAULTS)
    assert texts_of(document) == [text]
    assert same(document) == page
    assert changed_by(document, lambda part: part.upper() + "Ж").endswith(changed)


def test_front_matter_has_no_references_for_characters_that_the_encoding_lacks() -> None:
    page = b"---\ntitle: One\n---\n<meta charset=latin1><p>two"
    document = read(page, DEFAULTS)
    found = document.join([None, Marked("two Ж")]).content
    assert found == page.replace(b"two", b"two &#1046;")
    with pytest.raises(NmtError, match="has no 'Ж'"):
        document.join([Marked("Ж"), None])


def test_lines_of_old_systems_and_in_code_of_templates_count() -> None:
    page = b"<p>a\r<p>b\n{# c\nd #}\n<p>e {{ f\n}} <i title=g>\r\nh</i>"
    found = [segment.place for segment in read(page, DEFAULTS).segments]
    assert found == ["line 1", "line 2", "line 5", "line 6"]


def test_segments_are_in_the_order_of_the_file() -> None:
    page = '<p><img alt="a"> b <img alt="c" title="d"> e <img alt="f"></p><p>g <i title=h>i</i>'
    assert [segment.source.text for segment in read(page.encode(), DEFAULTS).segments] == [
        *("a", 'b <img alt="c" title="d"> e', "c", "d", "f", "g <i title=h>i</i>", "h")
    ]


def test_a_reference_that_is_no_character_is_refused_with_its_line() -> None:
    with pytest.raises(NmtError, match="line 2: a character reference is no character"):
        read(b"\n<p>a &#" + b"9" * 5000 + b";", DEFAULTS)


class Tree(HTMLParser):
    """The tags of a page, without the attributes that people read, and its words."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, ...]] = []
        self.words: list[str] = []
        self.fixed: list[str] = []  # open elements that stay as they are
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        kept = [
            f"{name}={value}"
            for name, value in attrs
            if name not in {*elements.READ, "lang", "content", "value", "label"}
        ]
        self.tags.append((tag, *kept))
        is_fixed = any("notranslate" in each for each in kept if each.startswith("class="))
        if (is_fixed or tag in elements.OPAQUE) and not self.fixed:
            self.fixed.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.tags.append((f"/{tag}",))
        if self.fixed == [tag]:
            self.fixed.clear()

    def handle_comment(self, data: str) -> None:
        self.tags.append(("!", data))

    def handle_data(self, data: str) -> None:
        self.words += data.split() if self.fixed else data.upper().split()


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Build two pages of the manual."""
    source, built = tmp_path_factory.mktemp("pages"), tmp_path_factory.mktemp("built")
    for name in ("howto/serve", "explanation/exactness"):
        page = MANUAL / f"{name}.md"
        (source / page.name).write_text(page.read_text(encoding="utf-8"), encoding="utf-8")
    (source / "index.md").write_text("# Manual\n\n```{toctree}\nserve\nexactness\n```\n")
    settings = {"extensions": ["myst_parser"], "html_theme": "furo", "project": "nmt"}
    settings |= {"suppress_warnings": ["myst.*", "misc.highlighting_failure"]}
    Sphinx(source, None, built, built, "html", settings, status=None, warning=None).build()
    return sorted(built.glob("*.html"))


def test_pages_of_the_manual_keep_their_tree(manual: list[Path]) -> None:
    assert len(manual) == 5
    words = 0
    for path in manual:
        content = path.read_bytes()
        document = read(content, GERMAN)
        assert same(document) == content
        translated = changed_by(document, lambda part: html.unescape(part).upper())
        before, after = Tree(content.decode()), Tree(translated.decode())
        assert before.tags == after.tags
        assert before.words == after.words
        words += sum(len(text.split()) for text in texts_of(document))
    assert words > 2000


@pytest.mark.parametrize(
    ("package", "least"),
    [(sphinx, 20), (tensorboard, 0)],  # segments; a large page of TensorBoard has scripts alone
    ids=["sphinx", "tensorboard"],
)
def test_pages_of_packages_stay_byte_for_byte(package: ModuleType, least: int) -> None:
    """Templates with tags in attributes and files of megabytes on a few lines."""
    assert package.__file__
    paths = sorted(Path(package.__file__).parent.rglob("*.html"))
    assert paths
    count = 0
    for path in paths:
        content = path.read_bytes()
        document = read(content, GERMAN)
        assert same(document) == content, path
        count += len(document.segments)
    assert count >= least


def test_bytes_that_cannot_be_written_again_are_refused() -> None:
    with pytest.raises(NmtError, match="not valid utf-7; save the file in UTF-8"):
        read(b"<meta charset=utf-7><p>+AGE-", DEFAULTS)
