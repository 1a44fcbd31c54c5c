"""Keep placeholders, addresses and tags in texts, and strings that are no text, as they are.

Strings of data files may be texts, or identifiers, addresses, colours and dates.
"""

import pytest

from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.documents.marks.never_text import SYNTAXES, find, is_text, with_placeholders

TEXTS = """Open|Open file|OK|Save as…|{count} files|Hello, {{name}}!|well-known|e-mail|Log-in|Yes/No
and/or|state-of-the-art|See https://example.com|<b>Bold</b>|Größe|打开|Don't|Re:|3 files|Error: %s
Done.|Invalid: user_name|A|Monday, 3 May|12 px wide|Font size in px""".replace("\n", "|").split("|")
TEXTS.remove("A")  # a single letter is no word

OTHERS = """https://example.com/a b|mailto:me@example.com|www.example.com|me@example.com|/usr/bin
./a.txt|~/x|C:\\Users|src/img/logo.png|text/html|logo.svg|com.example.app|menu.file|example.com
MAX_SIZE|user_id|userName|UserName|GitHub|col-md-6|#fff|#A0b1C2|d41d8cd98f00b204e9800998ecf8427e
123e4567-e89b-12d3-a456-426614174000|v1.2.3|12px|1.5rem|2024-01-31|2024-01-31T10:00:00Z
2024-01-31 10:00|en-US|de_DE|zh-Hans|{count}|{{name}}|%s|$t(key)|YYYY-MM-DD|dd/MM/yyyy HH:mm
dist/*.mjs|docs/**|a/checkout@v4|@scope/name
rgb(0, 10, 20)|0 auto|10px 5px|42|  |-|<br/>|A|{{a}}{{b}}""".replace("\n", "|").split("|")
OTHERS.remove("https://example.com/a b")  # an address has no space


@pytest.mark.parametrize("value", TEXTS)
def test_texts(value: str) -> None:
    assert is_text(value)


@pytest.mark.parametrize("value", OTHERS)
def test_other_strings(value: str) -> None:
    assert not is_text(value)


def test_encoded_data_and_broken_characters_are_no_texts() -> None:
    assert not is_text("QUJD" * 30)
    assert not is_text("a b\ud800")
    assert is_text("长" * 200)
    assert is_text("Donaudampfschifffahrtsgesellschaft")


def found(text: str, *syntax: str) -> list[str]:
    marks = find(text, frozenset(syntax))
    assert all(each.is_text for each in marks)
    return Marked(text, tuple(marks)).mark_texts()


