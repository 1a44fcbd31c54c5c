"""Segments are read as they come: none is kept back, and few are read ahead."""

import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nmt.decoding import stream
from nmt.decoding.stream import ArrivingLines, Source, chunks_of
from nmt.errors import NmtError


@pytest.fixture
def pipe() -> Iterator[tuple[ArrivingLines, int]]:
    """The lines of a pipe, and where to write them; the test closes that end."""
    reader, writer = os.pipe()
    yield ArrivingLines(reader, "the pipe"), writer
    os.close(reader)


def count(size: int) -> Iterator[str]:
    """Segments that tell how many were read before them."""
    yield from map(str, range(size))


def never(deadline: float) -> bool:
    """A pipe that gives a line and waits."""
    return False


def test_chunks_begin_small_and_stay_bounded() -> None:
    """32, then four times as many each time, 2,000 at most; of a stream nothing is read ahead."""
    read = 0

    def counted() -> Iterator[str]:
        nonlocal read
        for segment in count(10_000):
            read += 1
            yield segment

    sizes, given = [], 0
    for chunk in chunks_of(Source(counted())):
        assert chunk == [str(each) for each in range(given, given + len(chunk))]
        given += len(chunk)
        assert read == given
        sizes.append(len(chunk))
    assert sizes == [32, 128, 512, 2000, 2000, 2000, 2000, 1328]


def test_long_segments_make_small_chunks() -> None:
    """A chunk ends with the segment that reaches a million characters."""
    long = "x" * 400_000
    chunks = list(chunks_of(Source([long] * 7)))
    assert [len(chunk) for chunk in chunks] == [3, 3, 1]


def test_nothing_is_kept_back_while_more_is_awaited() -> None:
    assert list(chunks_of(Source(count(3), never))) == [["0"], ["1"], ["2"]]


def test_after_a_pause_chunks_are_small_again() -> None:
    """A pause in the second chunk; its place is known by how often the source was asked."""
    asked = 0

    def is_there(deadline: float) -> bool:
        nonlocal asked
        asked += 1
        return asked != 31 + 100

    sizes = [len(chunk) for chunk in chunks_of(Source(count(300), is_there))]
    assert sizes == [32, 100, 32, 128, 8]


def test_waiting_ends_though_segments_keep_coming(monkeypatch: pytest.MonkeyPatch) -> None:
    """One a moment, ten of which are all the patience there is."""
    now = 0.0
    monkeypatch.setattr("nmt.decoding.stream.time.monotonic", lambda: now)

    def slow(deadline: float) -> bool:
        nonlocal now
        now += stream.PATIENCE_SECONDS / 10
        return now < deadline - 1e-9

    assert [len(chunk) for chunk in chunks_of(Source(count(20), slow))] == [10, 10]


@pytest.mark.parametrize("seed", range(20))
def test_lines_are_those_of_the_bytes_however_they_are_cut(
    seed: int, pipe: tuple[ArrivingLines, int]
) -> None:
    lines, writer = pipe
    draw = random.Random(seed)
    text = b"".join(draw.choices([b"\n", b"\r", b"a", b"\0", b"\xe2\x80\xa8", b"bc"], k=200))
    expected = text.split(b"\n")
    if not expected[-1]:
        expected.pop()  # the end of a last line is no line
    found = []
    while text:
        size = draw.randint(1, 20)
        os.write(writer, text[:size])
        text = text[size:]
        while lines.is_there(0):
            found.append(next(lines))
    os.close(writer)
    assert found + list(lines) == expected
    assert lines.is_there(0)  # the end is
    assert list(lines) == []


def test_a_line_longer_than_is_read_at_once(tmp_path: Path) -> None:
    """Of a file that is stdin."""
    long = b"x" * (3 * stream.READ_BYTES + 5)
    (tmp_path / "in").write_bytes(b"a\n" + long + b"\nb")
    with (tmp_path / "in").open("rb") as file:
        assert list(ArrivingLines(file.fileno(), "in")) == [b"a", long, b"b"]


def test_half_a_line_is_not_there_and_is_waited_for(pipe: tuple[ArrivingLines, int]) -> None:
    lines, writer = pipe
    os.set_blocking(lines._descriptor, False)  # as a shell's other program may have left it
    os.write(writer, b"whole\nha")
    assert next(lines) == b"whole"
    began = time.monotonic()
    assert not lines.is_there(began + 0.05)
    assert time.monotonic() >= began + 0.05
    later = threading.Timer(0.05, os.write, (writer, b"lf\n"))
    later.start()
    assert lines.is_there(time.monotonic() + 60)
    assert next(lines) == b"half"
    later.join()
    threading.Timer(0.05, os.close, (writer,)).start()
    assert next(lines, None) is None


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(NmtError, match="cannot read the folder: Is a directory"):
        next(ArrivingLines(folder, "the folder"))
    os.close(folder)
