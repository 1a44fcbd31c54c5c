"""The vendored chart library is the published one, with its licence."""

import hashlib
from pathlib import Path

import pytest

import nmt.studio.report

VENDOR = Path(nmt.studio.report.__file__).parent / "vendor"
PUBLISHED = {  # of the npm package uplot 1.6.32
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "uPlot.LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_file_is_unmodified(name: str) -> None:
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == PUBLISHED[name]


def test_the_folder_has_no_other_files() -> None:
    assert {path.name for path in VENDOR.iterdir()} == {*PUBLISHED, "README.md"}
    assert "MIT" in (VENDOR / "uPlot.LICENSE").read_text()
