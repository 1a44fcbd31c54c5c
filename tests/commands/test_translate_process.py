"""`nmt translate` as a process of its own: pipes, signals, full disks, closed streams."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands.conftest import leftovers
from tests.conftest import WORDS, Run


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


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


def test_a_closed_pipe_ends_quietly(tiny_run: Path, big: Path) -> None:
    with subprocess.Popen(
        command(tiny_run, big, "--beam-size", 1),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read().decode()
        assert process.wait() == 128 + signal.SIGPIPE
    assert said.splitlines() == [f"model: {tiny_run / 'model.safetensors'} (tiny)"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_nothing_behind(
    tiny_run: Path, big: Path, number: signal.Signals, code: int
) -> None:
    output = big.with_name("out")
    with subprocess.Popen(
        command(tiny_run, big, "--output", output), stderr=subprocess.PIPE, env=environment()
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith(b"model: ")
        while not leftovers(big.parent) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(number)
        said = process.stderr.read().decode()
        assert process.wait() == code
    assert "Traceback" not in said
    assert sorted(path.name for path in big.parent.iterdir()) == ["big.src"]


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


def test_the_first_translations_come_before_the_input_ends(tiny_run: Path) -> None:
    """Line for line of the part that was read, with stdin still open."""
    with subprocess.Popen(
        command(tiny_run, "--beam-size", 1),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"sun moon\n\nstar\n" * 20)
        process.stdin.flush()
        first = [process.stdout.readline() for _ in range(32)]
        assert [line == b"\n" for line in first[:6]] == [False, True, False] * 2
        assert first[3:6] == first[:3]
        process.stdin.close()
        rest = process.stdout.read().splitlines(keepends=True)
        assert len(rest) == 28
        assert process.wait() == 0
