"""XLIFF: targets are filled in beside their sources, and every other byte stays."""

import pytest

from nmt.decoding.translator.marked import Kind
from nmt.documents.document import DEFAULTS, Options
from nmt.documents.messages.xliff import read
from nmt.documents.xml.tree import read_xml
from nmt.errors import NmtError
from tests.documents.filling import filled, shouted
from tests.documents.samples import SAMPLES

OLD = (SAMPLES / "shop.xlf").read_bytes()
NEW = (SAMPLES / "shop2.xlf").read_bytes()
GERMAN = Options("en", "de")
TITLE = 'Welcome to the <g id="1" ctype="bold">green shop</g>'


def changed_lines(before: bytes, after: bytes) -> list[str]:
    old = before.decode().splitlines()
    return [each.strip() for each in after.decode().splitlines() if each not in old]


def test_units_without_translation_are_segments() -> None:
    document = read(OLD, GERMAN)
    assert [each.source.text for each in document.segments] == [
        TITLE,
        'Buy <x id="1" equiv-text="{{count}}"/> apples & pears',
        "One sentence.",
        '<bpt id="1">&lt;b&gt;</bpt>Two<ept id="1">&lt;/b&gt;</ept> sentences.',
    ]
    kinds = [[mark.kind for mark in each.source.marks] for each in document.segments]
    assert kinds == [[Kind.OPEN, Kind.CLOSE], [Kind.ALONE], [], [Kind.OPEN, Kind.CLOSE]]
    assert [(each.place, each.context) for each in document.segments][:2] == [
        ("line 8", "title t1"),
        ("line 11", "t2"),
    ]


def test_segments_of_version_2() -> None:
    document = read(NEW, GERMAN)
    assert [each.source.text for each in document.segments] == [
        'Hello <x:pc id="1">green <x:mrk id="m1" translate="no">ACME</x:mrk></x:pc>.'
        '<x:ph id="2" dataRef="d1"/>',
        'See you <x:sc id="3"/>soon<x:ec startRef="3"/>.',
    ]
    kinds = [[mark.kind for mark in each.source.marks] for each in document.segments]
    assert kinds == [[Kind.OPEN, Kind.ALONE, Kind.CLOSE, Kind.ALONE], [Kind.OPEN, Kind.CLOSE]]


@pytest.mark.parametrize("translates_all", [False, True], ids=["new", "all"])
@pytest.mark.parametrize("content", [OLD, NEW], ids=["1.2", "2.0"])
def test_without_translations_no_byte_changes(content: bytes, translates_all: bool) -> None:
    for each in (content, content.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + content):
        document = read(each, Options("en", "de", translates_all=translates_all))
        assert document.join([None] * len(document.segments)).content == each


def test_targets_of_version_1() -> None:
    made = shouted(read(OLD, GERMAN)).content
    state = 'state="needs-review-translation" state-qualifier="mt-suggestion"'
    state_again = 'state-qualifier="mt-suggestion" state="needs-review-translation"'
    assert changed_lines(OLD, made) == [
        '<file target-language="de" original="shop.html" source-language="en" datatype="html">',
        f'<target {state}>WELCOME TO THE <g id="1" ctype="bold">GREEN SHOP</g></target>',
        f'<target {state}>BUY <x id="1" equiv-text="{{{{count}}}}"/> apples &amp; pears</target>',
        f'<target {state_again}><mrk mid="0" mtype="seg">ONE SENTENCE.</mrk> <mrk mid="1"'
        ' mtype="seg">'
        '<bpt id="1">&lt;b&gt;</bpt>TWO<ept id="1">&lt;/b&gt;</ept> SENTENCES.</mrk></target>',
    ]


def test_targets_of_version_2() -> None:
    made = shouted(read(NEW, GERMAN)).content
    assert changed_lines(NEW, made) == [
        '<x:xliff trgLang="de" xmlns:x="urn:oasis:names:tc:xliff:document:2.0" version="2.0"'
        ' srcLang="en">',
        '<x:segment state="translated" id="s1">',
        '<x:target>HELLO <x:pc id="1">GREEN <x:mrk id="m1" translate="no">ACME</x:mrk></x:pc>.'
        '<x:ph id="2" dataRef="d1"/></x:target>',
        '<x:segment id="s2" state="translated">',
        '<x:target>SEE YOU <x:sc id="3"/>SOON<x:ec startRef="3"/>.</x:target>',
    ]


@pytest.mark.parametrize("content", [OLD, NEW], ids=["1.2", "2.0"])
def test_what_was_written_is_translated(content: bytes) -> None:
    made = shouted(read(content, GERMAN)).content
    root = read_xml(made).root
    assert root.attributes == read_xml(content).root.attributes | root.attributes
    # States that ask for a review are no reason to translate again.
    assert len(read(made, GERMAN).segments) == 0


def test_approved_units_are_translated_on_demand() -> None:
    document = read(OLD, Options("en", "de", translates_all=True))
    made = filled(document, {"Basket": "Korb"}).content.decode()
    assert '<trans-unit id="t3" approved="no">' in made
    state = 'state="needs-review-translation"'
    assert f'<target state-qualifier="mt-suggestion" {state}>Korb</target>' in made
    assert "ACME" not in [each.source.text for each in document.segments]
    texts = [each.source.text for each in read(NEW, Options(translates_all=True)).segments]
    assert "Basket" in texts
    assert "ACME" not in texts


def test_codes_that_cross_stand_alone() -> None:
    content = (
        '<xliff version="1.2"><file><body><trans-unit id="1"><source>a<bx id="1"/>b<g id="2">c'
        '<ex id="1"/>d</g><g id="3"/></source></trans-unit></body></file></xliff>'
    )
    (segment,) = read(content.encode(), DEFAULTS).segments
    kinds = [mark.kind for mark in segment.source.marks]
    assert kinds == [Kind.ALONE, Kind.OPEN, Kind.ALONE, Kind.CLOSE, Kind.ALONE]


def test_line_breaks_are_spaces_unless_they_are_preserved() -> None:
    content = (
        b'<xliff version="1.2"><file><body><trans-unit id="1"><source>\n  One\n  two\n</source>'
        b"</trans-unit></body></file></xliff>"
    )
    assert [each.source.text for each in read(content, DEFAULTS).segments] == ["One two"]
    kept = content.replace(b'id="1"', b'id="1" xml:space="preserve"')
    assert [each.source.text for each in read(kept, DEFAULTS).segments] == ["One", "two"]


def test_a_file_for_another_language_is_reported() -> None:
    content = NEW.replace(b'srcLang="en"', b'srcLang="en" trgLang="fr-CA"')
    assert [each.message for each in shouted(read(content, GERMAN)).findings] == [
        "the file is for French, but the translations are in German"
    ]


def test_another_root_is_refused() -> None:
    with pytest.raises(NmtError, match="line 1: the root is <tmx>"):
        read(b"<tmx/>", DEFAULTS)
