"""The Transformer: encoder and decoder stacks between embeddings and softmax (section 3)."""

from collections.abc import Sequence

from torch import Tensor, nn

from nmt.config import ModelSettings
from nmt.model.attention import MultiHeadAttention, causal_mask, padding_mask
from nmt.model.encoder_decoder import EncoderDecoder
from nmt.model.feed_forward import FeedForward
from nmt.model.layers import DecoderLayer, EncoderLayer, LayerCache, make_final_norm
from nmt.model.positions import Positions


class Transformer(EncoderDecoder):
    """Stacks of attention and feed-forward layers; no position waits for another one."""

    def __init__(self, settings: ModelSettings, vocab_size: int, pad_id: int) -> None:
        """Make a model with random weights; `pad_id` is the id of padding in its inputs."""
        super().__init__(settings, vocab_size, pad_id)
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

    def encode(self, source: Tensor, kept: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Encode ids (B, S); arguments and result are those of `EncoderDecoder.encode`."""
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
        *,
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
