"""The filters of `nmt clean` that are off by default, on a small corpus."""

from importlib import import_module
from pathlib import Path

import pytest

from nmt.corpora.findings import DEFAULT_FILTERS, FILTERS
from tests.corpora.corpora import corpus, write


def test_each_filter_is_measured(tmp_path: Path) -> None:
    pytest.importorskip("py3langid")
    script = import_module("corpus_filters")
    (tmp_path / "multi30k").mkdir()
    write(tmp_path / "multi30k", corpus(200), "train")
    cells = {cell.row: cell for cell in script.measure(tmp_path, "Multi30k", 1)}
    assert len(cells) == len(FILTERS) - len(DEFAULT_FILTERS) + 3
    assert cells["clean pairs: `numbers`"].value == 0
    assert cells["found: another number"].value == 100
