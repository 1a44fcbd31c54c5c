"""Measure what `nmt clean` leaves of corpora that are damaged on purpose."""

from importlib import import_module
from pathlib import Path

import pytest

from tests.corpora.corpora import corpus, write


def test_what_is_cleaned_is_measured(tmp_path: Path) -> None:
    pytest.importorskip("ftfy")
    script = import_module("corpus_cleaning")
    (tmp_path / "multi30k").mkdir()
    pairs = [(source, f"{target} \u00e4") for source, target in corpus(1500)]
    write(tmp_path / "multi30k", pairs, "train")
    cells = {cell.row: cell for cell in script.measure(tmp_path, "Multi30k", 1)}
    assert len(cells) == len(script.DAMAGES) + 1
    assert cells["target empty"].value == 100
    assert cells["zero-width space U+200B"].detail == "100 repaired"
    assert cells["another pair repeated in capitals"].value == 100
    assert cells["clean pairs that are removed"].value == 0
