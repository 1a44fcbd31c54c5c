"""`nmt translate` as processes of its own: pipes, signals, full disks, closed streams."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.commands.conftest import leftovers
from tests.conftest import WORDS, Run


def environment(processes: int = 1) -> dict[str, str]:
    """Translating is a process a core, besides the one that reads and writes."""
    return {**os.environ, "OMP_NUM_THREADS": str(processes)}


def copies(process: int) -> list[int]:
    """The processes that it started."""
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").iterdir():
        with suppress(OSError):  # a thread that ended since
            found += map(int, (task / "children").read_text().split())
    return found


def wait_until(condition: Callable[[], object]) -> None:
    """Raises AssertionError after two minutes: machines can be busy."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def assert_gone(processes: list[int]) -> None:
    """Soon at least; a process that has ended and whose parent is gone may be a zombie."""

    def runs(process: int) -> bool:
        try:
            return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False

    wait_until(lambda: not any(map(runs, processes)))


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """Enough lines for many chunks."""
    draw = random.Random(2)
    path = tmp_path / "big.src"
    with path.open("w") as stream:
        stream.writelines(" ".join(draw.choices(WORDS, k=3)) + "\n" for _ in range(30_000))
    return path


def command(run: Path, *arguments: object) -> list[str]:
    return [sys.executable, "-m", "nmt", "translate", "--model", str(run), *map(str, arguments)]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_closed_pipe_ends_quietly(tiny_run: Path, big: Path, processes: int) -> None:
    with subprocess.Popen(
        command(tiny_run, big, "--beam-size", 1),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(processes),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        started = copies(process.pid)
        assert len(started) == (processes if processes > 1 else 0)
        process.stdout.close()
        said = process.stderr.read().decode()
        assert process.wait() == 128 + signal.SIGPIPE
    assert said.splitlines() == [f"model: {tiny_run / 'model.safetensors'} (tiny)"]
    assert_gone(started)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_nothing_behind(
    tiny_run: Path, big: Path, number: signal.Signals, code: int, processes: int
) -> None:
    """No file and no process."""
    output = big.with_name("out")
    with subprocess.Popen(
        command(tiny_run, big, "--output", output),
        stderr=subprocess.PIPE,
        env=environment(processes),
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"model: ")
        wait_until(lambda: leftovers(big.parent) and (processes == 1 or copies(process.pid)))
        started = copies(process.pid)
        process.send_signal(number)
        said = process.stderr.read().decode()
        assert process.wait() == code
    assert said.strip() == ""  # Ctrl-C ends the line it stands on
    assert sorted(path.name for path in big.parent.iterdir()) == ["big.src"]
    assert_gone(started)


def test_a_killed_copy_is_told_in_one_sentence(tiny_run: Path, big: Path) -> None:
    """As the kernel does where memory is short; the output of before stays."""
    output = big.with_name("out")
    output.write_text("of before\n")
    with subprocess.Popen(
        command(tiny_run, big, "--output", output),
        stderr=subprocess.PIPE,
        text=True,
        env=environment(2),
    ) as process:
        assert process.stderr is not None
        process.stderr.readline()
        wait_until(lambda: len(copies(process.pid)) == 2)
        started = copies(process.pid)
        os.kill(started[0], signal.SIGKILL)
        said = process.stderr.read().splitlines()
        assert process.wait() == 1
    assert said == [
        "nmt: a process that translates was killed, perhaps for want of memory; lower"
        " decode.batch_tokens"
    ]
    assert output.read_text() == "of before\n"
    assert leftovers(big.parent) == []
    assert_gone(started)


def test_a_disk_that_fills_up_leaves_the_output_of_before(tiny_run: Path, big: Path) -> None:
    """A limit on what a file may hold stands for the disk's."""
    output = big.with_name("out")
    output.write_text("of before\n")
    run = command(tiny_run, big, "--beam-size", 1, "--output", output)
    result = subprocess.run(
        ["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", *run],
        capture_output=True,
        text=True,
        env=environment(2),
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.splitlines()[1:] == [f"nmt: cannot write {output}: File too large"]
    assert output.read_text() == "of before\n"
    assert leftovers(big.parent) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told_in_one_sentence(tiny_run: Path, source: Path) -> None:
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
    said = result.stderr.splitlines()
    assert len(said) == 2
    assert said[1] == "nmt: cannot read or write: No space left on device"


def test_closed_streams_are_told_in_one_sentence(tiny_run: Path, source: Path) -> None:
    for closing, arguments in (("<&-", []), (">&-", [source])):
        shell = ["sh", "-c", f'exec "$@" {closing}', "sh", *command(tiny_run, *arguments)]
        result = subprocess.run(
            shell, capture_output=True, text=True, env=environment(), check=False
        )
        assert result.returncode == 1
        assert result.stderr.splitlines()[-1].startswith("nmt: std")
        assert "Traceback" not in result.stderr


def test_a_pipe_is_an_input(tiny_run: Path, source: Path, nmt: Run, tmp_path: Path) -> None:
    """As the shell's <(command) gives."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", 'cat "$0" > "$1"', source, pipe]):
        assert nmt("translate", pipe, "--model", tiny_run).out.count("\n") == 3


def test_a_closed_stderr_moves_no_message_to_stdout(tiny_run: Path, source: Path) -> None:
    shell = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command(tiny_run, source)]
    result = subprocess.run(shell, capture_output=True, text=True, env=environment(), check=False)
    assert result.returncode == 0
    assert result.stdout.count("\n") == 3
    assert "model:" not in result.stdout


@contextmanager
def conversation(run: Path, processes: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that translates what it is given, line by line; both ends are open."""
    with subprocess.Popen(
        command(run, "--beam-size", 1),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(processes),
    ) as process:
        yield process


def ask(process: "subprocess.Popen[bytes]", text: bytes, lines: int) -> list[bytes]:
    """Write, and wait for so many lines."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(text)
    process.stdin.flush()
    return [process.stdout.readline() for _ in range(lines)]


@pytest.mark.parametrize("processes", [1, 2])
def test_each_line_is_answered_while_the_input_is_open(tiny_run: Path, processes: int) -> None:
    """One alone, several, many, then one again; half a line waits for its end."""
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
def test_the_first_translations_of_much_come_before_it_ends(
    nmt: Run, tiny_run: Path, big: Path, processes: int
) -> None:
    """Of a producer that is faster: more is in the pipe, and yet more to come."""
    lines = big.read_bytes().splitlines(keepends=True)[:1100]
    with conversation(tiny_run, processes) as process:
        first = ask(process, b"".join(lines[:1000]), 32)
        rest = process.communicate(b"".join(lines[1000:]))[0]
        assert process.returncode == 0
    big.write_bytes(b"".join(lines))
    whole = nmt("translate", big, "--model", tiny_run, "--beam-size", 1)
    assert (b"".join(first) + rest).decode() == whole.out
    assert whole.out.count("\n") == 1100
