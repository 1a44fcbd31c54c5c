"""The corpus of dates: regeneration, forms written by hand, and what its recipe learns."""

import gzip
import sys
from datetime import date
from pathlib import Path

import pytest

from data.dates import __main__ as command
from tests.conftest import Run

FOLDER = Path(command.__file__).parent


def test_regeneration_gives_the_committed_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["data.dates", "--output", str(tmp_path)])
    command.main()
    days = []
    for name, size in command.SIZES.items():
        fresh, known = ((folder / name).read_bytes() for folder in (tmp_path, FOLDER))
        if name.endswith(".gz"):
            fresh, known = gzip.decompress(fresh), gzip.decompress(known)
        assert fresh == known, name
        targets = [line.partition("\t")[2] for line in fresh.decode().splitlines()]
        assert len(targets) == size
        days += targets
    assert len(set(days)) == len(days)  # no day of a held-out set is trained on


def test_a_day_in_all_forms() -> None:
    assert [command.write_date(date(2026, 11, 3), form) for form in command.FORMS] == [
        "3 November 2026",
        "3 Nov 2026",
        "3rd November 2026",
        "the 3rd of November, 2026",
        "Tuesday, 3 November 2026",
        "November 3, 2026",
        "Nov 3, 2026",
        "Tuesday, November 3rd, 2026",
        "3.11.2026",
        "11/3/2026",
    ]
    assert [command.ordinal(day) for day in (1, 2, 11, 12, 13, 20, 22, 31)] == (
        ["1st", "2nd", "11th", "12th", "13th", "20th", "22nd", "31st"]
    )


@pytest.mark.slow
def test_every_held_out_date_is_right(nmt: Run) -> None:
    assert nmt("train", "dates").code == 0
    result = nmt("evaluate", "--model", "runs/dates")
    assert "sequence error rate   0.00" in result.out, result.out
    Path("in.txt").write_text("3.4.2017\n3/4/2017\n", encoding="utf-8")
    translated = nmt("translate", "--model", "runs/dates", "in.txt")
    assert translated.out == "2017-04-03\n2017-03-04\n"