@pytest.mark.parametrize(
    ("syntax", "text", "marks"),
    [
        ("printf", "%s: %d of %5.2f%%, %1$s", ["%s", "%d", "%5.2f", "%%", "%1$s"]),
        (
            "printf",
            "%-10s|%+d|%08.3f|%*d|%.*s|%ld|%zu",
            ["%-10s", "%+d", "%08.3f", "%*d", "%.*s", "%ld", "%zu"],
        ),
        ("printf", "%<PRIu64> bytes", ["%<PRIu64>"]),
        ("printf", "50 % de, 100% of it, 5 %", []),
        ("printf", "%@ {count} ${x} %(name)s", []),
        ("python", "%(name)s has %(size).1f and %s", ["%(name)s", "%(size).1f", "%s"]),
        ("python", "%r is no %20r", ["%r", "%20r"]),
        ("brace", "{} {0} {count} {0:.2f}", ["{}", "{0}", "{count}", "{0:.2f}"]),
        ("brace", "{a.b[0]!r:>10} {{", ["{a.b[0]!r:>10}", "{{"]),
        ("brace", "{{x}} {0:{width}}", ["{{x}}", "{0:{width}}"]),
        ("brace", "a {set of words} and {{ count }}", ["{{ count }}"]),
        ("icu", "{count} of {n, number, integer}", ["{count}", "{n, number, integer}"]),
        ("icu", "{n, plural, one {a} other {{x}}} in", ["{n, plural, one {a} other {{x}}}"]),
        ("icu", "it''s '{quoted}' {a", ["'{quoted}'"]),
        ("dollar", "${x} $NAME$ $HOME costs $5", ["${x}", "$NAME$", "$HOME"]),
        ("percent-brace", "%{x} %<n>05d 5%", ["%{x}", "%<n>05d"]),
        ("qt", "%1 of %n, %L1 (%2%) %name", ["%1", "%n", "%L1", "%2%"]),
        ("objc", "%@ %1$@ %ld ${content}", ["%@", "%1$@", "%ld", "${content}"]),
    ],
)
def test_syntaxes(syntax: str, text: str, marks: list[str]) -> None:
    assert found(text, syntax) == marks
    # Code of a template, and values of Ruby, are marks in any text.
    assert all(mark.startswith(("{{", "%{")) for mark in found(text))


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        (
            "See https://x.org/a?b=%s, (http://y.org/a_(b)).",
            ["https://x.org/a?b=%s", "http://y.org/a_(b)"],
        ),
        ("www.x.org or me.too@x.co.uk.", ["www.x.org", "me.too@x.co.uk"]),
        ("a @ b, x@y", []),
    ],
)
def test_addresses_are_always_found(text: str, marks: list[str]) -> None:
    assert found(text) == marks
    assert found(text, "printf") == marks


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("on %Y-%m-%d at %H:%M, %-d %B", ["%Y-%m-%d", "%H:%M, %-d %B"]),
        ("%s, %s and %d/%d; 50 % of, 100%", []),
        (":year (:month) :tada: a:b 12:30 Note: year", [":year", ":month", ":tada:"]),
        ("10 MB, 5.4 GHz or 3 m in KB", ["10 MB", "5.4 GHz", "KB"]),
        ('a $t(dog, {"n": (1)}) costs $5', ['$t(dog, {"n": (1)})']),
        (
            "{{ a }} {%- b -%} <%= c %> <?php d ?> {# e #} {{{f}}}",
            [*("{{ a }}", "{%- b -%}", "<%= c %>", "<?php d ?>", "{# e #}", "{{{f}}}")],
        ),
        (
            '{{ "{{" }} {% raw %}{{ a }}{% endraw %} b',
            ['{{ "{{" }}', "{% raw %}{{ a }}{% endraw %}"],
        ),
        ("`{{` and `}}`, 5 <% and {% alone", []),
    ],
)
def test_what_is_no_text_anywhere(text: str, marks: list[str]) -> None:
    assert found(text) == marks


def test_tags_and_entities_of_messages() -> None:
    text = "<b>Hi</b> &amp; <a href='%s'>you</a><br/> a < b > c &c; &#39;"
    marks = find(text, frozenset({"tags", "printf"}))
    kinds = [each.kind for each in marks]
    assert found(text, "tags") == [
        *("<b>", "</b>", "&amp;", "<a href='%s'>", "</a>", "<br/>", "&#39;")
    ]
    assert kinds[:2] == [Kind.OPEN, Kind.CLOSE]
    assert kinds[3:5] == [Kind.OPEN, Kind.CLOSE]
    assert kinds[2] == kinds[5] == kinds[6] == Kind.ALONE


def test_marks_of_the_format_stay() -> None:
    """A placeholder is found beside them, not across them."""
    source = Marked("<1>%s</1> http://x.org<2> %d", (Mark(0, 3), Mark(5, 9), Mark(22, 25)))
    made = with_placeholders(source, frozenset({"printf"}))
    assert made.mark_texts() == ["<1>", "%s", "</1>", "http://x.org", "<2>", "%d"]
    assert made.of_format() == source


def test_several_syntaxes() -> None:
    assert found("%s {n} ${x} %{y}", *SYNTAXES) == ["%s", "{n}", "${x}", "%{y}"]


@pytest.mark.parametrize(
    "unit",
    [
        *("{", "{{", "%(", "${", "%", "'{", "<b ", "a@", "{a,plural,b{", "((", "&#"),
        *("{% block class %}a", "{% block class %}{% endblock "),
    ],
)
def test_long_texts_take_linear_time(unit: str) -> None:
    """Nothing is looked at again and again: a text of 100,000 characters ends at once."""
    assert isinstance(found(unit * (100_000 // len(unit)), *SYNTAXES), list)
