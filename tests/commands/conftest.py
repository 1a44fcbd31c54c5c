"""Helpers that tests of several commands share."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import CommandResult, Run


def leftovers(folder: Path) -> list[str]:
    """Return the names of temporary files that were left in a folder."""
    return [path.name for path in folder.rglob("*") if "partial" in path.name]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.src"
    path.write_text("sun moon\n\nstar rain snow\n", encoding="utf-8", newline="\n")
    return path


def give_stdin(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Make a file the stdin of the commands under test."""
    monkeypatch.setattr(sys, "stdin", path.open(encoding="utf-8"))


def translate(nmt: Run, run: Path, *arguments: object) -> CommandResult:
    """Translate with the model of a run; the command must succeed."""
    result = nmt("translate", *arguments, "--model", run)
    assert result.code == 0, result.err
    return result


@pytest.fixture(autouse=True)
def _close_stdin() -> Iterator[None]:
    """Close the file that `give_stdin` opened."""
    before = sys.stdin
    yield
    if isinstance(sys.stdin, io.TextIOWrapper) and sys.stdin is not before:
        sys.stdin.close()
