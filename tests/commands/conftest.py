"""Fixtures and helpers that tests of several commands share."""

import io
import json
import os
import random
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from nmt.runs.model_file import correct_model, open_model
from tests.commands.downloads import Case, Server, serving
from tests.conftest import WORDS, CommandResult, Run
from tests.waiting import wait_until

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


@dataclass(frozen=True)
class Model:
    """A trained model on the command line of `nmt translate`."""

    nmt: Run
    run: Path

    def attempt(self, *arguments: object) -> CommandResult:
        """Translate; the command may fail."""
        return self.nmt("translate", *arguments, "--model", self.run)

    def translate(self, *arguments: object) -> CommandResult:
        """Translate; the command must succeed."""
        return translate(self.nmt, self.run, *arguments)

    def lines(self, *arguments: object) -> list[str]:
        """Return the translation of each line."""
        return self.translate(*arguments).out.split("\n")[:-1]

    def candidates(self, *arguments: object) -> list[list[dict[str, Any]]]:
        """Return the candidates of each line, as JSON has them."""
        out = self.translate(*arguments, "--output-format", "json").out
        return [json.loads(line)["translations"] for line in out.splitlines()]


@pytest.fixture
def skilled(nmt: Run, skilled_run: Path) -> Model:
    return Model(nmt, skilled_run)


@pytest.fixture
def small(nmt: Run, tiny_run: Path) -> Model:
    """Return a model that has learned nothing."""
    return Model(nmt, tiny_run)


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


def json_of(nmt: Run, *arguments: object, code: int = 0) -> Any:
    """Return what a command prints with --json."""
    result = nmt(*arguments, "--json")
    assert result.code == code, result.err
    return json.loads(result.out)


def evaluation(nmt: Run, *arguments: object) -> dict[str, Any]:
    """Return what `nmt evaluate --json` prints."""
    found: dict[str, Any] = json_of(nmt, "evaluate", *arguments)
    return found


def in_languages(run: Path, path: Path, source: str, target: str) -> Path:
    """Return a copy of a run's model that has other languages."""
    shutil.copy(run / "model.safetensors", path)
    with open_model(path) as model:
        recipe = model.recipe
    data = replace(recipe.data, source_language=source, target_language=target)
    correct_model(path, replace(recipe, data=data), lambda note: None)
    return path


@pytest.fixture
def reverse(skilled_run: Path, tmp_path: Path) -> Path:
    """Return a model that translates de to en; it writes words in capitals and turns them round."""
    return in_languages(skilled_run, tmp_path / "reverse.safetensors", "de", "en")


def paths_in(folder: Path) -> list[str]:
    """Return the paths of all files in a folder, sorted."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def contents(folder: Path = Path()) -> dict[str, bytes]:
    """Return the content of every file in a folder, but for locks."""
    files = [path for path in paths_in(folder) if not path.endswith(".lock")]
    return {path: (folder / path).read_bytes() for path in files}


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
