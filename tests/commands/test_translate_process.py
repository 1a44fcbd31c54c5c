"""`nmt translate` as a process: signals, kills, full disks, pipes, closed streams."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nmt.system.threads import present_cores
from tests.commands.conftest import assert_ended, children, command, environment, leftovers
from tests.waiting import wait_until

two_cores = pytest.mark.skipif(present_cores() < 2, reason="one process translates on one core")


@two_cores
def test_a_closed_pipe_ends_without_a_message(tiny_run: Path, big: Path) -> None:
    with subprocess.Popen(
        command(tiny_run, big, "--beam-size", 1),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(2),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        started = children(process.pid)
        assert len(started) == 2
        process.stdout.close()
        errors = process.stderr.read().decode()
        assert process.wait() == 128 + signal.SIGPIPE
    assert errors.splitlines() == [f"model: {tiny_run / 'model.safetensors'} (tiny)"]
    assert_ended(started)


@pytest.mark.parametrize(
    ("number", "code", "processes", "keeping"),
    [(signal.SIGTERM, 143, 2, True), (signal.SIGINT, 130, 1, True), (signal.SIGHUP, 129, 2, False)],
)
def test_a_signal_leaves_no_process_and_whole_lines_or_none(
    tiny_run: Path, big: Path, number: signal.Signals, code: int, processes: int, keeping: bool
) -> None:
    output = big.with_name("out")
    with subprocess.Popen(
        command(tiny_run, big, "--output", output, *["--keep-partial"] * keeping),
        stderr=subprocess.PIPE,
        text=True,
        env=environment(processes),
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("model: ")
        sizes = set[int]()  # when the second chunk is written, the first one is counted

        def has_written_twice() -> bool:
            sizes.update(path.stat().st_size for path in big.parent.glob(".out.*"))
            return len(sizes - {0}) > 1

        wait_until(has_written_twice if keeping else lambda: leftovers(big.parent), process)
        started = children(process.pid)
        process.send_signal(number)
        told = process.stderr.read()
        assert process.wait() == code
    assert_ended(started)
    names = sorted(path.name for path in big.parent.iterdir())
    if not keeping:
        lost = "^[0-9,]+ translated lines are discarded; --keep-partial keeps them$"
        assert (re.sub(lost, "", told).strip(), names) == ("", ["big.src"])
        return
    found = re.match(r"the translations of the first ([0-9,]+) lines are kept in (\S+);", told)
    assert found is not None, told
    kept = Path(found[2]).read_text()
    assert kept.count("\n") == int(found[1].replace(",", "")) > 0
    assert kept.endswith("\n")
    assert names == ["big.src", "out.partial"]


INTERRUPTED = """
import os, signal, sys
from nmt.commands import main

has_begun = False

def follow(frame, event, argument):
    global has_begun
    name = frame.f_code.co_name
    if event == "return" and name == sys.argv[1]:
        has_begun = True
    elif event == "return" and has_begun:
        os.kill(os.getpid(), signal.SIGTERM)
    return follow if name in ("__enter__", sys.argv[1]) else None

