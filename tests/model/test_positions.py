"""Positional encodings: sinusoids by hand (section 3.5); learned ones (table 3, row E)."""

import math
from dataclasses import replace

import pytest
import torch

from nmt.model.positions import LearnedPositions, make_positions, sinusoids, sinusoids_in_halves
from nmt.model.transformer import Transformer
from tests.model.conftest import SMALL, small_model


def test_hand_worked_interleaved_values() -> None:
    """d_model 4: angles pos and pos / 100, sine and cosine side by side."""
    table = sinusoids(3, 4)
    assert table.shape == (3, 4)
    assert table[0].tolist() == [0.0, 1.0, 0.0, 1.0]
    expected = [math.sin(2), math.cos(2), math.sin(0.02), math.cos(0.02)]
    assert table[2].tolist() == pytest.approx(expected, abs=1e-7)


def test_wavelengths_grow_to_ten_thousand_times_two_pi() -> None:
    """The last pair of d_model 512 has angle pos / 10000^(510/512)."""
    table = sinusoids(101, 512)
    assert float(table[100, 510]) == pytest.approx(math.sin(100 / 10_000 ** (510 / 512)), abs=1e-7)


def test_odd_width_ends_in_a_sine() -> None:
    table = sinusoids(2, 3)
    assert table[1].tolist() == pytest.approx(
        [math.sin(1), math.cos(1), math.sin(10_000 ** (-2 / 3))], abs=1e-7
    )


def test_hand_worked_halves() -> None:
    """Check all sines, then all cosines, of equal angles; an odd width has one more sine."""
    expected = [math.sin(2), math.sin(0.02), math.cos(2), math.cos(0.02)]
    assert sinusoids_in_halves(3, 4)[2].tolist() == pytest.approx(expected, abs=1e-7)
    last = 10_000 ** (-2 / 3)
    expected = [math.sin(1), math.sin(last), math.cos(1)]
    assert sinusoids_in_halves(2, 3)[1].tolist() == pytest.approx(expected, abs=1e-7)


def test_a_longer_table_starts_with_the_shorter_one() -> None:
    assert torch.equal(sinusoids(300, 8)[:20], sinusoids(20, 8))


def learned_model() -> Transformer:
    """Return a small model with 20 learned positions."""
    return small_model(replace(SMALL, positions="learned", max_positions=20))


def test_source_and_target_learn_their_own_positions() -> None:
    """They are added to the scaled embeddings; only positions that were read get a gradient."""
    model = learned_model()
    source, target = torch.tensor([[5, 9, 3]]), torch.tensor([[2, 6]])
    model(source, target).square().sum().backward()
    tables = {name: each for name, each in model.named_parameters() if "positions" in name}
    for side, length in (("source", 3), ("target", 2)):
        table = tables[f"embeddings.{side}_positions.table"]
        assert table.shape == (20, 12)
        assert isinstance(table.grad, torch.Tensor)
        assert table.grad[:length].abs().sum(1).all()
        assert not table.grad[length:].any()
    embedded = model.embeddings.embed_source(source)
    expected = (
        model.embeddings.weight[source] * 12**0.5 + tables["embeddings.source_positions.table"][:3]
    )
    torch.testing.assert_close(embedded, expected)


def test_an_unknown_encoding_is_an_error() -> None:
    """A choice that `make_positions` forgets must not become another encoding."""
    with pytest.raises(ValueError, match=r"model\.positions=halves"):
        make_positions(replace(SMALL, positions="halves"))


def test_learned_positions_are_initialised_like_embeddings() -> None:
    positions = LearnedPositions(500, 64)
    positions.reset_parameters()
    assert float(positions.table.detach().std()) == pytest.approx(64**-0.5, rel=0.02)


def test_more_positions_than_learned_are_an_error() -> None:
    model = learned_model()
    assert model.encode(torch.full((1, 20), 5))[0].shape == (1, 20, 12)
    with pytest.raises(ValueError, match="21 positions requested, but 20 were learned"):
        model.encode(torch.full((1, 21), 5))
