"""Commands in a current folder that was removed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MISSING = "nmt: the current folder cannot be used (No such file or directory)"


def run_in_removed_folder(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `nmt ARGUMENTS` in a folder that its shell has removed."""
    folder = folder / "gone"
    folder.mkdir()
    code = "import os, sys; os.rmdir(os.getcwd()); from nmt.commands import main; main()"
    root = Path(__file__).resolve().parents[2]
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments", [["translate"], ["train"], ["translate", "/etc/hostname"], ["init", "a", "b"]]
)
def test_a_removed_current_folder_is_one_sentence(tmp_path: Path, arguments: list[str]) -> None:
    done = run_in_removed_folder(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{MISSING}; change to another one\n"


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["--version"]])
def test_help_needs_no_current_folder(tmp_path: Path, arguments: list[str]) -> None:
    done = run_in_removed_folder(tmp_path, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
