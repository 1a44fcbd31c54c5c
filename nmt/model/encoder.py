"""One layer of the encoder (section 3.1)."""

from torch import Tensor, nn

from nmt.config import ModelSettings
from nmt.model.attention import MultiHeadAttention
from nmt.model.feed_forward import FeedForward
from nmt.model.residual import AddAndNorm


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
