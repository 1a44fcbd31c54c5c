"""Results: every data file is complete and shown, and the pages are what the data files say."""

from dataclasses import fields
from pathlib import Path

import pytest

from benchmarks.measurements import Measurement, read_measurement
from benchmarks.tables import DATA, PAGES, REGION, fill

MEASUREMENTS = sorted(DATA.glob("*.toml"))
CONTENT = {"figures", "curves", "ablation"}  # a measurement has one of them

MINIMAL = """
what = "Speed"
command = '''train'''
machine = "a machine"
versions = "nmt 1"
date = "2026-01-02"
peer = "none"
note = ""
rows = "figure"
"""


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_pages_are_what_the_data_files_say(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert fill(page) == page, "run python benchmarks/tables.py"


@pytest.mark.parametrize("path", MEASUREMENTS, ids=lambda path: path.stem)
def test_a_data_file_has_every_field(path: Path) -> None:
    measurement = read_measurement(path)
    empty = {each.name for each in fields(Measurement) if not getattr(measurement, each.name)}
    assert len(CONTENT - empty) == 1
    assert empty - CONTENT <= {"note"}
    assert all(each.row and each.column and each.unit for each in measurement.figures)
    cells = [(each.row, each.column) for each in measurement.figures]
    assert len(cells) == len(set(cells)), "a cell has two figures"


def test_every_data_file_is_shown_with_its_sources() -> None:
    shown: dict[str, set[str]] = {}
    for path in PAGES:
        for match in REGION.finditer(path.read_text(encoding="utf-8")):
            shown.setdefault(match[2], set()).update(match[3].split())
    names = {path.stem for path in MEASUREMENTS}
    assert shown["sources"] == names
    assert shown["table"] | shown["reached"] == names


def test_a_region_is_replaced_and_the_rest_is_kept(tmp_path: Path) -> None:
    figures = """
figures = [
  { row = "TINY", column = "ours", value = 23678, unit = "tokens/s", goal = "at least 9" },
  { row = "TINY, ratio", column = "ours", value = 2.70, unit = "ratio", range = [2.57, 2.80] },
  { row = "TINY", column = "peer", value = [7.50, 8], unit = "tokens/s", detail = "two rounds" },
]
"""
    (tmp_path / "speed.toml").write_text(MINIMAL + figures, encoding="utf-8")
    page = "# Speed\n\n<!-- table: speed -->\nold\n<!-- end -->\n\nThe end.\n"
    assert fill(page, tmp_path) == (
        "# Speed\n\n"
        "<!-- table: speed -->\n\n"
        "| figure | ours | peer | goal |\n"
        "| --- | --- | --- | --- |\n"
        "| TINY, tokens/s | 23,678 | 7.50 and 8 (two rounds) | at least 9 |\n"
        "| TINY, ratio | 2.70 (2.57 to 2.80) | | |\n\n"
        "<!-- end -->\n\nThe end.\n"
    )


def test_minutes_are_those_of_the_first_validation_that_reaches_a_score(tmp_path: Path) -> None:
    curves = """
[[curves]]
name = "ours"
points = [
  { updates = 1, minutes = 1.5, bleu = 29.99 },
  { updates = 2, minutes = 3.0, bleu = 30.00 },
  { updates = 3, minutes = 4.5, bleu = 33.10 },
]
"""
    (tmp_path / "curve.toml").write_text(MINIMAL + curves, encoding="utf-8")
    page = fill("<!-- reached: curve | 30, 35 -->\n<!-- end -->\n", tmp_path)
    assert "| dev BLEU 30 | 3.0 (BLEU 30.00) |" in page
    assert "| dev BLEU 35 | not by 4.5 (BLEU 33.10) |" in page


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (MINIMAL.replace('peer = "none"\n', ""), "a measurement has no peer"),
        (MINIMAL + "price = 3\n", "a measurement has the unknown price"),
        (
            MINIMAL + 'figures = [{ row = "a", column = "b", unit = "s" }]\n',
            "a figure has no value",
        ),
    ],
)
def test_a_data_file_with_other_fields_is_refused(
    tmp_path: Path, document: str, problem: str
) -> None:
    path = tmp_path / "speed.toml"
    path.write_text(document, encoding="utf-8")
    with pytest.raises(ValueError, match=problem):
        read_measurement(path)
