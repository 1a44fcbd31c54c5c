"""The device is found by its name; what does not fit into its memory is halved."""

import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
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
from tests.conftest import Run

NO_DEVICES = ["bogus", "meta", "", "mps", "cuda:99", "hpu", "mkldnn", "cpu:1", "a\n", "\udc80"]


def pretend(monkeypatch: pytest.MonkeyPatch, kind: str, count: int) -> None:
    """Let PyTorch find so many accelerators of a kind."""
    monkeypatch.setattr("torch.accelerator.current_accelerator", lambda: torch.device(kind))
    monkeypatch.setattr("torch.accelerator.device_count", lambda: count)


def test_auto_is_a_gpu_if_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert pick_device("auto") == torch.device("cpu")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert pick_device("auto") == torch.device("cuda")


@pytest.fixture
def _cudnn_attention() -> Iterator[None]:
    """Let PyTorch use cuDNN's attention, a setting of the process, and restore the setting."""
    before = torch.backends.cuda.cudnn_sdp_enabled()
    torch.backends.cuda.enable_cudnn_sdp(True)
    yield
    torch.backends.cuda.enable_cudnn_sdp(before)


@pytest.mark.usefixtures("_cudnn_attention")
@pytest.mark.parametrize(
    ("name", "expected"), [("cpu", True), ("auto", False), ("cuda", False), ("CUDA:1", False)]
)
def test_a_gpu_is_used_without_the_attention_of_cudnn(
    monkeypatch: pytest.MonkeyPatch, name: str, expected: bool
) -> None:
    """It makes a plan for each new shape of a batch."""
    pretend(monkeypatch, "cuda", 2)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.zeros", lambda *sizes, device: None)
    pick_device(name)
    assert torch.backends.cuda.cudnn_sdp_enabled() == expected


@pytest.mark.parametrize("name", ["cpu", "cpu:0", "CPU", "Cpu:0"])
def test_a_device_is_found_by_its_name(name: str) -> None:
    assert pick_device(name) == torch.device("cpu")


@pytest.mark.parametrize("name", NO_DEVICES)
def test_a_device_that_is_not_there_is_named_with_those_that_are(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, "cuda", 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UsageError) as error:
            pick_device(name)
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


@pytest.mark.parametrize("name", ["cpu", "CPU", "cpu:0", "auto", "Auto"])
def test_the_cpu_is_chosen_without_torch(tmp_path: Path, name: str) -> None:
    (tmp_path / "null").touch()
    code = (
        "import sys; from pathlib import Path; from nmt.system.devices import choose_device;"
        f"print(choose_device({name!r}, Path({str(tmp_path)!r})), 'torch' in sys.modules)"
    )
    found = subprocess.check_output([sys.executable, "-c", code], text=True)
    if name.lower() == "auto" and sys.platform != "linux":
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


def test_a_chosen_device_is_the_one_that_is_picked(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "cuda", 2)
    monkeypatch.setattr("torch.zeros", lambda *sizes, device: None)
    assert choose_device("cuda:1") == "cuda:1"
    with pytest.raises(UsageError, match="'cuda:2' is not on this machine"):
        choose_device("cuda:2")


@pytest.mark.parametrize("name", ["mps", "nonsense", "cuda:99", "meta", "xpu", ""])
def test_python_and_the_command_line_give_the_same_sentence(
    nmt: Run, tiny: object, name: str
) -> None:
    if name in present_devices():
        pytest.skip("this machine has it")
    result = nmt("train", tiny, "--device", name)
    with pytest.raises(UsageError) as error:
        load_on(name)
    assert (result.code, result.out, result.err) == (2, "", f"nmt: {error.value}\n")
    assert len(result.err) < 120


def load_on(device: str) -> None:
    """Load a model that does not exist: the device is checked first."""
    nmt.load("missing", device=device)


@pytest.mark.parametrize("most", [1, 2, 3, 7, 9])
def test_results_are_those_of_all_items_in_order(most: int) -> None:
    sizes = []

    def squares(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        if len(items) > most:
            raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return [each**2 for each in items]

    assert run_or_halve(squares, range(7)) == [each**2 for each in range(7)]
    assert sum(each for each in sizes if each <= most) == 7
    assert len(sizes) == {1: 13, 2: 7, 3: 5, 7: 1, 9: 1}[most]


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
