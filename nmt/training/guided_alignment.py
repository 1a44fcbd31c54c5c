"""Guided alignment: train an attention head of the decoder to align words.

Garg et al. (2019), "Jointly Learning to Align and Translate with Transformer Models", section 4.3:
lambda times the cross-entropy between the alignment of each target token and the attention of one
head in the last layer but one. This is their variant without the future context of the target.

Dimensions: B pairs, h heads, T target positions, S source positions.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from nmt.decoding.models.alignment import GUIDED_HEAD, guided_layer
from nmt.model.attention import MultiHeadAttention
from nmt.model.encoder_decoder import EncoderDecoder


def guided_loss(weights: Tensor, aligned: Tensor) -> Tensor:
    """Return the sum of -log of the weights at aligned positions.

    weights (B, T, S): the attention of a head. aligned (B, T): the position of a source token,
    counted from 1; 0 counts nothing.
    """
    position = (aligned - 1).clamp(min=0)[..., None]
    picked = weights.gather(-1, position)[..., 0]
    smallest = torch.finfo(picked.dtype).tiny  # instead of 0, which has no logarithm
    return -picked.clamp(min=smallest).log().masked_fill(aligned == 0, 0).sum()


class GuidedAlignment:
    """Adds the loss of guided alignment to that of a network."""

    def __init__(self, network: EncoderDecoder, weight: float) -> None:
        """Find the guided attention; weight: lambda, at a sum over target tokens of both losses."""
        name = f"decoder.{guided_layer(network.settings)}.cross_attention"
        attention = network.get_submodule(name)
        assert isinstance(attention, MultiHeadAttention)  # noqa: S101 (for the type checker)
        self._attention = attention
        self._weight = weight
        self._recorded = threading.local()  # each thread computes a part of the batch

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Keep the weights of each forward pass within a `with` block, for `loss`."""
        self._attention.recorder = self._record
        try:
            yield
        finally:
            self._attention.recorder = None

    def _record(self, _query: Tensor, _key: Tensor, _value: Tensor, weights: Tensor) -> None:
        self._recorded.weights = weights

    def loss(self, aligned: Tensor) -> Tensor:
        """Return the weighted loss of this thread's last forward pass; aligned (B, T).

        The pass may have held the batch several times; the loss is the mean over these.
        """
        weights = self._recorded.weights[:, GUIDED_HEAD]  # (passes * B, T, S)
        del self._recorded.weights
        passes = len(weights) // len(aligned)
        return self._weight / passes * guided_loss(weights, aligned.repeat(passes, 1))
