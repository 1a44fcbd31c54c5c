"""Open text files: compressed ones, pipes, stdin, and files that cannot be read."""

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
from nmt.text.lines import read_segments, read_text_file
from nmt.text.opening import check_stdin
from tests.text.conftest import compress, write


@pytest.mark.parametrize("ending", [".txt", ".gz", ".xz"])
def test_compressed_files_read_like_plain_ones(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"x{ending}", compress(ending, "Grüße\r\nzwei\n".encode()))
    assert list(read_segments(path)) == ["Grüße", "zwei"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.gz", gzip.compress(b"word " * 5000)[:-20], "ended before"),
        ("x.xz", lzma.compress(b"word " * 5000)[:-20], "ended before"),
        ("x.gz", gzip.compress(bytes(range(256)) * 9)[:30] + bytes(90), "invalid|Error|CRC|ended"),
    ],
)
def test_a_damaged_compressed_file_is_named(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(DamagedError, match=rf"{name} is damaged after line . \(.*({reason})"):
        list(read_segments(path))


@pytest.mark.parametrize("ending", [".gz", ".xz"])
def test_an_empty_or_wrong_file_is_not_called_damaged(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"x{ending}", b"")
    with pytest.raises(NmtError, match=rf"x{ending} is empty \(0 bytes\), not a {ending} file"):
        list(read_segments(path))
    write(path, b"plain text\n")
    with pytest.raises(NmtError, match=rf"x{ending} is not compressed .*remove {ending}"):
        list(read_segments(path))


def test_damage_is_located_by_the_lines_before_it(tmp_path: Path) -> None:
    two = gzip.compress(b"one\ntwo\n") + b"garbage"
    segments = read_segments(write(tmp_path / "x.gz", two))
    assert [next(segments), next(segments)] == ["one", "two"]
    with pytest.raises(DamagedError, match=r"x\.gz is damaged after line 2 "):
        next(segments)


def test_a_folder_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match=f"the text file {tmp_path} is a folder, not a file"):
        list(read_segments(tmp_path))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none", "the text file .*none does not exist"),
        ("file/below", "the text file .*below does not exist"),
        ("loop", "cannot read the text file .*loop: Too many levels"),
        ("a\0b", "cannot exist"),
    ],
)
def test_why_a_file_cannot_be_read_is_told_apart(tmp_path: Path, name: str, words: str) -> None:
    write(tmp_path / "file", b"x\n")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(NmtError, match=words):
        list(read_segments(tmp_path / name))


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux")
def test_an_error_of_the_disk_is_told() -> None:
    with pytest.raises(NmtError, match="cannot read the text file /proc/self/mem: Input/output"):
        list(read_segments(Path("/proc/self/mem")))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (gzip.compress(b"text"), "the file is a gzip file"),
        (b"PK\x03\x04\xff\n", "the file is a zip archive"),
        (b"\x00\x01\xfe\n", "it looks like a binary file"),
        (b"gr\xf6\xdfer\n", "WINDOWS-1252"),
    ],
)
def test_what_is_not_text_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(NmtError, match=words):
        list(read_segments(write(tmp_path / "x", content)))


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
