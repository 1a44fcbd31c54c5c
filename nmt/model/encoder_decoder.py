"""Define what every network is: an encoder and a decoder between shared embeddings.

Training and search know a network by this class alone; `nmt.model.make_network` makes one.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from nmt.config import ModelSettings
from nmt.model.embedding import Embeddings
from nmt.model.positions import Positions


class EncoderDecoder(nn.Module, ABC):
    """An encoder-decoder over a vocabulary of V subwords; it trains and it decodes."""

    def __init__(self, settings: ModelSettings, vocab_size: int, pad_id: int) -> None:
        """Make the embeddings; `pad_id` is the id of padding in the inputs."""
        super().__init__()
        self.settings = settings
        self.pad_id = pad_id
        self.embeddings = Embeddings(settings, vocab_size)

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

    @abstractmethod
    def encode(self, source: Tensor, kept: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Encode ids (B, S): the encoder's output (B, S, d_model) and the mask of its padding.

        kept: 0 where the embedding of a token is cut, else 1, (B, S); None cuts none.
        """

    @abstractmethod
    def decode(
        self,
        target_input: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None,
        *,
        kept: Tensor | None = None,
    ) -> Tensor:
        """Run the decoder over whole targets; `Embeddings.project` maps the result to logits.

        Args:
            target_input: ids (B, T). Padding stands at the end, where it changes nothing before it.
            memory: the encoder's output (B, S, d_model).
            memory_mask: hides the padding of the memory.
            kept: 0 where the embedding of a token is cut, else 1, (B, T).

        Returns:
            (B, T, d_model).
        """

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
        """Return the device of the weights."""
        return self.embeddings.weight.device

    @property
    def vocab_size(self) -> int:
        """Return the number of subwords V."""
        return len(self.embeddings.weight)
