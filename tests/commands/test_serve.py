"""`nmt serve` without its extra; what it does is tested in tests/serving."""

import sys

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
