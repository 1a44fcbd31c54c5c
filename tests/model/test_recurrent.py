"""The recurrent network computes what its papers say, and its shapes are those of the formula."""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from nmt.recipe.size import weight_shapes
from tests.model.conftest import NETWORKS, PAD, small_network

SETTINGS = replace(NETWORKS["recurrent"], encoder_layers=3, decoder_layers=3, tied="none")
D = SETTINGS.d_model


def lstm(
    weights: dict[str, Tensor], layer: str, x: Tensor, hidden: Tensor, cell: Tensor, end: str = ""
) -> tuple[Tensor, Tensor]:
    """Return the hidden state (d,) and the cell (d,) after an input (d,)."""
    gates = sum(
        weights[f"{layer}.weight_{kind}_l0{end}"] @ part + weights[f"{layer}.bias_{kind}_l0{end}"]
        for kind, part in (("ih", x), ("hh", hidden))
    )
    assert isinstance(gates, Tensor)
    read, forget, new, write = gates.chunk(4)
    cell = forget.sigmoid() * cell + read.sigmoid() * new.tanh()
    return write.sigmoid() * cell.tanh(), cell


def encode(weights: dict[str, Tensor], source: list[int]) -> list[Tensor]:
    """Return the memory (d,) of each source token."""
    x = [weights["embeddings.own_source_weight"][token] * D**0.5 for token in source]
    for layer in range(SETTINGS.encoder_layers):
        directions = []
        positions: Iterable[int]
        for end, positions in (("", range(len(x))), ("_reverse", reversed(range(len(x))))):
            hidden = cell = torch.zeros(D // 2)
            found = {}
            for position in positions:
                hidden, cell = lstm(weights, f"encoder.{layer}", x[position], hidden, cell, end)
                found[position] = hidden
            directions.append([found[position] for position in range(len(x))])
        above = [torch.cat(pair) for pair in zip(*directions, strict=True)]
        x = above if layer == 0 else [low + high for low, high in zip(x, above, strict=True)]
    return x


def reference(weights: dict[str, Tensor], source: list[int], target: list[int]) -> Tensor:
    """Return the logits (T, V) of one pair, computed token by token."""

    def linear(name: str, x: Tensor) -> Tensor:
        return weights[f"{name}.weight"] @ x + weights[f"{name}.bias"]

    memory = torch.stack(encode(weights, source))  # (S, d)
    zeros, layers = torch.zeros(D), range(SETTINGS.decoder_layers)
    hidden = [torch.tanh(linear("first_hidden", memory.mean(0))), *[zeros for _ in layers[1:]]]
    cells, context, logits = [zeros for _ in layers], zeros, []
    for token in target:
        x = weights["embeddings.weight"][token] * D**0.5
        for layer in layers:
            read = torch.cat([x, context])
            hidden[layer], cells[layer] = lstm(
                weights, f"decoder.{layer}", read, hidden[layer], cells[layer]
            )
            x = hidden[layer] if layer == 0 else x + hidden[layer]
            if layer == 0:
                sums = linear("attention.query", x) + memory @ weights["attention.key.weight"].T
                energies = torch.tanh(sums) @ weights["attention.energy.weight"][0]
                context = energies.softmax(0) @ memory
        out = torch.tanh(linear("out", torch.cat([x, context])))
        logits.append(weights["embeddings.own_softmax_weight"] @ out)
    return torch.stack(logits)


def test_a_padded_batch_equals_the_formulas_token_by_token() -> None:
    model = small_network(replace(SETTINGS, dropout=0.5))  # evaluation drops nothing
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    pairs = [([5, 6, 7, 8, 3], [2, 6, 8, 11]), ([9, 3], [2, 12, 5]), ([3], [2])]
    source, target = (
        torch.nn.utils.rnn.pad_sequence([*map(torch.tensor, side)], True, PAD)
        for side in zip(*pairs, strict=True)
    )
    logits = model(source, target)
    for found, (own_source, own_target) in zip(logits, pairs, strict=True):
        expected = reference(weights, own_source, own_target)
        torch.testing.assert_close(found[: len(own_target)], expected, atol=1e-12, rtol=0)


def test_the_formula_names_every_weight() -> None:
    for settings in NETWORKS.values():
        state = small_network(settings).state_dict()
        assert weight_shapes(settings, 17) == {name: w.shape for name, w in state.items()}
