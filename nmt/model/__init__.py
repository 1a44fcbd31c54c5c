"""The networks: the Transformer of section 3, and a recurrent one to compare it with."""

from nmt.config import ModelSettings
from nmt.model.encoder_decoder import EncoderDecoder
from nmt.model.recurrent import Recurrent
from nmt.model.transformer import Transformer


def make_network(settings: ModelSettings, vocab_size: int, pad_id: int) -> EncoderDecoder:
    """Return a network of the configured architecture with random weights."""
    kind = Recurrent if settings.is_recurrent else Transformer
    return kind(settings, vocab_size, pad_id)
