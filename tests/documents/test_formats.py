"""What every format promises: bytes stay, translations are read again, damage has its line."""

import pytest

from nmt.documents.data import tables
from nmt.documents.document import Options
from nmt.documents.registry import FORMATS, check_beginning
from nmt.errors import NmtError, UsageError
from tests.documents.documents import members, shouted, texts, unchanged, zipped
from tests.documents.formats import BILINGUAL, CONTENTS, OPTIONS, TEXTS, read
from tests.documents.messages.test_po import MENU
from tests.documents.office.test_docx import word_file
from tests.documents.office.test_epub import CONTAINER, ENCRYPTION, book

SAMPLES = [(name, content) for name, contents in CONTENTS.items() for content in contents]
NEVER = {0xF6, 0xFF}  # bytes that no text in UTF-8 has
IN_UTF_8 = [
    (name, content) for name, content in SAMPLES if name in TEXTS and not NEVER & {*content}
]
POLISH = Options("en", "pl", columns=("2",))  # it has more plural forms
EVERYTHING = Options("en", "de", translates_all=True, columns=("2",))


def test_every_format_has_a_sample() -> None:
    assert {*CONTENTS} == {*FORMATS}


def check_unchanged(name: str, content: bytes, options: Options) -> None:
    document = read(name, content, options)
    if name in BILINGUAL:
        assert document.join([None] * len(document.segments)).content == content
    else:
        assert unchanged(document) == content


@pytest.mark.parametrize("options", [OPTIONS, POLISH, EVERYTHING], ids=["de", "pl", "all"])
@pytest.mark.parametrize(("name", "content"), SAMPLES)
def test_without_a_change_no_byte_changes(name: str, content: bytes, options: Options) -> None:
    check_unchanged(name, content, options)


@pytest.mark.parametrize(("name", "content"), IN_UTF_8)
def test_line_ends_and_encodings_stay(name: str, content: bytes) -> None:
    lines = content.replace(b"\r\n", b"\n").removeprefix(b"\xef\xbb\xbf")
    for end in (b"\n", b"\r\n", b"\r"):
        check_unchanged(name, lines.replace(b"\n", end), OPTIONS)
    check_unchanged(name, b"\xef\xbb\xbf" + lines, OPTIONS)
    check_unchanged(name, lines.decode("utf-8", "replace").encode("utf-16"), OPTIONS)


@pytest.mark.parametrize("name", ["lines", "text", "markdown", "html", "vtt", "json", "yaml"])
def test_an_empty_file_stays(name: str) -> None:
    check_unchanged(name, b"[]" if name == "json" else b"", OPTIONS)


@pytest.mark.parametrize("name", CONTENTS)
def test_translations_are_read_again(name: str) -> None:
    """A source that has its translation beside it is none any more, unless a human must see it."""
    for content in CONTENTS[name]:
        document = read(name, content)
        found, expected = texts(read(name, shouted(document).content)), texts(document)
        if name in ("xliff", "tmx"):
            assert found == []
        elif name in ("markdown", "srt"):  # references get names, and tags are closed
            assert len(found) == len(expected)
        else:
            assert [text.upper() for text in found] == [text.upper() for text in expected]


@pytest.mark.parametrize(("name", "content"), IN_UTF_8)
def test_what_is_no_text_is_refused_with_its_line(name: str, content: bytes) -> None:
    line = content.count(b"\n") + 2
    with pytest.raises(NmtError, match=f"line {line}: there is a NUL character"):
        read(name, content + b"\n\0")
    if name != "properties":  # which may be in Latin-1
        with pytest.raises(
            NmtError, match=rf"line {line}: the bytes at offset [\d,]+ are not utf-"
        ):
            read(name, content + b"\n\xff")


