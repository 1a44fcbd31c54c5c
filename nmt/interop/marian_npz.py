"""Read the weights that Marian writes: an archive of NumPy arrays with the model's settings.

Marian multiplies from the left, so its matrices are transposed here. Its names become those of
Hugging Face.
"""

import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy
from numpy.lib import format as array_format

from nmt.errors import DamagedError, NmtError, reason_of
from nmt.interop.marian_names import BIAS, SHARED, SOFTMAX, SOURCE, TARGET, Array, Tensors
from nmt.interop.tensor_files import refusal
from nmt.system.files import check_regular

SETTINGS = "special:model.yml"  # the array that holds the settings as text
MOST_SETTINGS = 1_000_000  # bytes
MOST_HEADER = 10_000  # bytes; that of a matrix has 128
BYTES = ("int8", "uint8")  # the types of that array
# What the packages raise for a damaged or an encrypted archive.
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    OSError,
    ValueError,
    EOFError,
    RuntimeError,
)
FLOATS = ("float32", "float16", "float64")
EMBEDDINGS = {
    "Wemb": SHARED,
    "encoder_Wemb": SOURCE,
    "decoder_Wemb": TARGET,
    "decoder_ff_logit_out_b": BIAS,
    "decoder_ff_logit_out_W": SOFTMAX,
    "decoder_ff_logit_out_Wt": SOFTMAX,
}
IGNORED = ("decoder_ff_logit_out_lsh",)
ATTENTIONS = {"self": "self_attn", "context": "encoder_attn"}
PROJECTIONS = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "o": "out_proj"}
KINDS = {"W": "weight", "b": "bias"}
NORMS = {"ln_scale": "weight", "ln_bias": "bias"}


def sub_layer_names() -> dict[str, str]:
    """Return Hugging Face's name of each weight within a layer by Marian's."""
    names = {f"ffn_ffn_{norm}": f"final_layer_norm.{kind}" for norm, kind in NORMS.items()}
    for letter, kind in KINDS.items():
        names |= {f"ffn_{letter}{number}": f"fc{number}.{kind}" for number in (1, 2)}
        for attention, theirs in ATTENTIONS.items():
            for projection, name in PROJECTIONS.items():
                names[f"{attention}_{letter}{projection}"] = f"{theirs}.{name}.{kind}"
    for attention, theirs in ATTENTIONS.items():
        for norm, kind in NORMS.items():
            names[f"{attention}_Wo_{norm}"] = f"{theirs}_layer_norm.{kind}"
    return names


SUB_LAYERS = sub_layer_names()


def huggingface_name(name: str) -> str:
    """Return Hugging Face's name of a weight; an unknown one stays as it is."""
    if name in EMBEDDINGS:
        return EMBEDDINGS[name]
    side, _, rest = name.partition("_l")
    number, _, part = rest.partition("_")
    if side not in ("encoder", "decoder") or not number.isdecimal() or part not in SUB_LAYERS:
        return name
    return f"model.{side}.layers.{int(number) - 1}.{SUB_LAYERS[part]}"


@dataclass(frozen=True)
class StoredArray:
    """An array in an archive, which is not loaded."""

    name: str  # in the archive, without .npy
    shape: tuple[int, ...]
    is_transposed: bool


@dataclass(frozen=True)
class NpzFile:
    """The weights of an open archive by the names of Hugging Face."""

    file: Path
    arrays: Any  # of `numpy.load`
    stored: Mapping[str, StoredArray] = field(repr=False)

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """The shapes of all weights, transposed as Hugging Face's are."""
        return {name: each.shape for name, each in self.stored.items()}

    def get(self, name: str) -> Array:
        """Load a weight."""
        each = self.stored[name]
        try:
            array = self.arrays[each.name]
        except UNREADABLE as error:
            raise DamagedError(
                f"{self.file} is damaged: {each.name}: {reason_of(error)}"
            ) from error
        found = array.T if each.is_transposed else array
        return numpy.ascontiguousarray(found, numpy.float32).reshape(each.shape)


@contextmanager
def open_npz(file: Path) -> Iterator[Tensors]:
    """Open the weights of a Marian model; raises NmtError for a damaged or another file."""
    with opened(file) as (arrays, headers):
        stored = {}
        for name, (shape, kind) in headers.items():
            if name.startswith("special:") or name in IGNORED:
                continue
            if kind not in FLOATS:
                raise NmtError(
                    f"the weights in {file} are not supported: {name} has the type {kind}; nmt"
                    " imports models with float32, not quantised ones"
                )
            stored[huggingface_name(name)] = stored_array(name, shape)
        yield NpzFile(file, arrays, stored)


def stored_array(name: str, shape: tuple[int, ...]) -> StoredArray:
    """Return an array with its shape in Hugging Face's model."""
    new = huggingface_name(name)
    is_matrix = new.endswith("weight") and "norm" not in new
    is_transposed = is_matrix and (".layers." in new or name == "decoder_ff_logit_out_W")
    if is_transposed:
        shape = shape[::-1]
    elif new != BIAS and len(shape) == 2 and shape[0] == 1 and not is_matrix:
        shape = shape[1:]
    return StoredArray(name, shape, is_transposed)


def read_settings(file: Path) -> str:
    """Return the settings in a model's archive as text."""
    with opened(file) as (arrays, headers):
        if SETTINGS not in headers:
            raise NmtError(f"{file} has no {SETTINGS}, so it is not a model of Marian")
        shape, kind = headers[SETTINGS]
        if len(shape) != 1 or shape[0] > MOST_SETTINGS or kind not in BYTES:
            raise DamagedError(f"{file} is damaged: {SETTINGS} is not a text")
        content: bytes = arrays[SETTINGS].tobytes()
    return content.rstrip(b"\0").decode("utf-8", "replace")


@contextmanager
def opened(file: Path) -> Iterator[tuple[Any, dict[str, tuple[tuple[int, ...], str]]]]:
    """Open an archive; yields its arrays, and the shape and the type of each by name.

    Raises NmtError if it is damaged or another file. Objects of Python are never made.
    """
    check_regular(file, "the weights")
    try:
        with zipfile.ZipFile(file) as archive, numpy.load(file, allow_pickle=False) as arrays:
            headers = {
                member.removesuffix(".npy"): read_header(archive, member)
                for member in archive.namelist()
            }
            yield arrays, headers
    except UNREADABLE as error:
        raise refusal(file, error) from error


def read_header(archive: zipfile.ZipFile, member: str) -> tuple[tuple[int, ...], str]:
    """Return the shape and the type of an array; raises ValueError if it is none."""
    with archive.open(member) as opened_member:
        # numpy would read a header of any length that the file states.
        stream = io.BytesIO(opened_member.read(MOST_HEADER))
        version = array_format.read_magic(stream)
        try:
            if version == (1, 0):
                shape, _, kind = array_format.read_array_header_1_0(stream)
            elif version == (2, 0):
                shape, _, kind = array_format.read_array_header_2_0(stream)
            else:
                raise ValueError(f"{member} has an unknown version")
        except (TokenError, SyntaxError, MemoryError, RecursionError) as error:  # of its text
            raise ValueError(f"{member} has a header that is no header") from error
    return shape, kind.name
