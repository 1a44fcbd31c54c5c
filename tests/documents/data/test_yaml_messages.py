"""YAML: values that are texts are translated in their style; all other bytes stay."""

import pytest
import yaml

from nmt.decoding.translator.marked import Marked
from nmt.documents.data.yaml_messages import read
from nmt.documents.document import DEFAULTS, Document, Options
from nmt.documents.marks.tags import with_changed_words
from nmt.errors import NmtError

RAILS = """# Messages — of the app
en:
  hello: Hello you   # a comment
  quoted: "Say \\u00fc \\"it\\""
  single: 'It''s fine'
  folded plain: one two
    three four
  literal: |
    First line of it.

      Indented <b>line</b>.
  kept: |-
    - No end
  wide: >+
    Some words that
    go on.

  flow: [red apple, "green pear", {key: blue plum}]
  base: &base
    title: Some title
    size: 12
  other:
    <<: *base
    text: *base
  yes: no
  date: 2024-01-31
  symbol: !ruby/sym some symbol
  text: !!str &x some text
  path: /usr/bin
"""
DOCUMENTS = b"--- First text\n--- \n- Second text\n...\n---\n? {a b: c d}\n: Third text\n"
EXPLICIT = b"a:\n  b: |2\n      indented text\n    more\n  c: last text\n"


def texts(document: Document) -> list[str]:
    return [each.source.text for each in document.segments]


def upper(document: Document) -> bytes:
    new = [with_changed_words(each.source, str.upper) for each in document.segments]
    return document.join(new).content


def one(content: str, translation: str, language: str = "") -> str:
    document = read(content.encode(), Options(target_language=language))
    return document.join([Marked(translation)] * len(document.segments)).content.decode()


def test_values_are_segments() -> None:
    assert texts(read(RAILS.encode(), DEFAULTS)) == [
        "Hello you",
        'Say ü "it"',
        "It's fine",
        "one two three four",
        "First line of it.",
        "Indented <b>line</b>.",
        "No end",
        "Some words that go on.",
        "red apple",
        "green pear",
        "blue plum",
        "Some title",
        "some text",
    ]
    segment = read(RAILS.encode(), DEFAULTS).segments[8]
    assert (segment.context, segment.place) == ("en.flow.0", "line 18")


@pytest.mark.parametrize(
    "content",
    [RAILS.encode(), RAILS.replace("\n", "\r\n").encode("utf-16"), DOCUMENTS, EXPLICIT, b""],
    ids=["rails", "crlf", "documents", "explicit", "empty"],
)
def test_a_translation_equal_to_its_source_changes_no_byte(content: bytes) -> None:
    document = read(content, Options(target_language="de"))
    assert document.join([each.source for each in document.segments]).content == content
    assert document.join([None] * len(document.segments)).content == content


def shouted(value: object) -> object:
    """Return a tree with all its values in capitals."""
    if isinstance(value, dict):
        return {key: shouted(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shouted(each) for each in value]
    return value.upper() if isinstance(value, str) and not value.startswith("/") else value


@pytest.mark.parametrize("line_break", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_the_tree_stays_and_values_are_translated(line_break: str) -> None:
    source = RAILS.replace("!ruby/sym some symbol", "0").replace("<b>line</b>", "line")
    written = upper(read(source.replace("\n", line_break).encode(), DEFAULTS)).decode()
    assert yaml.safe_load(written) == shouted(yaml.safe_load(source))
    for kept in ("# a comment", "  literal: |", "  wide: >+", "'IT''S FINE'", '"SAY \\u00dc'):
        assert kept in written
    assert upper(read(EXPLICIT, DEFAULTS)).decode() == EXPLICIT.decode().replace(
        "indented text\n    more", "INDENTED TEXT\n    MORE"
    ).replace("last text", "LAST TEXT")


@pytest.mark.parametrize(
    ("source", "translation", "written"),
    [
        ("a: Some text", "Ja: nein", '"Ja: nein"'),
        ("a: Some text", "nein", "nein"),
        ("a: Some text", "no", '"no"'),
        ("a: Some text", "12", '"12"'),
        ("a: Some text", "a #b", '"a #b"'),
        ("a: Some text", "größer, als", "größer, als"),
        ("a: [Some text]", "größer, als", '["größer, als"]'),
        ("a: Some text # b", "*x", '"*x" # b'),
        ("a: 'Some text'", "it's", "'it''s'"),
        ("a: 'Some text'", "a\nb", '"a\\nb"'),
        ('a: "Some text"', 'a "ü" \\', '"a \\"ü\\" \\\\"'),
        ('a: "Some \\u00fc"', "ü", '"\\u00fc"'),
        ("a: |\n  Some text\n", "x y", "|\n  x y\n"),
        ("a: |\n  Some text\n", " x", '" x\\n"\n'),
        ("- Some text", "- x", '- "- x"'),
    ],
    ids=str,
)
def test_styles_hold_the_text(source: str, translation: str, written: str) -> None:
    found = one(source, translation)
    assert found == (written if source.startswith("-") else f"a: {written}")


def test_the_language_at_the_top_follows() -> None:
    rails = "en:\n  a: Some text\n"
    assert one(rails, "Ein Text", "de") == "de:\n  a: Ein Text\n"
    assert one(rails, "Some text", "de") == rails
    assert one(rails, "En tekst", "no") == '"no":\n  a: En tekst\n'  # no would be false
    two = rails + "fr:\n  a: Un texte\n"
    assert one(two, "Ein Text", "de").startswith("en:")
    assert one("id: Some text\n", "Ein Text", "de") == "id: Ein Text\n"


def test_aliases_are_not_followed() -> None:
    bomb = b"a: &a [Some text, x]\n" + b"".join(
        b"%c: &%c [%s]\n" % (98 + each, 98 + each, b", ".join([b"*%c" % (97 + each)] * 9))
        for each in range(20)
    )
    document = read(bomb, DEFAULTS)
    assert texts(document) == ["Some text"]
    assert document.join([Marked("Text")]).content == bomb.replace(b"Some text", b"Text")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: &a\n  - *a\n", "line 2: the alias is within its own anchor; remove the cycle"),
        (b"a: b\nc: *a\n", "line 2: the alias has no anchor before it"),
        (b"a: b\nc: [d\n", r"line 3: the YAML is not valid \("),
        (b"a: 'b\n", "line 1: the YAML is not valid"),
        (b"a:\n" + b"[" * 2000, "line 2: the YAML is n"),
        (b"a:\n" + b"- " * 150 + b"b\n", "line 2: the YAML is nested more than 100 levels"),
        (b"a: \x07\n", "the YAML is not valid"),
        (b"a: \0\n", "line 1: there is a NUL"),
        (b"a:\n  \xff\n", "line 2: the bytes"),
    ],
    ids=["cycle", "alias", "flow", "quote", "deep", "deeper", "control", "nul", "encoding"],
)
def test_what_is_not_yaml_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(NmtError, match=message):
        read(content, DEFAULTS)


def test_blocks_keep_their_indentation_after_carriage_returns() -> None:
    content = b"d: |\r    A man.\r    Two dogs.\re: x\r"
    document = read(content, DEFAULTS)
    written = document.join([Marked(segment.source.text.upper()) for segment in document.segments])
    assert b"\r    A MAN.\r    TWO DOGS.\r" in written.content
