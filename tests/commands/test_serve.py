"""Mistakes of `nmt serve` are one sentence each; what it does is tested in tests/serving."""

import sys
from pathlib import Path

import pytest

from tests.conftest import Run


@pytest.mark.parametrize("name", ["starlette", "uvicorn"])
def test_a_missing_extra_is_one_sentence(
    nmt: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for module in [*sys.modules]:
        if module.startswith(("nmt.serving.", name)):
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, name, None)
    result = nmt("serve")
    assert result.code == 1
    assert "pip install 'attention-nmt[serve]'" in result.err
    assert len(result.err.splitlines()) == 1


def test_two_models_for_one_pair(nmt: Run, tiny_run: Path) -> None:
    again = tiny_run / "best.safetensors"
    result = nmt("serve", "--port", 0, "--processes", 1, "--model", tiny_run, "--model", again)
    assert result.code == 2
    assert f"{tiny_run} and {again} are both for en-de" in result.err
