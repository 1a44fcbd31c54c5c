"""Read the weights of other programs: .safetensors, PyTorch's pickles, and Marian's archives.

Pickles are read without objects. A Marian model is an archive of NumPy arrays with the model's
settings; Marian multiplies from the left, so its matrices are transposed here. All names become
those of Hugging Face's transformers, and all weights float32. Shapes are known before a weight is
loaded.
"""

import io
import lzma
import pickle
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

import numpy
from numpy.lib import format as array_format
from safetensors import SafetensorError, safe_open

from nmt.errors import DamagedError, NmtError, shorten_reason
from nmt.interop.network import BIAS, SHARED, SOFTMAX, SOURCE, TARGET, Array
from nmt.system.files import START_BYTES, check_regular, detect_kind, read_start

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = "the weights"
DOWNLOAD = "download the model again"
ARCHIVE = ".npz"  # the ending of Marian's files
FLOATS = ("F16", "BF16", "F32", "F64")  # the types of safetensors that become float32
ARRAY_FLOATS = ("float32", "float16", "float64")  # those of NumPy
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
# Marian's names of the matrices and the bias outside of layers.
EMBEDDINGS = {
    "Wemb": SHARED,
    "encoder_Wemb": SOURCE,
    "decoder_Wemb": TARGET,
    "decoder_ff_logit_out_b": BIAS,
    "decoder_ff_logit_out_W": SOFTMAX,
    "decoder_ff_logit_out_Wt": SOFTMAX,
}
Headers = Mapping[str, tuple[tuple[int, ...], str]]  # shapes and types of arrays

IGNORED = ("decoder_ff_logit_out_lsh",)
LAYER = re.compile(r"(encoder|decoder)_l(\d+)_(.+)")


def names_in_layers() -> dict[str, str]:
    """Return the names in transformers of the weights within a layer, by Marian's."""
    kinds = (("W", "weight"), ("b", "bias"))
    norms = (("ln_scale", "weight"), ("ln_bias", "bias"))
    names = {f"ffn_{letter}{n}": f"fc{n}.{kind}" for letter, kind in kinds for n in (1, 2)}
    names |= {f"ffn_ffn_{norm}": f"final_layer_norm.{kind}" for norm, kind in norms}
    for own, attention in (("self", "self_attn"), ("context", "encoder_attn")):
        for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
            for letter, kind in kinds:
                names[f"{own}_{letter}{projection[0]}"] = f"{attention}.{projection}.{kind}"
        names |= {f"{own}_Wo_{norm}": f"{attention}_layer_norm.{kind}" for norm, kind in norms}
    return names


IN_LAYERS = names_in_layers()


@dataclass(frozen=True)
class Tensors:
    """The weights in an open file, by their names in transformers."""

    shapes: Mapping[str, tuple[int, ...]]
    get: Callable[[str], Array]  # loads a weight


@contextmanager
def open_tensors(file: Path) -> Iterator[Tensors]:
    """Open a file of weights; raises NmtError if it is damaged or has other content."""
    check_regular(file, WEIGHTS)
    if file.suffix == ARCHIVE:
        with open_archive(file) as (arrays, headers):
            yield archived(file, arrays, headers)
    elif file.suffix != ".safetensors":
        pickled = unpickle(file)
        shapes = {name: tuple(tensor.shape) for name, tensor in pickled.items()}
        yield Tensors(shapes, lambda name: to_array(pickled[name]))
    else:
        try:
            with safe_open(file, "pt") as tensors:
                shapes = {}
                for name in tensors.keys():  # noqa: SIM118 (no dict)
                    part = tensors.get_slice(name)
                    if part.get_dtype() not in FLOATS:
                        raise unsupported_type(file, name, part.get_dtype())
                    shapes[name] = tuple(part.get_shape())
                yield Tensors(shapes, lambda name: to_array(tensors.get_tensor(name)))
        except (SafetensorError, OSError, ValueError) as error:
            raise refusal(file, error) from error


def to_array(tensor: "Tensor") -> Array:
    """Return a tensor as float32."""
    array: Array = tensor.float().contiguous().numpy()
    return array


