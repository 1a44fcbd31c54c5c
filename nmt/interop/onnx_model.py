"""The encoder and the cached decoder as two graphs of ONNX.

Dimensions: B rows, h heads, S source positions, T new target positions, P earlier ones, V tokens.
"""

import math
from collections.abc import Callable

from nmt.config import ModelSettings
from nmt.interop.onnx_graph import Graph, WeightFile
from nmt.interop.onnx_layers import KeysValues, Layers
from nmt.interop.position_tables import position_table
from nmt.runs.model_file import Weights
from nmt.text.tokenizer import PAD

SOURCE_IDS, TARGET_IDS = "source_ids", "target_ids"
SOURCE_MASK, LOGITS = "source_mask", "logits"
CROSS, SELF, NEW = "cross", "self", "new_self"  # kinds of keys and values


def encoder_graph(file: WeightFile, weights: Weights, s: ModelSettings, length: int) -> Graph:
    """Return the graph of the encoder, with the decoder's keys and values of its output.

    Input: `source_ids` (B, S) with padding after EOS. Outputs: `source_mask` (B, 1, 1, S), 0 or
    minus infinity where there is padding; and for each decoder layer i `cross_keys_i`
    (B, h, S, d_k) and `cross_values_i` (B, h, S, d_v).

    length: the most positions.
    """
    graph = Graph(file)
    layers = Layers(graph, weights, s)
    ids = graph.input(SOURCE_IDS, ("rows", "source_length"), integers=True)
    is_padding = graph.node("Equal", ids, graph.constant(PAD))
    hidden = graph.node("Where", is_padding, graph.number(-math.inf), graph.number(0))
    mask = graph.node("Unsqueeze", hidden, graph.constant([1, 2]))
    positions = graph.span(graph.constant(0), graph.size(ids, 1))
    rotation = layers.rotation(positions, length)
    x = embed(layers, ids, positions, "source", length)
    for number in range(s.encoder_layers):

        def attend(y: str, name: str = f"encoder.{number}.self_attention") -> str:
            query, known = layers.query_key_value(y, name, rotation)
            return layers.attention(query, known, mask, name)

        x = layers.residual(x, f"encoder.{number}.self_attention_norm", attend)
        x = feed_forward(layers, x, f"encoder.{number}")
    x = layers.norm(x, "encoder_norm") if s.norm == "pre" else x
    graph.output(SOURCE_MASK, mask, ("rows", 1, 1, "source_length"))
    for number in range(s.decoder_layers):
        known = layers.memory(x, f"decoder.{number}.cross_attention")
        output_pair(graph, CROSS, number, known, s, "source_length")
    return graph


def decoder_graph(file: WeightFile, weights: Weights, s: ModelSettings, length: int) -> Graph:
    """Return the graph of one or more steps of the decoder.

    Inputs: `target_ids` (B, T), the new positions; the outputs of the encoder; and for each layer i
    `self_keys_i` (B, h, P, d_k) and `self_values_i` (B, h, P, d_v) of the earlier positions, with
    P = 0 at first. Outputs: `logits` (B, T, V), and `new_self_keys_i` and `new_self_values_i` of
    all P + T positions.

    length: the most positions.
    """
    graph = Graph(file)
    layers = Layers(graph, weights, s)
    ids = graph.input(TARGET_IDS, ("rows", "steps"), integers=True)
    source_mask = graph.input(SOURCE_MASK, ("rows", 1, 1, "source_length"))
    numbers = range(s.decoder_layers)
    cross = [input_pair(graph, CROSS, number, s, "source_length") for number in numbers]
    earlier = [input_pair(graph, SELF, number, s, "past_length") for number in numbers]
    first = graph.size(earlier[0].keys, 2)
    end = graph.node("Add", first, graph.size(ids, 1))
    positions = graph.span(first, end)
    mask = causal_mask(graph, positions, end)
    rotation = layers.rotation(positions, length)
    x = embed(layers, ids, positions, "target", length)
    longer: list[KeysValues] = []
    for number in numbers:

        def attend(y: str, number: int = number) -> str:
            name = f"decoder.{number}.self_attention"
            query, new = layers.query_key_value(y, name, rotation)
            old = earlier[number]
            keys = graph.node("Concat", old.keys, new.keys, axis=2)
            values = graph.node("Concat", old.values, new.values, axis=2)
            longer.append(KeysValues(keys, values))
            return layers.attention(query, longer[number], mask, name)

        def attend_source(y: str, number: int = number) -> str:
            name = f"decoder.{number}.cross_attention"
            return layers.attention(layers.query(y, name), cross[number], source_mask, name)

        x = layers.residual(x, f"decoder.{number}.self_attention_norm", attend)
        x = layers.residual(x, f"decoder.{number}.cross_attention_norm", attend_source)
        x = feed_forward(layers, x, f"decoder.{number}")
    x = layers.norm(x, "decoder_norm") if s.norm == "pre" else x
    vocab_size = len(weights["embeddings.weight"])
    graph.output(LOGITS, project(layers, x, ids), ("rows", "steps", vocab_size))
    for number, known in enumerate(longer):
        output_pair(graph, NEW, number, known, s, "new_length")
    return graph


