"""A model as one .safetensors file that needs nothing else: weights, tokenizer, recipe, version.

Loading one executes nothing of what it holds.
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
FORMAT_VERSION = 1
TOKENIZER = "tokenizer.model"  # the tensor of the tokenizer's bytes


@dataclass(frozen=True)
class TrainedModel:
    """A model ready to translate."""

    network: Transformer  # in evaluation mode
    tokenizer: Tokenizer
    recipe: Recipe
    path: Path
    ensemble: tuple["TrainedModel", ...] = ()  # further models that it translates with as one


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds."""

    weights: dict[str, Tensor]
    tokenizer: bytes
    recipe: Recipe
    updates: tuple[int, ...]  # of the checkpoints it is, or is the mean of


def save_model(
    path: Path,
    weights: Mapping[str, Tensor],
    tokenizer: bytes,
    recipe: Recipe,
    updates: Sequence[int],
) -> None:
    """Write a model, whole or not at all."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    tensors[TOKENIZER] = torch.frombuffer(bytearray(tokenizer), dtype=torch.uint8)
    metadata = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "nmt_version": __version__,
        "recipe": to_toml(recipe),
        "updates": json.dumps(list(updates)),
    }
    # `save_file` would put a file of its own, for the owner's eyes only, in the place of any other.
    content = memoryview(save(tensors, metadata))
    end = 8 + int.from_bytes(content[:8], "little")
    with atomic_path(path) as partial, partial.open("wb") as stream:
        stream.write(in_order(bytes(content[8:end])))
        stream.write(content[end:])


def in_order(header: bytes) -> bytes:
    """A .safetensors header with its length and its metadata sorted: the same model, same bytes."""
    entries = json.loads(header)
    entries["__metadata__"] = dict(sorted(entries["__metadata__"].items()))
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors are aligned
    return len(text).to_bytes(8, "little") + text


def model_file(path: Path) -> Path:
    """The file of a model that is named by it or by its run folder (its average, else its best)."""
    if path.is_dir():
        path = RunFolder(path).translation_model()
    if not path.is_file():
        raise NmtError(f"the model {path} does not exist")
    return path


def read_model(path: Path) -> ModelFile:
    """The content of a model file; raises NmtError if it is none, is truncated or too new."""
    path = model_file(path)
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            check_format(path, metadata)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no dict)
    except (SafetensorError, OSError, RuntimeError) as error:
        raise NmtError(f"{path} is damaged or is not a model ({error}); make it anew") from error
    tokenizer = tensors.pop(TOKENIZER, None)
    if tokenizer is None or tokenizer.dtype != torch.uint8 or "recipe" not in metadata:
        raise NmtError(f"{path} lacks its tokenizer or recipe; make it anew")
    recipe = parse_recipe(metadata["recipe"], path.stem, f"the recipe inside {path}")
    try:
        updates = tuple(map(int, json.loads(metadata.get("updates", "[]"))))
    except (ValueError, TypeError) as error:
        raise NmtError(f"{path} has damaged metadata ({error}); make it anew") from error
    return ModelFile(tensors, tokenizer.numpy().tobytes(), recipe, updates)


def check_format(path: Path, metadata: Mapping[str, str]) -> None:
    """Refuse files of other programs and of later formats."""
    if metadata.get("format") != FORMAT:
        raise NmtError(f"{path} is not a model of this program; `nmt train` makes one")
    version = metadata.get("format_version", "")
    if not version.isdecimal() or len(version) > 9 or int(version) > FORMAT_VERSION:
        raise NmtError(
            f"{path} has model format {version}, made by nmt {metadata.get('nmt_version')}; this is"
            f" nmt {__version__}, which reads up to {FORMAT_VERSION}: upgrade it"
        )


def load_model(path: Path, device: torch.device) -> TrainedModel:
    """The model in a file, or in a run folder (its average, else its best), on a device."""
    path = model_file(path)
    content = read_model(path)
    tokenizer = Tokenizer(content.tokenizer, f"the tokenizer inside {path}")
    network = Transformer(content.recipe.model, len(tokenizer), PAD)
    load_weights(network, content.weights, path)
    return TrainedModel(network.to(device).eval(), tokenizer, content.recipe, path)


def load_ensemble(paths: Sequence[Path], device: torch.device) -> TrainedModel:
    """The first model, whose recipe counts, with the others; raises NmtError unless they agree.

    All must read and write the same pieces, for the same task; their shapes may differ.
    """
    files = [model_file(path) for path in paths]
    for place, file in enumerate(files):
        if file.resolve() in [each.resolve() for each in files[:place]]:
            raise UsageError(f"--model {file} is named twice; name each model of an ensemble once")
    first, *others = [load_model(file, device) for file in files]
    for other in others:
        if not other.tokenizer.matches(first.tokenizer):
            raise NmtError(
                f"{other.path} has another vocabulary than {first.path}; models of an ensemble need"
                " the same: train them on one corpus with the same [tokenizer], or one from the"
                " other with --init-from"
            )
        if task(other.recipe) != task(first.recipe):
            raise NmtError(
                f"{other.path} is of {task(other.recipe)} but {first.path} of {task(first.recipe)};"
                " name only models of one task for an ensemble"
            )
    return replace(first, ensemble=tuple(others))


def task(recipe: Recipe) -> str:
    """The direction of translation and how it is scored, such as en-de (bleu)."""
    return f"{recipe.data.source_language}-{recipe.data.target_language} ({recipe.data.metric})"


def load_weights(network: Transformer, weights: Mapping[str, Tensor], path: Path) -> None:
    """Put a file's weights into a network; raises NmtError unless names and shapes agree."""
    try:
        network.load_state_dict(dict(weights))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise NmtError(f"the weights in {path} do not fit its recipe: {reason}") from error


def shapes(weights: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    """The shape of every tensor."""
    return {name: tensor.shape for name, tensor in weights.items()}


def average(paths: Sequence[Path]) -> ModelFile:
    """The mean of checkpoints' weights (section 6.1), summed in float64."""
    first = read_model(paths[0])
    sums = {name: tensor.double() for name, tensor in first.weights.items()}
    updates = [*first.updates]
    for path in paths[1:]:
        content = read_model(path)
        same = (content.tokenizer, content.recipe.model) == (first.tokenizer, first.recipe.model)
        if not same or shapes(content.weights) != shapes(first.weights):
            raise NmtError(f"{path} and {paths[0]} are of different runs; they have no mean")
        updates += content.updates
        for name, tensor in content.weights.items():
            sums[name] += tensor
    weights = {name: (total / len(paths)).float() for name, total in sums.items()}
    return ModelFile(weights, first.tokenizer, first.recipe, tuple(updates))
