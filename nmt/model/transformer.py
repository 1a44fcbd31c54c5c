"""The Transformer: encoder and decoder stacks between embeddings and softmax (section 3)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from nmt.config import ModelSettings
from nmt.model.attention import MultiHeadAttention, causal_mask, padding_mask
from nmt.model.embedding import Embeddings
from nmt.model.feed_forward import FeedForward
from nmt.model.layers import DecoderLayer, EncoderLayer, LayerCache, make_final_norm
from nmt.model.positions import Positions


class Transformer(nn.Module):
    """An encoder-decoder over a vocabulary of V subwords; it trains and it decodes."""

    def __init__(self, settings: ModelSettings, vocab_size: int, pad_id: int) -> None:
        """Make a model with random weights; `pad_id` is the id of padding in its inputs."""
        super().__init__()
        self.settings = settings
        self.pad_id = pad_id
        self.embeddings = Embeddings(settings, vocab_size)
        self.encoder = nn.ModuleList(EncoderLayer(settings) for _ in range(settings.encoder_layers))
        self.decoder = nn.ModuleList(DecoderLayer(settings) for _ in range(settings.decoder_layers))
        self.encoder_norm, self.decoder_norm = make_final_norm(settings), make_final_norm(settings)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as the authors' code: embeddings normal, other matrices Glorot-uniform."""
        self.embeddings.reset_parameters()
        parts = self.encoder, self.decoder, self.embeddings
        for module in (module for part in parts for module in part.modules()):
            if isinstance(module, MultiHeadAttention | FeedForward | Positions):
                module.reset_parameters()

    def forward(self, source: Tensor, target_input: Tensor, *kept: Tensor) -> Tensor:
        """Return the logits (B, T, V) of the token after each target position.

        Args:
            source: ids (B, S) ending in EOS.
            target_input: ids (B, T) beginning with BOS.
            kept: 0 where the embedding of a source token and of a target token is cut, else 1,
                (B, S) and (B, T); by default none is cut.
        """
        return self.embeddings.project(self.hidden(source, target_input, *kept))

    def hidden(
        self,
        source: Tensor,
        target_input: Tensor,
        kept_source: Tensor | None = None,
        kept_target: Tensor | None = None,
    ) -> Tensor:
        """Return what `forward` projects to logits: the decoder's output (B, T, d_model)."""
        memory, memory_mask = self.encode(source, kept_source)
        return self.decode(target_input, memory, memory_mask, kept=kept_target)

    def encode(self, source: Tensor, kept: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Encode ids (B, S): the encoder's output (B, S, d_model) and the mask of its padding.

        kept: 0 where the embedding of a token is cut, else 1, (B, S); None cuts none.
        """
        x = self.embeddings.embed_source(source, kept)
        mask = padding_mask(source == self.pad_id, x.dtype)
        for layer in self.encoder:
            x = layer(x, mask)
        return self.encoder_norm(x), mask

    def decode(
        self,
        target_input: Tensor,
        memory: Tensor | None,
        memory_mask: Tensor | None,
        caches: Sequence[LayerCache] | None = None,
        kept: Tensor | None = None,
    ) -> Tensor:
        """Run the decoder's layers; `Embeddings.project` maps the result to logits.

        Target padding needs no mask: it stands at the end, where causality hides it.

        Args:
            target_input: ids (B, T). With caches: only those of the new positions, (R, T).
            memory: the encoder's output (B, S, d_model); not needed with caches.
            memory_mask: hides the padding of the memory.
            caches: one for each layer; the new positions are appended to them.
            kept: 0 where the embedding of a token is cut, else 1, (B, T); not with caches.

        Returns:
            (B, T, d_model), or (R, T, d_model).
        """
        length = target_input.shape[1]
        if caches is None:
            x = self.embeddings.embed_target(target_input, kept=kept)
            mask = causal_mask(x, length, length)
            for layer in self.decoder:
                x = layer(x, mask, memory, memory_mask)
        else:
            own = caches[0].self_attention
            x = self.embeddings.embed_target(target_input, own.length)
            mask = causal_mask(x, length, own.keys.shape[2], own.length)
            for layer, cache in zip(self.decoder, caches, strict=True):
                x = layer(x, mask, memory, memory_mask, cache)
        out: Tensor = self.decoder_norm(x)
        return out

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Put the model into evaluation mode within a `with` block; restore the mode afterwards."""
        was_training = self.training
        self.eval()
        try:
            yield
        finally:
            self.train(was_training)

    def grow_positions(self, length: int) -> None:
        """Make room for `length` positions now, so that no table grows later."""
        for module in self.modules():
            if isinstance(module, Positions):
                module.grow(length)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.embeddings.weight.device

    @property
    def vocab_size(self) -> int:
        """Number of subwords V."""
        return len(self.embeddings.weight)
