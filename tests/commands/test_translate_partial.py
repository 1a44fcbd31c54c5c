"""`nmt translate` that is stopped: what was translated is kept on request, or said to be lost."""

import gzip
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from nmt.decoding.files.text_files import check_text_files
from tests.commands.conftest import translate
from tests.commands.test_translate_process import command, environment
from tests.conftest import Run
from tests.waiting import wait_until

GOOD = b"sun moon\n" * 40  # more than the first chunk, of 32 lines


@pytest.fixture
def spoiled(tmp_path: Path) -> Path:
    """Return a file with a bad line after the first chunk."""
    path = tmp_path / "in.src"
    path.write_bytes(GOOD + b"\xff\nrain\n")
    return path


def test_without_the_flag_the_loss_is_told(nmt: Run, tiny_run: Path, spoiled: Path) -> None:
    result = nmt("translate", spoiled, "--model", tiny_run, "--output", spoiled.with_name("out"))
    assert result.code == 1
    _, told, error = result.err.splitlines()
    assert told == "32 translated lines are discarded; --keep-partial keeps them"
    assert "in.src, line 41: not valid UTF-8" in error
    assert [path.name for path in spoiled.parent.iterdir()] == ["in.src"]


def test_what_was_translated_is_kept_and_the_rest_can_be_added(
    nmt: Run, tiny_run: Path, spoiled: Path
) -> None:
    output, kept = spoiled.with_name("out"), spoiled.with_name("out.partial")
    options = ["--output", output, "--keep-partial"]
    result = nmt("translate", spoiled, "--model", tiny_run, *options)
    assert result.code == 1
    told = result.err.splitlines()[1]
    assert told.startswith(f"the translations of the first 32 lines are kept in {kept}; ")
    assert "`tail -n +33 FILE | nmt translate" in told
    assert not output.exists()
    spoiled.write_bytes(GOOD + b"snow\nrain\n")
    rest = spoiled.with_name("rest")
    rest.write_bytes(b"".join(spoiled.read_bytes().splitlines(keepends=True)[32:]))
    whole = translate(nmt, tiny_run, spoiled).out
    assert kept.read_text() + translate(nmt, tiny_run, rest).out == whole
    again = nmt("translate", spoiled, "--model", tiny_run, *options)
    assert (again.code, again.err.count("\n")) == (2, 1)
    assert f"{kept} holds lines that an earlier translation kept; move it away first" in again.err
    kept.unlink()
    translate(nmt, tiny_run, spoiled, *options)
    assert output.read_text() == whole
    assert not kept.exists()


def test_the_rest_of_a_part_is_named(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    """The second of two parts has lines 51 to 100, and line 90 is bad."""
    path, output = tmp_path / "in.src", tmp_path / "out"
    path.write_bytes(b"sun\n" * 89 + b"\xff\n" + b"sun\n" * 10)
    options = ["--part", "2/2", "--output", output, "--keep-partial"]
    result = nmt("translate", path, "--model", tiny_run, *options)
    assert result.code == 1
    assert "the translations of lines 51 to 82 are kept in" in result.err
    assert "`tail -n +83 FILE | head -n 18 | nmt translate --output REST`" in result.err


def test_skipped_lines_count_as_lines_of_the_input(
    nmt: Run, tiny_run: Path, tmp_path: Path
) -> None:
    """The file is damaged after 40 lines, of which the first is bad."""
    path = tmp_path / "in.src.gz"
    path.write_bytes(gzip.compress(b"\xff\n" + b"sun\n" * 39) + b"garbage")
    output = tmp_path / "out"
    options = ["--output", output, "--keep-partial", "--on-bad-line", "skip"]
    result = nmt("translate", path, "--model", tiny_run, *options)
    assert result.code == 1
    assert "the first 32 lines are kept" in result.err
    assert "left out line 1, which cannot be read" in result.err
    assert output.with_name("out.partial").read_text().count("\n") == 31


def test_a_name_that_is_too_long_to_keep_is_refused_before_any_work(
    nmt: Run, tmp_path: Path
) -> None:
    """The longest name that fits may be kept; the check needs no model."""
    longest = os.pathconf(tmp_path, "PC_NAME_MAX")
    (tmp_path / "in.src").write_bytes(GOOD)
    for folder in (tmp_path, tmp_path / "new"):
        output = folder / ("x" * (longest - 7))
        result = nmt("translate", tmp_path / "in.src", "--output", output, "--keep-partial")
        assert result.code == 2
        assert f"has more than {longest} bytes; give --output a shorter name" in result.err
        check_text_files(tmp_path / "in.src", output)
        check_text_files(tmp_path / "in.src", folder / output.name[1:], keep_partial=True)


def test_the_flag_needs_an_output(nmt: Run, tiny_run: Path, spoiled: Path) -> None:
    result = nmt("translate", spoiled, "--model", tiny_run, "--keep-partial")
    assert (result.code, result.err) == (
        2,
        "nmt: --keep-partial needs --output; output on stdout is never discarded\n",
    )


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_keeps_whole_lines(
    tiny_run: Path, big: Path, number: signal.Signals, code: int
) -> None:
    output = big.with_name("out")
    with subprocess.Popen(
        command(tiny_run, big, "--output", output, "--keep-partial"),
        stderr=subprocess.PIPE,
        text=True,
        env=environment(2),
    ) as process:
        assert process.stderr is not None
        process.stderr.readline()
        sizes = set[int]()  # when the second chunk is written, the first one is counted

        def has_written_twice() -> bool:
            sizes.update(path.stat().st_size for path in big.parent.glob(".out.*"))
            return len(sizes - {0}) > 1

        wait_until(has_written_twice, process)
        process.send_signal(number)
        told = process.stderr.read()
        assert process.wait() == code
    found = re.match(r"the translations of the first ([0-9,]+) lines are kept in (\S+);", told)
    assert found is not None, told
    kept = Path(found[2]).read_text()
    assert kept.count("\n") == int(found[1].replace(",", "")) > 0
    assert kept.endswith("\n")
    assert sorted(path.name for path in big.parent.iterdir()) == ["big.src", "out.partial"]


def test_a_full_disk_keeps_whole_lines(tiny_run: Path, big: Path) -> None:
    """A limit on the size of a file stands in for a full disk."""
    output = big.with_name("out")
    run = command(tiny_run, big, "--beam-size", 1, "--output", output, "--keep-partial")
    result = subprocess.run(
        ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", *run],
        capture_output=True,
        text=True,
        env=environment(2),
        check=False,
    )
    assert result.returncode == 1
    _, told, error = result.stderr.splitlines()
    lines = re.search(r"first ([0-9,]+) lines", told)
    assert lines is not None
    kept = output.with_name("out.partial").read_text()
    assert kept.count("\n") == int(lines[1].replace(",", ""))
    assert error == f"nmt: cannot write {output}: File too large"