XML = "line 2: the XML is not well-formed"
DECLARATIONS = "the DOCTYPE has declarations"
NOT_QT = "this is not a file of Qt Linguist, because it is not XML"
DAMAGED = "the file is damaged or of another format: "
HEADER = b'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\n'
CSV = b'id,text,"a ""note"""\n'
NO_TYPES = {name: part for name, part in members(word_file()).items() if "Types" not in name}
REFUSED = [
    ("html", b"\n<p>a &#" + b"9" * 5000 + b";", "line 2: a character reference is no character"),
    ("html", b"<meta charset=utf-7><p>+AGE-", "the bytes are not valid utf-7; save the file in"),
    ("srt", b"Some text\n", "line 1: the file has no subtitle"),
    (
        "srt",
        b"1\n00:00:01,000 --> 00:00:02,000\nOne.\n\n2\n00:00:03,000 --> 00:00:04:500\nTwo.\n",
        "line 6: the times '00:00:03,000 --> 00:00:04:500' are not",
    ),
    *[
        (
            "vtt",
            f"WEBVTT\n\n00:01.000 {arrow} 00:02.500 align:start\nOne.\n".encode(),
            f"line 3: the times '00:01.000 {arrow} 00:02.500 align:start' are not valid; correct",
        )
        for arrow in ("->", "-- >", "\u2013>", "\u2014>", "\u2192")
    ],
    (
        "po",
        HEADER + b'msgid "a"\n\nmsgid "b"\nmsgstr ""',
        "line 6: msgid stands where msgid_plural",
    ),
    ("po", HEADER + b'msgid "a"\nmsgstr "b', "line 5: the string does not end on its line"),
    ("po", HEADER + b'msgid "a"', "line 4: the entry ends without msgstr"),
    ("po", HEADER + b'msgid "a"\nmsgstr', "line 5: msgstr has no string"),
    ("po", HEADER + b'msgid "a"\nmsgid_plural "b"\nmsgstr[1] ""', "line 6: msgstr[1] stands where"),
    ("po", HEADER + b'msgid "a"\nmsgid_plural "b"\nmsgstr ""', "line 6: msgstr stands where msgst"),
    ("po", HEADER + b'msgid "a\\q"\nmsgstr ""', "line 4: '\\\\q' in a string is no escape"),
    ("po", HEADER + b'"a"\n[0]', "line 5: [0] stands where a keyword"),
    ("po", MENU.replace(b"plural=(n != 1)", b"plural=n"), "line 3: the plural rule 'nplurals=2; p"),
    ("xliff", b"<tmx/>", "line 1: the root is <tmx>"),
    ("qt", b"export const a = 1;\n", NOT_QT),
    ("tmx", b'<!DOCTYPE tmx [<!ENTITY a "b">]><tmx/>', DECLARATIONS),
    (
        "android",
        b"<svg/>",
        "line 1: the root is <svg>, but that of strings of Android is <resource",
    ),
    ("strings", b'"a" = "b";\n"c" = "d;\n', 'line 2: the text has no closing "'),
    ("strings", b'"a" = "b";\n/* c', "line 2: the comment has no closing */"),
    ("strings", b'"a" = "b"\n"c" = "d";', "line 2: 'c' is not expected here; an entry is"),
    ("strings", b'"a" = "b";\n"c" = "d"', "line 2: the entry has no ; at its end; add it"),
    ("strings", '"a" = "b";'.encode("utf-16-le"), "line 1: there is a NUL character"),
    ("stringsdict", b"bplist00", "it is a binary property list; convert it with plutil"),
    ("stringsdict", b"<plist><array/></plist>", "line 1: the root is <plist>, but that of a prope"),
    ("json", b'{"a":\n "b"', "line 2: the JSON is not valid near column 5 "),
    ("json", b"[" * 100_000, "it is nested too deeply"),
    ("json", b"[" * 101 + b"\n" + b"]" * 101, "line 1: the JSON is nested more than 100 levels"),
    *[
        ("json", text, "line 1: the JSON is not valid")
        for text in (b'["\\ud800"]', b"", b"['a b']")
    ],
    ("yaml", b"a: &a\n  - *a\n", "line 2: the alias is within its own anchor; remove the cycle"),
    ("yaml", b"a: b\nc: *a\n", "line 2: the alias has no anchor before it"),
    ("yaml", b"a: b\nc: [d\n", "line 3: the YAML is not valid ("),
    ("yaml", b"a:\n" + b"[" * 2000, "line 2: the YAML is n"),
    ("yaml", b"a:\n" + b"- " * 150 + b"b\n", "line 2: the YAML is nested more than 100 levels"),
    ("yaml", b"a: \x07\n", "the YAML is not valid"),
    ("properties", b"a = b\nc = \\u12g4", "line 2: \\u needs four hexadecimal digits"),
    ("csv", b'a,b\n1,"x', 'line 2: the cell begins with " but does not end with'),
    ("csv", b'a,b\n1,"x"y\n', "line 2: the cell begins"),
    ("docx", zipped(NO_TYPES), DAMAGED + "it has no '[Content_Types].xml'"),
    ("pptx", word_file("<w:r/>"), DAMAGED + "it has no main part of this format"),
    ("odt", zipped({"mimetype": b"application/epub+zip"}), "it is not an OpenDocument file"),
    ("odt", zipped({"META-INF/manifest.xml": b"<encryption-data/>"}), "the file has a password"),
    ("odt", zipped({"x": b""}), DAMAGED + "it has no 'content.xml'"),
    (
        "epub",
        book(encryption=ENCRYPTION.format("aes128-cbc")),
        "the book is encrypted (DRM); use a",
    ),
    ("epub", book(container="<container/>"), "META-INF/container.xml names no description of the"),
    ("epub", book(container=CONTAINER.replace("book.opf", "x.opf")), "it has no 'OEBPS/x.opf'"),
]


@pytest.mark.parametrize(("name", "content", "message"), REFUSED, ids=lambda value: str(value)[:9])
def test_a_damaged_file_is_one_sentence(name: str, content: bytes, message: str) -> None:
    with pytest.raises(NmtError) as caught:
        read(name, content)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ((), "line 1: the table has the columns 'id', 'text', 'a \"note\"'; name those to"),
        (("Text",), "line 1: the table has no column 'Text'; its columns are 'id', 'text'"),
        (("4",), "line 1: the table has no column '4'"),
    ],
)
def test_columns_that_a_table_lacks_are_named(columns: tuple[str, ...], message: str) -> None:
    with pytest.raises(NmtError) as caught:
        tables.read_csv(CSV, Options(columns=columns))
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["html", "srt", "vtt", "po", "xliff", "docx"])
def test_the_beginning_of_a_format_is_recognised(name: str) -> None:
    for content in CONTENTS[name]:
        lines = content.decode("utf-8-sig", "replace").splitlines()
        with pytest.raises(UsageError, match=rf"^it begins like .*--format {name}, or"):
            list(check_beginning(lines, "it"))


def test_the_beginning_of_text_passes_line_by_line() -> None:
    for text in ("WEBVTT is a format", "<html> is a tag", "<xliff is not one", "12\n9:30 --> 10"):
        assert list(check_beginning(text.split("\n"), "it")) == text.split("\n")
    arriving = iter(["1", "Two --> 2", '<p> msgid "a"', "<!DOCTYPE html>"])
    for passed in check_beginning(arriving, "it"):
        assert passed != "1" or next(arriving) == "Two --> 2"  # no line was read before it
    with pytest.raises(UsageError, match=r"^it: \.pdf files are not supported; save it as \.docx"):
        list(check_beginning(["%PDF-1.4"], "it"))
