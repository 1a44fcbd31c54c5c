"""Tables: cells of named columns are translated; all others, quotes and line ends stay."""

import csv
import io

from nmt.documents.data.tables import read_csv, read_tsv
from nmt.documents.document import Options
from tests.documents.documents import changed_by, joined, places, texts
from tests.documents.samples import SAMPLES

CSV = (SAMPLES / "table.csv").read_bytes()
TSV = (SAMPLES / "table.tsv").read_bytes()
TEXT, CAPITALS = Options(columns=("text",)), Options(columns=("Text",))


def test_cells_of_named_columns_are_segments() -> None:
    document = read_csv(CSV, TEXT)
    assert texts(document) == ["Some text", 'Two "lines",', "with quotes"]
    assert places(document) == ["line 2", "line 3", "line 3"]
    assert document.segments[0].context == "text"
    assert texts(read_csv(CSV, Options(columns=('a "note"',)))) == ["Some note", "last, note"]
    # Numbers name no header.
    numbered = texts(read_csv(CSV, Options(columns=("3",))))
    assert numbered == ['a "note"', "Some note", "last, note"]
    assert texts(read_tsv(TSV, TEXT)) == ['He said "no', "a\tb", '"Some words" here']


def test_a_quotation_over_two_rows_of_a_tsv_file_is_no_cell() -> None:
    content = b'"I went home.\tid1\nThen I slept."\tid2\n'
    document = read_tsv(content, Options("en", "de", ("1",)))
    assert texts(document) == ['"I went home.', 'Then I slept."']
    lowered = b'"i went home.\tid1\nthen i slept."\tid2\n'
    assert changed_by(document, str.lower) == lowered


def test_translations_are_quoted_if_they_must_be() -> None:
    made = joined(read_csv(CSV, TEXT), 'Ein "Text", ja', '"Zwei"').decode()
    assert [*csv.reader(io.StringIO(made, newline=""))][1:] == [
        ["1", 'Ein "Text", ja', "Some note"],
        ["2", '"Zwei"\r\nwith quotes', ""],
        *([], ["3", "42", "last, note"]),
    ]
    for separator in (b";", b"\t"):
        document = read_csv(CSV.replace(b",", separator), TEXT)
        cells = b"1", b"Ein, Text", b"Some note"
        assert separator.join(cells) in joined(document, "Ein, Text")
    made_tsv = joined(read_tsv(TSV, TEXT), "a\tb\nc", 'a\t"b')
    assert made_tsv == b'id\ttext\n1\ta b c\n2\t"a\t""b"\n3\t"Some words" here\n'


def test_a_header_may_have_line_breaks_and_a_cell_a_quotation_mark() -> None:
    content = b'"Product\nname, or so";"Text"\r\n"A dog";"A man is standing."\r\n'
    assert texts(read_csv(content, CAPITALS)) == ["A man is standing."]
    assert texts(read_csv(b'Size 5";Text\n1;A dog\n', CAPITALS)) == ["A dog"]
