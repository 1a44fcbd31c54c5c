"""What a model costs, by formula: operations of its matrix products, memory of its activations.

Dimensions: pairs of S source and T target tokens, h heads, V pieces. A floating-point operation
(FLOP) is an addition or a multiplication: a product of an m × n and an n × p matrix has 2 m n p.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from nmt.config import ModelSettings

TRAINING_PASSES = 3  # forward; backward a product by each factor of a forward one

Count = TypeVar("Count", float, Tensor)  # of one batch, or of many


@dataclass(frozen=True)
class Workload:
    """How many tokens a model reads, and how often attention sets one against another."""

    source: float  # tokens, the sum of S
    target: float  # the sum of T
    encoder_scores: float  # of a head: the sum of S^2
    decoder_scores: float  # the sum of T (T + 1) / 2, as no position sees a later one
    cross_scores: float  # the sum of S T

    @classmethod
    def of(cls, lengths: Iterable[tuple[int, int]]) -> "Workload":
        """Of pairs of S source and T target tokens."""
        pairs = list(lengths)
        return cls(
            sum(S for S, _ in pairs),
            sum(T for _, T in pairs),
            sum(S * S for S, _ in pairs),
            sum(T * (T + 1) / 2 for _, T in pairs),
            sum(S * T for S, T in pairs),
        )

    @classmethod
    def even(cls, source: float, target: float, length: float) -> "Workload":
        """Of so many tokens a side in pairs whose sides all have the same length."""
        return cls(source, target, source * length, target * (length + 1) / 2, target * length)


def count_parameters(settings: ModelSettings, vocab_size: int) -> int:
    """Trainable numbers of a model, by formula."""
    s = settings
    attention = s.d_model * s.heads * (2 * s.d_k + 2 * s.d_v)
    feed_forward = s.d_model * (s.inner_rows + s.inner_width) + s.inner_rows + s.d_model
    norm = s.d_model if s.norm_kind == "rms" else 2 * s.d_model
    matrices = {"all": 1, "target": 2, "none": 3}[s.tied]
    final_norms = 2 * norm if s.norm == "pre" else 0
    positions = 2 * s.max_positions * s.d_model if s.positions == "learned" else 0
    encoder_layer = attention + feed_forward + 2 * norm
    decoder_layer = 2 * attention + feed_forward + 3 * norm
    layers = s.encoder_layers * encoder_layer + s.decoder_layers * decoder_layer
    return matrices * vocab_size * s.d_model + positions + layers + final_norms


def forward_flops(model: ModelSettings, vocab_size: int, work: Workload) -> float:
    """Of the products of one forward pass over real tokens; what is no product is left out.

    Projections, attention over keys that a query may see, feed-forward and softmax's projection.
    """
    queries = keys = model.d_model * model.heads * model.d_k
    values = out = model.d_model * model.heads * model.d_v
    feed_forward = model.d_model * (model.inner_rows + model.inner_width)
    score = model.heads * (model.d_k + model.d_v)  # of a query and a key, then of its value
    layer = queries + keys + values + out + feed_forward
    encoder = work.source * layer + work.encoder_scores * score
    decoder = work.target * (layer + queries + out) + work.decoder_scores * score
    memory = work.source * (keys + values) + work.cross_scores * score
    multiply_adds = (
        model.encoder_layers * encoder
        + model.decoder_layers * (decoder + memory)
        + work.target * model.d_model * vocab_size
    )
    return 2 * multiply_adds


def activation_bytes(
    model: ModelSettings, vocab_size: int, pairs: Count, S: Count, T: Count, *, bf16: bool = False
) -> Count:
    """What a forward pass over pairs padded to S and T tokens keeps for the backward pass.

    On a CPU: inputs of products, queries, keys, values, attention weights, dropout masks, inputs of
    norms, logits. Of bf16 training, what no product reads stays in float32, as attention weights do
    beside a copy in bf16. An estimate: buffers that come and go are left out.
    """
    d, heads = model.d_model, model.heads
    mask = d if model.dropout else 0
    queries, values = heads * model.d_k, heads * model.d_v  # keys are as wide as queries
    attention = d + queries + values + mask  # its input, queries, values to merge, its output
    memory = queries + values  # keys and values
    # Gated: both halves of the inner product, what the gate lets through, and their product.
    inner = model.d_ff if model.activation == "relu" else 4 * model.inner_width
    feed_forward = d + inner + mask
    encoder = S * (attention + memory + feed_forward)
    decoder = T * (2 * attention + memory + feed_forward) + S * memory
    products = model.encoder_layers * encoder + model.decoder_layers * decoder
    products = products + S * d + T * (d + vocab_size)
    normed = model.encoder_layers * S * 2 + model.decoder_layers * T * 3
    if model.norm == "pre":
        normed = normed + S + T
    norms = normed * d * (2 if model.norm_kind == "rms" else 1) + (S + T) * mask
    scores = heads * (model.encoder_layers * S * S + model.decoder_layers * T * (S + T))
    dropped = 2 if model.attention_dropout else 0  # a mask, and what it leaves
    if bf16:
        return pairs * (2 * products + 4 * norms + (6 + 2 * dropped) * scores)
    return pairs * (4 * products + 4 * norms + (4 + 4 * dropped) * scores)
