"""An OPUS-MT model as it is read, whichever program laid out its files.

Marian trains these models, and Hugging Face's transformers have the same network. Settings and
weights have the names of transformers here. Our ids begin with padding, unknown, BOS and EOS; the
other pieces keep their order. Marian has no BOS: its decoder starts from another row of the
embeddings, usually that of padding.

Dimensions: V tokens, d = d_model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy
from numpy.typing import NDArray

from nmt.config import DecodeSettings, ModelSettings
from nmt.errors import DamagedError, NmtError
from nmt.interop import network
from nmt.interop.network import BIAS, Array, transformers_names
from nmt.interop.weight_files import Tensors, open_tensors
from nmt.kernels.array_functions import sinusoids_in_halves
from nmt.recipe.rules import SPECIAL_TOKENS
from nmt.recipe.size import Shapes, weight_shapes
from nmt.runs.model_file import find_misfit
from nmt.system.atomic import write_text
from nmt.system.json_data import json_text
from nmt.text.subwords.tokenizer import BOS, EOS, PAD, UNK, SubwordModel, Tokenizer

PADDING, UNKNOWN, END = SPECIAL_TOKENS[PAD], SPECIAL_TOKENS[UNK], SPECIAL_TOKENS[EOS]
SENTENCEPIECE_FILES = ("source.spm", "target.spm")
VOCABULARY_FILES = ("vocab.json", "target_vocab.json")
ACTIVATIONS = {"relu": "relu", "swish": "silu", "silu": "silu", "gelu": "gelu"}  # theirs and ours
NEVER = -10_000.0  # logit of a token that a model does not have: its probability is 0
CLOSE = 1e-4  # between two computations of a table of positions


@dataclass(frozen=True)
class Config:
    """The settings that define the network, by their names in config.json of transformers."""

    vocab_size: int
    d_model: int
    encoder_layers: int
    decoder_layers: int
    encoder_attention_heads: int
    decoder_attention_heads: int
    encoder_ffn_dim: int
    decoder_ffn_dim: int
    activation_function: str
    pad_token_id: int
    decoder_start_token_id: int  # the row that the decoder starts from; -1: zeros
    eos_token_id: int
    decoder_vocab_size: int | None = None
    share_encoder_decoder_embeddings: bool = True
    tie_word_embeddings: bool = True  # the softmax has the matrix of the target's embeddings
    dropout: float = 0.1
    attention_dropout: float = 0.0

    @property
    def target_size(self) -> int:
        """Return the size of the target's vocabulary."""
        return self.decoder_vocab_size or self.vocab_size

    @property
    def matrix_names(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Return the names that the matrices of source, target and softmax may have.

        A file may hold a shared matrix under several of its names.
        """
        is_shared = self.share_encoder_decoder_embeddings
        target = (
            (network.TARGET, network.SOFTMAX) if self.tie_word_embeddings else (network.TARGET,)
        )
        if is_shared:
            target = (network.SHARED, *target, network.SOURCE)
        softmax = target if self.tie_word_embeddings else (network.SOFTMAX,)
        return (target if is_shared else (network.SOURCE,)), target, softmax


@dataclass(frozen=True)
class Vocabulary:
    """The pieces of one side and their ids in the model."""

    ids: Mapping[str, int]
    origin: str = field(compare=False)  # the file, for messages

    def check(self, size: int) -> None:
        """Raise DamagedError unless the ids are those of `size` rows and include EOS and UNK."""
        if len(self.ids) != size or {*self.ids.values()} != {*range(size)}:
            raise DamagedError(
                f"{self.origin} does not fit the model: it has {len(self.ids):,} pieces, which"
                f" need the ids 0 to {size - 1:,}, each once"
            )
        for name in (END, UNKNOWN):
            if name not in self.ids:
                raise DamagedError(f"{self.origin} has no piece {name}, which every model needs")

    @property
    def pieces(self) -> list[str]:
        """Return the pieces that are not special, in the order of their ids."""
        pieces = sorted(self.ids, key=self.ids.__getitem__)
        return [piece for piece in pieces if piece not in (PADDING, UNKNOWN, END)]

    def rows(self, size: int, start: int) -> NDArray[numpy.int64]:
        """Return the row of each of our ids, of which there are `size`; -1: there is none.

        start: the row that the decoder starts from.
        """
        ids = self.ids
        special = {PAD: ids.get(PADDING, -1), UNK: ids[UNKNOWN], BOS: start, EOS: ids[END]}
        rows = [special[number] for number in sorted(special)]
        rows += [ids[piece] for piece in self.pieces]
        return numpy.array(rows + [-1] * (size - len(rows)), numpy.int64)


@dataclass(frozen=True)
class OpusModel:
    """A model before its weights are read."""

    file: Path  # that of the weights
    config: Config
    norm_epsilon: float
    decode: DecodeSettings
    subwords: Sequence[bytes]  # the SentencePiece models of the source and of the target
    source: Vocabulary
    target: Vocabulary  # equal to that of the source if both languages share one
    languages: tuple[str, str] = ("", "")  # codes, or "" if the files do not say

    @property
    def is_joint(self) -> bool:
        """Return whether both languages have one vocabulary."""
        return self.source == self.target

    @cached_property
    def size(self) -> int:
        """Return our size V of the vocabulary, the larger one if there are two."""
        return len(SPECIAL_TOKENS) + max(len(self.source.pieces), len(self.target.pieces))

    @cached_property
    def settings(self) -> ModelSettings:
        """Return our settings of the network."""
        config = self.config
        tied = "none"
        if config.tie_word_embeddings:
            is_one = config.share_encoder_decoder_embeddings and self.is_joint
            tied = "all" if is_one else "target"
        width = config.d_model // config.encoder_attention_heads
        return ModelSettings(
            encoder_layers=config.encoder_layers,
            decoder_layers=config.decoder_layers,
            d_model=config.d_model,
            d_ff=config.encoder_ffn_dim,
            heads=config.encoder_attention_heads,
            d_k=width,
            d_v=width,
            dropout=config.dropout,
            attention_dropout=config.attention_dropout,
            activation=ACTIVATIONS[config.activation_function],
            positions="sinusoidal_halves",
            attention_bias=True,
            softmax_bias=True,
            norm_epsilon=self.norm_epsilon,
            tied=tied,
        )

    def tokenizer(self, path: Path) -> Tokenizer:
        """Return our tokenizer; raises NmtError, naming the path, for a damaged model."""
        sides = zip(self.subwords, (self.source, self.target), ("source", "target"), strict=True)
        source, target = (
            SubwordModel.with_pieces(model, side.pieces, f"the {name} model of {path}")
            for model, side, name in sides
        )
        return Tokenizer.from_two(source, target)

    def weights(self) -> dict[str, Array]:
        """Read the weights as our network has them; raises DamagedError for unfit ones."""
        with open_tensors(self.file) as tensors, numpy.errstate(all="ignore"):
            check_shapes(self, tensors)
            check_duplicates(self, tensors)
            found = embedding_weights(self, tensors)
            for name in weight_shapes(self.settings, self.size):
                if parts := transformers_names(name):
                    found[name] = numpy.concatenate([*map(tensors.get, parts)])
            for name, array in found.items():
                if not numpy.isfinite(array.sum()):
                    raise DamagedError(
                        f"{self.file} is damaged: {name} has numbers that are not finite"
                    )
            return found


def check_shapes(model: OpusModel, tensors: Tensors) -> None:
    """Raise DamagedError unless a file has the weights that the configuration describes."""
    d, found = model.config.d_model, tensors.shapes
    source, target = len(model.source.ids), len(model.target.ids)
    expected: Shapes = {BIAS: (1, target)}
    for name, (rows, *width) in weight_shapes(model.settings, model.size).items():
        parts = transformers_names(name)
        expected |= {part: (rows // len(parts), *width) for part in parts}
    for names, rows in zip(model.config.matrix_names, (source, target, target), strict=True):
        present = [name for name in names if name in found]
        expected |= dict.fromkeys(present or names[:1], (rows, d))
    expected |= {name: (*found[name][:1], d) for name in network.POSITIONS if name in found}
    if reason := find_misfit(found, expected):
        raise DamagedError(
            f"the weights in {model.file} do not fit the model's configuration: {reason}"
        )


def check_duplicates(model: OpusModel, tensors: Tensors) -> None:
    """Raise DamagedError unless copies of a matrix are equal, and positions are sinusoids."""
    for names in model.config.matrix_names:
        first, *others = [name for name in names if name in tensors.shapes]
        for other in others:
            if not numpy.array_equal(tensors.get(first), tensors.get(other)):
                raise DamagedError(
                    f"{model.file}: {other} differs from {first}, but the configuration says that"
                    " both are one matrix"
                )
    for name in network.POSITIONS:
        if name in tensors.shapes:
            table = tensors.get(name)
            if not numpy.allclose(table, sinusoids_in_halves(*table.shape), rtol=0, atol=CLOSE):
                raise NmtError(
                    f"{model.file}: {name} is not a table of sinusoids; other positions are not"
                    " supported"
                )


def embedding_weights(model: OpusModel, tensors: Tensors) -> dict[str, Array]:
    """Return our embeddings, softmax and its bias, with the rows in the order of our ids."""
    source, target, softmax = (
        next(name for name in names if name in tensors.shapes)
        for names in model.config.matrix_names
    )
    rows = model.target.rows(model.size, model.config.decoder_start_token_id)
    found = {"embeddings.weight": permuted(tensors.get(target), rows)}
    if model.settings.tied != "all":
        own = rows if model.is_joint else model.source.rows(model.size, -1)
        found["embeddings.own_source_weight"] = permuted(tensors.get(source), own)
    if model.settings.tied == "none":
        found["embeddings.own_softmax_weight"] = permuted(tensors.get(softmax), rows)
    bias = permuted(tensors.get(BIAS).reshape(-1), rows, NEVER)
    bias[BOS] = NEVER
    return found | {"embeddings.softmax_bias": bias}


def permuted(array: Array, rows: NDArray[numpy.int64], absent: float = 0.0) -> Array:
    """Return the rows of an array in another order; `absent` stands in rows that it lacks."""
    found = array[rows]
    found[rows < 0] = absent
    return found


def pieces_by_id(subwords: SubwordModel) -> list[str]:
    """Return all pieces of a vocabulary of ours, in the order of their ids."""
    return [subwords.piece(number) for number in range(len(subwords))]


def write_subwords(tokenizer: Tokenizer, folder: Path) -> None:
    """Write a tokenizer as `MarianTokenizer` of transformers expects it.

    `source.spm` and `target.spm` segment text into pieces; `vocab.json` has the id of each piece of
    both languages. If each language has its own vocabulary, `target_vocab.json` has the target's.
    An imported model may have a second piece for the beginning of a text. No text becomes it, and
    its id is added to its name.
    """
    for name, side in zip(SENTENCEPIECE_FILES, tokenizer.sides, strict=True):
        (folder / name).write_bytes(side.sentencepiece)
    sides = tokenizer.sides[:1] if tokenizer.is_joint else tokenizer.sides
    for name, side in zip(VOCABULARY_FILES, sides, strict=False):
        ids: dict[str, int] = {}
        for number, piece in enumerate(pieces_by_id(side)):
            ids[f"{piece}{number}" if piece in ids else piece] = number
        write_text(folder / name, f"{json_text(ids, indent=0)}\n")
