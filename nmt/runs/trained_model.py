"""A trained model in memory, loaded without PyTorch: its network is made when it is first used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy
from numpy.typing import NDArray

from nmt.config import ModelSettings, Recipe
from nmt.errors import DamagedError, NmtError
from nmt.kernels.eight_bits import EightBits
from nmt.runs.model_file import (
    EMBEDDINGS,
    AligningAttention,
    ModelFile,
    Weights,
    again,
    check_shapes,
    find_model,
    read_model_file,
)
from nmt.runs.runs import check_named_once
from nmt.text.known_text import KnownText
from nmt.text.subwords.tokenizer import PAD, Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

    from nmt.model.encoder_decoder import EncoderDecoder


@dataclass(frozen=True)
class TrainedModel:
    """A model, or an ensemble, that is ready to translate."""

    engine: ClassVar[str] = ""  # name of another program that has loaded it, if one has
    weights: Weights  # they fit the recipe and the tokenizer; empty if they are elsewhere
    tokenizer: Tokenizer
    recipe: Recipe
    path: Path
    device: str = "cpu"  # that the network is on, such as "cuda:1"
    alignment: AligningAttention | None = None  # that was chosen; see `aligning_attention`
    ensemble: tuple["TrainedModel", ...] = ()  # the other models of an ensemble
    known_text: KnownText | None = None  # what its training text is like, if that is known
    eight_bits: Mapping[str, EightBits] = field(default_factory=dict)  # of the file, if it has them

    @classmethod
    def from_network(
        cls, network: "EncoderDecoder", tokenizer: Tokenizer, recipe: Recipe
    ) -> "TrainedModel":
        """Return a network in evaluation mode as a model, without weights of its own."""
        model = cls({}, tokenizer, recipe, Path(), str(network.device))
        vars(model)["network"] = network  # what the property below would make
        return model

    @property
    def members(self) -> tuple["TrainedModel", ...]:
        """Return this model and the others of its ensemble."""
        return (self, *self.ensemble)

    @cached_property
    def network(self) -> "EncoderDecoder":
        """Return the network, in evaluation mode; on a CPU it shares the weights' memory.

        The first use imports PyTorch, which takes longer than to translate a sentence.
        """
        network = load_network(self.recipe.model, self.weights, {})
        return network.to(self.device).eval()

    def network_for(self, precision: str) -> "EncoderDecoder":
        """Return the network for a search in a precision of `decode.precision`.

        From a file in 8 bits, a search in 8 bits takes the large matrices of a Transformer as they
        are. Only such a search can use the network then. One of a recurrent model multiplies by
        them in float32.
        """
        if precision != "int8" or not self.eight_bits or self.recipe.model.is_recurrent:
            return self.network
        return load_network(self.recipe.model, self.weights, self.eight_bits).eval()


def load_model(path: Path, device: str, option: str = "--model") -> TrainedModel:
    """Return the model in a file or a run folder, ready to translate on a device.

    option: as in `find_model`. Raises NmtError as `read_model` does, or if the weights do not fit
    the tokenizer.
    """
    file = find_model(path, option)
    content = read_model_file(file)
    try:
        tokenizer = Tokenizer(content.tokenizer, f"the tokenizer inside {file}")
        known = KnownText.from_bytes(content.known_text, f"the known text inside {file}")
    except DamagedError as error:
        raise DamagedError(f"{error}; {again(file)}") from error
    rows = len(content.weights[EMBEDDINGS])
    if rows != len(tokenizer):
        raise DamagedError(
            f"the weights in {file} do not fit its tokenizer: they embed {rows:,} tokens, but the"
            f" tokenizer has {len(tokenizer):,}; {again(file)}"
        )
    return TrainedModel(
        content.weights,
        tokenizer,
        with_own_language(content.recipe, tokenizer),
        file,
        device,
        content.alignment,
        known_text=known,
        eight_bits=content.eight_bits,
    )


def with_own_language(recipe: Recipe, tokenizer: Tokenizer) -> Recipe:
    """Return a recipe whose default is to write the only language that the model was trained in.

    It needs a default if its vocabulary, that of an initial model, has tokens of languages.
    """
    written, decode = {target for _, target in recipe.data.directions}, recipe.decode
    if decode.target_language or len(written) != 1 or not tokenizer.source.language_tokens:
        return recipe
    return replace(recipe, decode=replace(decode, target_language=written.pop()))


def load_ensemble(paths: Sequence[Path], device: str) -> TrainedModel:
    """Return one or more models that translate together on a device.

    The recipe of the first model applies. The models must have the same vocabulary and the same
    task; their shapes may differ. Raises UsageError for a model named twice, NmtError for models
    that do not fit together.
    """
    files = [find_model(path) for path in paths]
    check_named_once({"--model": files})
    first, *others = [load_model(file, device) for file in files]
    for other in others:
        if task(other.recipe) != task(first.recipe):
            raise NmtError(
                f"{other.path} is for {task(other.recipe)} but {first.path} for"
                f" {task(first.recipe)}; an ensemble needs models of the same task"
            )
        if not other.tokenizer.matches(first.tokenizer):
            raise NmtError(
                f"{other.path} has another vocabulary than {first.path}; models of an ensemble must"
                " share one: train them on one corpus with the same [tokenizer] settings, or train"
                " one from the other with --init-from"
            )
        if other.recipe.model.target_order != first.recipe.model.target_order:
            raise NmtError(
                f"{other.path} has model.target_order={other.recipe.model.target_order} but"
                f" {first.path} {first.recipe.model.target_order}; models of an ensemble write in"
                " one order; `nmt rerank` combines others"
            )
    return replace(first, ensemble=tuple(others))


def task(recipe: Recipe) -> str:
    """Return the directions of translation and the metric, such as "en-de (bleu)"."""
    pairs = sorted(recipe.data.known_directions)
    return f"{', '.join(map('-'.join, pairs))} ({recipe.data.metric})"


def load_network(
    settings: ModelSettings, weights: Weights, eight_bits: Mapping[str, EightBits]
) -> "EncoderDecoder":
    """Return a network that shares the memory of weights that fit its settings.

    eight_bits: its matrices for a search in 8 bits. Large ones that do not embed have no values in
    float32: they are not read there.
    """
    from nmt.kernels.linear import IN_8_BITS, INT8_ELEMENTS
    from nmt.model import WithoutDrawing, make_network

    with WithoutDrawing():
        network = make_network(settings, len(weights[EMBEDDINGS]), PAD)
    large = {
        name: matrix for name, matrix in eight_bits.items() if matrix.steps.size >= INT8_ELEMENTS
    }
    read = [name for name in weights if name not in large or name.startswith("embeddings.")]
    tensors = to_tensors({name: weights[name] for name in read})
    network.load_state_dict(tensors, strict=not large, assign=True)
    for name, matrix in large.items():
        vars(network.get_parameter(name))[IN_8_BITS] = matrix
    return network


def load_file(network: "EncoderDecoder", path: Path) -> ModelFile:
    """Copy the weights of a model file into a network and return the file's content.

    Raises NmtError as `read_model_file` does, or if the weights are not those of the network.
    """
    content = read_model_file(path)
    load_weights(network, content.weights, path)
    return content


def load_weights(network: "EncoderDecoder", weights: Weights, path: Path) -> None:
    """Copy a file's weights into a network; raises DamagedError unless names and shapes agree."""
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    check_shapes({name: array.shape for name, array in weights.items()}, expected, path)
    network.load_state_dict(to_tensors(weights))


def to_tensors(weights: Weights) -> "dict[str, Tensor]":
    """Return weights as tensors that share their memory."""
    import torch

    return {name: torch.from_numpy(array) for name, array in weights.items()}


def to_arrays(state: "Mapping[str, Tensor]") -> dict[str, NDArray[numpy.float32]]:
    """Return the state of a network as arrays; they share its memory if it is on the CPU."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in state.items()}
