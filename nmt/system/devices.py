"""Choose the device that a model runs on."""

from typing import TYPE_CHECKING

from nmt.errors import UsageError

if TYPE_CHECKING:
    import torch

AUTO = "auto"


def pick_device(name: str = AUTO) -> "torch.device":
    """Return the device of this name: cpu, cuda, cuda:1 or mps.

    "auto" is the first CUDA GPU, or the CPU if there is none. Raises UsageError if the device
    cannot be used.
    """
    import torch

    if name == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
        if device.type == "meta":
            raise RuntimeError("it holds no data")
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"device '{name}' cannot be used here: {reason}") from error
    return device
