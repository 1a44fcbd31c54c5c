"""Count a model's parameters and the memory that its training holds, by formula."""

from nmt.config import ModelSettings, Recipe

FLOAT_BYTES = 4
COPIES = 4  # of each parameter while it trains: weight, gradient and Adam's two moments


def count_parameters(settings: ModelSettings, vocab_size: int) -> int:
    """Return the number of a model's trainable parameters."""
    s = settings
    attention = s.d_model * s.heads * (2 * s.d_k + 2 * s.d_v)
    feed_forward = s.d_model * (s.inner_rows + s.inner_width) + s.inner_rows + s.d_model
    norm = s.d_model if s.norm_kind == "rms" else 2 * s.d_model
    matrices = {"all": 1, "target": 2, "none": 3}[s.tied]
    final_norms = 2 * norm if s.norm == "pre" else 0
    positions = 2 * s.max_positions * s.d_model if s.positions == "learned" else 0
    encoder_layer = attention + feed_forward + 2 * norm
    decoder_layer = 2 * attention + feed_forward + 3 * norm
    layers = s.encoder_layers * encoder_layer + s.decoder_layers * decoder_layer
    return matrices * vocab_size * s.d_model + positions + layers + final_norms


def least_parameters(recipe: Recipe) -> int:
    """Return the number of parameters that a recipe's model has at least, before any text is read.

    Only bpe always has a vocabulary of `tokenizer.vocab_size`; elsewhere it is an upper limit.
    """
    has_all = recipe.tokenizer.kind == "bpe"
    return count_parameters(recipe.model, recipe.tokenizer.vocab_size if has_all else 1)


def training_bytes(parameters: int) -> int:
    """Return the bytes of weights, gradients and Adam's moments; activations come on top."""
    return COPIES * FLOAT_BYTES * parameters
