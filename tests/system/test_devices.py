"""Devices by name."""

import pytest
import torch

from nmt.errors import UsageError
from nmt.system.devices import pick_device


def test_auto_is_a_gpu_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert pick_device("auto") == torch.device("cpu")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert pick_device("auto") == torch.device("cuda")


def test_a_device_is_found_by_its_name() -> None:
    assert pick_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["bogus", "meta", ""])
def test_a_device_that_cannot_be_used_is_named(name: str) -> None:
    with pytest.raises(UsageError, match=f"device '{name}'"):
        pick_device(name)
