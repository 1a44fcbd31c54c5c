"""The Transformer: encoder and decoder stacks around one embedding matrix (section 3)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear

from nmt.config import ModelSettings
from nmt.model.attention import MultiHeadAttention, causal_bias, padding_bias
from nmt.model.dropout import Dropout
from nmt.model.layers import DecoderLayer, EncoderLayer, FeedForward
from nmt.model.positions import LearnedPositions, positions_of


class Transformer(nn.Module):
    """Encoder-decoder over one joint vocabulary of V pieces."""

    def __init__(self, settings: ModelSettings, vocab_size: int, pad_id: int) -> None:
        super().__init__()
        self.settings = settings
        self.pad_id = pad_id
        # One matrix embeds source and target and projects to the softmax (section 3.4).
        self.embedding = nn.Parameter(torch.empty(vocab_size, settings.d_model))
        self.encoder = nn.ModuleList(EncoderLayer(settings) for _ in range(settings.encoder_layers))
        self.decoder = nn.ModuleList(DecoderLayer(settings) for _ in range(settings.decoder_layers))
        self.dropout = Dropout(settings.dropout)
        self.source_positions, self.target_positions = positions_of(settings)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Embeddings normal with standard deviation d_model^-0.5, the rest Glorot-uniform."""
        nn.init.normal_(self.embedding, std=self.settings.d_model**-0.5)
        for module in self.modules():
            if isinstance(module, MultiHeadAttention | FeedForward | LearnedPositions):
                module.reset_parameters()

    def forward(self, source: Tensor, target_input: Tensor) -> Tensor:
        """Logits (B, T, V) of the piece after each target position.

        source (B, S) ids ending in EOS, target_input (B, T) ids beginning with BOS.
        """
        memory, memory_bias = self.encode(source)
        return self.project(self.decode(target_input, memory, memory_bias))

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor | None]:
        """The encoder's output (B, S, d_model) and the bias that hides its padding."""
        x = self.embed(source, self.source_positions(source.shape[1]))
        bias = padding_bias(source == self.pad_id, x.dtype)
        for layer in self.encoder:
            x = layer(x, bias)
        return x, bias

    def decode(self, target_input: Tensor, memory: Tensor, memory_bias: Tensor | None) -> Tensor:
        """The decoder's output (B, T, d_model), all positions at once.

        Target padding needs no mask: it stands at the end, where causality hides it.
        """
        x = self.embed(target_input, self.target_positions(target_input.shape[1]))
        bias = causal_bias(target_input.shape[1], x)
        for layer in self.decoder:
            x = layer(x, memory, bias, memory_bias)
        return x

    def embed(self, ids: Tensor, positions: Tensor) -> Tensor:
        """sqrt(d_model) * embedding + position, with dropout (sections 3.4, 3.5, 5.4).

        ids (B, length), positions (length, d_model).
        """
        x = embedding(ids, self.embedding) * self.settings.d_model**0.5
        dropped: Tensor = self.dropout(x + positions)
        return dropped

    def project(self, x: Tensor) -> Tensor:
        """Logits over the vocabulary: the tied matrix, no bias (section 3.4)."""
        return linear(x, self.embedding)


def count_parameters(settings: ModelSettings, vocab_size: int) -> int:
    """Trainable numbers of a model, by formula."""
    s = settings
    attention = s.d_model * s.heads * (2 * s.d_k + 2 * s.d_v)
    feed_forward = 2 * s.d_model * s.d_ff + s.d_ff + s.d_model
    norm = 2 * s.d_model
    positions = 2 * s.max_positions * s.d_model if s.positions == "learned" else 0
    encoder_layer = attention + feed_forward + 2 * norm
    decoder_layer = 2 * attention + feed_forward + 3 * norm
    layers = s.encoder_layers * encoder_layer + s.decoder_layers * decoder_layer
    return vocab_size * s.d_model + positions + layers
