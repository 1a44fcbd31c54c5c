"""Results: every data file is complete and named, and the pages are what the data files say."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from benchmarks.results import Figure, Measurement, describe, read_measurement, write
from benchmarks.tables import DATA, PAGES, fill

FILES = sorted(DATA.glob("*.toml"))
CONTENT = {"figures", "curves", "ablation"}  # a measurement has one of them
OPTIONAL = {"note", "shown_rows", "shown_columns"}
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


def test_data_files_are_complete_and_named_on_a_page() -> None:
    pages = " ".join(path.read_text(encoding="utf-8") for path in PAGES)
    regions = " ".join(re.findall(r"<!-- \w+: (.+?) (?:\||-->)", pages)).split()
    named = {*regions, *re.findall(r"`([\w-]+)\.toml`", pages)}
    assert {path.stem for path in FILES} == named
    for path in FILES:
        measured = read_measurement(path)
        empty = {field.name for field in fields(Measurement) if not getattr(measured, field.name)}
        assert len(CONTENT - empty) == 1, path
        assert empty - CONTENT <= OPTIONAL, path
        assert all(figure.row and figure.column and figure.unit for figure in measured.figures)
        cells = [(figure.row, figure.column) for figure in measured.figures]
        assert len(cells) == len(set(cells)), f"{path}: a cell has two figures"
        rows, columns = map(set, zip(*cells, strict=True)) if cells else (set(), set())
        assert {*measured.shown_rows} <= rows, path
        assert {*measured.shown_columns} <= columns, path


def test_a_region_is_replaced_and_the_rest_is_kept(tmp_path: Path) -> None:
    figures = """
shown_rows = ["TINY", "TINY, ratio", "later"]
figures = [
  { row = "TINY", column = "ours", value = 23678, unit = "tokens/s", goal = "at least 9" },
  { row = "TINY, ratio", column = "ours", value = 2.70, unit = "ratio", range = [2.57, 2.80] },
  { row = "TINY", column = "peer", value = [7.50, 8], unit = "tokens/s", detail = "two rounds" },
  { row = "BASE", column = "ours", value = 1, unit = "tokens/s" },
  { row = "later", column = "ours", value = "not measured", unit = "tokens/s", goal = "8" },
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
        "Not measured yet: 1 rows, with the goals:\n\n- later: 8\n\n"
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


def test_a_data_file_is_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "speed.toml"
    figures = (Figure("a", "b", 0, "s", detail='"ä"'), Figure("c", "b", "none", "s", goal="1"))
    write(path, describe(what="w", command="c", peer="p", note="", rows="r"), figures)
    assert read_measurement(path).figures == figures
    for wrong, problem in (
        (path.read_text().replace('peer = "p"\n', ""), "a measurement has no peer"),
        (path.read_text() + "price = 3\n", "a measurement has the unknown price"),
        (MINIMAL + 'figures = [{ row = "a", column = "b", unit = "s" }]\n', "a figure has no"),
    ):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(ValueError, match=problem):
            read_measurement(path)
