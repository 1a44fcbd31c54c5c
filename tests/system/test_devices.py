"""The device is found by its name; what does not fit into its memory is halved."""

import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

import nmt
from nmt.errors import UsageError
from nmt.system.devices import (
    choose_device,
    may_have_gpu,
    pick_device,
    present_devices,
    run_or_halve,
)

NO_DEVICES = ["bogus", "meta", "", "mps", "cuda:99", "hpu", "mkldnn", "cpu:1", "a\n", "\udc80"]


def pretend(monkeypatch: pytest.MonkeyPatch, kind: str, count: int) -> None:
    """Let PyTorch find so many accelerators of a kind."""
    monkeypatch.setattr("torch.accelerator.current_accelerator", lambda: torch.device(kind))
    monkeypatch.setattr("torch.accelerator.device_count", lambda: count)


def test_auto_is_a_gpu_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for name in ("auto", "cpu", "cpu:0", "CPU", "Cpu:0"):
        assert pick_device(name) == torch.device("cpu")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert pick_device("auto") == torch.device("cuda")
    pretend(monkeypatch, "cuda", 2)
    monkeypatch.setattr("torch.zeros", lambda *sizes, device: None)
    assert choose_device("cuda:1") == "cuda:1"


@pytest.mark.parametrize(
    ("name", "calls"), [("cpu", []), ("auto", [False]), ("cuda", [False]), ("CUDA:1", [False])]
)
def test_a_gpu_is_used_without_the_attention_of_cudnn(
    monkeypatch: pytest.MonkeyPatch, name: str, calls: list[bool]
) -> None:
    """It makes a plan for each new shape of a batch."""
    pretend(monkeypatch, "cuda", 2)
    found: list[bool] = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.zeros", lambda *sizes, device: None)
    monkeypatch.setattr("torch.backends.cuda.enable_cudnn_sdp", found.append)
    pick_device(name)
    assert found == calls


@pytest.mark.parametrize("name", NO_DEVICES)
def test_a_device_that_is_not_there_is_named_with_those_that_are(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Python, before a model is looked for, as on the command line."""
    pretend(monkeypatch, "cuda", 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for find in (pick_device, choose_device, lambda name: nmt.load("missing", device=name)):
            with pytest.raises(UsageError) as error:
                find(name)
            assert str(error.value) == (
                f"device {name!r} is not on this machine, which has: cpu, cuda:0, cuda:1"
            )


def test_devices_that_torch_was_built_for_but_the_machine_lacks_are_not_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pretend(monkeypatch, "cuda", 0)
    assert present_devices() == ["cpu"]
    pretend(monkeypatch, "mps", 1)
    assert present_devices() == ["cpu", "mps"]


def test_a_device_that_does_not_work_gives_a_short_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "cuda", 1)

    def fail(*sizes: int, device: torch.device) -> None:
        raise RuntimeError("all devices are busy\n" + "For debugging consider ...\n" * 50)

    monkeypatch.setattr("torch.zeros", fail)
    with pytest.raises(UsageError, match=r"^device 'cuda' does not work: all devices are busy$"):
        pick_device("cuda")


@pytest.mark.parametrize("name", ["CPU:0", "Auto"])
def test_the_cpu_is_chosen_without_torch(tmp_path: Path, name: str) -> None:
    (tmp_path / "null").touch()
    code = (
        "import sys; from pathlib import Path; from nmt.system.devices import choose_device;"
        f"print(choose_device({name!r}, Path({str(tmp_path)!r})), 'torch' in sys.modules)"
    )
    found = subprocess.check_output([sys.executable, "-c", code], text=True)
    if name == "Auto" and sys.platform != "linux":
        pytest.skip("only Linux shows its devices as files")
    assert found == "cpu False\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["null", "tty", "nvme0n1", "nvram", "dri"], False),
        ([], True),  # hidden
        (["null", "nvidia0"], True),
        (["null", "nvidiactl"], True),
        (["null", "nvhost-gpu"], True),
        (["null", "kfd"], True),
        (["null", "dxg"], True),
    ],
)
def test_pytorch_is_asked_if_there_may_be_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[str], expected: bool
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in files:
        (tmp_path / name).touch()
    assert may_have_gpu(tmp_path) == expected
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert choose_device("auto", tmp_path) == ("cuda" if expected else "cpu")


@pytest.mark.parametrize(("most", "calls"), [(1, 13), (2, 7), (3, 5), (7, 1), (9, 1)])
def test_results_are_those_of_all_items_in_order(most: int, calls: int) -> None:
    sizes = []

    def squares(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        if len(items) > most:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return [item**2 for item in items]

    assert run_or_halve(squares, range(7)) == [item**2 for item in range(7)]
    assert sum(size for size in sizes if size <= most) == 7
    assert len(sizes) == calls


@pytest.mark.parametrize(("message", "calls"), [("CUDA out of memory", 3), ("wrong shape", 1)])
def test_an_error_that_halving_does_not_help_is_raised(message: str, calls: int) -> None:
    count = 0

    def fail(items: Sequence[int]) -> list[int]:
        nonlocal count
        count += 1
        raise RuntimeError(message)

    with pytest.raises(RuntimeError, match=message):
        run_or_halve(fail, range(4))
    assert count == calls
