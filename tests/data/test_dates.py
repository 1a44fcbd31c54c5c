"""The corpus of dates: regeneration, and what its recipe learns."""

import gzip
import sys
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


@pytest.mark.slow
def test_every_held_out_date_is_right(nmt: Run) -> None:
    assert nmt("train", "dates").code == 0
    result = nmt("evaluate", "--model", "runs/dates")
    assert "sequence error rate   0.00" in result.out, result.out
    Path("in.txt").write_text("3.4.2017\n3/4/2017\n", encoding="utf-8")
    translated = nmt("translate", "--model", "runs/dates", "in.txt")
    assert translated.out == "2017-04-03\n2017-03-04\n"
