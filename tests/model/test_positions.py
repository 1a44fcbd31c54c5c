"""Positional encodings against hand-worked values (section 3.5)."""

import math

import pytest
import torch

from nmt.model.positions import sinusoids


def test_hand_worked_interleaved_values() -> None:
    """d_model 4: angles pos and pos / 100, sine and cosine side by side."""
    table = sinusoids(3, 4)
    assert table.shape == (3, 4)
    assert table[0].tolist() == [0.0, 1.0, 0.0, 1.0]
    expected = [math.sin(2), math.cos(2), math.sin(0.02), math.cos(0.02)]
    assert table[2].tolist() == pytest.approx(expected, abs=1e-7)


def test_wavelengths_run_from_two_pi_to_ten_thousand_times_that() -> None:
    """The last pair of d_model 512 has angle pos / 10000^(510/512)."""
    table = sinusoids(101, 512)
    assert float(table[100, 510]) == pytest.approx(math.sin(100 / 10_000 ** (510 / 512)), abs=1e-7)


def test_odd_width_ends_in_a_sine() -> None:
    table = sinusoids(2, 3)
    assert table[1].tolist() == pytest.approx(
        [math.sin(1), math.cos(1), math.sin(10_000 ** (-2 / 3))], abs=1e-7
    )


def test_a_longer_table_begins_with_the_shorter() -> None:
    assert torch.equal(sinusoids(300, 8)[:20], sinusoids(20, 8))
