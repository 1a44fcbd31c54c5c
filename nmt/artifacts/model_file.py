"""The model file: one .safetensors file with everything that translating needs.

It holds the weights, the tokenizer, the recipe and the version of the format. Loading a file
executes none of its content.
"""

import hashlib
import json
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from nmt import __version__
from nmt.artifacts.model_header import (
    AGAIN,
    EMBEDDINGS,
    FORMAT,
    FORMAT_VERSION,
    TOKENIZER,
    open_model,
)
from nmt.artifacts.outputs import output_path
from nmt.artifacts.run_folder import RunFolder
from nmt.config import Recipe
from nmt.errors import DamagedError, NmtError, UsageError, shown
from nmt.model.transformer import Transformer
from nmt.recipe import to_toml
from nmt.system.atomic import atomic_path
from nmt.system.reading import check_file, check_regular, unreadable
from nmt.text.tokenizer import PAD, Tokenizer


@dataclass(frozen=True)
class TrainedModel:
    """A model, or an ensemble, that is ready to translate."""

    network: Transformer  # in evaluation mode, on its device
    tokenizer: Tokenizer
    recipe: Recipe
    path: Path
    ensemble: tuple["TrainedModel", ...] = ()  # the other models of an ensemble


@dataclass(frozen=True)
class ModelFile:
    """The content of a model file."""

    weights: dict[str, Tensor]
    tokenizer: bytes
    recipe: Recipe
    updates: tuple[int, ...]  # of the checkpoint, or of the averaged checkpoints


