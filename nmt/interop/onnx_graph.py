"""Build graphs of ONNX node by node; their weights are in one file that graphs share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import numpy
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from nmt import __version__

OPSET = 17  # the first with LayerNormalization
IR_VERSION = 8  # of opset 17
PAGE = 4096  # bytes; weights begin at pages, so that they can be memory-mapped
END = numpy.iinfo(numpy.int64).max

Axes = Sequence[int | str]  # sizes; names of those that may vary


@dataclass
class WeightFile:
    """The file of the weights; graphs refer to places in it, so no graph is larger than 2 GB."""

    name: str
    stream: IO[bytes]
    places: dict[str, TensorProto] = field(default_factory=dict)

    def add(self, name: str, array: NDArray[Any]) -> TensorProto:
        """Append a weight in float32, unless there is one of this name, and return its place."""
        if name not in self.places:
            content = numpy.ascontiguousarray(array, "<f4")
            self.stream.write(b"\0" * (-self.stream.tell() % PAGE))
            tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=content.shape)
            tensor.data_location = TensorProto.EXTERNAL
            place = {
                "location": self.name,
                "offset": str(self.stream.tell()),
                "length": str(content.nbytes),
            }
            for key, value in place.items():
                tensor.external_data.add(key=key, value=value)
            self.stream.write(content.data)
            self.places[name] = tensor
        return self.places[name]


class Graph:
    """A graph under construction; values are known by their names."""

    def __init__(self, weights: WeightFile) -> None:
        """Begin an empty graph whose weights are appended to a file."""
        self._weights = weights
        self._used: dict[str, TensorProto] = {}
        self._constants: dict[tuple[Any, ...], str] = {}
        self._nodes: list[NodeProto] = []
        self.inputs: list[ValueInfoProto] = []
        self.outputs: list[ValueInfoProto] = []

    def input(self, name: str, axes: Axes, *, integers: bool = False) -> str:
        """Declare an input, of float32 or int64, and return its name."""
        kind = TensorProto.INT64 if integers else TensorProto.FLOAT
        self.inputs.append(helper.make_tensor_value_info(name, kind, axes))
        return name

    def output(self, name: str, value: str, axes: Axes) -> None:
        """Make a float32 value an output."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, axes))

    def weight(self, name: str, array: NDArray[Any]) -> str:
        """Use a weight, and return its name."""
        self._used[name] = self._weights.add(name, array)
        return name

    def constant(self, value: Any, kind: type = numpy.int64) -> str:
        """Use a small constant, an int64 or a float32, and return its name."""
        array: NDArray[Any] = numpy.array(value, kind)
        key = (kind, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            self._constants[key] = name
            self._used[name] = numpy_helper.from_array(array, name)
        return self._constants[key]

    def number(self, value: float) -> str:
        """Use a float32, and return its name."""
        return self.constant(value, numpy.float32)

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output, and return the name of that."""
        return self.split(kind, 1, *inputs, **attributes)[0]

    def split(self, kind: str, count: int, *inputs: str, **attributes: Any) -> list[str]:
        """Add a node with several outputs, and return their names."""
        number = len(self._nodes)
        names = [f"{kind.lower()}_{number}_{index}" for index in range(count)]
        self._nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names

    def size(self, value: str, axis: int) -> str:
        """Return the size of a value along an axis, as a number without axes."""
        return self.node("Gather", self.node("Shape", value), self.constant(axis))

    def span(self, first: str, end: str) -> str:
        """Return the integers from `first` to before `end`."""
        return self.node("Range", first, end, self.constant(1))

    def model(self, name: str, text: str) -> ModelProto:
        """Return the finished graph as a model; `text` describes it."""
        graph = helper.make_graph(
            self._nodes, name, self.inputs, self.outputs, list(self._used.values()), text
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="nmt",
            producer_version=__version__,
        )
