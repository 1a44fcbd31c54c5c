"""A GPU that is not there: tensors on the CPU that say that they are on a GPU.

The program then takes the path that it takes on a GPU, with real numbers, and what would make a
real GPU wait is counted. Results equal those of the CPU up to rounding.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

DEVICE = torch.device("cuda", 0)
# They start no kernel: allocations, and a view that has its own name.
FREE = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "lift_fresh"}
FREE |= {"_unsafe_view", "_local_scalar_dense"}
# They return a number, or a tensor whose size depends on numbers: Python waits for the device.
READS = {"_local_scalar_dense": "item", "nonzero": "nonzero", "masked_select": "masked_select"}


class OnDevice(Tensor):
    """A tensor that says that it is on the GPU; what is computed from it says so, too."""

    @property
    def device(self) -> torch.device:  # type: ignore[override] # nothing writes it
        """The GPU that is not there."""
        return DEVICE

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """Return a copy, as `copy.deepcopy` asks for it."""
        copied = self.detach().clone()
        made = nn.Parameter(copied) if isinstance(self, nn.Parameter) else copied
        memo[id(self)] = made
        return made


def is_pretended(value: object) -> bool:
    """Return whether an argument names the GPU."""
    return isinstance(value, str | torch.device) and str(value).partition(":")[0] == DEVICE.type


def is_host(value: object) -> bool:
    """Return whether an argument names the CPU."""
    return isinstance(value, str | torch.device) and str(value) == "cpu"


class PretendDevice(TorchFunctionMode):
    """Makes tensors `OnDevice` where the program asks for a GPU, and counts waits for it."""

    def __init__(self, waits: "Counter[str]") -> None:
        super().__init__()
        self.waits = waits

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch on the CPU."""
        given = dict(kwargs or {})
        name = getattr(function, "__name__", "")
        on_device = bool(args) and isinstance(args[0], OnDevice)
        if name == "pin_memory":
            return args[0]
        if function is nn.functional.dropout:  # one kernel on a GPU, four operators on a CPU
            rate = given["p"] if "p" in given else args[1]
            return torch.native_dropout(args[0], rate, True)[0]
        if on_device and name in ("__getitem__", "__setitem__"):
            self.waits.update(index_waits(args[1]))
        to_host = name == "cpu" or (name == "to" and any(map(is_host, args[1:])))
        waits = not given.get("non_blocking")
        if on_device and (to_host or name == "tolist"):
            self.waits["copy to the host" if to_host else name] += waits
        if on_device and to_host:
            return args[0].as_subclass(Tensor)
        if not any(map(is_pretended, (*args, given.get("device")))):
            return function(*args, **given)
        # Memory that is not pinned, or a copy that is not asynchronous, waits for the device.
        is_copy = name in ("tensor", "as_tensor") or (name == "to" and waits)
        if is_copy and not on_device:
            self.waits["copy to the device"] += 1
        given.pop("device", None)
        found = function(*(each for each in args if not is_pretended(each)), **given)
        return found.as_subclass(OnDevice) if isinstance(found, Tensor) else found


def index_waits(index: object) -> Iterator[str]:
    """Yield the waits of an index: numbers are copied to the GPU, masks are counted there."""
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, list | numpy.ndarray):
            yield "copy to the device"
        elif isinstance(part, Tensor) and part.dtype == torch.bool:
            yield "nonzero"


class OperatorCount(TorchDispatchMode):
    """Counts the operators that would start kernels, and those that would wait for their result."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # untyped in torch
        self.operators: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()
        self.counts = True

    def clear(self) -> None:
        """Count from zero."""
        self.operators.clear()
        self.waits.clear()

    def figures(self, times: int) -> tuple[float, dict[str, float]]:
        """Return the operators and the waits of one of `times` updates or steps."""
        waits = {name: number / times for name, number in sorted(self.waits.items())}
        return sum(self.operators.values()) / times, waits

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count nothing within a `with` block."""
        self.counts = False
        try:
            yield
        finally:
            self.counts = True

    def __torch_dispatch__(
        self,
        function: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Count an operator and run it."""
        name = function.overloadpacket.__name__
        if not self.counts:
            return function(*args, **(kwargs or {}))
        if torch.is_inference_mode_enabled():  # operators that consist of others arrive whole
            with self:
                found = function.decompose(*args, **(kwargs or {}))
            if found is not NotImplemented:
                return found
        if name in READS:
            self.waits[READS[name]] += 1
        if name not in FREE and function.namespace != "profiler" and not is_view(function):
            self.operators[name] += 1
        return function(*args, **(kwargs or {}))


def is_view(function: Any) -> bool:
    """Return whether an operator's result shares memory with its input and nothing is written."""
    returned = [each.alias_info for each in function._schema.returns]
    return bool(returned) and all(each is not None and not each.is_write for each in returned)


@contextmanager
def pretended(count: OperatorCount) -> Iterator[torch.device]:
    """Pretend within a `with` block that there is a GPU, and yield its name."""
    with PretendDevice(count.waits):
        yield DEVICE


def moved(network: nn.Module) -> None:
    """Move a network's weights and buffers to the GPU that is not there, in place."""
    made: dict[int, nn.Parameter] = {}  # by the identity of a parameter, which modules may share
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) not in made:
                made[id(parameter)] = nn.Parameter(parameter.detach().as_subclass(OnDevice))
            module._parameters[name] = made[id(parameter)]
        for name, buffer in module.named_buffers(recurse=False):
            module._buffers[name] = buffer.as_subclass(OnDevice)
