"""A GPU that is not there: tensors on the CPU that say that they are on a GPU.

The program then takes the path that it takes on a GPU, with real numbers. What would make Python
wait for a real GPU is counted, and what the GPU would still have to do after that. Results equal
those of the CPU up to rounding.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

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

    def __init__(self, count: "OperatorCount") -> None:
        super().__init__()
        self.count = count

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
            for wait in index_waits(args[1]):
                self.count.wait(wait)
        to_host = name == "cpu" or (name == "to" and any(map(is_host, args[1:])))
        waits = not given.get("non_blocking")
        # Fused Adam finds its tensors on the CPU and passes a `torch.device`: it copies nothing.
        if on_device and to_host and not waits and any(isinstance(each, str) for each in args):
            return self.count.copy_later(args[0].as_subclass(Tensor))
        if on_device and waits and (to_host or name == "tolist"):
            self.count.wait("copy to the host" if to_host else name)
        if on_device and to_host:
            return args[0].as_subclass(Tensor)
        if not any(map(is_pretended, (*args, given.get("device")))):
            return function(*args, **given)
        # Memory that is not pinned, or a copy that is not asynchronous, waits for the device.
        is_copy = name in ("tensor", "as_tensor") or (name == "to" and waits)
        if is_copy and not on_device:
            self.count.wait("copy to the device")
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
    """Counts the operators that would start kernels, and what would wait for their results."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # untyped in torch
        self.operators: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()
        self.counts = True
        # A GPU works in the order in which Python starts things: operators and copies.
        self.started = 0
        self.done = 0  # of those that were started, as far as Python has waited
        self.copies: list[tuple[int, Tensor, Tensor]] = []  # place, memory of the host, values

    def clear(self) -> None:
        """Count from zero."""
        self.operators.clear()
        self.waits.clear()

    def wait(self, name: str, place: int | None = None) -> None:
        """Count a wait for all that was started, or for what was started up to a place."""
        self.waits[name] += 1
        self.done = max(self.done, self.started if place is None else place)
        with self.paused():
            for copied, host, values in self.copies:
                if copied <= self.done:
                    host.copy_(values)
        self.copies = [copy for copy in self.copies if copy[0] > self.done]

    def copy_later(self, values: Tensor) -> Tensor:
        """Return memory of the host that has these values after a wait for their copy."""
        self.started += 1
        with self.paused():
            host = torch.zeros_like(values)
            self.copies.append((self.started, host, values.clone()))
        return host

    @property
    def queued(self) -> int:
        """What a GPU has still to do, or has done unnoticed, since the last wait."""
        return self.started - self.done

    def figures(self, times: int) -> tuple[float, dict[str, float]]:
        """Return the operators and the waits of one of `times` updates or steps."""
        waits = {name: number / times for name, number in sorted(self.waits.items())}
        return sum(self.operators.values()) / times, waits

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count nothing within a `with` block."""
        before, self.counts = self.counts, False
        try:
            yield
        finally:
            self.counts = before

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
            self.wait(READS[name])
        if name not in FREE and function.namespace != "profiler" and not is_view(function):
            self.operators[name] += 1
            self.started += 1
        return function(*args, **(kwargs or {}))


def is_view(function: Any) -> bool:
    """Return whether an operator's result shares memory with its input and nothing is written."""
    returned = [each.alias_info for each in function._schema.returns]
    return bool(returned) and all(each is not None and not each.is_write for each in returned)


class PretendEvent:
    """A place in the work of the GPU, for which Python can wait."""

    def __init__(self, count: OperatorCount) -> None:
        self.count = count
        self.place = 0

    def record(self, _: object) -> None:
        """Stand behind all that was started."""
        self.place = self.count.started

    def synchronize(self) -> None:
        """Wait for what was started before this place."""
        self.count.wait("event", self.place)


def on_host(name: str) -> str:
    """Return the device whose autocast a device has: a CPU casts the same operands as a GPU."""
    return "cpu" if is_pretended(name) else name


@contextmanager
def pretended(count: OperatorCount) -> Iterator[torch.device]:
    """Pretend within a `with` block that there is a GPU, and yield its name."""
    autocast, enabled, kind = torch.autocast, torch.is_autocast_enabled, torch.get_autocast_dtype
    with (
        PretendDevice(count),
        patch.object(torch.cuda, "Event", lambda: PretendEvent(count)),
        patch.object(torch.cuda, "current_stream", lambda _: None),
        patch.object(
            torch, "autocast", lambda name, *more, **given: autocast(on_host(name), *more, **given)
        ),
        patch.object(torch, "is_autocast_enabled", lambda name: enabled(on_host(name))),
        patch.object(torch, "get_autocast_dtype", lambda name: kind(on_host(name))),
    ):
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
