"""sacreBLEU's test sets by name, from a folder that stands in for its downloads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = ["The first line.", "A second one.", "And a third, the last."]
REFERENCES = ["Die erste Zeile.", "Eine zweite.", "Und eine dritte, die letzte."]
HYPOTHESES = ["Die erste Linie.", "Eine zweite.", "Und dritte, letzte."]
NMT = Path(__file__).resolve().parents[2] / "cli.py"


def run(folder: Path, *command: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in its own process, because sacreBLEU reads the name of its folder on import."""
    nowhere = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=folder,
        env={**os.environ, **nowhere, "SACREBLEU": str(folder / "sacrebleu"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def write(path: Path, lines: list[str]) -> Path:
    """Write lines; return the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder in which sacreBLEU finds wmt14/full, as after a download."""
    for field in ("src", "ref", "docid", "genre", "origlang"):
        lines = {"src": SOURCES, "ref": REFERENCES}.get(field, ["x"] * len(SOURCES))
        write(tmp_path / "sacrebleu" / "wmt14" / "full" / f"wmt14_full.en-de.{field}", lines)
    write(tmp_path / "hyp", HYPOTHESES)
    return tmp_path


def test_scores_equal_the_sacrebleu_commands(folder: Path) -> None:
    options = ["--hypotheses", "hyp", "--test-set", "wmt14/full", "--language-pair", "en-de"]
    ours = run(folder, NMT, "evaluate", *options, "--json")
    assert ours.returncode == 0, ours.stderr
    (result,) = json.loads(ours.stdout)["results"]
    options = ["-t", "wmt14/full", "-l", "en-de", "-i", "hyp", "-m", "bleu", "chrf", "ter"]
    theirs = json.loads(run(folder, "-m", "sacrebleu", *options, "-w", "8").stdout)
    for mine, other in zip(result["scores"].values(), theirs, strict=True):
        assert mine["value"] == pytest.approx(other["score"], abs=1e-7)
        assert mine["signature"] == other["signature"]
    assert result["test_set"] == "wmt14/full en-de"
    assert result["segments"] == 3


def test_the_default_language_pair_is_that_of_the_recipe(folder: Path, skilled_run: Path) -> None:
    result = run(folder, NMT, "evaluate", "--model", skilled_run, "--test-set", "wmt14/full")
    assert result.returncode == 0, result.stderr
    assert "wmt14/full en-de (3 segments)\n" in result.stdout


@pytest.mark.parametrize(
    ("options", "code", "fact"),
    [
        (["wmt14/ful", "--language-pair", "en-de"], 2, "did you mean 'wmt14/full'?"),
        (["wmt14/full", "--language-pair", "en-xx"], 2, "not for 'en-xx'"),
        (["wmt14/full"], 2, "needs --language-pair"),
        (["wmt14/full", "--language-pair", "en-de", "ref"], 2, "REFERENCE"),
        (["wmt14/full", "--test-set", "wmt15"], 2, "name one --test-set"),
        (["wmt14/full", "--language-pair", "de-en"], 1, "check the network"),
    ],
)
def test_an_unavailable_test_set_gets_one_message(
    folder: Path, options: list[str], code: int, fact: str
) -> None:
    result = run(folder, NMT, "evaluate", "--hypotheses", "hyp", "--test-set", *options)
    assert (result.returncode, result.stdout) == (code, "")
    assert fact in result.stderr
    assert result.stderr.startswith("nmt: ")
    assert result.stderr.count("\n") == 1


def test_an_incomplete_download_is_reported_with_its_folder(folder: Path) -> None:
    raw = folder / "sacrebleu" / "wmt14" / "full" / "raw" / "wmt14_full.test-full.tgz"
    write(raw, ["junk"])
    options = ["--test-set", "wmt14/full", "--language-pair", "de-en"]
    result = run(folder, NMT, "evaluate", "--hypotheses", "hyp", *options)
    assert (result.returncode, result.stdout) == (1, "")
    assert f"remove {folder / 'sacrebleu' / 'wmt14' / 'full'}" in result.stderr
