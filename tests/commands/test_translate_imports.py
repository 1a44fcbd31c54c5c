"""Imports of `nmt translate`: PyTorch only if the translation needs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Run

# Prints, at the end, the packages that were imported of those that take long.
REPORT = """
import atexit, sys
HEAVY = {"torch", "sacrebleu", "requests", "tqdm", "concurrent.futures.process"}
atexit.register(lambda: print("imported:", *sorted(HEAVY & sys.modules.keys()), file=sys.stderr))
from nmt.commands import main
main(sys.argv[1:])
"""


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file to translate, in the current folder, with files for some options."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (tmp_path / "prefixes").write_text("SUN\n\n")
    (tmp_path / "terms").write_text("moon\tROOT\n")
    path = tmp_path / "in"
    path.write_text("sun moon\nstar\n")
    return path


def translate(*arguments: object, stdin: str = "") -> tuple[str, set[str]]:
    """Run `nmt translate` on the CPU; return its output and the heavy packages that it imported."""
    command = [sys.executable, "-c", REPORT, "translate", "--device", "cpu", *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (imported,) = (line for line in done.stderr.splitlines() if line.startswith("imported:"))
    return done.stdout, {*imported.split()[1:]}


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--n-best", 2],
        ["--prefix", "prefixes"],
        ["--min-length", 3, "--no-repeat-ngram", 1],
        ["--mbr", "chrf"],
        ["--output", "out", "--resume"],
        ["--output", "out", "--flags", "flags"],
    ],
)
def test_beam_search_on_a_cpu_needs_no_torch(
    skilled_run: Path, source: Path, options: list[object]
) -> None:
    out, imported = translate(source, "--model", skilled_run, *options)
    assert (out or Path("out").read_text()).count("\n") == 2
    assert imported == set()


def test_lines_from_a_pipe_need_no_torch(skilled_run: Path, source: Path) -> None:
    """The last two are odd: without words, and in capitals."""
    lines = "sun moon\n\n12 34\nSUN MOON\n"
    out, imported = translate("--model", skilled_run, stdin=lines)
    assert out.splitlines()[1:3] == ["", "12 34"]
    assert imported == set()


@pytest.mark.parametrize(
    "options",
    [
        ["--sample", "--n-best", 2],
        ["--alignments", "links"],
        ["--glossary", "terms"],
        ["--token-scores"],
        ["--set", "decode.precision=bf16"],
    ],
)
def test_torch_is_imported_where_it_is_needed(
    skilled_run: Path, source: Path, options: list[object]
) -> None:
    out, imported = translate(source, "--model", skilled_run, *options)
    assert out.count("\n") == 2
    assert "torch" in imported


def test_torch_is_imported_for_an_ensemble_and_for_unknown_symbols(
    skilled_run: Path, source: Path
) -> None:
    checkpoint = next((skilled_run / "checkpoints").glob("*.safetensors"))
    assert "torch" in translate(source, "--model", skilled_run, "--model", checkpoint)[1]
    out, imported = translate("--model", skilled_run, stdin="sun \u2603 moon\n")
    assert "\u2603" in out
    assert "torch" in imported


def test_outputs_are_those_of_another_process_with_torch(
    nmt: Run, skilled_run: Path, source: Path
) -> None:
    out, _ = translate(source, "--model", skilled_run, "--n-best", 3)
    assert nmt("translate", source, "--model", skilled_run, "--n-best", 3).out == out
