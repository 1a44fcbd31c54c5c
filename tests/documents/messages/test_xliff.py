"""XLIFF: targets are filled in beside their sources, and every other byte stays."""

from nmt.decoding.translator.marked import Kind
from nmt.documents.document import Document, Options
from nmt.documents.messages.xliff import read
from tests.documents.documents import filled, shouted, texts
from tests.documents.samples import SAMPLES

OLD = (SAMPLES / "shop.xlf").read_bytes()
NEW = (SAMPLES / "shop2.xlf").read_bytes()
GERMAN = Options("en", "de")
ALL = Options("en", "de", translates_all=True)
OPEN, ALONE, CLOSE = Kind.OPEN, Kind.ALONE, Kind.CLOSE


def changed_lines(before: bytes, after: bytes) -> list[str]:
    old = before.decode().splitlines()
    return [line.strip() for line in after.decode().splitlines() if line not in old]


def kinds(document: Document) -> list[list[Kind]]:
    return [[mark.kind for mark in segment.source.marks] for segment in document.segments]


def test_units_without_translation_are_segments() -> None:
    document = read(OLD, GERMAN)
    assert texts(document) == [
        'Welcome to the <g id="1" ctype="bold">green shop</g>',
        'Buy <x id="1" equiv-text="{{count}}"/> apples & pears',
        "One sentence.",
        '<bpt id="1">&lt;b&gt;</bpt>Two<ept id="1">&lt;/b&gt;</ept> sentences.',
    ]
    assert kinds(document) == [[OPEN, CLOSE], [ALONE], [], [OPEN, CLOSE]]
    found = [(segment.place, segment.context) for segment in document.segments]
    assert found[:2] == [("line 8", "title t1"), ("line 11", "t2")]


def test_segments_of_version_2() -> None:
    document = read(NEW, GERMAN)
    assert texts(document) == [
        'Hello <x:pc id="1">green <x:mrk id="m1" translate="no">ACME</x:mrk></x:pc>.'
        '<x:ph id="2" dataRef="d1"/>',
        'See you <x:sc id="3"/>soon<x:ec startRef="3"/>.',
    ]
    assert kinds(document) == [[OPEN, ALONE, CLOSE, ALONE], [OPEN, CLOSE]]


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


def test_approved_units_are_translated_on_demand() -> None:
    document = read(OLD, ALL)
    made = filled(document, {"Basket": "Korb"}).content.decode()
    assert '<trans-unit id="t3" approved="no">' in made
    state = 'state="needs-review-translation"'
    assert f'<target state-qualifier="mt-suggestion" {state}>Korb</target>' in made
    assert "Basket" in texts(read(NEW, ALL))
    assert "ACME" not in [*texts(document), *texts(read(NEW, ALL))]


UNIT = b"""<xliff version="1.2"><file><body><trans-unit id="1"><source>%b</source></trans-unit>
</body></file></xliff>"""


def test_codes_that_cross_stand_alone() -> None:
    crossed = b'a<bx id="1"/>b<g id="2">c<ex id="1"/>d</g><g id="3"/>'
    assert kinds(read(UNIT % crossed, Options())) == [[ALONE, OPEN, ALONE, CLOSE, ALONE]]


def test_line_breaks_are_spaces_unless_they_are_preserved() -> None:
    content = UNIT % b"\n  One\n  two\n"
    assert texts(read(content, Options())) == ["One two"]
    kept = content.replace(b'id="1"', b'id="1" xml:space="preserve"')
    assert texts(read(kept, Options())) == ["One", "two"]


def test_a_file_for_another_language_is_reported() -> None:
    content = NEW.replace(b'srcLang="en"', b'srcLang="en" trgLang="fr-CA"')
    (finding,) = shouted(read(content, GERMAN)).findings
    assert finding.message == "the file is for French, but the translations are in German"
