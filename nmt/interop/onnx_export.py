"""Export a model to two graphs that onnxruntime runs: the encoder, and steps of the decoder.

Graphs are built node by node; their weights are in one file that they share. The reference of each
part of the Transformer is in `nmt.model`. Importing this file raises NmtError without the package
`onnx`.

Dimensions: B rows of a batch, h heads, Q queries, S keys or source positions, T new target
positions, P earlier ones, V tokens, d the model's width.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy
from numpy.typing import NDArray

from nmt import __version__
from nmt.config import ModelSettings
from nmt.decoding.search.rules import special_ids
from nmt.errors import NmtError
from nmt.interop.network import GATES, longest_text, matrix_name, position_table, sublayers
from nmt.interop.opus.model import SENTENCEPIECE_FILES, VOCABULARY_FILES, write_subwords
from nmt.kernels.array_functions import angles
from nmt.runs.model_file import Weights
from nmt.runs.trained_model import TrainedModel
from nmt.system.atomic import write_text
from nmt.system.json_data import json_text
from nmt.text.subwords.tokenizer import BOS, EOS, PAD, UNK

try:
    import onnx
    from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
except ImportError as error:
    raise NmtError(
        "exporting to ONNX needs its package: pip install 'attention-nmt[onnx]'"
    ) from error

FORMAT_VERSION = 1
FEWEST_POSITIONS = 1024  # of sinusoids and rotations
WEIGHTS, SETTINGS = "weights.bin", "settings.json"
SOURCE_IDS, TARGET_IDS = "source_ids", "target_ids"
SOURCE_MASK, LOGITS = "source_mask", "logits"
CROSS, SELF, NEW = "cross", "self", "new_self"  # kinds of keys and values
OPSET = 17  # the first with LayerNormalization
IR_VERSION = 8  # of opset 17
PAGE = 4096  # bytes; weights begin at pages, so that they can be memory-mapped

Axes = Sequence[int | str]  # sizes; names of those that may vary


def write(model: TrainedModel, path: Path, quantization: str) -> None:
    """Write the graphs, their weights, the tokenizer and the settings into an empty folder.

    Equal models give equal bytes. quantization: "".
    """
    length = longest_text(model, FEWEST_POSITIONS)
    graphs = {}
    with (path / WEIGHTS).open("wb") as stream:
        file = WeightFile(stream)
        for name, add in (("encoder", OnnxNetwork.encode), ("decoder", OnnxNetwork.decode)):
            graphs[name] = Graph(file)
            add(OnnxNetwork(graphs[name], model.weights, model.recipe.model, length))
    described: dict[str, Any] = describe_model(model, length)
    for name, graph in graphs.items():
        text = f"The {name} of a Transformer; {SETTINGS} says how to use it."
        graph_path = path / f"{name}.onnx"
        graph_path.write_bytes(graph.model(name, text).SerializeToString(deterministic=True))
        onnx.checker.check_model(graph_path, full_check=True)
        described[name] = {
            "file": graph_path.name,
            "inputs": [value.name for value in graph.inputs],
            "outputs": [value.name for value in graph.outputs],
        }
    write_subwords(model.tokenizer, path)
    write_text(path / SETTINGS, f"{json_text(described, indent=2)}\n")


def describe_model(model: TrainedModel, length: int) -> dict[str, Any]:
    """Return what a program must know to translate with the graphs; `length`: most positions."""
    recipe, s, source = model.recipe, model.recipe.model, model.tokenizer.source
    language_ids = {token: source.language_id(token) for token in source.language_tokens}
    source_language, target_language = recipe.data.known_directions[0]
    return {
        "format_version": FORMAT_VERSION,
        "source_language": source_language,
        "target_language": target_language,
        **({"language_ids": language_ids} if language_ids else {}),
        "source_model": SENTENCEPIECE_FILES[0],
        "target_model": SENTENCEPIECE_FILES[1],
        "source_vocabulary": VOCABULARY_FILES[0],
        "target_vocabulary": VOCABULARY_FILES[0 if model.tokenizer.is_joint else 1],
        "pad_id": PAD,
        "unk_id": UNK,
        "bos_id": BOS,
        "eos_id": EOS,
        "never_output_ids": sorted(special_ids(model.tokenizer).never),
        "target_order": s.target_order,
        "max_positions": length,
        "decoder_layers": s.decoder_layers,
        "heads": s.heads,
        "key_width": s.d_k,
        "value_width": s.d_v,
        "beam_size": recipe.decode.beam_size,
        "length_penalty": recipe.decode.length_penalty,
        "max_extra_tokens": recipe.decode.max_extra_tokens,
        "max_segment_tokens": recipe.decode.max_segment_tokens,
    }


class Rotation(NamedTuple):
    """The cosines and the sines (length, d_k / 2) of the positions in a graph."""

    cosine: str
    sine: str


class KeysValues(NamedTuple):
    """Keys (B, h, S, d_k) and values (B, h, S, d_v)."""

    keys: str
    values: str


@dataclass
class WeightFile:
    """The file of the weights; graphs refer to offsets in it, so no graph is larger than 2 GB."""

    stream: IO[bytes]
    tensors: dict[str, TensorProto] = field(default_factory=dict)

    def add(self, name: str, array: NDArray[Any]) -> TensorProto:
        """Append a weight in float32, unless there is one of this name, and return its tensor."""
        if name not in self.tensors:
            content = numpy.ascontiguousarray(array, "<f4")
            self.stream.write(b"\0" * (-self.stream.tell() % PAGE))
            tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=content.shape)
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=WEIGHTS)
            tensor.external_data.add(key="offset", value=str(self.stream.tell()))
            tensor.external_data.add(key="length", value=str(content.nbytes))
            self.stream.write(content.data)
            self.tensors[name] = tensor
        return self.tensors[name]


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

    def constant(self, value: int | float | list[int]) -> str:
        """Use a small constant, an int64 or a float32, and return its name."""
        kind = numpy.float32 if isinstance(value, float) else numpy.int64
        array: NDArray[Any] = numpy.array(value, kind)
        key = (kind, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            self._constants[key] = name
            self._used[name] = numpy_helper.from_array(array, name)
        return self._constants[key]

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

    def mask(self, is_hidden: str) -> str:
        """Return what is added to scores: minus infinity where they are hidden, else 0."""
        return self.node("Where", is_hidden, self.constant(-math.inf), self.constant(0.0))

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


class OnnxNetwork:
    """Adds the encoder or the decoder of a model to a graph."""

    def __init__(
        self, graph: Graph, weights: Weights, settings: ModelSettings, length: int
    ) -> None:
        """Use a model's weights, by their names in `Transformer.state_dict`.

        length: the most positions.
        """
        self.graph = graph
        self.weights = weights
        self.settings = settings
        self.length = length

    def encode(self) -> None:
        """Add the encoder, with the decoder's keys and values of its output.

        Input: `source_ids` (B, S) with padding after EOS. Outputs: `source_mask` (B, 1, 1, S), 0 or
        minus infinity where there is padding; and for each decoder layer i `cross_keys_i`
        (B, h, S, d_k) and `cross_values_i` (B, h, S, d_v).
        """
        graph = self.graph
        ids = graph.input(SOURCE_IDS, ("rows", "source_length"), integers=True)
        is_padding = graph.node("Equal", ids, graph.constant(PAD))
        mask = graph.node("Unsqueeze", graph.mask(is_padding), graph.constant([1, 2]))
        positions = graph.span(graph.constant(0), graph.size(ids, 1))
        rotation = self.rotation(positions)
        x = self.embed(ids, positions, "source")

        def attend(y: str, name: str) -> str:
            query, known = self.query_key_value(y, name, rotation)
            return self.attention(query, known, mask, name)

        x = self.stack(x, "encoder", {"self_attention": attend})
        graph.output(SOURCE_MASK, mask, ("rows", 1, 1, "source_length"))
        for number in range(self.settings.decoder_layers):
            known = self.memory(x, f"decoder.{number}.cross_attention")
            self.output_pair(CROSS, number, known, "source_length")

    def decode(self) -> None:
        """Add one or more steps of the decoder.

        Inputs: `target_ids` (B, T), the new positions; the outputs of the encoder; and for each
        layer i `self_keys_i` (B, h, P, d_k) and `self_values_i` (B, h, P, d_v) of the earlier
        positions, with P = 0 at first. Outputs: `logits` (B, T, V), and `new_self_keys_i` and
        `new_self_values_i` of all P + T positions.
        """
        graph, numbers = self.graph, range(self.settings.decoder_layers)
        ids = graph.input(TARGET_IDS, ("rows", "steps"), integers=True)
        source_mask = graph.input(SOURCE_MASK, ("rows", 1, 1, "source_length"))
        cross = [self.input_pair(CROSS, number, "source_length") for number in numbers]
        earlier = [self.input_pair(SELF, number, "past_length") for number in numbers]
        first = graph.size(earlier[0].keys, 2)
        end = graph.node("Add", first, graph.size(ids, 1))
        positions = graph.span(first, end)
        queries = graph.node("Unsqueeze", positions, graph.constant([1]))
        is_later = graph.node("Greater", graph.span(graph.constant(0), end), queries)
        mask = graph.mask(is_later)  # (T, P + T)
        rotation = self.rotation(positions)
        x = self.embed(ids, positions, "target")
        longer: list[KeysValues] = []

        def attend(y: str, name: str) -> str:
            query, new = self.query_key_value(y, name, rotation)
            old = earlier[len(longer)]
            keys = graph.node("Concat", old.keys, new.keys, axis=2)
            values = graph.node("Concat", old.values, new.values, axis=2)
            longer.append(KeysValues(keys, values))
            return self.attention(query, longer[-1], mask, name)

        def attend_source(y: str, name: str) -> str:
            factor = self.settings.d_k**-0.5
            query = self.heads(self.linear(y, f"{name}.query", factor=factor), self.settings.d_k)
            return self.attention(query, cross[len(longer) - 1], source_mask, name)

        kinds = {"self_attention": attend, "cross_attention": attend_source}
        x = self.stack(x, "decoder", kinds)
        vocab_size = len(self.weights["embeddings.weight"])
        graph.output(LOGITS, self.project(x, ids), ("rows", "steps", vocab_size))
        for number, known in enumerate(longer):
            self.output_pair(NEW, number, known, "new_length")

    def stack(self, x: str, name: str, attend: Mapping[str, Callable[[str, str], str]]) -> str:
        """Add the layers of the encoder or the decoder.

        attend: the attentions by their kind; they take x and the name of the sub-layer.
        """
        is_pre_norm = self.settings.norm == "pre"
        for sublayer in sublayers(self.settings, name):
            apply = attend.get(sublayer.rpartition(".")[2], self.feed_forward)
            norm = f"{sublayer}_norm.norm"
            inner = self.norm(x, norm) if is_pre_norm else x
            total = self.graph.node("Add", x, apply(inner, sublayer))
            x = total if is_pre_norm else self.norm(total, norm)
        return self.norm(x, f"{name}_norm") if is_pre_norm else x

    def embed(self, ids: str, positions: str, side: str) -> str:
        """Return sqrt(d) * embedding + position of the ids of a side, "source" or "target"."""
        graph, settings = self.graph, self.settings
        name = matrix_name(self.weights, side)
        x = graph.node("Gather", graph.weight(name, self.weights[name]), ids)
        x = graph.node("Mul", x, graph.constant(settings.d_model**0.5))
        table = position_table(self.weights, settings, side, self.length)
        if table is None:
            return x
        is_shared = settings.positions != "learned"
        table_name = graph.weight("positions" if is_shared else f"{side}_positions", table)
        return graph.node("Add", x, graph.node("Gather", table_name, positions))

    def project(self, x: str, ids: str) -> str:
        """Return the logits (B, T, V) of the decoder's output x; it has an id at each position."""
        graph, bias = self.graph, "embeddings.softmax_bias"
        name = matrix_name(self.weights, "softmax")
        used = [name, bias] if bias in self.weights else [name]
        matrices = [graph.weight(weight, self.weights[weight]) for weight in used]
        flat = graph.node("Reshape", x, graph.constant([-1, self.settings.d_model]))
        logits = graph.node("Gemm", flat, *matrices, transB=1)
        shape = graph.node("Shape", ids)
        size = graph.constant([len(self.weights[name])])
        return graph.node("Reshape", logits, graph.node("Concat", shape, size, axis=0))

    def linear(
        self, x: str, name: str, rows: NDArray[Any] | slice = slice(None), factor: Any = 1
    ) -> str:
        """Return x W^T + b.

        name: that of the weights without ".weight". rows: the order of W's rows, if it changes.
        factor: of all rows, or of each.
        """
        matrix = self.weights[f"{name}.weight"] * numpy.reshape(factor, (-1, 1))
        bias = self.weights.get(f"{name}.bias")
        out = self.graph.node("MatMul", x, self.graph.weight(f"{name}.weight", matrix[rows].T))
        if bias is None:
            return out
        bias = (bias * numpy.reshape(factor, -1))[rows]
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
        deviation = graph.node("Sqrt", graph.node("Add", squares, graph.constant(epsilon)))
        return graph.node("Mul", graph.node("Div", x, deviation), weight)

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
        error = graph.node("Erf", graph.node("Div", x, graph.constant(math.sqrt(2))))
        doubled = graph.node("Mul", x, graph.node("Add", error, graph.constant(1.0)))
        return graph.node("Mul", doubled, graph.constant(0.5))

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
        query, key, value = map(self.heads, parts, (s.d_k, s.d_k, s.d_v))
        if rotation:
            query, key = self.rotated(query, rotation), self.rotated(key, rotation)
        return query, KeysValues(key, value)

    def rotated(self, x: str, rotation: Rotation) -> str:
        """Rotate each pair of x (B, h, length, d_k) by the angle of its position."""
        node, (cosine, sine) = self.graph.node, rotation
        first, second = self.graph.split("Split", 2, x, axis=-1)
        one = node("Sub", node("Mul", first, cosine), node("Mul", second, sine))
        other = node("Add", node("Mul", first, sine), node("Mul", second, cosine))
        return node("Concat", one, other, axis=-1)

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

    def rotation(self, positions: str) -> Rotation | None:
        """Return the rotations of positions; None if the model has none."""
        if self.settings.positions != "rotary":
            return None
        node, weight = self.graph.node, self.graph.weight
        table = angles(self.length, self.settings.d_k)
        return Rotation(
            node("Gather", weight("cosines", numpy.cos(table)), positions),
            node("Gather", weight("sines", numpy.sin(table)), positions),
        )

    def pair(self, kind: str, number: int, length: str) -> list[tuple[str, tuple[int | str, ...]]]:
        """Return the names and the axes of the keys and of the values of a layer."""
        s = self.settings
        return [
            (f"{kind}_{name}_{number}", ("rows", s.heads, length, width))
            for name, width in (("keys", s.d_k), ("values", s.d_v))
        ]

    def input_pair(self, kind: str, number: int, length: str) -> KeysValues:
        """Declare the keys and the values of a layer as inputs."""
        return KeysValues(
            *(self.graph.input(name, axes) for name, axes in self.pair(kind, number, length))
        )

    def output_pair(self, kind: str, number: int, known: KeysValues, length: str) -> None:
        """Make the keys and the values of a layer outputs."""
        for (name, axes), value in zip(self.pair(kind, number, length), known, strict=True):
            self.graph.output(name, value, axes)
