"""The layers of the encoder and the decoder, and the residual connections in them (section 3.1)."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from nmt.config import ModelSettings
from nmt.kernels.dropout import Dropout
from nmt.model.attention import KeyValueCache, MultiHeadAttention
from nmt.model.feed_forward import FeedForward


class AddAndNorm(nn.Module):
    """LayerNorm(x + Dropout(Sublayer(x))), the "Add & Norm" of figure 1.

    With pre-norm (Xiong et al., 2020) it is x + Dropout(Sublayer(LayerNorm(x))).
    """

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.norm = make_norm(settings)
        self.dropout = Dropout(settings.dropout)
        self.is_pre_norm = settings.norm == "pre"

    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """Apply `sublayer`, which keeps the shape, to x (B, length, d_model)."""
        total: Tensor = x + self.dropout(sublayer(self.norm(x) if self.is_pre_norm else x))
        return total if self.is_pre_norm else self.norm(total)


def make_norm(settings: ModelSettings) -> nn.LayerNorm | nn.RMSNorm:
    """Return a normalisation over d_model of the configured kind."""
    if settings.norm_kind == "rms":
        return nn.RMSNorm(settings.d_model, eps=settings.norm_epsilon)
    return nn.LayerNorm(settings.d_model, eps=settings.norm_epsilon)


def make_final_norm(settings: ModelSettings) -> nn.Module:
    """Return what ends a stack: a norm with pre-norm, the identity with the paper's post-norm."""
    return make_norm(settings) if settings.norm == "pre" else nn.Identity()


class EncoderLayer(nn.Module):
    """Self-attention, then the feed-forward network."""

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(settings)
        self.self_attention_norm = AddAndNorm(settings)
        self.feed_forward = FeedForward(settings)
        self.feed_forward_norm = AddAndNorm(settings)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Map x (B, S, d_model) to the same shape; the mask hides padding."""
        x = self.self_attention_norm(x, lambda y: self.self_attention(y, mask))
        out: Tensor = self.feed_forward_norm(x, self.feed_forward)
        return out


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
