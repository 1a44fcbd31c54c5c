"""Pairs to train on from bilingual files: what is read, dropped and counted, in bounded memory."""

import gzip
import re
import tracemalloc
from pathlib import Path

import pytest

from nmt.documents import bitext
from nmt.documents.document import Options
from nmt.documents.registry import FORMATS, bilingual_reader
from nmt.errors import NmtError
from nmt.system.json_data import json_text
from nmt.text.reading.languages import BILINGUAL
from nmt.text.reading.lines import FirstSegment, note_once
from tests.documents.samples import SAMPLES

EN_DE = ("en", "de")
TMX = (SAMPLES / "pairs.tmx").read_bytes().decode()
XLIFF_1 = (SAMPLES / "pairs.xlf").read_bytes().decode()
XLIFF_2 = (SAMPLES / "pairs2.xlf").read_bytes().decode()
PO = (SAMPLES / "pairs.po").read_bytes().decode()


@pytest.fixture(autouse=True)
def _notes_again() -> None:
    note_once.cache_clear()


def read(path: Path, languages: tuple[str, str] = EN_DE) -> list[tuple[str, str]]:
    pairs = bilingual_reader(path.suffix).pairs(path, languages)
    return [(source, target) for source, target in pairs]


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_memories(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert all(map(bilingual_reader, BILINGUAL))
    path = written(tmp_path, "m.tmx", TMX)
    assert bilingual_reader(".tmx").languages(path) == ("en", "de", "fr")
    assert read(path) == [
        ("A red dog.", "Ein roter Hund."),
        ("Line one line two & three", "Eins zwei"),
        ("%d files", "%d Dateien"),
    ]
    told = capsys.readouterr().err
    assert "inline tags dropped: 6; units without a finished translation, left out: 1" in told
    assert told.endswith("; units without both languages, left out: 1\n")
    assert read(path, ("fr", "en"))[1] == ("Deux", "only English")
    unit = '<tu><tuv xml:lang="en"><seg>a</seg></tuv>{}</tu>'.format(
        "".join(f'<tuv xml:lang="de"><seg>{text}</seg></tuv>' for text in ("b", "c"))
    )
    assert read(written(tmp_path, "n.tmx", f"<tmx>{unit}</tmx>")) == [("a", "b")]
    told = capsys.readouterr().err
    assert "further texts in one of the languages, left out: 1\n" in told


def test_a_packed_memory(tmp_path: Path) -> None:
    path = tmp_path / "m.tmx.gz"
    path.write_bytes(gzip.compress(TMX.replace("UTF-8", "UTF-16").encode("utf-16")))
    assert len([*bilingual_reader(".tmx").pairs(path, EN_DE)]) == 3
    path.write_bytes(gzip.compress(TMX.encode())[:-20])
    with pytest.raises(NmtError, match=r"m\.tmx\.gz is damaged"):
        list(bilingual_reader(".tmx").pairs(path, EN_DE))


def test_xliff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "a.xlf", XLIFF_1)
    assert bilingual_reader(".xlf").languages(path) == EN_DE
    expected = [("Save all", "Alles sichern"), ("File", "Datei")]
    expected += [("One.", "Eins."), ("Two.", "Zwei.")]
    assert read(path) == expected
    assert "units without a finished translation, left out: 4\n" in capsys.readouterr().err
    assert read(path, ("de", "en")) == [(target, source) for source, target in expected]
    newer = written(tmp_path, "b.xliff", XLIFF_2)
    assert bilingual_reader(".xliff").languages(newer) == EN_DE
    assert read(newer) == [("Good day", "Guten Tag")]


def test_catalogues(tmp_path: Path) -> None:
    path = written(tmp_path, "de.po", PO)
    assert bilingual_reader(".po").languages(path) == EN_DE
    assert read(path) == [
        *(("Open", "Öffnen"), ("one file", "eine Datei"), ("%d files", "%d Dateien")),
        *(("First paragraph.", "Erster Absatz."), ("Second one.", "Zweiter.")),
    ]
    by_name = written(tmp_path, "fr.po", 'msgid "a cat"\nmsgstr "un chat"\n')
    assert bilingual_reader(".po").languages(by_name) == ("en", "fr")


