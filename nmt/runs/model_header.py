"""Read the header of a model file and check it, before a tensor is loaded or a network is made.

The header says how large each tensor is. If that does not agree with the recipe, making the network
of the recipe could take any amount of memory; so the file is refused first.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta
from safetensors import SafetensorError, safe_open

from nmt import __version__
from nmt.config import Recipe
from nmt.errors import DamagedError, NmtError, reason_of, shown
from nmt.recipe import parse_recipe
from nmt.recipe.model_recipe import LONGEST_HEADER
from nmt.recipe.size import count_parameters, weight_shapes
from nmt.system.files import START_BYTES, check_regular, kind_of, read_start
from nmt.system.json_data import parse_json

FORMAT = "nmt-transformer"
FORMAT_VERSION = 2
TOKENIZER = "tokenizer.model"  # name of the tensor that holds the tokenizer's bytes
EMBEDDINGS = "embeddings.weight"  # the tensor (V, d_model) that every model has
ALIGNMENT = "alignment"  # of the metadata: a chosen `AligningAttention`; older files lack it
AGAIN = "create it again with `nmt train`"

Updates = tuple[Annotated[int, Meta(ge=0, le=2**53)], ...]


@dataclass(frozen=True)
class AligningAttention:
    """The attention of the decoder to the source that aligns words best."""

    layer: Annotated[int, Meta(ge=0)]  # of the decoder, from 0
    head: Annotated[int, Meta(ge=0)] | None  # None: the mean of all heads


@dataclass(frozen=True)
class ModelHeader:
    """The header of a model file, checked."""

    recipe: Recipe
    updates: Updates  # of the checkpoint, or of the averaged checkpoints
    alignment: AligningAttention | None  # None: nothing was chosen
    vocab_size: int  # rows of the embeddings
    parameters: int


@dataclass(frozen=True)
class StoredTensor:
    """A tensor by the header: its data type, as safetensors names it, and its shape."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class OpenModel:
    """A model file that is open and whose header is checked."""

    header: ModelHeader
    tensors: Any  # safetensors' `safe_open`, whose `get_tensor` loads a tensor by name


@contextmanager
def open_model(file: Path, framework: str) -> Iterator[OpenModel]:
    """Open a model file and check its header.

    framework: "pt" to load PyTorch's tensors, "np" for NumPy's. Raises NmtError if the file cannot
    be read, is damaged, or is not a model of this program.
    """
    check_regular(file, "the model")
    try:
        with safe_open(file, framework) as tensors:
            yield OpenModel(read_header(file, tensors), tensors)
    except (SafetensorError, OSError, ValueError) as error:
        raise refusal(file, error) from error


def read_header(file: Path, tensors: Any) -> ModelHeader:
    """Return the checked header of an open model file; raises NmtError as `open_model` does."""
    metadata = tensors.metadata() or {}
    check_format(file, metadata)
    stored = {name: stored_tensor(tensors.get_slice(name)) for name in tensors.keys()}  # noqa: SIM118 (no dict)
    tokenizer = stored.pop(TOKENIZER, None)
    if tokenizer is None or tokenizer.dtype != "U8" or "recipe" not in metadata:
        raise DamagedError(f"the model {file} contains no tokenizer or no recipe; {AGAIN}")
    recipe = parse_recipe(metadata["recipe"], file.stem, f"the recipe inside {file}")
    origin = f"the list of updates inside {file}"
    updates = parse_json(metadata.get("updates", ""), Updates, origin)
    alignment = read_alignment(metadata, recipe, file)
    vocab_size = check_tensors(stored, recipe, file)
    parameters = count_parameters(recipe.model, vocab_size)
    return ModelHeader(recipe, updates, alignment, vocab_size, parameters)


def read_alignment(
    metadata: Mapping[str, str], recipe: Recipe, file: Path
) -> AligningAttention | None:
    """Return the aligning attention that the metadata name; None if they name none.

    Raises DamagedError if the model has no such layer or head.
    """
    if ALIGNMENT not in metadata:
        return None
    found = parse_json(metadata[ALIGNMENT], AligningAttention, f"the alignment inside {file}")
    if found.layer >= recipe.model.decoder_layers or (found.head or 0) >= recipe.model.heads:
        raise DamagedError(
            f"the alignment inside {file} names a layer or a head that the model lacks; {AGAIN}"
        )
    return found


def stored_tensor(part: Any) -> StoredTensor:
    """Return the data type and the shape of a tensor, which is not loaded."""
    return StoredTensor(part.get_dtype(), tuple(part.get_shape()))


def check_format(file: Path, metadata: Mapping[str, str]) -> None:
    """Raise NmtError if a file is of another program or of another version of the format."""
    if metadata.get("format") != FORMAT:
        raise NmtError(
            f"{file} is not a model of this program; `nmt train` creates one, and `nmt import`"
            " makes one of an OPUS-MT model"
        )
    version = metadata.get("format_version")
    if version != str(FORMAT_VERSION):
        writer = metadata.get("nmt_version")
        raise NmtError(
            f"{file} has model format {shown(version)}, written by nmt {shown(writer)}, but"
            f" this nmt {__version__} reads only format {FORMAT_VERSION}; train the model again, or"
            " use the program that wrote it"
        )


def check_tensors(stored: Mapping[str, StoredTensor], recipe: Recipe, file: Path) -> int:
    """Return the size of the vocabulary by the weights.

    Raises DamagedError unless the weights are float32 and have the names and shapes of the recipe.
    """
    other = next((each.dtype for each in stored.values() if each.dtype != "F32"), None)
    if other:
        raise DamagedError(
            f"the weights in {file} do not fit its recipe: some have the type {other}, but models"
            f" of this program have F32 (float32); {AGAIN}"
        )
    shape = stored[EMBEDDINGS].shape if EMBEDDINGS in stored else ()
    if len(shape) != 2:
        raise DamagedError(
            f"the weights in {file} do not fit its recipe: there is no matrix {EMBEDDINGS}; {AGAIN}"
        )
    found = {name: each.shape for name, each in stored.items()}
    check_shapes(found, weight_shapes(recipe.model, shape[0]), file)
    return shape[0]


def check_shapes(
    found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]], file: Path
) -> None:
    """Raise DamagedError unless the weights of a file have the names and shapes expected."""
    for name in sorted({*found, *expected}):
        if found.get(name) != expected.get(name):
            if name not in expected:
                reason = "does not belong to it"
            elif name not in found:
                reason = "is missing"
            else:
                has, wanted = (describe_shape(each[name]) for each in (found, expected))
                reason = f"is {has} instead of {wanted}"
            raise DamagedError(
                f"the weights in {file} do not fit its recipe: {shown(name)} {reason}; {AGAIN}"
            )


def describe_shape(shape: tuple[int, ...]) -> str:
    """Return a shape such as "40 x 16"."""
    return " x ".join(map(str, shape)) or "one number"


def refusal(file: Path, error: Exception) -> NmtError:
    """Return the error for a file that is no intact .safetensors file, with what it is."""
    start = read_start(file, START_BYTES, "the model")
    kind = kind_of(start)
    if not start:
        return DamagedError(f"the model {file} is empty; {AGAIN}")
    if kind:
        return NmtError(f"{file} is {kind}, not a model; `nmt train` creates one")
    if int.from_bytes(start[:8], "little") > LONGEST_HEADER or start[8:9] not in (b"{", b""):
        return NmtError(
            f"{file} is not a model of this program, or its first bytes are damaged; {AGAIN}"
        )
    return DamagedError(f"the model {file} is damaged ({reason_of(error)}); {AGAIN}")
