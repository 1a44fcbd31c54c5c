"""The Transformer: encoder and decoder stacks around one embedding matrix (section 3)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear

from nmt.config import ModelSettings
from nmt.kernels.dropout import Dropout
from nmt.model.attention import MultiHeadAttention, causal_mask, padding_mask
from nmt.model.layers import DecoderLayer, EncoderLayer, FeedForward, final_norm_of
from nmt.model.positions import LearnedPositions, SinusoidalPositions, positions_of


class Transformer(nn.Module):
    """Encoder-decoder over one joint vocabulary of V pieces."""

    def __init__(self, settings: ModelSettings, vocab_size: int, pad_id: int) -> None:
        super().__init__()
        self.settings = settings
        self.pad_id = pad_id
        # One matrix embeds source and target and projects to the softmax (section 3.4), unless
        # the source, or each, has its own.
        shape = vocab_size, settings.d_model
        self.embedding = nn.Parameter(torch.empty(shape))
        self.own_source_embedding: nn.Parameter | None = None
        self.own_softmax_weight: nn.Parameter | None = None
        if settings.tied != "all":
            self.own_source_embedding = nn.Parameter(torch.empty(shape))
        if settings.tied == "none":
            self.own_softmax_weight = nn.Parameter(torch.empty(shape))
        self.encoder = nn.ModuleList(EncoderLayer(settings) for _ in range(settings.encoder_layers))
        self.decoder = nn.ModuleList(DecoderLayer(settings) for _ in range(settings.decoder_layers))
        self.encoder_norm, self.decoder_norm = final_norm_of(settings), final_norm_of(settings)
        self.dropout = Dropout(settings.dropout)
        self.source_positions, self.target_positions = positions_of(settings)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Embeddings normal with standard deviation d_model^-0.5, the rest Glorot-uniform."""
        for matrix in (self.embedding, self.own_source_embedding, self.own_softmax_weight):
            if matrix is not None:
                nn.init.normal_(matrix, std=self.settings.d_model**-0.5)
        for module in self.modules():
            if isinstance(module, MultiHeadAttention | FeedForward | LearnedPositions):
                module.reset_parameters()

    def forward(self, source: Tensor, target_input: Tensor) -> Tensor:
        """Logits (B, T, V) of the piece after each target position.

        source (B, S) ids ending in EOS, target_input (B, T) ids beginning with BOS.
        """
        memory, memory_mask = self.encode(source)
        return self.project(self.decode(target_input, memory, memory_mask))

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor | None]:
        """The encoder's output (B, S, d_model) and the bias that hides its padding."""
        x = self.embed_source(source)
        bias = padding_mask(source == self.pad_id, x.dtype)
        for layer in self.encoder:
            x = layer(x, bias)
        return self.encoder_norm(x), bias

    def decode(self, target_input: Tensor, memory: Tensor, memory_mask: Tensor | None) -> Tensor:
        """The decoder's output (B, T, d_model), all positions at once.

        Target padding needs no mask: it stands at the end, where causality hides it.
        """
        x = self.embed_target(target_input)
        bias = causal_mask(target_input.shape[1], x)
        for layer in self.decoder:
            x = layer(x, memory, bias, memory_mask)
        out: Tensor = self.decoder_norm(x)
        return out

    def grow_positions(self, length: int) -> None:
        """Make tables that grow when asked for more, sinusoids and rotations, that long now."""
        for module in self.modules():
            if isinstance(module, SinusoidalPositions):
                module(length)

    @property
    def source_embedding(self) -> nn.Parameter:
        """The matrix (V, d_model) that embeds the source."""
        own = self.own_source_embedding
        return self.embedding if own is None else own

    @property
    def softmax_weight(self) -> nn.Parameter:
        """The matrix (V, d_model) that projects to the softmax."""
        own = self.own_softmax_weight
        return self.embedding if own is None else own

    def embed_source(self, ids: Tensor) -> Tensor:
        """Source ids (B, S) as the encoder gets them, (B, S, d_model)."""
        return self.embed(ids, self.source_embedding, self.source_positions(ids.shape[1]))

    def embed_target(self, ids: Tensor, first: int = 0) -> Tensor:
        """Target ids (B, T) at positions from `first` on, (B, T, d_model)."""
        positions = self.target_positions(first + ids.shape[1])[first:]
        return self.embed(ids, self.embedding, positions)

    def embed(self, ids: Tensor, matrix: Tensor, positions: Tensor) -> Tensor:
        """sqrt(d_model) * embedding + position, with dropout (sections 3.4, 3.5, 5.4).

        ids (B, length), matrix (V, d_model), positions (length, d_model).
        """
        x = embedding(ids, matrix) * self.settings.d_model**0.5
        dropped: Tensor = self.dropout(x + positions)
        return dropped

    def project(self, x: Tensor) -> Tensor:
        """Logits over the vocabulary: the tied matrix, no bias (section 3.4)."""
        return linear(x, self.softmax_weight)