NO_LANG = TMX.replace(' lang="de-AT"', "")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("m.tmx", NO_LANG, "m.tmx, line 6: a <tuv> of the unit has no lang"),
        ("m.tmx", TMX.replace("</header>", "").replace("</seg>", "", 1), "m.tmx, line 4: the XML"),
        (
            "a.xlf",
            XLIFF_1.replace("<source>New</source>", ""),
            "a.xlf, line 8: the unit has no <so",
        ),
        ("de.po", PO.replace('msgstr "Ö', "msgstr Ö"), "de.po, line 9: 'Ö_ffnen\"' is no part"),
    ],
)
def test_what_is_broken_names_its_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = written(tmp_path, name, text)
    with pytest.raises(NmtError) as caught:
        read(path)
    assert message in str(caught.value)


PARTS = [("a", ""), ("b", "one"), ("c", "one"), ("d", "two"), ("e", "")]
MEMORY = "".join(
    f"<tu>{f'<prop type={chr(34)}x-document{chr(34)}>{name}</prop>' if name else ''}"
    f'<tuv lang="en"><seg>{text}</seg></tuv><tuv lang="de"><seg>{text}</seg></tuv></tu>'
    for text, name in PARTS
)
FILES = "".join(
    f'<file original="{name}" source-language="en" target-language="de"><body><trans-unit id="1">'
    f"<source>{text}</source><target>{text}</target></trans-unit></body></file>"
    for text, name in PARTS
)


@pytest.mark.parametrize(
    ("name", "text"),
    [("m.tmx", f"<tmx>{MEMORY}</tmx>"), ("a.xlf", f'<xliff version="1.2">{FILES}</xliff>')],
)
def test_a_document_ends_where_its_id_changes(tmp_path: Path, name: str, text: str) -> None:
    pairs = [*bilingual_reader(name[-4:]).pairs(written(tmp_path, name, text), EN_DE)]
    firsts = [pair.source for pair in pairs if isinstance(pair.source, FirstSegment)]
    assert (len(pairs), firsts) == (5, ["b", "d", "e"])
    assert json_text(pairs) == json_text([(part, part) for part, _ in PARTS])
    read = FORMATS[{".tmx": "tmx", ".xlf": "xliff"}[name[-4:]]].read
    document = read(text.encode(), Options(*EN_DE, translates_all=True))
    assert [(part.source.text, part.document) for part in document.segments] == PARTS


def test_a_broken_unit_may_be_skipped(tmp_path: Path) -> None:
    path = written(tmp_path, "m.tmx", NO_LANG)
    bad: list[int] = []
    pairs = [*bilingual_reader(".tmx").pairs(path, EN_DE, lambda number, _: bad.append(number))]
    assert bad == [2]
    assert [pair.source for pair in pairs] == ["A red dog.", "", "%d files"]


X, Y = "x" * 200, "y" * 200
LARGE = {
    "m.tmx": (
        TMX.partition("<tu>")[0],
        f'<tu><tuv lang="en"><seg>{X} #</seg></tuv><tuv lang="de"><seg>{Y} #</seg></tuv></tu>',
        "</body></tmx>",
    ),
    "de.po": (PO.partition("# a comment")[0], f'msgid "{X} #"\nmsgstr "{Y} #"\n\n', ""),
}


@pytest.mark.parametrize("name", LARGE)
def test_memory_does_not_grow_with_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(bitext, "BLOCK", 1 << 14)
    monkeypatch.setattr("nmt.documents.xml.units.BLOCK", 1 << 14)
    begin, unit, end = LARGE[name]
    units = [unit.replace("#", str(number)) for number in range(2000)]
    path = written(tmp_path, name, "\n".join([begin, *units, end]))  # 1 MB
    pairs = bilingual_reader(path.suffix).pairs(path, EN_DE)
    next(pairs)
    tracemalloc.start()
    count = sum(1 for _ in pairs)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 1999
    assert peak < 300_000


@pytest.mark.parametrize(
    ("target", "pairs"),
    [
        ("[1]Eins.[/] [2]Zwei.[/]", [("One.", "Eins."), ("Two.", "Zwei.")]),
        ("[2]Zwei.[/] [1]Eins.[/]", [("One.", "Eins."), ("Two.", "Zwei.")]),
        ("Also: [1]Eins.[/] [2]Zwei.[/]", [("One. Two.", "Also: Eins. Zwei.")]),
        ("[1]Eins.[/] [1]Zwei.[/]", [("One. Two.", "Eins. Zwei.")]),
    ],
)
def test_segments_of_xliff_have_the_same_number(
    tmp_path: Path, target: str, pairs: list[tuple[str, str]]
) -> None:
    marked = re.sub(r"\[(\d)\]", r'<mrk mtype="seg" mid="\1">', target).replace("[/]", "</mrk>")
    whole = '<mrk mtype="seg" mid="1">Eins.</mrk> <mrk mtype="seg" mid="2">Zwei.</mrk>'
    path = written(tmp_path, "a.xlf", XLIFF_1.replace(whole, marked))
    assert read(path)[2:] == pairs


