"""A Marian model as it is read, whichever program laid out its files."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy

from nmt.config import DecodeSettings, ModelSettings
from nmt.errors import DamagedError, NmtError, shown
from nmt.interop.marian_names import (
    BIAS,
    POSITIONS,
    Array,
    Shapes,
    Sharing,
    Tensors,
    embedding_weights,
    first_name,
    layer_shapes,
    layer_weights,
)
from nmt.interop.marian_vocabulary import MarianTokenizer

ACTIVATIONS = {"relu": "relu", "swish": "silu", "silu": "silu", "gelu": "gelu"}
CLOSE = 1e-4  # between two computations of a table of positions


@dataclass(frozen=True)
class MarianModel:
    """Describe a model before its weights are read."""

    file: Path  # that of the weights, for messages
    settings: ModelSettings
    decode: DecodeSettings
    sharing: Sharing
    vocabulary: MarianTokenizer
    start: int  # row of the target's embeddings that the decoder starts from; -1: zeros
    languages: tuple[str, str]  # codes, or "" if the files do not say
    open_weights: Callable[[Path], AbstractContextManager[Tensors]]

    @property
    def is_joint(self) -> bool:
        """True if both languages have one vocabulary."""
        return self.vocabulary.source == self.vocabulary.target

    def weights(self) -> dict[str, Array]:
        """Read the weights as our network has them; raises DamagedError for unfit ones."""
        with self.open_weights(self.file) as tensors, numpy.errstate(all="ignore"):
            return self._converted(tensors)

    def _converted(self, tensors: Tensors) -> dict[str, Array]:
        check_shapes(self, tensors)
        check_duplicates(self, tensors)
        rows = self.vocabulary.rows(self.start)
        found = embedding_weights(tensors, self.settings, self.sharing, rows)
        found |= layer_weights(tensors, self.settings)
        for name, each in found.items():
            if not numpy.isfinite(each.sum()):
                raise DamagedError(
                    f"{self.file} is damaged: {name} has numbers that are not finite"
                )
        return found


def check_shapes(model: MarianModel, tensors: Tensors) -> None:
    """Raise DamagedError unless a file has the weights that the configuration describes."""
    d = model.settings.d_model
    source, target = (len(each.ids) for each in (model.vocabulary.source, model.vocabulary.target))
    expected: Shapes = {BIAS: (1, target)} | layer_shapes(model.settings)
    optional: Shapes = {}
    for names, rows in zip(model.sharing.names, (source, target, target), strict=True):
        expected[first_name(tensors, names)] = rows, d
        optional |= dict.fromkeys(names, (rows, d))
    for name in POSITIONS:
        optional[name] = (*tensors.shapes.get(name, ())[:1], d)
    for name in sorted({*tensors.shapes, *expected}):
        wanted = expected.get(name) or optional.get(name)
        found = tensors.shapes.get(name)
        if found != wanted:
            raise misfit(model.file, name, found, wanted)


def misfit(
    file: Path, name: str, found: tuple[int, ...] | None, wanted: tuple[int, ...] | None
) -> DamagedError:
    """Return the error for a weight that is missing, surplus or of another shape."""
    if wanted is None:
        reason = "does not belong to it"
    elif found is None:
        reason = "is missing"
    else:
        has, other = (" x ".join(map(str, each)) or "one number" for each in (found, wanted))
        reason = f"is {has} instead of {other}"
    return DamagedError(
        f"the weights in {file} do not fit the model's configuration: {shown(name)} {reason}"
    )


def check_duplicates(model: MarianModel, tensors: Tensors) -> None:
    """Raise DamagedError unless copies of a matrix are equal, and positions are sinusoids."""
    for names in model.sharing.names:
        first, *others = [name for name in names if name in tensors.shapes]
        for other in others:
            if not numpy.array_equal(tensors.get(first), tensors.get(other)):
                raise DamagedError(
                    f"{model.file}: {other} differs from {first}, but the configuration says that"
                    " both are one matrix"
                )
    for name in POSITIONS:
        if name in tensors.shapes:
            table = tensors.get(name)
            if not numpy.allclose(table, sinusoids(*table.shape), rtol=0, atol=CLOSE):
                raise NmtError(
                    f"{model.file}: {name} is not a table of sinusoids; other positions are not"
                    " supported"
                )


def sinusoids(length: int, width: int) -> Array:
    """Return the positions of Hugging Face's Marian: all sines before all cosines."""
    angles = numpy.arange(length)[:, None] / 10_000 ** (numpy.arange(0, width, 2) / width)
    cosines = numpy.cos(angles)[:, : width // 2]
    return numpy.concatenate([numpy.sin(angles), cosines], 1).astype(numpy.float32)


def activation_of(name: object, setting: str, file: Path) -> str:
    """Return our name of an activation; raises NmtError for one that we do not have."""
    found = ACTIVATIONS.get(name) if isinstance(name, str) else None
    if found is None:
        known = ", ".join(ACTIVATIONS)
        raise NmtError(
            f"{file}: {setting}={shown(name)} is not supported; nmt imports models with one of:"
            f" {known}"
        )
    return found


def search_of(beam_size: int | None, exponent: float) -> DecodeSettings:
    """Return the search of a model that divides scores by |Y|^exponent.

    Our penalty of section 6.1, ((5 + |Y|) / 6)^alpha, gets the same exponent: it grows as fast with
    the length, but is weaker for short outputs.
    """
    default = DecodeSettings()
    return DecodeSettings(beam_size=beam_size or default.beam_size, length_penalty=exponent)
