"""Compute the shapes of a model's weights, and the memory that its training holds, by formula."""

import math
from collections.abc import Sequence

from nmt.config import ModelSettings, Recipe

Shapes = dict[str, tuple[int, ...]]  # by the name of a weight

FLOAT_BYTES = 4


def weight_shapes(settings: ModelSettings, vocab_size: int) -> Shapes:
    """Return the shape of each weight of a model by its name in `EncoderDecoder.state_dict`."""
    s = settings
    matrix = vocab_size, s.d_model
    shapes: Shapes = {"embeddings.weight": matrix}
    if s.tied != "all":
        shapes["embeddings.own_source_weight"] = matrix
    if s.tied == "none":
        shapes["embeddings.own_softmax_weight"] = matrix
    if s.softmax_bias:
        shapes["embeddings.softmax_bias"] = (vocab_size,)
    if s.is_recurrent:
        return shapes | recurrent_shapes(s)
    if s.positions == "learned":
        for side in ("source", "target"):
            shapes[f"embeddings.{side}_positions.table"] = s.max_positions, s.d_model
    for number in range(s.encoder_layers):
        shapes |= layer_shapes(s, f"encoder.{number}", ("self_attention",))
    for number in range(s.decoder_layers):
        shapes |= layer_shapes(s, f"decoder.{number}", ("self_attention", "cross_attention"))
    if s.norm == "pre":
        shapes |= norm_shapes(s, "encoder_norm") | norm_shapes(s, "decoder_norm")
    return shapes


def recurrent_shapes(settings: ModelSettings) -> Shapes:
    """Return the shapes of a recurrent model's weights outside the embeddings."""
    d = settings.d_model
    shapes: Shapes = {}
    half = d // 2  # each direction of the encoder
    sizes: list[tuple[str, int, int, tuple[str, ...]]]
    sizes = [(f"encoder.{n}", d, half, ("", "_reverse")) for n in range(settings.encoder_layers)]
    sizes += [(f"decoder.{n}", 2 * d, d, ("",)) for n in range(settings.decoder_layers)]
    for layer, inputs, width, directions in sizes:
        for end in directions:
            for kind, columns in (("ih", inputs), ("hh", width)):
                shapes[f"{layer}.weight_{kind}_l0{end}"] = 4 * width, columns
                shapes[f"{layer}.bias_{kind}_l0{end}"] = (4 * width,)
    linear = {"first_hidden": (d, d), "attention.query": (d, d), "out": (d, 2 * d)}
    for name, shape in linear.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": (d,)}
    return shapes | {"attention.key.weight": (d, d), "attention.energy.weight": (1, d)}


def layer_shapes(settings: ModelSettings, layer: str, attentions: Sequence[str]) -> Shapes:
    """Return the shapes of all weights in a layer of the encoder or the decoder.

    layer: such as "encoder.0". attentions: the names of the layer's attention sub-layers.
    """
    s = settings
    keys, values = s.heads * s.d_k, s.heads * s.d_v  # of all heads
    shapes: Shapes = {}
    for name in attentions:
        attention = f"{layer}.{name}"
        rows = {"query_key_value": keys + keys + values}
        if name == "cross_attention":
            rows = {"query": keys, "key_value": keys + values}
        for projection, height in rows.items():
            shapes |= projection_shapes(s, f"{attention}.{projection}", height, s.d_model)
        shapes |= projection_shapes(s, f"{attention}.out", s.d_model, values)
        shapes |= norm_shapes(s, f"{attention}_norm.norm")
    feed_forward = f"{layer}.feed_forward"
    shapes[f"{feed_forward}.inner.weight"] = s.inner_rows, s.d_model
    shapes[f"{feed_forward}.inner.bias"] = (s.inner_rows,)
    shapes[f"{feed_forward}.outer.weight"] = s.d_model, s.inner_width
    shapes[f"{feed_forward}.outer.bias"] = (s.d_model,)
    return shapes | norm_shapes(s, f"{feed_forward}_norm.norm")


def projection_shapes(settings: ModelSettings, projection: str, rows: int, width: int) -> Shapes:
    """Return the shapes of a projection of attention; `projection` is its name."""
    shapes: Shapes = {f"{projection}.weight": (rows, width)}
    if settings.attention_bias:
        shapes[f"{projection}.bias"] = (rows,)
    return shapes


def norm_shapes(settings: ModelSettings, norm: str) -> Shapes:
    """Return the shapes of a normalisation; `norm` is its name."""
    kinds = ("weight",) if settings.norm_kind == "rms" else ("weight", "bias")
    return {f"{norm}.{kind}": (settings.d_model,) for kind in kinds}


def count_parameters(settings: ModelSettings, vocab_size: int) -> int:
    """Return the number of a model's trainable parameters."""
    return sum(map(math.prod, weight_shapes(settings, vocab_size).values()))


def least_vocabulary(recipe: Recipe) -> int:
    """Return the smallest size of a recipe's vocabulary, before any text is read.

    A vocabulary of characters or words may be smaller than `tokenizer.vocab_size`.
    """
    return recipe.tokenizer.vocab_size if recipe.tokenizer.has_fixed_size else 1


def least_parameters(recipe: Recipe) -> int:
    """Return the number of parameters of a recipe's model with its smallest vocabulary."""
    return count_parameters(recipe.model, least_vocabulary(recipe))


def count_moments(recipe: Recipe, vocab_size: int) -> int:
    """Return how many numbers the optimiser keeps.

    Of each parameter they are Adam's two moments and, with `moving_average`, the average. Muon has
    one momentum instead of two moments of the matrices in layers.
    """
    count = (3 if recipe.train.moving_average else 2) * count_parameters(recipe.model, vocab_size)
    if recipe.train.optimizer == "muon":
        shapes = weight_shapes(recipe.model, vocab_size)
        in_layers = (shape for name, shape in shapes.items() if not name.startswith("embeddings."))
        count -= sum(math.prod(shape) for shape in in_layers if len(shape) == 2)
    return count


def training_bytes(recipe: Recipe) -> int:
    """Return the bytes of weights, gradients and the optimiser's state; activations come on top.

    The vocabulary is the smallest that the recipe may have.
    """
    moments = count_moments(recipe, least_vocabulary(recipe))
    return FLOAT_BYTES * (2 * least_parameters(recipe) + moments)
