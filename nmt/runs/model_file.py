"""The model file: one .safetensors file with everything that translating needs.

It holds the weights, the tokenizer, the recipe and the version of the format. Loading a file
executes none of its content, and needs no PyTorch: weights are NumPy arrays.
"""

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy
from numpy.typing import NDArray
from safetensors.numpy import save

from nmt import __version__
from nmt.config import Recipe
from nmt.errors import NmtError
from nmt.recipe import to_toml
from nmt.runs.model_header import (
    ALIGNMENT,
    FORMAT,
    FORMAT_VERSION,
    TOKENIZER,
    AligningAttention,
    open_model,
)
from nmt.runs.outputs import MANIFEST
from nmt.runs.run_folder import RunFolder, did_you_mean
from nmt.system.atomic import atomic_path
from nmt.system.files import check_file, check_regular, is_present, unreadable

Weights = Mapping[str, NDArray[numpy.float32]]  # by their names in `Transformer.state_dict`


@dataclass(frozen=True)
class ModelFile:
    """The content of a model file."""

    weights: Weights
    tokenizer: bytes
    recipe: Recipe
    updates: tuple[int, ...]  # of the checkpoint, or of the averaged checkpoints
    alignment: AligningAttention | None = None  # None: nothing was chosen


def save_model(
    path: Path,
    weights: Weights,
    tokenizer: bytes,
    recipe: Recipe,
    updates: Sequence[int],
    made_by: str = "",
    alignment: AligningAttention | None = None,
) -> str:
    """Write a model file and return its SHA-256; it appears whole or not at all.

    weights: a network's, as `arrays_of` returns them. tokenizer: the bytes of a SentencePiece
    model. updates: those of the checkpoint, or of the averaged checkpoints. made_by: the command
    that may replace the file, if it is not `nmt train`. alignment: the attention that aligns
    words, if it was chosen. Raises NmtError if the file cannot be written.
    """
    tensors = {name: numpy.ascontiguousarray(each) for name, each in weights.items()}
    tensors[TOKENIZER] = numpy.frombuffer(tokenizer, numpy.uint8)
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "nmt_version": __version__,
        "recipe": to_toml(recipe),
        "updates": json.dumps(list(updates)),
        **({"made_by": made_by} if made_by else {}),
        **({ALIGNMENT: json.dumps(asdict(alignment))} if alignment else {}),
    }
    # safetensors' own `save_file` would create a file that only its owner may read.
    content = memoryview(save(tensors, metadata))
    end = 8 + int.from_bytes(content[:8], "little")
    with atomic_path(path) as partial, partial.open("wb") as stream:
        header = sorted_header(bytes(content[8:end]), {})
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
        header = old.read(int.from_bytes(old.read(8), "little"))
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
    return len(text).to_bytes(8, "little") + text


def find_model(path: Path, option: str = "--model") -> Path:
    """Return the model file at a path: the path itself, or the model of a run folder.

    option: with which a user names it; "" if it is an argument. Raises NmtError if there is no file
    to read.
    """
    what, fix = "the model", f"name another with {option}" if option else "name another"
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            if is_present(path / MANIFEST):
                engine = "add --engine ctranslate2 if it is for that program, or "
                raise NmtError(
                    f"{path} is an exported model; {engine if option else ''}name a model file or a"
                    " run folder"
                )
            path = RunFolder(path).translation_model()
    except (OSError, ValueError) as error:
        raise unreadable(what, path, error, did_you_mean(path) or fix) from error
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
    with open_model(file, "np") as model:
        names = model.tensors.keys()
        tensors = {name: model.tensors.get_tensor(name) for name in names}
    tokenizer = tensors.pop(TOKENIZER).tobytes()
    header = model.header
    return ModelFile(tensors, tokenizer, header.recipe, header.updates, header.alignment)


def average(paths: Sequence[Path]) -> ModelFile:
    """Return the mean of checkpoints' weights (section 6.1), summed in float64.

    Raises NmtError if a file is damaged or the files are of different runs.
    """
    first = read_model(paths[0])
    sums = {name: each.astype(numpy.float64) for name, each in first.weights.items()}
    updates = [*first.updates]
    for path in paths[1:]:
        content = read_model(path)
        same = (content.tokenizer, content.recipe.model) == (first.tokenizer, first.recipe.model)
        if not same:
            raise NmtError(f"{path} and {paths[0]} are of different runs and cannot be averaged")
        updates += content.updates
        for name, each in content.weights.items():
            sums[name] += each
    weights = {name: (total / len(paths)).astype(numpy.float32) for name, total in sums.items()}
    return ModelFile(weights, first.tokenizer, first.recipe, tuple(updates))
