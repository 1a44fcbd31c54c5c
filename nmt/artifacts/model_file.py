"""The model file: one .safetensors file with everything that translating needs.

It holds the weights, the tokenizer, the recipe and the version of the format. Loading a file
executes none of its content.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from nmt import __version__
from nmt.artifacts.run_folder import RunFolder
from nmt.config import Recipe
from nmt.errors import NmtError, UsageError
from nmt.model.transformer import Transformer
from nmt.recipe import parse_recipe, to_toml
from nmt.system.atomic import atomic_path
from nmt.text.tokenizer import PAD, Tokenizer

FORMAT = "nmt-transformer"
FORMAT_VERSION = 2
TOKENIZER = "tokenizer.model"  # name of the tensor that holds the tokenizer's bytes


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
) -> None:
    """Write a model file; it appears whole or not at all.

    weights: the network's state. tokenizer: the bytes of a SentencePiece model. updates: those of
    the checkpoint, or of the averaged checkpoints. Raises NmtError if the file cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    tensors[TOKENIZER] = torch.frombuffer(bytearray(tokenizer), dtype=torch.uint8)
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "nmt_version": __version__,
        "recipe": to_toml(recipe),
        "updates": json.dumps(list(updates)),
    }
    # safetensors' own `save_file` would create a file that only its owner may read.
    content = memoryview(save(tensors, metadata))
    end = 8 + int.from_bytes(content[:8], "little")
    with atomic_path(path) as partial, partial.open("wb") as stream:
        stream.write(sorted_header(bytes(content[8:end])))
        stream.write(content[end:])


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

    Raises NmtError if it does not exist.
    """
    if path.is_dir():
        path = RunFolder(path).translation_model()
    if not path.is_file():
        raise NmtError(f"the model {path} does not exist")
    return path


def read_model(path: Path) -> ModelFile:
    """Return the content of a model file or of a run folder's model.

    Raises NmtError if the file does not exist, is damaged or has another format.
    """
    return read_model_file(find_model(path))


def read_model_file(file: Path) -> ModelFile:
    """Return the content of a model file; raises NmtError if it is damaged or of another format."""
    try:
        with safe_open(file, "pt") as stored:
            metadata = stored.metadata() or {}
            check_format(file, metadata)
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (no dict)
    except (SafetensorError, OSError, RuntimeError) as error:
        raise NmtError(
            f"{file} is damaged or is not a model ({error}); create it again with `nmt train`"
        ) from error
    tokenizer = tensors.pop(TOKENIZER, None)
    if tokenizer is None or tokenizer.dtype != torch.uint8 or "recipe" not in metadata:
        raise NmtError(
            f"{file} contains no tokenizer or no recipe; create it again with `nmt train`"
        )
    recipe = parse_recipe(metadata["recipe"], file.stem, f"the recipe inside {file}")
    try:
        updates = tuple(map(int, json.loads(metadata["updates"])))
    except (KeyError, ValueError, TypeError) as error:
        raise NmtError(
            f"{file} has damaged metadata ({error!r}); create it again with `nmt train`"
        ) from error
    return ModelFile(tensors, tokenizer.numpy().tobytes(), recipe, updates)


def check_format(file: Path, metadata: Mapping[str, str]) -> None:
    """Raise NmtError if a file is of another program or of another version of the format."""
    if metadata.get("format") != FORMAT:
        raise NmtError(f"{file} is not a model of this program; `nmt train` creates one")
    version = metadata.get("format_version")
    if version != str(FORMAT_VERSION):
        raise NmtError(
            f"{file} has model format {version}, written by nmt {metadata.get('nmt_version')}, but"
            f" this nmt {__version__} reads only format {FORMAT_VERSION}; train the model again, or"
            " use the program that wrote it"
        )


def load_model(path: Path, device: torch.device) -> TrainedModel:
    """Return the model in a file or a run folder, ready to translate on a device.

    Raises NmtError as `read_model` does, or if the weights do not fit the recipe.
    """
    return load_model_file(find_model(path), device)


def load_model_file(file: Path, device: torch.device) -> TrainedModel:
    """Return the model in a file, ready to translate on a device."""
    content = read_model_file(file)
    tokenizer = Tokenizer(content.tokenizer, f"the tokenizer inside {file}")
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
    resolved = [file.resolve() for file in files]
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
    return replace(first, ensemble=tuple(others))


def task(recipe: Recipe) -> str:
    """Return the direction of translation and the metric, such as "en-de (bleu)"."""
    return f"{recipe.data.source_language}-{recipe.data.target_language} ({recipe.data.metric})"


def load_weights(network: Transformer, weights: Mapping[str, Tensor], path: Path) -> None:
    """Load a file's weights into a network; raises NmtError unless names and shapes agree."""
    try:
        network.load_state_dict(dict(weights))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise NmtError(f"the weights in {path} do not fit its recipe: {reason}") from error


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
