"""One layer of the decoder (section 3.1), for all positions at once or one after another."""

from dataclasses import dataclass

from torch import Tensor, nn

from nmt.config import ModelSettings
from nmt.model.attention import KeyValueCache, MultiHeadAttention
from nmt.model.feed_forward import FeedForward
from nmt.model.residual import AddAndNorm


@dataclass
class LayerCache:
    """Keys and values that one decoder layer keeps between decoding steps.

    The two differ in rows: self-attention has one row for each of R hypotheses, cross-attention
    one for each of B sentences.
    """

    self_attention: KeyValueCache  # of the target positions so far
    cross_attention: KeyValueCache  # of the encoder's output


class DecoderLayer(nn.Module):
    """Masked self-attention, attention to the encoder's output, then the feed-forward network."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(settings)
        self.self_attention_norm = AddAndNorm(settings)
        self.cross_attention = MultiHeadAttention(settings, is_cross=True)
        self.cross_attention_norm = AddAndNorm(settings)
        self.feed_forward = FeedForward(settings)
        self.feed_forward_norm = AddAndNorm(settings)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        memory: Tensor | None,
        memory_mask: Tensor | None,
        cache: LayerCache | None = None,
    ) -> Tensor:
        """Map x (B, T, d_model) to the same shape.

        Args:
            x: the target positions. With a cache: only the new ones, (R, T, d_model).
            mask: hides later positions.
            memory: the encoder's output (B, S, d_model); not needed with a cache.
            memory_mask: hides the padding of the memory.
            cache: keys and values of earlier positions and of the memory; those of x are appended.
        """
        own = None if cache is None else cache.self_attention
        cross = None if cache is None else cache.cross_attention
        x = self.self_attention_norm(x, lambda y: self.self_attention(y, mask, cache=own))
        x = self.cross_attention_norm(
            x, lambda y: self.cross_attention(y, memory_mask, memory, cross)
        )
        out: Tensor = self.feed_forward_norm(x, self.feed_forward)
        return out
