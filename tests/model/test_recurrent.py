"""The recurrent network's own loop is torch's LSTM, and its shapes are those of the formula."""

import torch
from torch import nn

from nmt.model.recurrent import Recurrent
from nmt.recipe.size import weight_shapes
from tests.model.conftest import NETWORKS, small_network

SETTINGS = NETWORKS["recurrent"]


def test_without_a_memory_the_bottom_layer_is_an_lstm() -> None:
    """A memory of zeros has contexts of zeros: what is left is the LSTM over the target."""
    model = small_network(SETTINGS)
    assert isinstance(model, Recurrent)
    memory, x = torch.zeros(2, 4, 12), torch.randn(2, 5, 12)
    state = model.first_state(memory, None)
    found, contexts, hidden, cell = model.bottom(x, state)
    layer = model.decoder[0]
    assert isinstance(layer, nn.LSTM)
    start = state.hidden[0][None], state.cells[0][None]
    expected, after = layer(torch.cat([x, torch.zeros_like(x)], -1), start)
    torch.testing.assert_close((found, hidden, cell), (expected, after[0][0], after[1][0]))
    assert not contexts.any()


def test_attention_by_hand() -> None:
    """With W = 0 and U = 1, the energy of m is v . tanh(m)."""
    model = small_network(SETTINGS)
    assert isinstance(model, Recurrent)
    attention = model.attention
    with torch.no_grad():
        attention.query.weight.zero_()
        attention.query.bias.zero_()
        attention.key.weight.copy_(torch.eye(12))
        attention.energy.weight.fill_(0.5)
    memory = torch.stack([torch.zeros(12), torch.full((12,), 2.0)])[None]  # (1, 2, 12)
    context, weights = attention(torch.randn(1, 12), attention.key(memory), memory, None)
    energy = torch.tensor([0.0, 6 * torch.tanh(torch.tensor(2.0, dtype=torch.float64))])
    torch.testing.assert_close(weights[0, 0], energy.softmax(0))
    torch.testing.assert_close(context[0], weights[0, 0, 1].expand(12) * 2)


def test_the_formula_names_every_weight() -> None:
    for settings in NETWORKS.values():
        state = small_network(settings).state_dict()
        assert weight_shapes(settings, 17) == {name: w.shape for name, w in state.items()}
