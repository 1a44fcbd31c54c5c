"""Read the weights of other programs: .safetensors files, and PyTorch's pickles without objects.

Shapes are known before a weight is loaded. All weights become float32.
"""

import pickle
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from nmt.errors import DamagedError, NmtError, reason_of
from nmt.interop.marian_names import Array, Tensors
from nmt.system.files import START_BYTES, check_regular, kind_of, read_start

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = "the weights"
DOWNLOAD = "download the model again"
FLOATS = ("F16", "BF16", "F32", "F64")  # the types of safetensors that become float32


def array_of(tensor: "Tensor") -> Array:
    """Return a tensor as float32."""
    array: Array = tensor.float().contiguous().numpy()
    return array


@dataclass(frozen=True)
class SafetensorsFile:
    """The weights of an open .safetensors file."""

    tensors: Any  # of `safe_open`
    shapes: Mapping[str, tuple[int, ...]]

    def get(self, name: str) -> Array:
        """Load a weight."""
        return array_of(self.tensors.get_tensor(name))


@dataclass(frozen=True)
class PickledFile:
    """The weights of a PyTorch file; a new one is mapped into memory."""

    tensors: Mapping[str, "Tensor"]

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shapes of all weights."""
        return {name: tuple(each.shape) for name, each in self.tensors.items()}

    def get(self, name: str) -> Array:
        """Return a weight."""
        return array_of(self.tensors[name])


@contextmanager
def open_tensors(file: Path) -> Iterator[Tensors]:
    """Open a file of weights; raises NmtError if it is damaged or has other content."""
    check_regular(file, WEIGHTS)
    if file.suffix != ".safetensors":
        yield PickledFile(unpickled(file))
        return
    try:
        with safe_open(file, "pt") as tensors:
            shapes = {}
            for name in tensors.keys():  # noqa: SIM118 (no dict)
                part = tensors.get_slice(name)
                if part.get_dtype() not in FLOATS:
                    raise unsupported_type(file, name, part.get_dtype())
                shapes[name] = tuple(part.get_shape())
            yield SafetensorsFile(tensors, shapes)
    except (SafetensorError, OSError, ValueError) as error:
        raise refusal(file, error) from error


def unpickled(file: Path) -> Mapping[str, "Tensor"]:
    """Return the tensors of a pickle that PyTorch wrote; nothing else in it is ever made.

    Raises NmtError if the pickle is damaged, or holds other objects than tensors.
    """
    import torch

    if not kind_of(read_start(file, START_BYTES, WEIGHTS)).endswith("PyTorch file"):
        raise refusal(file, ValueError("no file of PyTorch"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles of other versions
            try:
                found = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
            except RuntimeError:  # a file of PyTorch 1.5 or older cannot be mapped
                found = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise NmtError(
            f"{WEIGHTS} {file} hold more than numbers and are not read, because a pickle can run"
            f" programs ({reason_of(error).split('. ')[0]}); save them as model.safetensors"
        ) from error
    except Exception as error:  # a damaged pickle can raise any
        raise refusal(file, error) from error
    if not isinstance(found, dict) or not all(
        isinstance(name, str) and isinstance(each, torch.Tensor) for name, each in found.items()
    ):
        raise DamagedError(f"{WEIGHTS} {file} are not a table of tensors by name; {DOWNLOAD}")
    for name, each in found.items():
        if not each.is_floating_point() or each.layout != torch.strided:
            raise unsupported_type(file, name, str(each.dtype))
        # A small file could describe a large tensor by one number that it repeats.
        if each.untyped_storage().nbytes() < each.numel() * each.element_size():
            raise DamagedError(f"{WEIGHTS} {file} are damaged: {name} is incomplete; {DOWNLOAD}")
    return found


def unsupported_type(file: Path, name: str, kind: str) -> NmtError:
    """Return the error for a weight of another type."""
    return NmtError(
        f"{WEIGHTS} in {file} are not supported: {name} has the type {kind}; nmt imports models"
        " with float32, float16 or bfloat16, not quantised ones"
    )


def refusal(file: Path, error: Exception) -> NmtError:
    """Return the error for a file that is not what its name says, with what it is."""
    kind = kind_of(read_start(file, START_BYTES, WEIGHTS))
    if kind and not (kind.endswith("PyTorch file") and file.suffix != ".safetensors"):
        return DamagedError(f"{WEIGHTS} {file} are {kind}; {DOWNLOAD}")
    return DamagedError(f"{WEIGHTS} {file} are damaged ({reason_of(error)}); {DOWNLOAD}")