def unpickle(file: Path) -> Mapping[str, "Tensor"]:
    """Return the tensors of a pickle that PyTorch wrote; nothing else in it is ever made.

    A new file is mapped into memory. Raises NmtError if the pickle is damaged, or holds other
    objects than tensors.
    """
    import torch

    if not detect_kind(read_start(file, START_BYTES, WEIGHTS)).endswith("PyTorch file"):
        raise refusal(file, ValueError("no file of PyTorch"))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles of other versions
            try:
                found = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
            except RuntimeError:  # a file of PyTorch 1.5 or older cannot be mapped
                found = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise NmtError(
            f"{WEIGHTS} {file} hold more than numbers and are not read, because a pickle can run"
            f" programs ({shorten_reason(error).split('. ')[0]}); save them as model.safetensors"
        ) from error
    except Exception as error:  # a damaged pickle can raise any
        raise refusal(file, error) from error
    if not isinstance(found, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor) for name, tensor in found.items()
    ):
        raise DamagedError(f"{WEIGHTS} {file} are not a table of tensors by name; {DOWNLOAD}")
    for name, tensor in found.items():
        if not tensor.is_floating_point() or tensor.layout != torch.strided:
            raise unsupported_type(file, name, str(tensor.dtype))
        # A small file could describe a large tensor by one number that it repeats.
        if tensor.untyped_storage().nbytes() < tensor.numel() * tensor.element_size():
            raise DamagedError(f"{WEIGHTS} {file} are damaged: {name} is incomplete; {DOWNLOAD}")
    return found


def unsupported_type(
    file: Path, name: str, kind: str, known: str = "float32, float16 or bfloat16"
) -> NmtError:
    """Return the error for a weight of another type than the known ones."""
    return NmtError(
        f"{WEIGHTS} in {file} are not supported: {name} has the type {kind}; nmt imports models"
        f" with {known}, not quantised ones"
    )


def refusal(file: Path, error: Exception) -> NmtError:
    """Return the error for a file that is not what its name says, with what it is."""
    kind = detect_kind(read_start(file, START_BYTES, WEIGHTS))
    if kind and not (kind.endswith("PyTorch file") and file.suffix != ".safetensors"):
        return DamagedError(f"{WEIGHTS} {file} are {kind}; {DOWNLOAD}")
    return DamagedError(f"{WEIGHTS} {file} are damaged ({shorten_reason(error)}); {DOWNLOAD}")


def archived(file: Path, arrays: Any, headers: Headers) -> Tensors:
    """Return the weights of an open archive; raises NmtError for types that are not read."""
    stored: dict[str, tuple[str, tuple[int, ...], bool]] = {}
    for name, (shape, kind) in headers.items():
        if name.startswith("special:") or name in IGNORED:
            continue
        if kind not in ARRAY_FLOATS:
            raise unsupported_type(file, name, kind, "float32")
        theirs = transformers_name(name)
        is_matrix = theirs.endswith("weight") and "norm" not in theirs
        is_turned = is_matrix and (".layers." in theirs or name == "decoder_ff_logit_out_W")
        is_row = theirs != BIAS and len(shape) == 2 and shape[0] == 1 and not is_matrix
        wanted = shape[::-1] if is_turned else shape[1:] if is_row else shape
        stored[theirs] = name, wanted, is_turned

    def load(theirs: str) -> Array:
        name, shape, is_turned = stored[theirs]
        try:
            array = arrays[name]
        except UNREADABLE as error:
            raise DamagedError(f"{file} is damaged: {name}: {shorten_reason(error)}") from error
        found = array.T if is_turned else array
        return numpy.ascontiguousarray(found, numpy.float32).reshape(shape)

    return Tensors({theirs: shape for theirs, (_, shape, _) in stored.items()}, load)


def transformers_name(name: str) -> str:
    """Return the name in transformers of a weight of Marian; an unknown one stays as it is."""
    found = LAYER.fullmatch(name)
    if found and found[3] in IN_LAYERS:
        return f"model.{found[1]}.layers.{int(found[2]) - 1}.{IN_LAYERS[found[3]]}"
    return EMBEDDINGS.get(name, name)


def read_settings(file: Path) -> str:
    """Return the settings in a Marian archive as text."""
    with open_archive(file) as (arrays, headers):
        if SETTINGS not in headers:
            raise NmtError(f"{file} has no {SETTINGS}, so it is not a model of Marian")
        shape, kind = headers[SETTINGS]
        if len(shape) != 1 or shape[0] > MOST_SETTINGS or kind not in BYTES:
            raise DamagedError(f"{file} is damaged: {SETTINGS} is not a text")
        content: bytes = arrays[SETTINGS].tobytes()
    return content.rstrip(b"\0").decode("utf-8", "replace")


@contextmanager
def open_archive(file: Path) -> Iterator[tuple[Any, Headers]]:
    """Open an archive; yields its arrays and their headers.

    Raises NmtError if it is damaged or another file. Objects of Python are never made.
    """
    check_regular(file, WEIGHTS)
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
