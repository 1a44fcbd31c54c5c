"""How far a training runs ahead of its device, so that a GPU never waits for Python."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Pace:
    """Numbers that say what is made ready early and what is read late."""

    batches_ahead: int = 0  # batches that a thread makes ready; 0: each when it is needed
    late_results: int = 0  # updates that are started before the result of one is read
    length_multiple: int = 1  # lengths of batches are padded to multiples of this
    saves_in_background: bool = False  # checkpoints are copied, and written by a thread


# A CPU computes while Python waits: nothing is gained ahead of it.
CPU = Pace()
# Few different lengths let the allocator and compiled kernels reuse what they have. But batches of
# newstest's lengths are 1.8 % padding with multiples of 2, 5.1 % with 4 and 11.1 % with 8.
GPU = Pace(batches_ahead=4, late_results=1, length_multiple=2, saves_in_background=True)


def pace_of(device: torch.device) -> Pace:
    """Return the pace for a device."""
    return CPU if device.type == "cpu" else GPU
