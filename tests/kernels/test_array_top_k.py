"""The top-k of arrays finds what that of tensors finds."""

import numpy
import pytest
import torch
from numpy.typing import NDArray

from nmt.kernels import array_top_k as module
from nmt.kernels.array_top_k import array_top_tokens, descending
from nmt.kernels.rule import FloatArray, Logits
from nmt.kernels.top_k import reference_top_tokens


class Forbid:
    """A rule that forbids the first three ids, and all but id 5 in some rows."""

    def __init__(self, only_one: NDArray[numpy.bool_]) -> None:
        self.only_one = only_one

    def apply(self, log_probs: Logits, first_row: int) -> None:
        log_probs[:, :3] = -numpy.inf
        for row in range(len(log_probs)):
            if self.only_one[first_row + row]:
                log_probs[row, :5] = -numpy.inf
                log_probs[row, 6:] = -numpy.inf


def in_order(logits: FloatArray, rules: list[Forbid], count: int) -> tuple[FloatArray, list[int]]:
    """Return the best tokens of each row, best first, and the ids of those that are allowed."""
    log_probs, ids = array_top_tokens(logits.copy(), rules, count)
    places = numpy.arange(len(ids))[:, None], descending(log_probs)
    return log_probs[places], ids[places][log_probs[places] > -numpy.inf].tolist()


@pytest.mark.parametrize("V", [5, 40, 640, 641, 700, 8000])
@pytest.mark.parametrize("rows", [1, 5, 70])
@pytest.mark.parametrize("count", [1, 2, 8])
def test_groups_find_what_a_sort_finds(
    V: int, rows: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best tokens may be anywhere, also among the last ids; some rows allow only one token."""
    monkeypatch.setattr(module, "BLOCK_BYTES", 4 * V * 32)  # 70 rows are three blocks
    count = min(count, V)
    logits = numpy.random.default_rng(V + rows + count).normal(0, 4, (rows, V))
    logits[0, -1] = 30
    logits[-1, :3] = 40  # forbidden
    stride = V // module.GROUP or 1
    logits[-1, 4:V:stride][:4] = numpy.arange(26, 30)[: len(logits[-1, 4:V:stride][:4])]
    few = logits.astype(numpy.float32)
    for only_one in (numpy.zeros(rows, numpy.bool_), numpy.arange(rows) % 3 == 1):
        if only_one.any() and V < 6:
            continue
        rules = [Forbid(only_one)]
        expected = reference_top_tokens(torch.from_numpy(few), rules, count)
        log_probs, ids = in_order(few, rules, count)
        numpy.testing.assert_allclose(log_probs, expected.log_probs, atol=1e-5, rtol=1e-6)
        assert ids == expected.ids[expected.log_probs > -torch.inf].tolist()


@pytest.mark.parametrize("number", [numpy.nan, numpy.inf])
def test_a_row_that_is_no_distribution_is_nan(number: float) -> None:
    """The other rows are what they are without it; no warning is given."""
    logits = numpy.random.default_rng(1).normal(0, 4, (3, 700)).astype(numpy.float32)
    alone, _ = array_top_tokens(logits[[0, 2]], [], 4)
    logits[1, 600] = number
    log_probs, _ = array_top_tokens(logits, [], 4)
    assert numpy.isnan(log_probs[1]).all()
    assert log_probs[[0, 2]].tolist() == alone.tolist()


def test_order_by_hand() -> None:
    """Equal values keep their order, and NaN comes first."""
    values = numpy.array([[1, 3, -numpy.inf, 3, 2], [0, 1, numpy.nan, -1, 1]], numpy.float32)
    assert descending(values).tolist() == [[1, 3, 4, 0, 2], [2, 1, 4, 0, 3]]


@pytest.mark.parametrize("shift", [-2000.0, -80.0, 80.0, 2000.0])
def test_logits_beyond_the_range_of_powers(shift: float) -> None:
    """A constant on all logits of a row changes no log-probability."""
    logits = numpy.random.default_rng(2).normal(0, 4, (3, 700)).astype(numpy.float32)
    expected, _ = array_top_tokens(logits.copy(), [], 4)
    logits[1] += shift
    log_probs, _ = array_top_tokens(logits, [], 4)
    numpy.testing.assert_allclose(log_probs, expected, atol=1e-3)
