"""The model file: one .safetensors file with everything that translating needs.

It holds the weights, the tokenizer, the recipe and the version of the format. Loading a file
executes none of its content, and needs no PyTorch: weights are NumPy arrays. A file may hold its
matrices in 8 bits; each becomes float32 when it is first used.

The header says how large each tensor is, and the recipe says it too. If they disagree, making the
network of the recipe could take any amount of memory. So this is checked before a tensor is loaded.
"""

import hashlib
import json
import math
import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy
from msgspec import Meta
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from nmt import __version__
from nmt.config import Recipe
from nmt.errors import DamagedError, NmtError, shown
from nmt.kernels.eight_bits import STEPS, EightBits, quantise
from nmt.recipe.files import LENGTH_BYTES, LONGEST_HEADER, parse_recipe
from nmt.recipe.size import weight_shapes
from nmt.recipe.toml import to_toml
from nmt.runs.outputs import FILE_LIST
from nmt.runs.run_folder import (
    EVERYDAY,
    LICENCE,
    SHIPPED_MODEL,
    RunFolder,
    did_you_mean,
    names_shipped_model,
)
from nmt.system.arguments import argument
from nmt.system.atomic import atomic_path
from nmt.system.files import (
    START_BYTES,
    check_file,
    check_regular,
    detect_kind,
    is_present,
    read_start,
    unreadable,
)
from nmt.system.json_data import Count, parse_json
from nmt.system.log import Notify

FORMAT = "nmt-transformer"
FORMAT_VERSION = "2"
EIGHT_BITS_VERSION = "3"  # has matrices in 8 bits, which earlier programs cannot read
TOKENIZER = "tokenizer.model"  # name of the tensor that holds the tokenizer's bytes
KNOWN_TEXT = "known_text"  # that holds the bytes of a `KnownText`; older files lack it
SCALES = ".scales"  # ends the name of the tensor (m,) with the scales of a matrix in 8 bits
LARGEST_SCALE = numpy.finfo(numpy.float32).max / STEPS
EMBEDDINGS = "embeddings.weight"  # the tensor (V, d_model) that every model has
ALIGNMENT = "alignment"  # of the metadata: a chosen `AligningAttention`; older files lack it

Updates = tuple[Count, ...]
Shapes = Mapping[str, tuple[int, ...]]  # of tensors, by name
Weights = Mapping[str, NDArray[numpy.float32]]  # by their names in `EncoderDecoder.state_dict`


@dataclass(frozen=True)
class AligningAttention:
    """The attention of the decoder to the source that aligns words best."""

    layer: Annotated[int, Meta(ge=0)]  # of the decoder, from 0
    head: Annotated[int, Meta(ge=0)] | None  # None: the mean of all heads


@dataclass(frozen=True, eq=False)
class StoredWeights(Weights):
    """The weights of a file; a matrix in 8 bits becomes float32 when it is first read."""

    arrays: dict[str, NDArray[Any]]  # by name; of a matrix in 8 bits, its steps until it is read
    eight_bits: Mapping[str, EightBits]

    def __getitem__(self, name: str) -> NDArray[numpy.float32]:
        """Return a weight in float32."""
        if self.arrays[name].dtype == numpy.int8:
            self.arrays[name] = self.eight_bits[name].matrix
        return self.arrays[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self.arrays)

    def __len__(self) -> int:
        """Return the number of weights."""
        return len(self.arrays)


@dataclass(frozen=True)
class ModelFile:
    """The content of a model file."""

    weights: Weights
    tokenizer: bytes
    recipe: Recipe
    updates: tuple[int, ...]  # of the checkpoint, or of the averaged checkpoints
    alignment: AligningAttention | None = None  # None: nothing was chosen
    known_text: bytes = b""  # of a `KnownText`; empty: unknown
    eight_bits: Mapping[str, EightBits] = field(default_factory=dict)  # matrices, if the file has


@dataclass(frozen=True)
class OpenModel:
    """A model file that is open and whose header is checked."""

    recipe: Recipe
    updates: Updates  # of the checkpoint, or of the averaged checkpoints
    alignment: AligningAttention | None  # None: nothing was chosen
    parameters: int
    tensors: Any  # safetensors' `safe_open`, whose `get_tensor` loads a tensor by name