sys.settrace(follow)
main(sys.argv[2:])
"""


@pytest.mark.parametrize("manager", ["temporary", "atomic_path", "open_output"])
def test_a_signal_between_a_file_and_its_block_leaves_no_file(
    tiny_run: Path, big: Path, manager: str
) -> None:
    """The signal comes when the context manager has begun and its `with` block has not."""
    script = [sys.executable, "-c", INTERRUPTED, manager]
    result = subprocess.run(
        [*script, *command(tiny_run, big, "--output", big.with_name("out"))[3:]],
        capture_output=True,
        env=environment(),
        check=False,
    )
    assert result.returncode == 143
    assert sorted(path.name for path in big.parent.iterdir()) == ["big.src"]


@two_cores
def test_a_killed_process_is_reported_and_keeps_the_old_output(tiny_run: Path, big: Path) -> None:
    """The kernel kills processes when memory runs out."""
    output = big.with_name("out")
    output.write_text("old\n")
    with subprocess.Popen(
        command(tiny_run, big, "--output", output),
        stderr=subprocess.PIPE,
        text=True,
        env=environment(2),
    ) as process:
        assert process.stderr is not None
        process.stderr.readline()
        wait_until(lambda: len(children(process.pid)) == 2)
        started = children(process.pid)
        os.kill(started[0], signal.SIGKILL)
        message = process.stderr.read().splitlines()[-1]  # after a note of lines that were written
        assert process.wait() == 1
    assert all(part in message for part in ("nmt: ", "killed", "decode.batch_tokens"))
    assert output.read_text() == "old\n"
    assert leftovers(big.parent) == []
    assert_ended(started)


def shell(run: Path, script: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run `nmt translate` by a script of the shell, which has its command line as "$@"."""
    given = ["sh", "-c", script, "sh", *command(run, *arguments)]
    return subprocess.run(given, capture_output=True, text=True, env=environment(2), check=False)


def test_a_full_disk_keeps_whole_lines_and_the_old_output(tiny_run: Path, big: Path) -> None:
    """A limit on the size of a file stands in for a full disk."""
    output = big.with_name("out")
    output.write_text("old\n")
    options = [big, "--beam-size", 1, "--output", output, "--keep-partial"]
    result = shell(tiny_run, 'ulimit -f 8; exec "$@"', *options)
    assert result.returncode == 1
    _, told, error = result.stderr.splitlines()
    assert error == f"nmt: cannot write {output}: File too large"
    assert output.read_text() == "old\n"
    found = re.search(r"first ([0-9,]+) lines", told)
    assert found is not None
    kept = output.with_name("out.partial").read_text()
    assert kept.count("\n") == int(found[1].replace(",", ""))
    assert kept.endswith("\n")


def test_streams_that_are_closed_or_full(tiny_run: Path, source: Path) -> None:
    """Messages do not move to stdout if stderr is closed."""
    full = "nmt: cannot write to stdout: No space left on device"
    for stream, arguments, message in (
        ("<&-", [], "nmt: stdin"),
        (">&-", [source], "nmt: stdout is closed"),
        (">/dev/full", [source], full),
    ):
        if Path(stream[1:]).exists() or "-" in stream:
            result = shell(tiny_run, f'exec "$@" {stream}', *arguments)
            assert result.returncode == 1
            assert result.stderr.splitlines()[-1].startswith(message)
    result = shell(tiny_run, 'exec "$@" 2>&-', source)
    assert (result.returncode, result.stdout.count("\n")) == (0, 3)
    assert "model:" not in result.stdout


def conversation(run: Path, processes: int) -> "subprocess.Popen[bytes]":
    """Start a process that translates its stdin to its stdout, both open pipes."""
    return subprocess.Popen(
        command(run, "--beam-size", 1),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(processes),
    )


def ask(process: "subprocess.Popen[bytes]", text: bytes, lines: int) -> list[bytes]:
    """Write text to stdin and read a number of lines from stdout."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(text)
    process.stdin.flush()
    return [process.stdout.readline() for _ in range(lines)]


def test_lines_are_translated_while_the_input_is_open(tiny_run: Path) -> None:
    """Write one line, several, many, then one again; half a line waits for its end."""
    with conversation(tiny_run, 1) as process:
        (sun,) = ask(process, b"sun moon\n", 1)
        assert sun.strip()
        assert ask(process, b"\n", 1) == [b"\n"]
        assert ask(process, b"sun moon\n\nsun moon\nsun", 3) == [sun, b"\n", sun]
        assert ask(process, b" moon\n", 1) == [sun]
        assert ask(process, b"sun moon\n" * 400, 400) == [sun] * 400
        assert ask(process, b"sun moon\n", 1) == [sun]
        last = process.communicate(b"\nsun moon")[0]  # without a line feed
        assert last == b"\n" + sun
        assert process.returncode == 0
