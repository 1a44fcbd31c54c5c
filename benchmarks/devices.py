"""Time and memory of a device."""

import resource

import torch


def synchronize(device: torch.device) -> None:
    """Wait until a GPU has done all its work; the CPU has when Python goes on."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_mib(device: torch.device) -> float:
    """Return the most memory that tensors took on a GPU; on a CPU, that of the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