def save_model(
    path: Path, model: ModelFile, made_by: str = "", licence: str = "", *, in_8_bits: bool = False
) -> str:
    """Write a model file and return its SHA-256; it appears whole or not at all.

    made_by: the command that may replace the file, if it is not `nmt train`. licence: of the
    model; "" is unknown. in_8_bits: round matrices to 8 bits; otherwise all weights are written in
    float32. Raises NmtError if the file cannot be written.
    """
    tensors: dict[str, NDArray[Any]]
    tensors = {name: numpy.ascontiguousarray(array) for name, array in model.weights.items()}
    if in_8_bits:
        for name in [name for name, array in tensors.items() if array.ndim == 2]:
            tensors[name], tensors[name + SCALES] = quantise(model.weights[name])
    tensors[TOKENIZER] = numpy.frombuffer(model.tokenizer, numpy.uint8)
    if model.known_text:
        tensors[KNOWN_TEXT] = numpy.frombuffer(model.known_text, numpy.uint8)
    metadata = {
        "format": FORMAT,
        "format_version": EIGHT_BITS_VERSION if in_8_bits else FORMAT_VERSION,
        "nmt_version": __version__,
        "recipe": to_toml(model.recipe),
        "updates": json.dumps(list(model.updates)),
        **({"made_by": made_by} if made_by else {}),
        **({LICENCE: licence} if licence else {}),
        **({ALIGNMENT: json.dumps(asdict(model.alignment))} if model.alignment else {}),
    }
    # safetensors' own `save_file` would create a file that only its owner may read.
    content = memoryview(save(tensors, metadata))
    end = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "little")
    with atomic_path(path) as partial, partial.open("wb") as stream:
        header = sorted_header(bytes(content[LENGTH_BYTES:end]), {})
        stream.write(header)
        stream.write(content[end:])
    digest = hashlib.sha256(header)
    digest.update(content[end:])
    return digest.hexdigest()


def write_metadata(path: Path, name: str, text: str) -> None:
    """Add or replace an entry of a model file's metadata; weights and file times are kept.

    The newest model is found by its time, which this must not change.
    """
    status = path.stat()
    with atomic_path(path) as partial, path.open("rb") as old, partial.open("wb") as new:
        header = old.read(int.from_bytes(old.read(LENGTH_BYTES), "little"))
        new.write(sorted_header(header, {name: text}))
        shutil.copyfileobj(old, new)
        new.flush()
        os.utime(partial, ns=(status.st_atime_ns, status.st_mtime_ns))


def write_alignment(path: Path, alignment: AligningAttention) -> None:
    """Write which attention aligns words into a model file."""
    write_metadata(path, ALIGNMENT, json.dumps(asdict(alignment)))


def sorted_header(header: bytes, more: Mapping[str, str]) -> bytes:
    """Return a .safetensors header with its length before it, and with sorted metadata.

    header: without its length. more: metadata to add or to replace. safetensors writes metadata in
    random order; sorted, equal models have equal bytes.
    """
    entries = json.loads(header)
    entries["__metadata__"].update(more)
    entries["__metadata__"] = dict(sorted(entries["__metadata__"].items()))
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors are aligned
    return len(text).to_bytes(LENGTH_BYTES, "little") + text


def find_model(path: Path, option: str = "--model") -> Path:
    """Return the model file at a path: the path itself, or the model of a run folder.

    `everyday` names the shipped model, unless there is such a path. option: with which a user names
    it; "" if it is an argument. Raises NmtError if there is no file to read.
    """
    what, fix = "the model", f"name another with {option}" if option else "name another"
    if names_shipped_model(path):
        path = SHIPPED_MODEL
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            if is_present(path / FILE_LIST):
                engine = "add --engine ctranslate2 if it is for that program, or "
                raise NmtError(
                    f"{path} is an exported model; {engine if option else ''}name a model file or a"
                    " run folder"
                )
            path = RunFolder(path).translation_model()
    except (OSError, ValueError) as error:
        near = did_you_mean(path, [EVERYDAY] * (path.parent == Path()))
        raise unreadable(what, path, error, near or fix) from error
    check_regular(path, what, fix)
    check_file(path, what)
    return path


def read_model(path: Path) -> ModelFile:
    """Return the content of a model file or of a run folder's model.

    Raises NmtError if the file cannot be read, is damaged or has another format.
    """
    return read_model_file(find_model(path))


def read_model_file(file: Path) -> ModelFile:
    """Return the content of a model file; its weights fit its recipe.

    Raises NmtError, before a tensor is loaded, if the file cannot be read, is damaged or has
    another format.
    """
    with open_model(file) as model:
        names = model.tensors.keys()
        tensors = {name: model.tensors.get_tensor(name) for name in names}
    tokenizer = tensors.pop(TOKENIZER).tobytes()
    known = tensors.pop(KNOWN_TEXT).tobytes() if KNOWN_TEXT in tensors else b""
    matrices = [name for name, array in tensors.items() if array.dtype == numpy.int8]
    eight_bits = {name: EightBits(tensors[name], tensors.pop(name + SCALES)) for name in matrices}
    for name, matrix in eight_bits.items():
        check_8_bits(name, matrix, file)
    weights = StoredWeights(tensors, eight_bits)
    return ModelFile(
        weights, tokenizer, model.recipe, model.updates, model.alignment, known, eight_bits
    )