def save_model(
    path: Path,
    weights: Mapping[str, Tensor],
    tokenizer: bytes,
    recipe: Recipe,
    updates: Sequence[int],
    made_by: str = "",
) -> str:
    """Write a model file and return its SHA-256; it appears whole or not at all.

    weights: the network's state. tokenizer: the bytes of a SentencePiece model. updates: those of
    the checkpoint, or of the averaged checkpoints. made_by: the command that may replace the file,
    if it is not `nmt train`. Raises NmtError if the file cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    tensors[TOKENIZER] = torch.frombuffer(bytearray(tokenizer), dtype=torch.uint8)
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "nmt_version": __version__,
        "recipe": to_toml(recipe),
        "updates": json.dumps(list(updates)),
        **({"made_by": made_by} if made_by else {}),
    }
    # safetensors' own `save_file` would create a file that only its owner may read.
    content = memoryview(save(tensors, metadata))
    end = 8 + int.from_bytes(content[:8], "little")
    output = output_path(path, made_by) if made_by else atomic_path(path)
    with output as partial, partial.open("wb") as stream:
        header = sorted_header(bytes(content[8:end]))
        stream.write(header)
        stream.write(content[end:])
    digest = hashlib.sha256(header)
    digest.update(content[end:])
    return digest.hexdigest()


def sorted_header(header: bytes) -> bytes:
    """Return a .safetensors header, length included, with sorted metadata.

    safetensors writes metadata in random order; sorted, equal models have equal bytes.
    """
    entries = json.loads(header)
    entries["__metadata__"] = dict(sorted(entries["__metadata__"].items()))
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors are aligned
    return len(text).to_bytes(8, "little") + text


def find_model(path: Path) -> Path:
    """Return the model file at a path: the path itself, or the model of a run folder.

    Raises NmtError if there is no file to read.
    """
    what, fix = "the model", "name another with --model"
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            path = RunFolder(path).translation_model()
    except (OSError, ValueError) as error:
        raise unreadable(what, path, error, fix) from error
    check_regular(path, what, fix)
    check_file(path, what)
    return path


def read_model(path: Path) -> ModelFile:
    """Return the content of a model file or of a run folder's model.

    Raises NmtError if the file cannot be read, is damaged or has another format.
    """
    return read_model_file(find_model(path))


def read_model_file(file: Path) -> ModelFile:
    """Return the content of a model file; its weights are as many as those of its recipe.

    Raises NmtError, before a tensor is loaded, if the file cannot be read, is damaged or of another
    format.
    """
    with open_model(file, "pt") as model:
        names = model.tensors.keys()
        tensors = {name: model.tensors.get_tensor(name) for name in names}
    tokenizer = tensors.pop(TOKENIZER).numpy().tobytes()
    return ModelFile(tensors, tokenizer, model.header.recipe, model.header.updates)


def load_model(path: Path, device: torch.device) -> TrainedModel:
    """Return the model in a file or a run folder, ready to translate on a device.

    Raises NmtError as `read_model` does, or if the weights do not fit the recipe.
    """
    return load_model_file(find_model(path), device)


def load_model_file(file: Path, device: torch.device) -> TrainedModel:
    """Return the model in a file, ready to translate on a device."""
    content = read_model_file(file)
    tokenizer = Tokenizer(content.tokenizer, f"the tokenizer inside {file}")
    rows = len(content.weights[EMBEDDINGS])
    if rows != len(tokenizer):
        raise DamagedError(
            f"the weights in {file} do not fit its tokenizer: they embed {rows:,} tokens, but the"
            f" tokenizer has {len(tokenizer):,}; {AGAIN}"
        )
    network = Transformer(content.recipe.model, len(tokenizer), PAD)
    load_weights(network, content.weights, file)
    return TrainedModel(network.to(device).eval(), tokenizer, content.recipe, file)


def load_ensemble(paths: Sequence[Path], device: torch.device) -> TrainedModel:
    """Return one or more models that translate together on a device.

    The recipe of the first model applies. The models must have the same vocabulary and the same
    task; their shapes may differ. Raises UsageError for a model named twice, NmtError for models
    that do not fit together.
    """
    files = [find_model(path) for path in paths]
    resolved = [os.path.realpath(file) for file in files]
    for index, file in enumerate(files):
        if resolved[index] in resolved[:index]:
            raise UsageError(f"--model {file} is named twice; name each model of an ensemble once")
    first, *others = [load_model_file(file, device) for file in files]
    for other in others:
        if not other.tokenizer.matches(first.tokenizer):
            raise NmtError(
                f"{other.path} has another vocabulary than {first.path}; models of an ensemble must"
                " share one: train them on one corpus with the same [tokenizer] settings, or train"
                " one from the other with --init-from"
            )
        if task(other.recipe) != task(first.recipe):
            raise NmtError(
                f"{other.path} is for {task(other.recipe)} but {first.path} for"
                f" {task(first.recipe)}; an ensemble needs models of the same task"
            )
        if other.recipe.model.target_order != first.recipe.model.target_order:
            raise NmtError(
                f"{other.path} has model.target_order={other.recipe.model.target_order} but"
                f" {first.path} {first.recipe.model.target_order}; models of an ensemble write in"
                " one order; `nmt rerank` combines others"
            )
    return replace(first, ensemble=tuple(others))


def task(recipe: Recipe) -> str:
    """Return the direction of translation and the metric, such as "en-de (bleu)"."""
    return f"{recipe.data.source_language}-{recipe.data.target_language} ({recipe.data.metric})"


def load_weights(network: Transformer, weights: Mapping[str, Tensor], path: Path) -> None:
    """Load a file's weights into a network; raises DamagedError unless names and shapes agree."""
    found, expected = shapes(weights), shapes(network.state_dict())
    for name in sorted({*found, *expected}):
        if found.get(name) != expected.get(name):
            has, wanted = (describe_shape(each.get(name)) for each in (found, expected))
            raise DamagedError(
                f"the weights in {path} do not fit its recipe: {shown(name)} is {has} instead of"
                f" {wanted}"
            )
    network.load_state_dict(dict(weights))


def describe_shape(shape: torch.Size | None) -> str:
    """Return a shape such as "40 x 16"; "missing" for None."""
    return "missing" if shape is None else " x ".join(map(str, shape)) or "one number"


def shapes(weights: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    """Return the shape of every tensor by name."""
    return {name: tensor.shape for name, tensor in weights.items()}


def average(paths: Sequence[Path]) -> ModelFile:
    """Return the mean of checkpoints' weights (section 6.1), summed in float64.

    Raises NmtError if a file is damaged or the files are of different runs.
    """
    first = read_model(paths[0])
    sums = {name: tensor.double() for name, tensor in first.weights.items()}
    updates = [*first.updates]
    for path in paths[1:]:
        content = read_model(path)
        same = (content.tokenizer, content.recipe.model) == (first.tokenizer, first.recipe.model)
        if not same or shapes(content.weights) != shapes(first.weights):
            raise NmtError(f"{path} and {paths[0]} are of different runs and cannot be averaged")
        updates += content.updates
        for name, tensor in content.weights.items():
            sums[name] += tensor
    weights = {name: (total / len(paths)).float() for name, total in sums.items()}
    return ModelFile(weights, first.tokenizer, first.recipe, tuple(updates))
