"""Corpora that are damaged on purpose, and what is found in them."""

import random
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from tests.corpora.corpora import corpus, write


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Return the script as a module."""
    return import_module("corpus_damage")


def test_each_fault_is_on_lines_of_its_own(script: ModuleType) -> None:
    pairs = [(f"the {source}", f"\u00e4 {target}") for source, target in corpus(500)]
    content, where = script.damaged(pairs, random.Random(1))
    places = [place for each in where.values() for place in each]
    assert {*where} == {name for name, _ in script.DAMAGES}
    assert len(places) == len({*places}) == 5 * len(script.DAMAGES)
    changed = [place for place in range(500) if content[place] != pairs[place]]
    assert changed == sorted(places)


def test_what_is_found_is_measured(script: ModuleType, tmp_path: Path) -> None:
    pairs = [(source, f"{target} \u00e4") for source, target in corpus(1500)]
    for name, content in (("train", pairs), ("val", pairs[:100])):
        (tmp_path / "multi30k").mkdir(exist_ok=True)
        write(tmp_path / "multi30k", content, name)
    cells = {cell.row: cell for cell in script.measure(tmp_path, "Multi30k", 1)}
    shares = [cell.value for row, cell in cells.items() if row.startswith("found: ")]
    assert len(shares) == len(script.DAMAGES) + 2
    assert cells["found: target empty"].value == 100
    assert cells["found: another pair repeated"].value == 100
    assert cells["clean pairs: any fault"].value == 0
    assert cells["slips named in the clean corpus"].value == 0
    assert cells["slips named within 20 lines, of 10"].value >= 9