def check_8_bits(name: str, matrix: EightBits, file: Path) -> None:
    """Raise DamagedError unless a matrix has steps and scales as `quantise` makes them."""
    steps, scales = matrix
    if steps.min() < -STEPS or steps.max() > STEPS:
        wrong = f"steps beyond {STEPS}"
    elif not ((scales > 0) & (scales <= LARGEST_SCALE)).all():
        wrong = "a scale that is not a positive number"
    else:
        return
    raise DamagedError(f"the model {file} is damaged: {shown(name)} has {wrong}; {again(file)}")


@contextmanager
def open_model(file: Path) -> Iterator[OpenModel]:
    """Open a model file and check its header.

    Raises NmtError if the file cannot be read, is damaged, or is not a model of this program.
    """
    check_regular(file, "the model")
    try:
        with safe_open(file, "np") as tensors:
            yield read_header(file, tensors)
    except (SafetensorError, OSError, ValueError) as error:
        raise refusal(file) from error


def read_header(file: Path, tensors: Any) -> OpenModel:
    """Check the header of an open model file; raises NmtError as `open_model` does."""
    metadata = tensors.metadata() or {}
    check_format(file, metadata)
    slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118 (no dict)
    tokenizer = slices.pop(TOKENIZER, None)
    known = slices.pop(KNOWN_TEXT, tokenizer)
    if tokenizer is None or tokenizer.get_dtype() != "U8" or "recipe" not in metadata:
        raise DamagedError(f"the model {file} contains no tokenizer or no recipe; {again(file)}")
    recipe = parse_recipe(metadata["recipe"], file.stem, f"the recipe inside {file}")
    origin = f"the list of updates inside {file}"
    updates = parse_json(metadata.get("updates", ""), Updates, origin)
    alignment = read_alignment(metadata, recipe, file)
    if known.get_dtype() != "U8":
        raise DamagedError(
            f"the model {file} is damaged: {KNOWN_TEXT!r} is not bytes; {again(file)}"
        )
    found = {name: tuple(part.get_shape()) for name, part in slices.items()}
    misfit = f"the weights in {file} do not fit its recipe:"
    if len(found.get(EMBEDDINGS, ())) != 2:
        raise DamagedError(f"{misfit} there is no matrix {EMBEDDINGS}; {again(file)}")
    vocab_size = found[EMBEDDINGS][0]
    expected = weight_shapes(recipe.model, vocab_size)
    parameters = sum(map(math.prod, expected.values()))
    if metadata["format_version"] == EIGHT_BITS_VERSION:
        matrices = {name: shape for name, shape in expected.items() if len(shape) == 2}
        expected |= {name + SCALES: shape[:1] for name, shape in matrices.items()}
    check_shapes(found, expected, file)
    for name, part in slices.items():
        has, wanted = part.get_dtype(), "I8" if name + SCALES in expected else "F32"
        if has != wanted:
            raise DamagedError(
                f"{misfit} {shown(name)} has the type {shown(has)} instead of {wanted};"
                f" {again(file)}"
            )
    return OpenModel(recipe, updates, alignment, parameters, tensors)


def read_alignment(
    metadata: Mapping[str, str], recipe: Recipe, file: Path
) -> AligningAttention | None:
    """Return the aligning attention that the metadata name; None if they name none.

    Raises DamagedError if the model has no such layer or head.
    """
    if ALIGNMENT not in metadata:
        return None
    found = parse_json(metadata[ALIGNMENT], AligningAttention, f"the alignment inside {file}")
    layers, heads = recipe.model.cross_attentions
    if found.layer >= layers or (found.head or 0) >= heads:
        raise DamagedError(
            f"the alignment inside {file} names a layer or a head that the model lacks;"
            f" {again(file)}"
        )
    return found


def check_format(file: Path, metadata: Mapping[str, str]) -> None:
    """Raise NmtError if a file is of another program or of another version of the format."""
    if metadata.get("format") != FORMAT:
        raise NmtError(
            f"{file} is not a model of this program; `nmt train` creates one, and `nmt import`"
            " makes one of an OPUS-MT model"
        )
    version = metadata.get("format_version")
    if version not in (FORMAT_VERSION, EIGHT_BITS_VERSION):
        writer = metadata.get("nmt_version")
        raise NmtError(
            f"{file} has model format {shown(version)}, written by nmt {shown(writer)}, but this"
            f" nmt {__version__} reads only formats {FORMAT_VERSION} and {EIGHT_BITS_VERSION};"
            " train the model again, or use the program that wrote it"
        )


