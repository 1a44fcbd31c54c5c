"""Convert weights between a model file (NumPy) and a network (PyTorch)."""

from collections.abc import Mapping
from pathlib import Path

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from nmt.config import ModelSettings
from nmt.model.transformer import Transformer
from nmt.runs.model_file import ModelFile, Weights, read_model_file
from nmt.runs.model_header import EMBEDDINGS, check_shapes
from nmt.text.tokenizer import PAD


def arrays_of(state: Mapping[str, Tensor]) -> dict[str, NDArray[numpy.float32]]:
    """Return the state of a network as arrays; they share its memory if it is on the CPU."""
    return {name: tensor.detach().cpu().numpy() for name, tensor in state.items()}


def load_weights(network: Transformer, weights: Weights, path: Path) -> None:
    """Copy a file's weights into a network; raises DamagedError unless names and shapes agree."""
    expected = {name: tuple(each.shape) for name, each in network.state_dict().items()}
    check_shapes({name: each.shape for name, each in weights.items()}, expected, path)
    network.load_state_dict(tensors_of(weights))


def load_file(network: Transformer, path: Path) -> ModelFile:
    """Copy the weights of a model file into a network and return the file's content.

    Raises NmtError as `read_model_file` does, or if the weights are not those of the network.
    """
    content = read_model_file(path)
    load_weights(network, content.weights, path)
    return content


def network_of(settings: ModelSettings, weights: Weights) -> Transformer:
    """Return a network that shares the memory of weights that fit its settings."""
    network = Transformer(settings, len(weights[EMBEDDINGS]), PAD)
    network.load_state_dict(tensors_of(weights), assign=True)
    return network


def tensors_of(weights: Weights) -> dict[str, Tensor]:
    """Return weights as tensors that share their memory."""
    return {name: torch.from_numpy(each) for name, each in weights.items()}