def feed_forward(layers: Layers, x: str, layer: str) -> str:
    """Return the residual sum around the feed-forward network of a layer."""
    name = f"{layer}.feed_forward"
    sublayer: Callable[[str], str] = lambda y: layers.feed_forward(y, name)  # noqa: E731
    return layers.residual(x, f"{name}_norm", sublayer)


def causal_mask(graph: Graph, positions: str, end: str) -> str:
    """Return the mask (T, P + T) that hides later positions from each new one."""
    queries = graph.node("Unsqueeze", positions, graph.constant([1]))
    is_later = graph.node("Greater", graph.span(graph.constant(0), end), queries)
    return graph.node("Where", is_later, graph.number(-math.inf), graph.number(0))


def embed(layers: Layers, ids: str, positions: str, side: str, length: int) -> str:
    """Return sqrt(d) * embedding + position of the ids of a side, "source" or "target"."""
    graph, weights, settings = layers.graph, layers.weights, layers.settings
    name = "embeddings.own_source_weight"
    if side == "target" or name not in weights:
        name = "embeddings.weight"
    x = graph.node("Gather", graph.weight(name, weights[name]), ids)
    x = graph.node("Mul", x, graph.number(settings.d_model**0.5))
    table = position_table(weights, settings, side, length)
    if table is None:
        return x
    is_shared = settings.positions != "learned"
    place = graph.weight("positions" if is_shared else f"{side}_positions", table)
    return graph.node("Add", x, graph.node("Gather", place, positions))


def project(layers: Layers, x: str, ids: str) -> str:
    """Return the logits (B, T, V) of the decoder's output x, which has an id for each position."""
    graph, weights = layers.graph, layers.weights
    name = "embeddings.own_softmax_weight"
    name = name if name in weights else "embeddings.weight"
    matrix = graph.weight(name, weights[name])
    bias = []
    if "embeddings.softmax_bias" in weights:
        bias = [graph.weight("embeddings.softmax_bias", weights["embeddings.softmax_bias"])]
    flat = graph.node("Reshape", x, graph.constant([-1, layers.settings.d_model]))
    logits = graph.node("Gemm", flat, matrix, *bias, transB=1)
    shape = graph.node("Shape", ids)
    size = graph.constant([len(weights[name])])
    return graph.node("Reshape", logits, graph.node("Concat", shape, size, axis=0))


def pair_names(kind: str, number: int) -> tuple[str, str]:
    """Return the names of the keys and of the values of a layer."""
    return f"{kind}_keys_{number}", f"{kind}_values_{number}"


def input_pair(graph: Graph, kind: str, number: int, s: ModelSettings, length: str) -> KeysValues:
    """Declare the keys and the values of a layer as inputs."""
    keys, values = pair_names(kind, number)
    return KeysValues(
        graph.input(keys, ("rows", s.heads, length, s.d_k)),
        graph.input(values, ("rows", s.heads, length, s.d_v)),
    )


def output_pair(
    graph: Graph, kind: str, number: int, known: KeysValues, s: ModelSettings, length: str
) -> None:
    """Make the keys and the values of a layer outputs."""
    keys, values = pair_names(kind, number)
    graph.output(keys, known.keys, ("rows", s.heads, length, s.d_k))
    graph.output(values, known.values, ("rows", s.heads, length, s.d_v))
