"""The cost of a model by formula: floating-point operations and activation memory.

Dimensions: pairs of S source and T target tokens, h heads, vocabulary size V. A floating-point
operation (FLOP) is one addition or multiplication: the product of an m x n and an n x p matrix has
2 m n p of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy
from numpy.typing import NDArray

from nmt.config import ModelSettings

# One forward, and one for the gradient of each of a product's two factors.
TRAINING_PASSES = 3

Count = TypeVar("Count", float, NDArray[numpy.float64])  # for one batch, or for many at once


@dataclass(frozen=True)
class Workload:
    """Numbers of tokens and of attention scores that a forward pass computes."""

    source: float  # source tokens: the sum of S over all pairs
    target: float  # target tokens: the sum of T
    encoder_scores: float  # of one head: the sum of S^2
    decoder_scores: float  # the sum of T (T + 1) / 2: a position sees no later one
    cross_scores: float  # the sum of S T

    @classmethod
    def from_lengths(cls, lengths: Iterable[tuple[int, int]]) -> "Workload":
        """Return the workload of pairs with these numbers of source and target tokens."""
        pairs = list(lengths)
        return cls(
            sum(S for S, _ in pairs),
            sum(T for _, T in pairs),
            sum(S * S for S, _ in pairs),
            sum(T * (T + 1) / 2 for _, T in pairs),
            sum(S * T for S, T in pairs),
        )

    @classmethod
    def from_equal_lengths(cls, source: float, target: float, length: float) -> "Workload":
        """Return the workload of pairs whose sides all have `length` tokens.

        source, target: the total tokens of each side.
        """
        return cls(source, target, source * length, target * (length + 1) / 2, target * length)


def forward_flops(model: ModelSettings, vocab_size: int, work: Workload) -> float:
    """Return the floating-point operations of the matrix products in one forward pass.

    Counted are projections, attention over the keys that a query may see, feed-forward networks and
    the output projection, all over real tokens without padding. Everything else is left out.
    """
    if model.is_recurrent:
        return 2 * recurrent_multiply_adds(model, vocab_size, work)
    queries = keys = model.d_model * model.heads * model.d_k
    values = out = model.d_model * model.heads * model.d_v
    feed_forward = model.d_model * (model.inner_rows + model.inner_width)
    score = model.heads * (model.d_k + model.d_v)  # query times key, then weight times value
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


def recurrent_multiply_adds(model: ModelSettings, vocab_size: int, work: Workload) -> float:
    """Return the multiplications, each with an addition, of a recurrent model's forward pass.

    Each position passes each weight once. Attention compares it with each source position, and adds
    those up.
    """
    d = model.d_model
    source = model.encoder_layers * 6 * d * d + d * d
    target = model.decoder_layers * 12 * d * d + 3 * d * d + d * vocab_size
    return work.source * source + work.target * target + work.cross_scores * 2 * d


def activation_bytes(
    model: ModelSettings, vocab_size: int, pairs: Count, S: Count, T: Count, *, bf16: bool = False
) -> Count:
    """Return the bytes that a forward pass keeps for the backward pass, for padded pairs.

    pairs, S, T: the pairs of a batch and the lengths that they are padded to. Counted, on a CPU,
    are the inputs of products, queries, keys, values, attention weights, dropout masks, the inputs
    of norms and the logits. With bf16, tensors that no product reads stay in float32; attention
    weights are kept in both. This is an estimate: temporary buffers are left out. Logits are
    counted whole; with blocks of them (`nmt.kernels.loss`), pass 0 for `vocab_size`.
    """
    d, heads = model.d_model, model.heads
    mask = d if model.dropout else 0
    if model.is_recurrent:
        # Gates and cells of each LSTM with their inputs, then the energies of attention.
        source = model.encoder_layers * S * (8 * d + mask)
        target = T * (model.decoder_layers * (14 * d + mask) + 6 * d + mask + vocab_size)
        return pairs * 4 * (source + target + T * S * (2 * d + 2))
    queries, values = heads * model.d_k, heads * model.d_v  # keys are as wide as queries
    # Its input, the queries, the merged values and the output's dropout mask.
    attention = d + queries + values + mask
    memory = queries + values  # keys and values
    # ReLU keeps its output only, SiLU and GELU their input too. A gated network keeps both halves
    # of the inner layer, the activated gate and their product.
    kept = 4 if model.is_gated else 1 if model.activation == "relu" else 2
    inner = kept * model.inner_width
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
    dropped = 2 if model.attention_dropout else 0  # the mask and the dropped-out weights
    if bf16:
        return pairs * (2 * products + 4 * norms + (6 + 2 * dropped) * scores)
    return pairs * (4 * products + 4 * norms + (4 + 4 * dropped) * scores)
