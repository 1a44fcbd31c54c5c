"""Segments are read as they arrive: none is held back, and few are read ahead."""

import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nmt.decoding import stream
from nmt.decoding.files.text_files import BadLines, Output
from nmt.decoding.stream import ArrivingLines, Source, split_chunks
from nmt.errors import DamagedError, NmtError


@pytest.fixture
def pipe() -> Iterator[tuple[ArrivingLines, int]]:
    """Return the lines of a pipe and its writing end, which the test closes."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)  # as another program of the shell may have left it
    yield ArrivingLines(reader, "the pipe"), writer
    os.close(reader)


def count(size: int) -> Iterator[str]:
    yield from map(str, range(size))


def never(deadline: float) -> bool:
    """Return False: the pipe has no further line yet."""
    return False


def test_chunks_start_small_and_stay_bounded() -> None:
    """32, then four times as many each time, at most 2,000; nothing is read beyond the chunk."""
    read = 0

    def counted() -> Iterator[str]:
        nonlocal read
        for segment in count(10_000):
            read += 1
            yield segment

    sizes, given = [], 0
    for chunk in split_chunks(Source(counted())):
        assert chunk == [str(number) for number in range(given, given + len(chunk))]
        given += len(chunk)
        assert read == given
        sizes.append(len(chunk))
    assert sizes == [32, 128, 512, 2000, 2000, 2000, 2000, 1328]


def test_long_segments_make_small_chunks() -> None:
    """A chunk ends with the segment that reaches a million characters."""
    long = "x" * 400_000
    chunks = list(split_chunks(Source([long] * 7)))
    assert [len(chunk) for chunk in chunks] == [3, 3, 1]


def test_no_segment_is_held_back_while_the_next_is_awaited() -> None:
    assert list(split_chunks(Source(count(3), never))) == [["0"], ["1"], ["2"]]


def test_after_a_pause_chunks_are_small_again() -> None:
    """The source pauses in the second chunk, at the 131st question."""
    asked = 0

    def is_ready(deadline: float) -> bool:
        nonlocal asked
        asked += 1
        return asked != 31 + 100

    sizes = [len(chunk) for chunk in split_chunks(Source(count(300), is_ready))]
    assert sizes == [32, 100, 32, 128, 8]


def test_waiting_ends_though_segments_keep_coming(monkeypatch: pytest.MonkeyPatch) -> None:
    """One segment arrives in each tenth of the patience."""
    now = 0.0
    monkeypatch.setattr("nmt.decoding.stream.time.monotonic", lambda: now)

    def slow(deadline: float) -> bool:
        nonlocal now
        now += stream.PATIENCE_SECONDS / 10
        return now < deadline - 1e-9

    assert [len(chunk) for chunk in split_chunks(Source(count(20), slow))] == [10, 10]


@pytest.mark.parametrize("seed", range(4))
def test_lines_do_not_depend_on_how_the_bytes_arrive(
    seed: int, pipe: tuple[ArrivingLines, int]
) -> None:
    lines, writer = pipe
    draw = random.Random(seed)
    text = b"".join(draw.choices([b"\n", b"\r", b"a", b"\0", b"\xe2\x80\xa8", b"bc"], k=200))
    expected = text.split(b"\n")
    if not expected[-1]:
        expected.pop()  # a final line feed starts no line
    found = []
    while text:
        size = draw.randint(1, 20)
        os.write(writer, text[:size])
        text = text[size:]
        while lines.is_ready(0):
            found.append(next(lines))
    os.close(writer)
    assert found + list(lines) == expected
    assert lines.is_ready(0)  # at the end
    assert list(lines) == []


def test_a_line_may_be_longer_than_one_read(tmp_path: Path) -> None:
    """Read from a file, as with `< FILE`."""
    long = b"x" * (3 * stream.READ_BYTES + 5)
    (tmp_path / "in").write_bytes(b"a\n" + long + b"\nb")
    with (tmp_path / "in").open("rb") as file:
        assert list(ArrivingLines(file.fileno(), "in")) == [b"a", long, b"b"]


def test_half_a_line_is_not_ready_and_is_waited_for(pipe: tuple[ArrivingLines, int]) -> None:
    lines, writer = pipe
    os.write(writer, b"whole\nha")
    assert next(lines) == b"whole"
    assert not lines.is_ready(time.monotonic() + 0.05)
    later = threading.Timer(0.05, os.write, (writer, b"lf\n"))
    later.start()
    assert lines.is_ready(time.monotonic() + 60)
    assert next(lines) == b"half"
    later.join()
    threading.Timer(0.05, os.close, (writer,)).start()
    assert next(lines, None) is None


def test_an_unreadable_descriptor_is_an_error(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(NmtError, match="cannot read the folder: Is a directory"):
        next(ArrivingLines(folder, "the folder"))
    os.close(folder)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_reported_with_the_file() -> None:
    path = Path("/dev/full")
    stream = path.open("w", encoding="utf-8")
    with pytest.raises(NmtError, match="cannot write /dev/full: No space left on device"):
        Output(stream, path).write(["a line\n"], 1)
    with pytest.raises(OSError, match="No space"):
        stream.close()


def test_nobody_is_told_to_leave_out_lines_of_a_file_without_text() -> None:
    with pytest.raises(NmtError, match=r"^damaged$"):
        BadLines().add(1, DamagedError("damaged"))
    with pytest.raises(NmtError, match=r"^bad \(or go on with --on-bad-line"):
        BadLines().add(1, NmtError("bad"))
