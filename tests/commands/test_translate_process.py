"""`nmt translate` in its own process: pipes, signals, full disks and closed streams."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from nmt.system.atomic import write_text
from tests.commands.conftest import leftovers
from tests.conftest import Run
from tests.waiting import wait_until


def environment(processes: int = 1) -> dict[str, str]:
    """Return an environment in which so many processes translate; with 1, the main process does."""
    return {**os.environ, "OMP_NUM_THREADS": str(processes)}


def children(process: int) -> list[int]:
    """Return the processes that a process has started."""
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").iterdir():
        with suppress(OSError):  # the thread has ended
            found += map(int, (task / "children").read_text().split())
    return found


def assert_ended(processes: list[int]) -> None:
    """Wait until processes have ended; a zombie counts, because its parent may have ended first."""

    def is_running(process: int) -> bool:
        try:
            return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    wait_until(lambda: not any(map(is_running, processes)))


def command(run: Path, *arguments: object) -> list[str]:
    """Return the command line of `nmt translate` with a model."""
    return [sys.executable, "-m", "nmt", "translate", "--model", str(run), *map(str, arguments)]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_closed_pipe_ends_without_a_message(tiny_run: Path, big: Path, processes: int) -> None:
    with subprocess.Popen(
        command(tiny_run, big, "--beam-size", 1),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(processes),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        started = children(process.pid)
        assert len(started) == (processes if processes > 1 else 0)
        process.stdout.close()
        errors = process.stderr.read().decode()
        assert process.wait() == 128 + signal.SIGPIPE
    assert errors.splitlines() == [f"model: {tiny_run / 'model.safetensors'} (tiny)"]
    assert_ended(started)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_leaves_no_file_and_no_process(
    tiny_run: Path, big: Path, number: signal.Signals, code: int, processes: int
) -> None:
    output = big.with_name("out")
    with subprocess.Popen(
        command(tiny_run, big, "--output", output),
        stderr=subprocess.PIPE,
        env=environment(processes),
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"model: ")
        wait_until(lambda: leftovers(big.parent) and (processes == 1 or children(process.pid)))
        started = children(process.pid)
        process.send_signal(number)
        errors = process.stderr.read().decode()
        assert process.wait() == code
    lost = re.sub("^[0-9,]+ translated lines are discarded; --keep-partial keeps them$", "", errors)
    assert lost.strip() == ""
    assert sorted(path.name for path in big.parent.iterdir()) == ["big.src"]
    assert_ended(started)


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


def test_a_killed_process_is_reported_and_keeps_the_old_output(tiny_run: Path, big: Path) -> None:
    """The kernel kills processes when memory runs out."""
    output = big.with_name("out")
    write_text(output, "old\n")
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
        errors = process.stderr.read().splitlines()
        assert process.wait() == 1
    message = errors[-1]  # after a note, if lines were translated before
    assert message.startswith("nmt: ")
    assert "killed" in message
    assert "decode.batch_tokens" in message
    assert output.read_text() == "old\n"
    assert leftovers(big.parent) == []
    assert_ended(started)


def test_a_full_disk_keeps_the_old_output(tiny_run: Path, big: Path) -> None:
    """A limit on the size of a file stands in for a full disk."""
    output = big.with_name("out")
    write_text(output, "old\n")
    run = command(tiny_run, big, "--beam-size", 1, "--output", output)
    result = subprocess.run(
        ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", *run],
        capture_output=True,
        text=True,
        env=environment(2),
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == f"nmt: cannot write {output}: File too large"
    assert output.read_text() == "old\n"
    assert leftovers(big.parent) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_stdout_is_reported(tiny_run: Path, source: Path) -> None:
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            command(tiny_run, source),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            check=False,
        )
    assert result.returncode == 1
    errors = result.stderr.splitlines()
    assert len(errors) == 2
    assert errors[1] == "nmt: cannot write to stdout: No space left on device"


def test_closed_streams_are_reported(tiny_run: Path, source: Path) -> None:
    for closing, arguments in (("<&-", []), (">&-", [source])):
        shell = ["sh", "-c", f'exec "$@" {closing}', "sh", *command(tiny_run, *arguments)]
        result = subprocess.run(
            shell, capture_output=True, text=True, env=environment(), check=False
        )
        assert result.returncode == 1
        assert result.stderr.splitlines()[-1].startswith("nmt: std")
        assert "Traceback" not in result.stderr


def test_a_named_pipe_is_an_input(tiny_run: Path, source: Path, nmt: Run, tmp_path: Path) -> None:
    """The shell makes one for `<(command)`."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", 'cat "$0" > "$1"', source, pipe]):
        assert nmt("translate", pipe, "--model", tiny_run).out.count("\n") == 3


def test_messages_do_not_move_to_stdout_if_stderr_is_closed(tiny_run: Path, source: Path) -> None:
    shell = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command(tiny_run, source)]
    result = subprocess.run(shell, capture_output=True, text=True, env=environment(), check=False)
    assert result.returncode == 0
    assert result.stdout.count("\n") == 3
    assert "model:" not in result.stdout


@contextmanager
def conversation(run: Path, processes: int) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a process that translates its stdin to its stdout, both open pipes."""
    with subprocess.Popen(
        command(run, "--beam-size", 1),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(processes),
    ) as process:
        yield process


def ask(process: "subprocess.Popen[bytes]", text: bytes, lines: int) -> list[bytes]:
    """Write text to stdin and read a number of lines from stdout."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(text)
    process.stdin.flush()
    return [process.stdout.readline() for _ in range(lines)]


@pytest.mark.parametrize("processes", [1, 2])
def test_lines_are_translated_while_the_input_is_open(tiny_run: Path, processes: int) -> None:
    """Write one line, several, many, then one again; half a line waits for its end."""
    with conversation(tiny_run, processes) as process:
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


@pytest.mark.parametrize("processes", [1, 2])
def test_the_first_translations_come_before_the_input_ends(
    nmt: Run, tiny_run: Path, big: Path, processes: int
) -> None:
    """The writer is faster: more lines are in the pipe, and more follow."""
    lines = big.read_bytes().splitlines(keepends=True)[:1100]
    with conversation(tiny_run, processes) as process:
        first = ask(process, b"".join(lines[:1000]), 32)
        rest = process.communicate(b"".join(lines[1000:]))[0]
        assert process.returncode == 0
    big.write_bytes(b"".join(lines))
    whole = nmt("translate", big, "--model", tiny_run, "--beam-size", 1)
    assert (b"".join(first) + rest).decode() == whole.out
    assert whole.out.count("\n") == 1100
