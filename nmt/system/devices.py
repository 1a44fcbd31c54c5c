"""Choose the device that a model runs on, and compute what fits into its memory."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from nmt.errors import UsageError, is_out_of_memory

if TYPE_CHECKING:
    import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

AUTO = "auto"
LONGEST_REASON = 150  # characters of PyTorch's reason, which can fill a screen
CPU_NAMES = ("cpu", "cpu:0")
# The files of GPUs on Linux: NVIDIA's, also those in its boards, AMD's, and any in WSL.
GPU_FILES = ("nvidia*", "nvhost*", "nvgpu*", "nvmap", "kfd", "dxg")


def choose_device(name: str = AUTO, folder: Path = Path("/dev")) -> str:
    """Return the name of the device that `pick_device` picks, such as "cuda:1".

    PyTorch is not imported for the CPU, nor for "auto" if there is surely no CUDA GPU. folder: of
    the device files. Raises UsageError as `pick_device` does.
    """
    wanted = name.lower()
    if wanted in CPU_NAMES or (wanted == AUTO and not may_have_gpu(folder)):
        return "cpu"
    return str(pick_device(name))


def may_have_gpu(folder: Path) -> bool:
    """Return False if this machine surely has no GPU that PyTorch can use; True if unsure."""
    if sys.platform != "linux" or not (folder / "null").exists():
        return True
    return any(any(folder.glob(pattern)) for pattern in GPU_FILES)


def pick_device(name: str = AUTO) -> "torch.device":
    """Return the device of this name: cpu, cuda, cuda:1 or mps; case does not count.

    "auto" is the first CUDA GPU, or the CPU if there is none. cpu:0 is the CPU. For a CUDA GPU,
    cuDNN's attention is switched off in this process. Raises UsageError if this machine does not
    have the device, or if it does not work.
    """
    import torch

    wanted = name.lower()
    if wanted == AUTO:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    else:
        present = present_devices()
        if wanted in CPU_NAMES:
            wanted = "cpu"
        if wanted not in {*present, *(name.partition(":")[0] for name in present)}:
            devices = ", ".join(present)
            raise UsageError(f"device {name!r} is not on this machine, which has: {devices}")
        device = torch.device(wanted)
        try:
            torch.zeros(1, device=device)
        except RuntimeError as error:
            reason = str(error).partition("\n")[0][:LONGEST_REASON]
            raise UsageError(f"device {name!r} does not work: {reason}") from error
    if device.type == "cuda":
        # Recent versions of PyTorch prefer it on an H100. It makes a plan for each new shape of its
        # tensors, in about 30 ms, and most batches have a shape that no batch before had. The other
        # kernels need no plan.
        torch.backends.cuda.enable_cudnn_sdp(False)
    return device


def present_devices() -> list[str]:
    """Return the names of this machine's devices, such as cpu, cuda:0 and cuda:1."""
    import torch

    accelerator = torch.accelerator.current_accelerator()
    if accelerator is None:
        return ["cpu"]
    count = torch.accelerator.device_count()
    if accelerator.type == "mps":  # has no number
        return ["cpu", *["mps"][:count]]
    return ["cpu", *(f"{accelerator.type}:{number}" for number in range(count))]


def has_bf16(device: "torch.device | str") -> bool:
    """Return True if the device has hardware for bf16 products, which may be faster."""
    import torch

    kind = torch.device(device).type
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if kind == "cpu":
        # PyTorch has no public function for this; where these are missing, float32 is safe.
        names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, name, lambda: False)() for name in names)
    return False


def run_or_halve(
    run: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item]
) -> list[Result]:
    """Return what `run` returns for all items, or for each half of them if memory runs out.

    Halves are halved again. Raises the error of a single item.
    """
    try:
        return run(items)
    except RuntimeError as error:
        if len(items) == 1 or not is_out_of_memory(error):
            raise
    # After the error, whose traceback holds on to what was allocated.
    half = len(items) // 2
    return run_or_halve(run, items[:half]) + run_or_halve(run, items[half:])
