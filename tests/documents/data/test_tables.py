"""Tables: cells of named columns are translated; all others, quotes and line ends stay."""

import csv
import io

import pytest

from nmt.decoding.translator.marked import Marked
from nmt.documents.data.tables import read_csv, read_tsv
from nmt.documents.document import DEFAULTS, Document, Options
from nmt.errors import NmtError

CSV = (
    b'id,text,"a ""note"""\r\n'
    b"1,Some text,Some note\r\n"
    b'2,"Two ""lines"",\r\nwith quotes",\r\n'
    b"\r\n"
    b'3,42,"last, note"'
)
TSV = b'id\ttext\n1\tHe said "no\n2\t"a\tb"\n3\t"Some words" here\n'
TEXT = Options(columns=("text",))


def texts(document: Document) -> list[str]:
    return [each.source.text for each in document.segments]


def test_cells_of_named_columns_are_segments() -> None:
    document = read_csv(CSV, TEXT)
    assert texts(document) == ["Some text", 'Two "lines",', "with quotes"]
    assert [each.place for each in document.segments] == ["line 2", "line 3", "line 3"]
    assert document.segments[0].context == "text"
    assert texts(read_csv(CSV, Options(columns=('a "note"',)))) == ["Some note", "last, note"]
    # Numbers name no header.
    assert texts(read_csv(CSV, Options(columns=("3",)))) == [
        'a "note"',
        "Some note",
        "last, note",
    ]
    assert texts(read_tsv(TSV, TEXT)) == ['He said "no', "a\tb", '"Some words" here']


@pytest.mark.parametrize("columns", [("text",), ("2", "3"), ("id", "text")], ids=str)
def test_a_translation_equal_to_its_source_changes_no_byte(columns: tuple[str, ...]) -> None:
    for content in (CSV, CSV.replace(b",", b";"), b"\xef\xbb\xbf" + CSV, CSV.replace(b",", b"\t")):
        document = read_csv(content, Options(columns=("2",)))
        assert document.join([each.source for each in document.segments]).content == content
        assert document.join([None] * len(document.segments)).content == content
    assert read_csv(b"", TEXT).join([]).content == b""
    document = read_tsv(TSV, TEXT)
    assert document.join([each.source for each in document.segments]).content == TSV


def test_a_quotation_over_two_rows_of_a_tsv_file_is_no_cell() -> None:
    content = b'"I went home.\tid1\nThen I slept."\tid2\n'
    document = read_tsv(content, Options("en", "de", ("1",)))
    assert texts(document) == ['"I went home.', 'Then I slept."']
    lower = [Marked(each.source.text.lower()) for each in document.segments]
    assert document.join(lower).content == b'"i went home.\tid1\nthen i slept."\tid2\n'


def test_translations_are_quoted_if_they_must_be() -> None:
    document = read_csv(CSV, TEXT)
    joined = document.join([Marked('Ein "Text", ja'), Marked('"Zwei"'), None])
    rows = [*csv.reader(io.StringIO(joined.content.decode(), newline=""))]
    assert rows[1] == ["1", 'Ein "Text", ja', "Some note"]
    assert rows[2] == ["2", '"Zwei"\r\nwith quotes', ""]
    assert rows[3:] == [[], ["3", "42", "last, note"]]
    document = read_csv(CSV.replace(b",", b";"), TEXT)
    assert b"1;Ein, Text;Some" in document.join([Marked("Ein, Text"), None, None]).content
    written = read_tsv(TSV, TEXT).join([Marked("a\tb\nc"), Marked('a\t"b'), None]).content
    assert written == b'id\ttext\n1\ta b c\n2\t"a\t""b"\n3\t"Some words" here\n'


@pytest.mark.parametrize(
    ("content", "columns", "message"),
    [
        (CSV, (), r"line 1: the table has the columns 'id', 'text', 'a \"note\"'; name those to"),
        (CSV, ("Text",), "line 1: the table has no column 'Text'; its columns are 'id', 'text'"),
        (CSV, ("4",), "line 1: the table has no column '4'"),
        (b'a,b\n1,"x', ("a",), 'line 2: the cell begins with " but does not end with'),
        (b'a,b\n1,"x"y\n', ("a",), "line 2: the cell begins"),
        (b"a,b\n\0", ("a",), "line 2: there is a NUL"),
        (b"a,b\n\xff", ("a",), "line 2: the bytes"),
    ],
    ids=["none", "unknown", "number", "open", "after", "nul", "encoding"],
)
def test_what_is_not_clear_is_refused(
    content: bytes, columns: tuple[str, ...], message: str
) -> None:
    with pytest.raises(NmtError, match=message):
        read_csv(content, Options(columns=columns))


def test_a_table_without_columns_says_so() -> None:
    with pytest.raises(NmtError, match="with --columns"):
        read_tsv(TSV, DEFAULTS)


def test_a_header_may_have_line_breaks() -> None:
    content = b'"Product\nname, or so";"Text"\r\n"A dog";"A man is standing."\r\n'
    assert texts(read_csv(content, Options(columns=("Text",)))) == ["A man is standing."]


def test_a_quotation_mark_within_a_cell_is_text() -> None:
    content = b'Size 5";Text\n1;A dog\n'
    assert texts(read_csv(content, Options(columns=("Text",)))) == ["A dog"]
