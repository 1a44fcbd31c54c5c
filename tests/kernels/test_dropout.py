"""Dropout drops with its probability, scales what it keeps, and repeats from a seed."""

import threading

import pytest
import torch

from nmt.kernels.dropout import Dropout, drawing_from, dropout_mask

COUNT = 400_000


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("probability", [0.1, 0.3, 0.5, 0.99])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_elements_are_dropped_with_the_given_probability(
    probability: float, dtype: torch.dtype
) -> None:
    """Shares are within 5 standard deviations at each of the 4 positions of a 64-bit word."""
    with drawing_from(seeded(1)):
        drawn = dropout_mask(torch.Size([COUNT // 4, 4]), probability, dtype)
    kept = (drawn != 0).double()
    deviation = (probability * (1 - probability) / len(kept)) ** 0.5
    assert kept.mean(0) == pytest.approx([1 - probability] * 4, abs=5 * deviation)
    scale = float(drawn.max())
    assert set(drawn.unique().tolist()) == {0, scale}
    assert scale == pytest.approx(1 / (1 - probability), rel=2**-7 if dtype.itemsize == 2 else 2e-3)


def test_neighbours_are_independent() -> None:
    with drawing_from(seeded(2)):
        kept = (dropout_mask(torch.Size([COUNT]), 0.3, torch.float64) != 0).double()
    for distance in (1, 2, 3, 4, 8):
        both = float((kept[distance:] * kept[:-distance]).mean())
        assert both == pytest.approx(0.7**2, abs=0.005)


def test_any_shape_is_kept_and_evaluation_changes_nothing() -> None:
    for shape in ((1,), (3,), (5, 7), (2, 3, 4), (0, 3)):
        assert Dropout(0.5)(torch.ones(shape)).shape == torch.Size(shape)
    x = torch.randn(9)
    assert Dropout(0.9).eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_the_gradient_is_the_mask() -> None:
    x = torch.ones(1000, requires_grad=True)
    y = Dropout(0.4)(x)
    y.sum().backward()
    assert torch.equal(y, x.grad)  # type: ignore[arg-type] # a gradient may be None


def test_a_seed_repeats_the_mask_in_every_thread() -> None:
    layer, x = Dropout(0.5), torch.ones(64)

    def draw(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        out: torch.Tensor = layer(x)
        return out

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    found: dict[int, torch.Tensor] = {}
    together = threading.Barrier(2)

    def work(seed: int) -> None:
        with drawing_from(seeded(seed)):
            together.wait()
            found[seed] = torch.stack([layer(x) for _ in range(50)])

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (5, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, drawn in found.items():
        with drawing_from(seeded(seed)):
            assert torch.equal(drawn, torch.stack([layer(x) for _ in range(50)]))
