"""YAML: values that are texts are translated in their style; all other bytes stay."""

import pytest

from nmt.decoding.translator.marked import Marked
from nmt.documents.data.yaml_messages import read
from nmt.documents.document import Options
from tests.documents.documents import changed_by, joined, texts
from tests.documents.samples import SAMPLES

RAILS = (SAMPLES / "rails.yml").read_bytes().decode()


def one(content: str, translation: str, language: str = "") -> str:
    document = read(content.encode(), Options(target_language=language))
    return document.join([Marked(translation)] * len(document.segments)).content.decode()


def test_values_are_segments() -> None:
    assert texts(read(RAILS.encode(), Options())) == [
        *("Hello you", 'Say ü "it"', "It's fine", "one two three four"),
        *("First line of it.", "Indented <b>line</b>.", "No end", "Some words that go on."),
        *("red apple", "green pear", "blue plum", "Some title", "some text"),
    ]
    segment = read(RAILS.encode(), Options()).segments[8]
    assert (segment.context, segment.place) == ("en.flow.0", "line 18")


@pytest.mark.parametrize(
    ("source", "translation", "written"),
    [
        ("a: Some text", "Ja: nein", '"Ja: nein"'),
        ("a: Some text", "nein", "nein"),
        ("a: Some text", "no", '"no"'),
        ("a: Some text", "a #b", '"a #b"'),
        ("a: Some text", "größer, als", "größer, als"),
        ("a: [Some text]", "größer, als", '["größer, als"]'),
        ("a: Some text # b", "*x", '"*x" # b'),
        ("a: 'Some text'", "a\nb", '"a\\nb"'),
        ('a: "Some text"', 'a "ü" \\', '"a \\"ü\\" \\\\"'),
        ('a: "Some \\u00fc"', "ü", '"\\u00fc"'),
        ("a: |\n  Some text\n", "x y", "|\n  x y\n"),
        ("a: |\n  Some text\n", " x", '" x\\n"\n'),
        ("- Some text", "- x", '- "- x"'),
    ],
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
        b"%c: &%c [%s]\n" % (98 + level, 98 + level, b", ".join([b"*%c" % (97 + level)] * 9))
        for level in range(20)
    )
    document = read(bomb, Options())
    assert texts(document) == ["Some text"]
    assert joined(document, "Text") == bomb.replace(b"Some text", b"Text")


def test_blocks_keep_their_indentation_after_carriage_returns() -> None:
    content = b"d: |\r    A man.\r    Two dogs.\re: x\r"
    assert b"\r    A MAN.\r    TWO DOGS.\r" in changed_by(read(content, Options()))