def test_only_names_with_the_prefix_of_the_root_are_of_xliff(tmp_path: Path) -> None:
    text = re.sub(r"<(/?)(?=[a-z])", r"<\1x:", XLIFF_1).replace("xmlns=", "xmlns:x=")
    text = text.replace("<x:source>Save", "<y:source xmlns:y='y'>no</y:source><x:source>Save")
    path = written(tmp_path, "a.xlf", text)
    assert read(path)[0] == ("Save all", "Alles sichern")


@pytest.mark.parametrize(
    ("source", "target", "pairs"),
    [
        (r"One\nline\n\nTwo", r"Eins\n\nZwei", [("One line", "Eins"), ("Two", "Zwei")]),
        (r"1.\nHello\nBye", r"Eins\nHallo\n2.", [("1. Hello Bye", "Eins Hallo 2.")]),
        (r"One\n\nTwo", "Eins, zwei", [("One Two", "Eins, zwei")]),
        ("Research &Do", "Forschung & mehr", [("Research Do", "Forschung & mehr")]),
        ("(&F)", "(&D)", []),
    ],
)
def test_texts_of_messages(
    tmp_path: Path, source: str, target: str, pairs: list[tuple[str, str]]
) -> None:
    path = written(tmp_path, "de.po", f'msgid "{source}"\nmsgstr "{target}"\n')
    assert read(path) == pairs


def test_forms_of_plurals_are_never_lost(tmp_path: Path) -> None:
    forms = "".join(f'msgstr[{form}] "{form} файла"\n' for form in range(3))
    message = f'msgid "one file"\nmsgid_plural "%d files"\n{forms}'
    for header in ("", 'msgid ""\nmsgstr "Plural-Forms: nplurals=2; plural=n>1;\\n"\n\n'):
        path = written(tmp_path, "ru.po", header + message)
        assert [target for _, target in read(path, ("en", "ru"))] == [
            f"{form} файла" for form in range(3)
        ]


def test_a_catalogue_of_any_shape_is_cut_between_entries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bitext, "BLOCK", 100)
    entries = [
        f'msgctxt "c"\n\n# a msgstr\nmsgid "text {n}"\n\n# b\nmsgstr "Text {n}"\n\n\n#, fuzzy\n'
        f'msgid "guess"\nmsgstr "no"\n#~ msgid "old"\n#~ msgstr "alt"\nmsgid "x" msgstr "{n}"\n'
        for n in range(40)
    ]
    expected = [pair for n in range(40) for pair in ((f"text {n}", f"Text {n}"), ("x", f"{n}"))]
    assert read(written(tmp_path, "de.po", "".join(entries))) == expected
    assert read(written(tmp_path, "de.po", re.sub("\n+", "\n", "".join(entries)))) == expected
    path = tmp_path / "de.po"
    path.write_bytes("".join(entries).encode("utf-16"))
    assert read(path) == expected
    path.write_bytes("".join(entries).encode("utf-16")[:-1])
    with pytest.raises(NmtError, match=r"de\.po: the bytes are not utf-16-le"):
        read(path)
    path.write_bytes("".join(entries[:3]).encode() + b"#\xff\n")
    with pytest.raises(NmtError, match=r"de\.po, line 46: the bytes are not utf-8"):
        read(path)


@pytest.mark.parametrize(
    ("name", "begin", "unit", "what"),
    [
        ("m.tmx", '<tmx><tu a="', "a", "bytes"),
        ("m.tmx", "<tmx><tu>", "a", "bytes"),
        ("de.po", 'msgid "a"\n', f'"{"b" * 50}"\n', "characters"),
    ],
)
def test_what_never_ends_is_refused(
    tmp_path: Path, name: str, begin: str, unit: str, what: str
) -> None:
    path = tmp_path / f"{name}.gz"
    path.write_bytes(gzip.compress((begin + unit * (8_000_000 // len(unit))).encode(), 1))
    with pytest.raises(NmtError, match=f"more than 2,000,000 {what}"):
        list(bilingual_reader(Path(name).suffix).pairs(path, EN_DE))
