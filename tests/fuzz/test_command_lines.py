"""Any command line ends with an exit code, one message and all files as they were.

The commands run in this process, in a folder with a tiny trained model. Long work is cut short
where it would start: trainings end after a few updates, searches are narrow, and there is no
network.
"""

import contextlib
import io
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, note

from nmt.commands import main
from tests.fuzz import LONGEST_MESSAGE, fuzz
from tests.fuzz.lines import command_lines
from tests.fuzz.world import World, cut_short, fill

SECONDS = 20  # for one command, on a busy machine


@pytest.fixture
def world(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a world to run commands in, where long work is cut short."""
    made = World(tmp_path / "world", tmp_path / "pristine")
    fill(made.folder, tiny_run)
    (made.root / "above.txt").write_text("above\n")
    shutil.copytree(made.root, made.pristine, symlinks=True)
    made.state = made.look()
    monkeypatch.chdir(made.folder)
    monkeypatch.setenv("NMT_DATA_DIR", ".")
    monkeypatch.setattr("nmt.commands.exit_now", lambda code: None)
    cut_short(monkeypatch)
    return made


class TooLongError(BaseException):
    """A command did not end in time."""


def stop(number: int, frame: object) -> None:
    """Raise TooLongError when the alarm rings."""
    raise TooLongError


@contextlib.contextmanager
def streams() -> Iterator[tuple[io.TextIOWrapper, io.TextIOWrapper]]:
    """Put files in place of stdin, stdout and stderr."""
    before = sys.stdin, sys.stdout, sys.stderr
    given = os.fdopen(os.open("dev.src", os.O_RDONLY), encoding="utf-8")
    out, err = (
        os.fdopen(os.memfd_create(name), "w+", encoding="utf-8", errors="backslashreplace")
        for name in ("out", "err")
    )
    with given, out, err:
        sys.stdin, sys.stdout, sys.stderr = given, out, err
        try:
            yield out, err
        finally:
            sys.stdin, sys.stdout, sys.stderr = before


def run(line: list[str]) -> tuple[int, str]:
    """Run a command line in this process and return its exit code and what it wrote to stderr."""
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    with streams() as (_, err):
        try:
            main(line)
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            signal.alarm(0)
            for number, handler in handlers.items():
                signal.signal(number, handler)
        err.flush()
        err.seek(0)
        return code, err.read()


@pytest.mark.slow
@pytest.mark.timeout(3600)  # seconds for all cases; one that hangs is stopped by the alarm
def test_any_command_line_ends_with_a_message_and_all_files_as_they_were(world: World) -> None:
    @fuzz
    @given(command_lines())
    def check(line: list[str]) -> None:
        note(repr(line))
        code, err = run(line)
        now = world.look()
        harm = world.harm(line[0], now)
        world.restore(now)
        assert not harm
        check_end(line, code, err)

    check()


def check_end(line: list[str], code: int, err: str) -> None:
    """Check how a command ended: by its exit code and what it wrote to stderr."""
    assert code in (0, 1, 2, 129, 130, 143)
    assert "Traceback" not in err
    if code in (1, 2):
        begins = "\nError: " if "\nError: " in f"\n{err}" else "\nnmt: "
        message = f"\n{err}".rpartition(begins)[2].removesuffix("\n")
        assert message, err
        assert "\n" not in message or "Error" in begins, err  # click's own may list choices
        quoted = 4 * sum(map(len, line))  # "\\x00" stands for one character
        assert len(message) <= LONGEST_MESSAGE + quoted, err
