"""Open text files, and read their lines: compressed, from pipes, of SGM, damaged, without end."""

import gzip
import hashlib
import io
import lzma
import os
import sys
import threading
from pathlib import Path

import pytest

from nmt.errors import DamagedError, NmtError, UsageError
from nmt.text.reading.lines import (
    FirstSegment,
    LineNumbers,
    check_stdin,
    decode_lines,
    note_once,
    read_segments,
    read_text_file,
)
from tests.text.conftest import compress, write


@pytest.mark.parametrize(
    ("content", "segments"),
    [
        (b"", []),
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


def test_invalid_utf_8_is_located_by_line_and_byte(tmp_path: Path) -> None:
    for content, location in {
        b"good\nb\xe4d\n": r"line 2: not valid UTF-8 \(byte 2 ",
        b"\xff\xffa\n": r"line 1: not valid UTF-8 \(byte 1 ",
        b"a\n\n\xed\xa0\x80\n": r"line 3: not valid UTF-8 \(byte 1 ",
    }.items():
        with pytest.raises(NmtError, match=f"x, {location}.*iconv"):
            list(read_segments(write(tmp_path / "x", content)))


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


@pytest.mark.parametrize("name", ["x", "x.gz", "x.sgm.xz"])
def test_a_line_is_bounded_everywhere(tmp_path: Path, name: str) -> None:
    content = b"a\tA\n" + b"\0" * 10_000_001
    path = write(tmp_path / name, compress(Path(name).suffix, content))
    with pytest.raises(NmtError, match=rf"{name}, line 2: longer than 10 MB"):
        list(read_segments(path))


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a device without end")
def test_a_line_of_10_mb_is_read_and_an_endless_one_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "x", b"a" * 10_000_000 + b"\nb")
    assert list(map(len, read_segments(path))) == [10_000_000, 1]
    with pytest.raises(NmtError, match="/dev/zero, line 1: longer than 10 MB"):
        list(read_segments(Path("/dev/zero")))


@pytest.mark.parametrize("name", ["x.sgm", "x.de.sgm", "x.sgm.gz", "x.sgm.xz"])
def test_segments_of_an_sgm_file_are_read(tmp_path: Path, name: str) -> None:
    text = b"""<srcset setid="t"><doc>
<p>
<seg id="1"> Tom &amp; Ann </seg>
<SEG id="2">a &lt; b</SEG> <seg id="3"></seg>
</doc><DOC docid="2"><seg id="1">c</seg></doc></srcset>
"""
    path = write(tmp_path / name, compress(Path(name).suffix, text))
    segments = list(read_segments(path))
    assert segments == ["Tom & Ann", "a < b", "", "c"]
    assert [isinstance(segment, FirstSegment) for segment in segments] == [True, False, False, True]


def test_an_sgm_segment_over_several_lines_is_refused(tmp_path: Path) -> None:
    """A search for the end of each element would take minutes."""
    path = write(tmp_path / "x.sgm", b"<seg id=1>a</seg>\n<seg id=2>b\nc</seg>\n")
    with pytest.raises(NmtError, match=r"x\.sgm, line 2: a <seg> does not end on its line"):
        list(read_segments(path))
    write(path, b"<seg>" * 1_000_000)
    with pytest.raises(NmtError, match="line 1: a <seg> does not end"):
        list(read_segments(path))
    write(path, b"<seg>a&#10;b</seg>" * 1000)
    assert list(read_segments(path)) == ["a b"] * 1000
    # Only the last ending makes a file SGM.
    plain = write(tmp_path / "test.sgm.en", b"<seg>\ntwo\n")
    assert list(read_segments(plain)) == ["<seg>", "two"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.gz", gzip.compress(b"word " * 5000)[:-20], r"line . \(.*ended before"),
        ("x.xz", lzma.compress(b"word " * 5000)[:-20], r"line . \(.*ended before"),
        ("x.gz", gzip.compress(bytes(range(256)) * 9)[:30] + bytes(90), "line . .*(nvalid|rr|CRC)"),
        ("x.gz", gzip.compress(b"one\ntwo\n") + b"garbage", "line 2 "),
    ],
)
def test_a_damaged_compressed_file_is_named_with_the_lines_before(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(DamagedError, match=rf"{name} is damaged after {reason}"):
        list(read_segments(path))


@pytest.mark.parametrize("ending", [".gz", ".xz"])
def test_an_empty_or_wrong_file_is_not_called_damaged(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"x{ending}", b"")
    with pytest.raises(NmtError, match=rf"x{ending} is empty \(0 bytes\), not a {ending} file"):
        list(read_segments(path))
    write(path, b"plain text\n")
    with pytest.raises(NmtError, match=rf"x{ending} is not compressed .*remove {ending}"):
        list(read_segments(path))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none", "the text file .*none does not exist"),
        ("loop", "cannot read the text file .*loop: Too many levels"),
        ("a\0b", "cannot exist"),
        ("", "the text file .* is a folder, not a file"),
        ("/proc/self/mem", "cannot read the text file /proc/self/mem: Input/output"),
    ],
)
def test_why_a_file_cannot_be_read_is_told_apart(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(NmtError, match=words):
        list(read_segments(tmp_path / name))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(b"text"), "the file is a gzip file; name a text file$"),
        (b"PK\x03\x04\xff", "a Word or a PyTorch file; name a text file, or .* --format docx$"),
        (b"\x00\x01\xfe\n", "it looks like a binary file"),
        (b"gr\xf6\xdfer\n", "WINDOWS-1252"),
    ],
)
def test_what_is_not_text_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(NmtError, match=words):
        list(read_segments(write(tmp_path / "x", content)))


def test_the_first_lines_are_named_in_order() -> None:
    found = LineNumbers()
    for line in (17, 2, 18, 9, 1, 4, 30):  # of several documents
        found.add(line)
    assert str(found) == "lines 1, 2, 4, 9, 17 and 2 more"


@pytest.mark.parametrize("ending", ["", ".gz", ".xz"])
def test_a_pipe_is_read_once(tmp_path: Path, ending: str) -> None:
    pipe, content = tmp_path / f"pipe{ending}", compress(ending, b"one\ntwo\n" * 50_000)
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[content])
    writer.start()
    text = read_text_file(pipe)
    writer.join()
    assert text.segments == ["one", "two"] * 50_000
    assert text.sha256 == hashlib.sha256(content).hexdigest()
    assert text.name == str(pipe)


def test_a_dash_is_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"one\nt\xffo\n")))
    with pytest.raises(NmtError, match="stdin, line 2: not valid UTF-8"):
        read_text_file(Path("-"))
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(NmtError, match="stdin is closed"):
        read_text_file(Path("-"))


def test_stdin_named_twice_is_a_usage_error() -> None:
    check_stdin([Path("-"), Path("a"), Path("a")])
    for second in ("-", "/dev/stdin"):
        with pytest.raises(UsageError, match=r"stdin .* named twice"):
            check_stdin([Path("-"), Path("a"), Path(second)])
