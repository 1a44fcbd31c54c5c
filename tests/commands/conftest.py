"""What tests of several commands share."""

from pathlib import Path

import pytest


def leftovers(folder: Path) -> list[str]:
    """Names of files that were not written to their end."""
    return [path.name for path in folder.rglob("*") if "partial" in path.name]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.src"
    path.write_text("sun moon\n\nstar rain snow\n", encoding="utf-8", newline="\n")
    return path
