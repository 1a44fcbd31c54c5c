"""The parts of the Transformer as nodes of ONNX; the reference of each is in `nmt.model`.

Dimensions: B rows of a batch, h heads, Q queries, S keys, d the model's width.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

from nmt.config import ModelSettings
from nmt.interop.onnx_graph import Graph
from nmt.kernels.array_functions import angles
from nmt.runs.model_file import Weights

GATES = {"glu": "sigmoid", "reglu": "relu", "geglu": "gelu", "swiglu": "silu"}


@dataclass(frozen=True)
class Rotation:
    """The cosines and the sines (length, d_k / 2) of the positions in a graph."""

    cosine: str
    sine: str


@dataclass(frozen=True)
class KeysValues:
    """Keys (B, h, S, d_k) and values (B, h, S, d_v)."""

    keys: str
    values: str


class Layers:
    """Adds the parts of one model to a graph."""

    def __init__(self, graph: Graph, weights: Weights, settings: ModelSettings) -> None:
        """Use a model's weights; they have the names of `Transformer.state_dict`."""
        self.graph = graph
        self.weights = weights
        self.settings = settings

    def linear(self, x: str, name: str, rows: NDArray[Any] | None = None, factor: Any = 1) -> str:
        """Return x W^T + b.

        name: that of the weights without ".weight". rows: the order of W's rows, if it changes.
        factor: of all rows, or of each.
        """
        matrix = self.weights[f"{name}.weight"] * numpy.reshape(factor, (-1, 1))
        bias = self.weights.get(f"{name}.bias")
        if rows is not None:
            matrix = matrix[rows]
        out = self.graph.node("MatMul", x, self.graph.weight(f"{name}.weight", matrix.T))
        if bias is None:
            return out
        bias = bias * numpy.reshape(factor, -1)
        bias = bias if rows is None else bias[rows]
        return self.graph.node("Add", out, self.graph.weight(f"{name}.bias", bias))

    def norm(self, x: str, name: str) -> str:
        """Return LayerNorm(x), or RMSNorm(x) if there is no bias."""
        graph = self.graph
        weight = graph.weight(f"{name}.weight", self.weights[f"{name}.weight"])
        epsilon = self.settings.norm_epsilon
        if f"{name}.bias" in self.weights:
            bias = graph.weight(f"{name}.bias", self.weights[f"{name}.bias"])
            return graph.node("LayerNormalization", x, weight, bias, axis=-1, epsilon=epsilon)
        squares = graph.node("ReduceMean", graph.node("Mul", x, x), axes=[-1])
        deviation = graph.node("Sqrt", graph.node("Add", squares, graph.number(epsilon)))
        return graph.node("Mul", graph.node("Div", x, deviation), weight)

    def residual(self, x: str, name: str, sublayer: Any) -> str:
        """Return the residual sum around a sub-layer, normalised before it or after."""
        is_pre_norm = self.settings.norm == "pre"
        inner = self.norm(x, f"{name}.norm") if is_pre_norm else x
        total = self.graph.node("Add", x, sublayer(inner))
        return total if is_pre_norm else self.norm(total, f"{name}.norm")

    def feed_forward(self, x: str, name: str) -> str:
        """Return the feed-forward network of x."""
        inner = self.linear(x, f"{name}.inner")
        gate = GATES.get(self.settings.activation)
        if gate is None:
            inner = self.activation(inner, self.settings.activation)
        else:
            gates, values = self.graph.split("Split", 2, inner, axis=-1)
            inner = self.graph.node("Mul", self.activation(gates, gate), values)
        return self.linear(inner, f"{name}.outer")

    def activation(self, x: str, name: str) -> str:
        """Return an activation of x; GELU is the exact one."""
        graph = self.graph
        if name == "relu":
            return graph.node("Relu", x)
        if name == "sigmoid":
            return graph.node("Sigmoid", x)
        if name == "silu":
            return graph.node("Mul", x, graph.node("Sigmoid", x))
        error = graph.node("Erf", graph.node("Div", x, graph.number(math.sqrt(2))))
        doubled = graph.node("Mul", x, graph.node("Add", error, graph.number(1)))
        return graph.node("Mul", doubled, graph.number(0.5))

    def heads(self, x: str, width: int) -> str:
        """Reshape x (B, length, h * width) to (B, h, length, width)."""
        shape = self.graph.constant([0, 0, self.settings.heads, width])
        return self.graph.node("Transpose", self.graph.node("Reshape", x, shape), perm=[0, 2, 1, 3])

    def query_key_value(
        self, x: str, name: str, rotation: Rotation | None
    ) -> tuple[str, KeysValues]:
        """Return the queries, with the factor 1 / sqrt(d_k), the keys and the values of x."""
        s = self.settings
        keys, values = s.heads * s.d_k, s.heads * s.d_v
        rows = numpy.arange(2 * keys + values)
        if rotation:  # both numbers of a pair have one angle; the first of all pairs come first
            pairs = numpy.arange(2 * keys).reshape(2 * s.heads, s.d_k // 2, 2)
            rows[: 2 * keys] = pairs.transpose(0, 2, 1).reshape(-1)
        factor = numpy.ones(len(rows), numpy.float32)
        factor[:keys] = s.d_k**-0.5
        projected = self.linear(x, f"{name}.query_key_value", rows, factor)
        sizes = self.graph.constant([keys, keys, values])
        parts = self.graph.split("Split", 3, projected, sizes, axis=-1)
        query, key, value = (
            self.heads(part, width)
            for part, width in zip(parts, (s.d_k, s.d_k, s.d_v), strict=True)
        )
        if rotation:
            query, key = self.rotated(query, rotation), self.rotated(key, rotation)
        return query, KeysValues(key, value)

    def rotated(self, x: str, rotation: Rotation) -> str:
        """Rotate each pair of x (B, h, length, d_k) by the angle of its position."""
        node = self.graph.node
        first, second = self.graph.split("Split", 2, x, axis=-1)
        turned = (
            node(
                "Sub",
                node("Mul", first, rotation.cosine),
                node("Mul", second, rotation.sine),
            ),
            node(
                "Add",
                node("Mul", first, rotation.sine),
                node("Mul", second, rotation.cosine),
            ),
        )
        return node("Concat", *turned, axis=-1)

    def query(self, x: str, name: str) -> str:
        """Return the queries to the encoder's output, with the factor 1 / sqrt(d_k)."""
        factor = self.settings.d_k**-0.5
        return self.heads(self.linear(x, f"{name}.query", factor=factor), self.settings.d_k)

    def memory(self, x: str, name: str) -> KeysValues:
        """Return the keys and the values of the encoder's output x."""
        s = self.settings
        sizes = self.graph.constant([s.heads * s.d_k, s.heads * s.d_v])
        projected = self.linear(x, f"{name}.key_value")
        keys, values = self.graph.split("Split", 2, projected, sizes, axis=-1)
        return KeysValues(self.heads(keys, s.d_k), self.heads(values, s.d_v))

    def attention(self, query: str, known: KeysValues, mask: str, name: str) -> str:
        """Return the output (B, Q, d) of attention; the mask is added to the scores."""
        node = self.graph.node
        scores = node("MatMul", query, node("Transpose", known.keys, perm=[0, 1, 3, 2]))
        weights = node("Softmax", node("Add", scores, mask), axis=-1)
        heads = node("Transpose", node("MatMul", weights, known.values), perm=[0, 2, 1, 3])
        shape = self.graph.constant([0, 0, self.settings.heads * self.settings.d_v])
        return self.linear(node("Reshape", heads, shape), f"{name}.out")

    def rotation(self, positions: str, length: int) -> Rotation | None:
        """Return the rotations of positions; None if the model has none.

        length: of the table.
        """
        if self.settings.positions != "rotary":
            return None
        table = angles(length, self.settings.d_k)
        return Rotation(
            self.graph.node("Gather", self.graph.weight("cosines", numpy.cos(table)), positions),
            self.graph.node("Gather", self.graph.weight("sines", numpy.sin(table)), positions),
        )
