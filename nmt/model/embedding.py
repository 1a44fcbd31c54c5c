"""Embeddings, their positions, and the projection to the softmax (sections 3.4 and 3.5)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear

from nmt.config import ModelSettings
from nmt.kernels.dropout import Dropout
from nmt.kernels.padded_product import padded_linear
from nmt.model.positions import make_positions


class Embeddings(nn.Module):
    """The matrix that embeds both languages and projects to the softmax, with the positions.

    The paper shares one matrix (V, d_model) among all three (section 3.4). With `model.tied` =
    target the source has its own; with none the softmax has its own, too. With
    `model.softmax_bias`, each logit has a bias (V,).
    """

    def __init__(self, settings: ModelSettings, vocab_size: int) -> None:
        """Make the matrices of a vocabulary of V = `vocab_size` subwords."""
        super().__init__()
        shape = vocab_size, settings.d_model
        self.scale = settings.d_model**0.5
        self.weight = nn.Parameter(torch.empty(shape))
        self.own_source_weight: nn.Parameter | None = None
        self.own_softmax_weight: nn.Parameter | None = None
        if settings.tied != "all":
            self.own_source_weight = nn.Parameter(torch.empty(shape))
        if settings.tied == "none":
            self.own_softmax_weight = nn.Parameter(torch.empty(shape))
        self.softmax_bias = nn.Parameter(torch.empty(vocab_size)) if settings.softmax_bias else None
        self.source_positions, self.target_positions = make_positions(settings)
        self.dropout = Dropout(settings.dropout)

    def reset_parameters(self) -> None:
        """Draw the matrices from a normal distribution of standard deviation d_model^-0.5.

        The bias starts with zeros.
        """
        for matrix in (self.weight, self.own_source_weight, self.own_softmax_weight):
            if matrix is not None:
                nn.init.normal_(matrix, std=1 / self.scale)
        if self.softmax_bias is not None:
            nn.init.zeros_(self.softmax_bias)

    @property
    def source_weight(self) -> nn.Parameter:
        """Return the matrix (V, d_model) that embeds the source."""
        own = self.own_source_weight
        return self.weight if own is None else own

    @property
    def softmax_weight(self) -> nn.Parameter:
        """Return the matrix (V, d_model) that projects to the softmax."""
        own = self.own_softmax_weight
        return self.weight if own is None else own

    def embed_source(self, ids: Tensor, kept: Tensor | None = None) -> Tensor:
        """Embed source ids (B, S) to (B, S, d_model); `kept` is that of `embed`."""
        return self.embed(ids, self.source_weight, self.source_positions, kept=kept)

    def embed_target(self, ids: Tensor, first: int = 0, kept: Tensor | None = None) -> Tensor:
        """Embed target ids (B, T), whose first position is `first`, to (B, T, d_model)."""
        return self.embed(ids, self.weight, self.target_positions, first, kept)

    def embed(
        self,
        ids: Tensor,
        matrix: Tensor,
        positions: nn.Module | None,
        first: int = 0,
        kept: Tensor | None = None,
    ) -> Tensor:
        """Return sqrt(d_model) * embedding + position, with dropout (sections 3.4, 3.5, 5.4).

        kept: 1 where the embedding of a token is kept and 0 where it is cut, (B, S) or (B, T); None
        keeps all.
        """
        x: Tensor = embedding(ids, matrix) * self.scale
        if kept is not None:
            x = x * kept[..., None]
        if positions is not None:
            x = x + positions(first + ids.shape[1])[first:]
        dropped: Tensor = self.dropout(x)
        return dropped

    def project(self, x: Tensor) -> Tensor:
        """Map (..., d_model) to logits (..., V) (section 3.4)."""
        # A GPU multiplies whole tiles; a compiled graph pads its products where that is faster.
        if x.device.type == "cuda" and not torch.compiler.is_compiling():
            return padded_linear(x, self.softmax_weight, self.softmax_bias)
        return linear(x, self.softmax_weight, self.softmax_bias)
