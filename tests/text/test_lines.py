"""Read the segments of a file: line ends, invalid UTF-8, long lines and SGM."""

from pathlib import Path

import pytest

from nmt.errors import NmtError
from nmt.text.lines import decode_lines, note_once, read_segments
from tests.text.conftest import compress, write


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


def test_lone_carriage_returns_are_noted_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note_once.cache_clear()
    path = write(tmp_path / "x", b"a\r\nb\rc\n\rd\r\n")
    assert list(read_segments(path)) == list(read_segments(path)) == ["a", "b\rc", "\rd"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{path}: carriage returns in lines 2, 3 count as spaces")


@pytest.mark.parametrize(
    ("content", "line", "byte"),
    [(b"good\nb\xe4d\n", 2, 2), (b"\xff\xffa\n", 1, 1), (b"a\n\n\xed\xa0\x80\n", 3, 1)],
)
def test_invalid_utf_8_is_located_by_line_and_byte(
    tmp_path: Path, content: bytes, line: int, byte: int
) -> None:
    path = write(tmp_path / "x", content)
    with pytest.raises(NmtError, match=rf"x, line {line}: not valid UTF-8 \(byte {byte} .*iconv"):
        list(read_segments(path))


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_utf_16_is_named(tmp_path: Path, codec: str, end: str) -> None:
    path = write(tmp_path / "x", f"größer{end}two{end}".encode(codec))
    with pytest.raises(NmtError, match=r"x, line 1: .*UTF-16; convert with `iconv -f UTF-16"):
        list(read_segments(path))
    errors: list[NmtError] = []
    lines = path.read_bytes().split(b"\n")
    assert not any(decode_lines(lines, "x", lambda _, error: errors.append(error)))
    assert len(errors) >= 2  # no line is read
    assert all("UTF-16" in str(error) for error in errors)


@pytest.mark.parametrize("name", ["x", "x.gz", "x.xz", "x.sgm"])
def test_a_line_is_bounded_everywhere(tmp_path: Path, name: str) -> None:
    content = b"a\tA\n" + b"\0" * 10_000_001
    path = write(tmp_path / name, compress(Path(name).suffix, content))
    with pytest.raises(NmtError, match=rf"{name}, line 2: longer than 10 MB"):
        list(read_segments(path))


def test_a_line_of_10_mb_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "x", b"a" * 10_000_000 + b"\nb")
    assert list(map(len, read_segments(path))) == [10_000_000, 1]


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a device without end")
def test_an_endless_line_is_an_error() -> None:
    with pytest.raises(NmtError, match="/dev/zero, line 1: longer than 10 MB"):
        list(read_segments(Path("/dev/zero")))


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


def test_only_the_last_ending_makes_a_file_sgm(tmp_path: Path) -> None:
    """`test.sgm.en` is plain text."""
    path = tmp_path / "test.sgm.en"
    path.write_text("one\ntwo\n")
    assert list(read_segments(path)) == ["one", "two"]


def test_segments_of_sgm_take_time_in_proportion_to_their_line(tmp_path: Path) -> None:
    """A search for the end of each element would take minutes."""
    path = write(tmp_path / "x.sgm", b"<seg>" * 1_000_000)
    with pytest.raises(NmtError, match="line 1: a <seg> does not end"):
        list(read_segments(path))
    write(path, b"<seg>a&#10;b</seg>" * 1000)
    assert list(read_segments(path)) == ["a b"] * 1000
