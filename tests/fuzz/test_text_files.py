"""Text files: plain, compressed, .sgm, tab-separated, and pipes; then through a tiny model.

The expected lines are worked out here from the bytes, in the simplest way.
"""

import gzip
import lzma
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.files.text_files import BadLines
from nmt.decoding.stream import ArrivingLines
from nmt.text.reading.lines import Line, decode_lines, is_utf_16, read_lines
from tests.fuzz import fuzz, value_or_error

pytestmark = pytest.mark.slow

LONGEST = 100  # bytes of a line, instead of 10 MB
PIECES = [
    *(b"sun", b"moon rain", b"star", b" ", b"\t", b"", "größer".encode(), "中文 Ж".encode()),
    *(b"\n", b"\n", b"\n", b"\r\n", b"\r", b"\n\n", b"\n\r\n\r"),
    *(b"\0", b"\0\0", b"\x01\x1b[0m\x7f", b"\x0b\x0c\x1c\x1d\x1e", "\x85\u2028\u2029".encode()),
    *map(str.encode, ("\ufeff", "\u200f\u202e\u200d", "👩‍👩‍👧🇩🇪☺️", "e\u0301\u0301")),
    *(b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\xe2\x80"),
    *(b"\xff\xfe", b"\xfe\xff", "sun\nmoon\n".encode("utf-16"), "sun\n".encode("utf-16-be")),
    *(b"<seg id=1>", b"</seg>", b"<SEG", b">", b"<seg>a</seg>", b"&amp;", b"&#10;", b"&#xD800;"),
    *(b"\x1f\x8b", b"PK\x03\x04", b"\xfd7zXZ\0", b"%PDF", b"<!doctype html>", b"<unk> </s>"),
    *("\u2581".encode(), b"x" * 60, b"x" * 101, b"y" * 250, "\U0010ffff\ufffd".encode()),
]

contents = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join),
    st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=4)), max_size=8).map(b"".join),
    st.binary(max_size=60),
    st.text(max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass")),
)
actions = st.sampled_from(["error", "skip", "blank"])


@pytest.fixture(autouse=True)
def _short_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.text.reading.lines.MAX_LINE_BYTES", LONGEST)
    for module in ("text.reading.lines", "decoding.stream"):
        monkeypatch.setattr(f"nmt.{module}.READ_BYTES", 16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("texts")


def expected_lines(content: bytes) -> list[str | None]:
    """Return the text of each line; None for one that cannot be read."""
    lines = content.split(b"\n")
    if not lines[-1]:
        lines.pop()
    expected: list[str | None] = []
    # A first line that is too long is not looked at.
    is_other = bool(lines) and len(lines[0]) <= LONGEST and is_utf_16(lines[0])
    for number, line in enumerate(lines):
        try:
            text = line.decode().removesuffix("\r")
        except UnicodeDecodeError:
            expected.append(None)
            continue
        is_bad = len(line) > LONGEST or is_other
        expected.append(None if is_bad else text.removeprefix("\ufeff") if not number else text)
    return expected


def check(found: Iterator[str], content: bytes, action: str, bad: BadLines) -> None:
    expected = expected_lines(content)
    lines = value_or_error(lambda: list(found))
    if action == "error" and None in expected:
        assert lines is None
        return
    assert lines == [text or "" for text in expected]
    notes: list[str] = []
    bad.tell(notes.append)
    assert len(notes) == (None in expected)
    written = bad.without_skipped(lines, 1)
    kept = [text for text in expected if text is not None or action == "blank"]
    assert list(written) == [text or "" for text in kept]


COMPRESS = {
    ".gz": lambda content: gzip.compress(content, 1, mtime=0),
    ".xz": lambda content: lzma.compress(content, preset=0),  # with little memory
}


@fuzz
@given(contents, st.sampled_from(["", *COMPRESS]), actions)
def test_each_line_is_read_or_told(folder: Path, content: bytes, ending: str, action: str) -> None:
    path = folder / f"text{ending}"
    path.write_bytes(COMPRESS.get(ending, bytes)(content))
    bad = BadLines(action)
    check(read_lines(path, bad.add), content, action, bad)


@fuzz
@given(contents, st.lists(st.integers(1, 60), max_size=8), actions)
def test_lines_of_a_pipe_do_not_depend_on_how_they_arrive(
    content: bytes, sizes: list[int], action: str
) -> None:
    reader, writer = os.pipe()
    arriving, bad = ArrivingLines(reader, "the pipe"), BadLines(action)
    arrived: list[Line] = []
    rest = content
    for size in sizes:
        os.write(writer, rest[:size])
        rest = rest[size:]
        while arriving.is_ready(0):
            arrived.append(next(arriving))
    os.write(writer, rest)
    os.close(writer)
    arrived += arriving
    os.close(reader)
    check(decode_lines(arrived, "the pipe", bad.add), content, action, bad)
