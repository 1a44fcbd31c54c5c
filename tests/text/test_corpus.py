"""Read segments and aligned pairs: formats, line ends, and errors that name the place."""

import gzip
import lzma
from pathlib import Path

import pytest

from nmt.config import DataSettings, Download, Recipe, TextFiles
from nmt.errors import NmtError
from nmt.text.corpus import DataFolder, align, read_pairs, read_segments, read_tsv

RECIPE = Recipe("some")


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def compress(ending: str, content: bytes) -> bytes:
    if ending == ".gz":
        return gzip.compress(content)
    return lzma.compress(content) if ending == ".xz" else content


@pytest.mark.parametrize(
    ("content", "segments"),
    [
        (b"", []),
        (b"a\nb\n", ["a", "b"]),
        (b"a\nb", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"\n\n", ["", ""]),
        (b" a \n\t\n", [" a ", "\t"]),
        (b"\xef\xbb\xbfa\nb\n", ["a", "b"]),
        (b"a\n\xef\xbb\xbfb\n", ["a", "\ufeffb"]),
        ("a\u2028b\u2029c\u0085d\n".encode(), ["a\u2028b\u2029c\u0085d"]),
        (b"a\x0cb\x0bc\x1cd\x1ee\n", ["a\x0cb\x0bc\x1cd\x1ee"]),
        (b"a\rb\n", ["a\rb"]),
        (b"a\x00b\n", ["a\x00b"]),
    ],
)
def test_only_a_line_feed_ends_a_line(tmp_path: Path, content: bytes, segments: list[str]) -> None:
    assert list(read_segments(write(tmp_path / "x", content))) == segments


@pytest.mark.parametrize("ending", [".txt", ".gz", ".xz"])
def test_compressed_files_read_like_plain_ones(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"x{ending}", compress(ending, "Grüße\r\nzwei\n".encode()))
    assert list(read_segments(path)) == ["Grüße", "zwei"]


@pytest.mark.parametrize("name", ["x.sgm", "x.de.sgm", "x.sgm.gz", "x.sgm.xz"])
def test_segments_of_an_sgm_file_are_read(tmp_path: Path, name: str) -> None:
    text = b"""<srcset setid="t"><doc>
<p>
<seg id="1"> Tom &amp; Ann </seg>
<SEG id="2">a &lt; b</SEG> <seg id="3"></seg>
</doc></srcset>
"""
    path = write(tmp_path / name, compress(Path(name).suffix, text))
    assert list(read_segments(path)) == ["Tom & Ann", "a < b", ""]


def test_an_sgm_segment_over_several_lines_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.sgm", b"<seg id=1>a</seg>\n<seg id=2>b\nc</seg>\n")
    with pytest.raises(NmtError, match=r"x\.sgm, line 2: a <seg> does not end on its line"):
        list(read_segments(path))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.gz", gzip.compress(b"word " * 5000)[:-20], "ended before"),
        ("x.gz", b"no gzip", "gzip"),
        ("x.xz", lzma.compress(b"word " * 5000)[:-20], "ended before"),
        ("x.xz", b"no xz", "not supported|corrupt"),
        ("x.gz", gzip.compress(bytes(range(256)) * 9)[:30] + bytes(90), "invalid|Error|CRC|ended"),
    ],
)
def test_a_damaged_compressed_file_is_named(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(NmtError, match=rf"cannot read .*{name}: .*({reason})"):
        list(read_segments(path))


def test_a_folder_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match=f"cannot read {tmp_path}: "):
        list(read_segments(tmp_path))


@pytest.mark.parametrize(
    ("content", "line", "byte"),
    [(b"good\nb\xe4d\n", 2, 2), (b"\xff\xfea\x00", 1, 1), (b"a\n\n\xed\xa0\x80\n", 3, 1)],
)
def test_invalid_utf_8_is_located_by_line_and_byte(
    tmp_path: Path, content: bytes, line: int, byte: int
) -> None:
    path = write(tmp_path / "x", content)
    with pytest.raises(NmtError, match=rf"x, line {line}: not valid UTF-8 \(byte {byte} .*iconv"):
        list(read_segments(path))


@pytest.mark.parametrize(
    ("left", "right", "counts", "ended"),
    [
        (b"1\n2\n3\n", b"1\n", "left has 3 lines but .*right has 1", "right ends after line 1"),
        (b"", b"1\n2\n", "left has 0 lines but .*right has 2", "left ends after line 0"),
        (b"1\n2", b"1\n2\n3\n", "left has 2 lines but .*right has 3", "left ends after line 2"),
        (b"1\n", b"1\n\n", "left has 1 lines but .*right has 2", "left ends after line 1"),
    ],
)
def test_misaligned_files_are_told_with_both_counts_and_the_place(
    tmp_path: Path, left: bytes, right: bytes, counts: str, ended: str
) -> None:
    paths = write(tmp_path / "left", left), write(tmp_path / "right", right)
    with pytest.raises(NmtError, match=f"{counts}.*{ended}"):
        list(align(*paths))


def test_blank_lines_stay_aligned(tmp_path: Path) -> None:
    paths = write(tmp_path / "l", b"a\n\nc\n"), write(tmp_path / "r", b"A\nB\n\n")
    assert list(align(*paths)) == [("a", "A"), ("", "B"), ("c", "")]


def test_the_first_two_columns_of_a_tsv_are_read(tmp_path: Path) -> None:
    write(tmp_path / "x.tsv.gz", gzip.compress(b"a b\tA B\tnote\r\n\tB\n"))
    pairs = read_pairs(TextFiles(tsv="x.tsv.gz"), DataFolder(tmp_path), RECIPE)
    assert list(pairs) == [("a b", "A B"), ("", "B")]


def test_a_tsv_line_without_a_tab_is_located(tmp_path: Path) -> None:
    write(tmp_path / "x.tsv", b"a\tA\nb B\n")
    with pytest.raises(NmtError, match=r"x\.tsv, line 2: no tab"):
        list(read_pairs(TextFiles(tsv="x.tsv"), DataFolder(tmp_path), RECIPE))


def test_the_error_for_a_missing_file_says_how_to_get_it(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    with pytest.raises(NmtError, match=r"none\.de does not exist; .*--data-dir"):
        folder.find("none.de", RECIPE)
    fetched = Recipe("far", data=DataSettings(downloads=(Download(url="http://x", to="y"),)))
    with pytest.raises(NmtError, match=r"none\.de does not exist; `nmt fetch far` downloads it"):
        folder.find("none.de", fetched)


def test_the_users_file_takes_precedence_over_the_embedded_one(tmp_path: Path) -> None:
    own = write(tmp_path / "sample.en", b"mine\n")
    assert DataFolder(tmp_path).find("sample.en", RECIPE) == own
    embedded = DataFolder(tmp_path / "elsewhere").find("sample.en", RECIPE)
    assert embedded.is_file()
    assert embedded != own


def test_only_the_last_ending_makes_a_file_sgm(tmp_path: Path) -> None:
    """`test.sgm.en` is plain text."""
    path = tmp_path / "test.sgm.en"
    path.write_text("one\ntwo\n")
    assert list(read_segments(path)) == ["one", "two"]


def test_a_blank_line_of_tsv_is_a_blank_pair(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("a\tb\n\n")
    assert list(read_tsv(path)) == [("a", "b"), ("", "")]
