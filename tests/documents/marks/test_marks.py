"""Placeholders, addresses and tags in texts stay; messages of ICU; marks are compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.translator.marked import Kind, Mark, Marked
from nmt.documents.marks.checks import added_placeholders, hollow, mark_problems, number_problems
from nmt.documents.marks.icu import DEEPEST, IcuMessage
from nmt.documents.marks.never_text import SYNTAXES, find, is_text, with_placeholders
from nmt.documents.marks.tags import with_tags
from tests.decoding.marking import marked
from tests.documents.documents import QUICK

TEXTS = """Open|Open file|OK|Save as…|{count} files|Hello, {{name}}!|well-known|e-mail|Log-in|Yes/No
and/or|state-of-the-art|See https://example.com|<b>Bold</b>|Größe|打开|Don't|Re:|3 files|Error: %s
Done.|Invalid: user_name|Monday, 3 May|12 px wide|Font size in px""".replace("\n", "|").split("|")

OTHERS = """https://example.com/a|mailto:me@example.com|www.example.com|me@example.com|/usr/bin
./a.txt|~/x|C:\\Users|src/img/logo.png|text/html|logo.svg|com.example.app|menu.file|example.com
MAX_SIZE|user_id|userName|UserName|GitHub|col-md-6|#fff|#A0b1C2|d41d8cd98f00b204e9800998ecf8427e
123e4567-e89b-12d3-a456-426614174000|v1.2.3|12px|1.5rem|2024-01-31|2024-01-31T10:00:00Z
2024-01-31 10:00|en-US|de_DE|zh-Hans|{count}|{{name}}|%s|$t(key)|YYYY-MM-DD|dd/MM/yyyy HH:mm
dist/*.mjs|docs/**|a/checkout@v4|@scope/name
rgb(0, 10, 20)|0 auto|10px 5px|42|  |-|<br/>|A|{{a}}{{b}}""".replace("\n", "|").split("|")


def test_texts_are_told_from_other_strings() -> None:
    assert [value for value in TEXTS if not is_text(value)] == []
    assert [value for value in OTHERS if is_text(value)] == []
    # Encoded data and broken characters are no texts, however long.
    assert not is_text("QUJD" * 30)
    assert not is_text("a b\ud800")
    assert is_text("长" * 200)
    assert is_text("Donaudampfschifffahrtsgesellschaft")


PAGE, RAW = "http://y.org/a_(b)", "{% raw %}{{ a }}{% endraw %}"


def found(text: str, *syntax: str) -> list[str]:
    marks = find(text, frozenset(syntax))
    assert all(mark.is_text for mark in marks)
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
        # What is no text anywhere.
        ("", "https://x.org/a?b=%s, (http://y.org/a_(b)).", ["https://x.org/a?b=%s", PAGE]),
        ("", "www.x.org or me.too@x.co.uk.", ["www.x.org", "me.too@x.co.uk"]),
        ("", "a @ b, x@y", []),
        ("", "on %Y-%m-%d at %H:%M, %-d %B", ["%Y-%m-%d", "%H:%M, %-d %B"]),
        ("", ":year (:month) :tada: a:b 12:30 Note: year", [":year", ":month", ":tada:"]),
        ("", "10 MB, 5.4 GHz or 3 m in KB", ["10 MB", "5.4 GHz", "KB"]),
        ("", 'a $t(dog, {"n": (1)}) costs $5', ['$t(dog, {"n": (1)})']),
        ("", "{{ a }} {%- b -%} <%= c %>", ["{{ a }}", "{%- b -%}", "<%= c %>"]),
        ("", "<?php d ?> {# e #} {{{f}}}", ["<?php d ?>", "{# e #}", "{{{f}}}"]),
        ("", '{{ "{{" }} {% raw %}{{ a }}{% endraw %} b', ['{{ "{{" }}', RAW]),
        ("", "`{{` and `}}`, 5 <% and {% alone", []),
    ],
)
def test_what_is_no_text_is_a_mark(syntax: str, text: str, marks: list[str]) -> None:
    assert found(text, *filter(None, [syntax])) == marks
    if syntax:  # code of a template, and values of Ruby, are marks in any text
        assert all(mark.startswith(("{{", "%{")) for mark in found(text))


def test_tags_and_entities_of_messages() -> None:
    text = "<b>Hi</b> &amp; <a href='%s'>you</a><br/> a < b > c &c; &#39;"
    kinds = [mark.kind for mark in find(text, frozenset({"tags", "printf"}))]
    assert found(text, "tags") == [
        *("<b>", "</b>", "&amp;", "<a href='%s'>", "</a>", "<br/>", "&#39;")
    ]
    assert kinds[:2] == [Kind.OPEN, Kind.CLOSE]
    assert kinds[3:5] == [Kind.OPEN, Kind.CLOSE]
    assert kinds[2] == kinds[5] == kinds[6] == Kind.ALONE


@pytest.mark.parametrize(
    "unit",
    [
        *("{", "{{", "%(", "${", "%", "'{", "<b ", "a@", "{a,plural,b{", "((", "&#"),
        *("{% block class %}a", "{% block class %}{% endblock "),
    ],
)
def test_long_texts_take_linear_time(unit: str) -> None:
    assert isinstance(found(unit * (100_000 // len(unit)), *SYNTAXES), list)


FILES = "{n, plural, =0 {No files} one {# file} other {# files}}"
NESTED = "{g, select, female {She has {n, plural, one {# cat} other {# cats}}} other {They}}"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (FILES, ["{n}", "No files", "# file", "# files"]),
        (f"a {FILES} b {FILES}", ["a {n} b {n1}", *["No files", "# file", "# files"] * 2]),
        (f"You have {FILES} in {{n}}.", ["You have {n1} in {n}.", "No files", "# file", "# files"]),
        (NESTED, ["{g}", "She has {n}", "# cat", "# cats", "They"]),
        ("{n, selectordinal, offset:1 one {#st} other {#th}}", ["{n}", "#st", "#th"]),
        ("{n, plural, one {x} other {y}", ["{n, plural, one {x} other {y}"]),
        ("{n, plural, one {x} one {y}}", ["{n, plural, one {x} one {y}}"]),
        ("{n, choice, 0#none}", ["{n, choice, 0#none}"]),
        ("l''a {n, select, other {l''b '{x}' #}}", ["l'a {n}", "l'b '{x}' #"]),
        *[(odd, [odd]) for odd in ("'{", "}{", "")],
    ],
)
def test_what_is_translated_and_put_together_again(message: str, expected: list[str]) -> None:
    source = IcuMessage.parse(Marked(message))
    assert [text.text for text in source.texts()] == expected
    assert source.join(source.texts()) == Marked(message)


def test_translations_are_put_back() -> None:
    message = IcuMessage.parse(Marked(f"You have {FILES}."))
    whole, *inner = message.texts()
    assert whole.mark_texts() == ["{n}"]
    assert inner[1].mark_texts() == ["#"]
    around = Marked("{n} hast du.", (Mark(0, 3),))
    made = message.join([around, *map(Marked, ("Keine", "# Datei", "# Dateien"))])
    assert made.text == "{n, plural, =0 {Keine} one {# Datei} other {# Dateien}} hast du."
    # An argument that is lost leaves the message.
    assert message.join([Marked("Du hast."), *inner]) == message.source


def test_an_apostrophe_quotes_no_argument() -> None:
    """Two apostrophes stand for one before a brace; everywhere if the source writes two."""
    message = IcuMessage.parse(Marked("of {n} in {m}"))
    read = Marked("l'{n} d'un '{m}", (Mark(2, 5, is_text=True), Mark(12, 15, is_text=True)))
    assert message.join([read]).text == "l''{n} d'un ''{m}"
    message = IcuMessage.parse(Marked("it''s '{x}'"))
    (read,) = message.texts()
    assert read.mark_texts() == ["'{x}'"]
    assert message.join([Marked("l'a '{x}'", (Mark(4, 9),))]).text == "l''a '{x}'"


@pytest.mark.parametrize(
    ("language", "missing"),
    [("de", []), ("ja", []), ("pl", ["few", "many"]), ("sl", ["two", "few"]), ("xx", [])],
)
def test_categories_that_the_target_needs(language: str, missing: list[str]) -> None:
    assert IcuMessage.parse(Marked(f"a {FILES}")).missing_categories(language) == missing
    assert IcuMessage.parse(Marked("a {n}")).missing_categories(language) == []
    exact = IcuMessage.parse(Marked("{n, plural, =1 {a file} other {# files}}"))
    assert exact.missing_categories(language) == missing


def test_deep_messages_stay_as_they_are() -> None:
    deep = "{a, select, other {" * 1000 + "x" + "}}" * 1000
    message = IcuMessage.parse(Marked(deep))
    assert len(message.texts()) == DEEPEST + 1
    assert message.join(message.texts()) == Marked(deep)


@pytest.mark.parametrize(
    ("source", "translation", "problems"),
    [
        ("a %s %s", "%s A", ("%s is missing",)),
        ("a <b>b</b>", "</b>A <b>B", ("the tags are not paired as in the source",)),
        ("<i>a <b>b</b></i>", "<i>a <b>b</i></b>", ("the tags are not paired as in the source",)),
        ("a <b>b</b>", "A <b></b>B", ("<b> encloses nothing",)),
        ("a <b></b>", "A <b></b>", ()),
        ("a <b>%s</b>", "A <b>%s</b>", ()),
        ("a %s", "%s", ("the translation is empty",)),
    ],
)
def test_problems_with_marks(source: str, translation: str, problems: tuple[str, ...]) -> None:
    assert mark_problems(marked(source), marked(translation)) == problems


def test_marks_part_numbers() -> None:
    assert number_problems(marked("5<br/>6"), marked("5 und 6")) == ()
    assert number_problems(marked("5%s"), marked("%s 5")) == ()
    assert number_problems(marked("1<b>5</b>"), marked("15 <b>x</b>")) == ()


@pytest.mark.parametrize(
    ("source", "translation", "syntax", "count"),
    [
        ("%s percent of it", "%s % davon", "printf", 1),
        ("50% of %s", "50 % von %s", "printf", 0),
        ("fifty percent", "50 %", "printf", 0),  # no program formats it
        ("a %s", "ein %s %d", "printf", 1),
        ("a {n}", "ein {n} {", "brace", 1),
        ("a {n}", "ein {n} {m}", "brace", 1),
        ("a {n}", "ein {n} %s", "brace", 0),
        ("a man", "ein {Mann}", "tags", 0),
    ],
)
def test_a_placeholder_that_only_the_translation_has_is_flagged(
    source: str, translation: str, syntax: str, count: int
) -> None:
    syntaxes = frozenset({syntax})
    own, theirs = (with_placeholders(Marked(text), syntaxes) for text in (source, translation))
    pairs = zip(theirs.marks, theirs.mark_texts(), strict=True)
    kept = Marked(translation, tuple(mark for mark, text in pairs if text in own.mark_texts()))
    assert len(added_placeholders(own, kept, syntaxes)) == count


def test_pairs_may_be_deep() -> None:
    text = with_tags("<b>" * 20_000 + "<i></i>A" + "</b>" * 20_000)
    assert hollow(text) == {"<i>": 1}


PIECES = ["%s", "{", "}", "{n, plural, ", "one {", "''", "'", "#", "${a}", "%{", "<b>", "</b>"]
PIECES += ["&amp;", "https://x.org", "a@b.org", "a", " ", "(", "5", "\u4e16\u3002", "\U0001f600"]


@QUICK
@given(
    st.lists(st.sampled_from(PIECES) | st.characters(codec="utf-8"), max_size=20).map("".join),
    st.frozensets(st.sampled_from(sorted(SYNTAXES))),
)
def test_any_text_has_marks_in_order_and_is_put_together_again(
    text: str, syntax: frozenset[str]
) -> None:
    marks = find(text, syntax)
    positions = [position for mark in marks for position in mark[:2]]
    assert positions == sorted(positions)
    assert all(mark.begin < mark.end and mark.is_text for mark in marks)
    found = Marked(text, tuple(marks))
    assert not mark_problems(found, found)
    for source in (Marked(text), with_tags(text)):
        assert with_placeholders(source, syntax).of_format() == source
        message = IcuMessage.parse(source)
        assert message.join([part.of_format() for part in message.texts()]) == source