def check_shapes(found: Shapes, expected: Shapes, file: Path) -> None:
    """Raise DamagedError unless the weights of a file have the names and shapes expected."""
    if reason := find_misfit(found, expected):
        raise DamagedError(f"the weights in {file} do not fit its recipe: {reason}; {again(file)}")


def find_misfit(found: Shapes, expected: Shapes) -> str:
    """Return which weight is missing, surplus or of another shape, the first by name; else ""."""
    for name in sorted({*found, *expected}):
        if name not in expected:
            return f"{shown(name)} does not belong to it"
        if name not in found:
            return f"{shown(name)} is missing"
        if found[name] != expected[name]:
            sizes = (" x ".join(map(str, shapes[name])) for shapes in (found, expected))
            has, wanted = (size or "one number" for size in sizes)
            return f"{shown(name)} is {has} instead of {wanted}"
    return ""


def again(file: Path) -> str:
    """Return what to do about a model file that is damaged."""
    run = RunFolder(file.parent)
    if file in (run.model, run.best) and is_present(run.recipe) and run.is_resumable():
        return f"`nmt train {argument(run.path)}` creates it again if a checkpoint has its weights"
    return "copy it again from where it came from"


def opens(file: Path) -> bool:
    """Return whether a model file exists and `open_model` accepts it."""
    try:
        with open_model(file):
            return True
    except NmtError:
        return False


def refusal(file: Path) -> NmtError:
    """Return the error for a file that is no intact .safetensors file, with what it is."""
    start = read_start(file, START_BYTES, "the model")
    kind = detect_kind(start)
    if not start:
        return DamagedError(f"the model {file} is empty; {again(file)}")
    if kind:
        return DamagedError(f"{file} is {kind}, not a model; `nmt train` creates one")
    length, first = start[:LENGTH_BYTES], start[LENGTH_BYTES : LENGTH_BYTES + 1]
    if int.from_bytes(length, "little") > LONGEST_HEADER or first not in (b"{", b""):
        return DamagedError(
            f"{file} is not a model of this program, or its first bytes are damaged; {again(file)}"
        )
    return DamagedError(f"the model {file} is damaged; {again(file)}")


def average(paths: Sequence[Path]) -> ModelFile:
    """Return the mean of checkpoints' weights (section 6.1), summed in float64.

    Raises NmtError if a file is damaged or the files are of different runs.
    """
    first = read_model(paths[0])
    sums = {name: array.astype(numpy.float64) for name, array in first.weights.items()}
    updates, known = [*first.updates], first.known_text
    for path in paths[1:]:
        content = read_model(path)
        same = (content.tokenizer, content.recipe.model) == (first.tokenizer, first.recipe.model)
        if not same:
            raise NmtError(f"{path} and {paths[0]} are of different runs and cannot be averaged")
        updates += content.updates
        known = content.known_text or known
        for name, array in content.weights.items():
            sums[name] += array
    weights = {name: (total / len(paths)).astype(numpy.float32) for name, total in sums.items()}
    return ModelFile(weights, first.tokenizer, first.recipe, tuple(updates), known_text=known)


def correct_languages(run: RunFolder, recipe: Recipe, notify: Notify) -> None:
    """Write a recipe's language pair into the models of a run whose recipe.toml has another.

    No weight depends on it. Call this before the recipe is saved: if it is interrupted, the next
    start does it again.
    """
    if not is_present(run.recipe) or languages(run.load_recipe()) == languages(recipe):
        return
    for path in filter(is_present, (run.model, run.best)):
        correct_model(path, recipe, notify)


def correct_model(path: Path, recipe: Recipe, notify: Notify) -> None:
    """Write a recipe's language pair into a model file, if it has another.

    Raises NmtError if the file is damaged or cannot be written.
    """
    with open_model(path) as model:
        stored = model.recipe
    old, new = languages(stored), languages(recipe)
    if old != new:
        data = replace(stored.data, source_language=new[0], target_language=new[1])
        write_metadata(path, "recipe", to_toml(replace(stored, data=data)))
        notify(f"{path}: languages {'-'.join(old)} corrected to {'-'.join(new)}")


def languages(recipe: Recipe) -> tuple[str, str]:
    """Return the source and the target language of a recipe."""
    return recipe.data.source_language, recipe.data.target_language
