"""A run folder that tests of the report may change."""

import shutil
from pathlib import Path

import pytest

from nmt.artifacts.run_folder import RunFolder


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> RunFolder:
    """Return a copy of the tiny run."""
    shutil.copytree(tiny_run, tmp_path / "copy", ignore=shutil.ignore_patterns("checkpoints"))
    return RunFolder(tmp_path / "copy")
