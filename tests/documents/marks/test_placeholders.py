"""Placeholders are found by the syntaxes of a text, with addresses and tags; prose is not."""

import pytest

from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.documents.marks.never_text import SYNTAXES, find, with_placeholders


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
        ("objc", "%@ %1$@ %ld", ["%@", "%1$@", "%ld"]),
    ],
)
def test_syntaxes(syntax: str, text: str, marks: list[str]) -> None:
    assert found(text, syntax) == marks
    assert all(mark.startswith("{{") for mark in found(text))  # code of a template, for all


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
    "unit", ["{", "{{", "%(", "${", "%", "'{", "<b ", "a@", "{a,plural,b{", "((", "&#"]
)
def test_long_texts_take_linear_time(unit: str) -> None:
    """Nothing is looked at again and again: a text of 100,000 characters ends at once."""
    assert isinstance(found(unit * (100_000 // len(unit)), *SYNTAXES), list)
