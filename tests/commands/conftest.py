"""Helpers that tests of several commands share."""

import io
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands.augmentations import LINES, in_languages
from tests.commands.downloads import Case, Server, serving
from tests.conftest import WORDS, CommandResult, Run

REFERENCES = ["ein Hund läuft im Park", "das ist ein Haus am See", "wir gehen nach Hause"]
OUTPUTS = ["ein Hund läuft im Haus", "das ist das Haus am See", "wir gehen jetzt nach Hause"]


def leftovers(folder: Path) -> list[str]:
    """Return the names of temporary files that were left in a folder."""
    return [path.name for path in folder.rglob("*") if "partial" in path.name]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.src"
    path.write_text("sun moon\n\nstar rain snow\n", encoding="utf-8", newline="\n")
    return path


@pytest.fixture
def big(tmp_path: Path) -> Path:
    """Return a file with enough lines for many chunks."""
    draw = random.Random(2)
    path = tmp_path / "big.src"
    with path.open("w") as stream:
        stream.writelines(" ".join(draw.choices(WORDS, k=3)) + "\n" for _ in range(30_000))
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


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve files on this machine, without a proxy."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with serving() as state:
        yield state


@pytest.fixture
def case(nmt: Run, tmp_path: Path) -> Case:
    """Return a recipe with one download."""
    return Case(tmp_path, nmt)


def write(path: Path, *lines: str) -> Path:
    """Write lines; return the path."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    return write(tmp_path / "ref.de", *REFERENCES)


@pytest.fixture
def hypotheses(tmp_path: Path) -> Path:
    return write(tmp_path / "hyp.de", *OUTPUTS)


def evaluation(nmt: Run, *arguments: object) -> dict[str, Any]:
    """Return what `nmt evaluate --json` prints."""
    result = nmt("evaluate", *arguments, "--json")
    assert result.code == 0, result.err
    found: dict[str, Any] = json.loads(result.out)
    return found


@pytest.fixture
def reverse(skilled_run: Path, tmp_path: Path) -> Path:
    """Return a model that translates de to en; it writes words in capitals and turns them round."""
    return in_languages(skilled_run, tmp_path / "reverse.safetensors", "de", "en")


@pytest.fixture
def mono(tmp_path: Path) -> Path:
    """Return a text of many lines, some of which are blank or not UTF-8."""
    draw = random.Random(3)
    lines = [" ".join(draw.choices(WORDS, k=draw.randint(1, 5))) for _ in range(LINES)]
    lines[4], lines[90], lines[91] = "", " \t", lines[0]
    path = tmp_path / "mono.de"
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(content + b"\xff\xfe sun\n")
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a folder with prose in two folders, a picture, and hidden files."""
    folder = tmp_path / "docs"
    (folder / "more").mkdir(parents=True)
    (folder / ".git").mkdir()
    (folder / "a.txt").write_text("sun moon\nstar\n\nrain 12\n")
    (folder / "more" / "b.txt").write_text("\n\n  snow wind\n")
    (folder / "more" / "picture.png").write_bytes(b"\x89PNG\r\n")
    (folder / ".git" / "config").write_text("sun")
    (folder / ".hidden.txt").write_text("sun")
    return folder


def paths_in(folder: Path) -> list[str]:
    """Return the paths of all files in a folder, sorted."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
