"""The fast top-k of tensors and of arrays finds what a sort of the whole vocabulary finds."""

import numpy
import pytest
import torch
from torch import Tensor

from nmt.kernels import array_functions as array_module
from nmt.kernels import top_k as module
from nmt.kernels.array_functions import array_top_tokens, descending
from nmt.kernels.rule import Logits
from nmt.kernels.top_k import reference_top_tokens, top_tokens


class Forbid:
    """A rule that forbids the first ids, and all but id 5 in some rows."""

    def __init__(self, ids: int, rows: Tensor) -> None:
        self.ids, self.rows = ids, rows

    def apply(self, logits: Logits, first_row: int) -> None:
        log_probs = torch.as_tensor(logits)
        log_probs[:, : self.ids] = -torch.inf
        if rows := self.rows[first_row : first_row + len(log_probs)].nonzero()[:, 0].tolist():
            log_probs[rows, :5] = -torch.inf
            log_probs[rows, 6:] = -torch.inf


@pytest.mark.parametrize("V", [5, 640, 641, 700, 1163, 8000])
@pytest.mark.parametrize("rows", [1, 5, 70])
@pytest.mark.parametrize("count", [1, 2, 8, 16])
@pytest.mark.parametrize("kind", ["float32", "bfloat16", "arrays"])
def test_groups_find_what_a_sort_finds(
    V: int, rows: int, count: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best tokens may be anywhere, also among the last ids; some rows allow only one token."""
    for own in (module, array_module):
        monkeypatch.setattr(own, "BLOCK_BYTES", 4 * V * 32)  # 70 rows are three blocks
    count = min(count, V)
    dtype = torch.bfloat16 if kind == "bfloat16" else torch.float32
    generator = torch.Generator().manual_seed(V + rows + count)
    logits = (4 * torch.randn(rows, V, generator=generator)).to(dtype)
    logits[0, -1] = 30
    logits[-1, :3] = 40  # forbidden
    # in one group of tensors, and of arrays
    logits[-1, 64:68] = torch.tensor([26.0, 27.0, 28.0, 29.0], dtype=dtype)[: max(0, V - 64)]
    logits[-1, 4 :: V // array_module.GROUP or V][:4] += 20
    for only_one in (torch.zeros(rows, dtype=torch.bool), torch.arange(rows) % 3 == 1):
        if V < 6 and only_one.any():
            continue
        rules = [Forbid(3, only_one)]
        expected = reference_top_tokens(logits.clone(), rules, count)
        real = expected.log_probs > -torch.inf
        if kind == "arrays":
            values, ids = array_top_tokens(logits.numpy().copy(), rules, count)
            indices = numpy.arange(rows)[:, None], descending(values)
            log_probs, found = (
                torch.from_numpy(values[indices]),
                torch.from_numpy(ids[indices]).long(),
            )
        else:
            fast = top_tokens(logits.clone(), rules, count)
            log_probs, found = fast.log_probs, fast.ids
        torch.testing.assert_close(log_probs, expected.log_probs, atol=1e-5, rtol=1e-6)
        assert 0 <= found.min() <= found.max() < V
        if kind != "bfloat16":  # which has ties, in any order
            assert torch.equal(found[real], expected.ids[real])
        picked = logits.float().log_softmax(-1).gather(1, found)
        torch.testing.assert_close(picked[real], log_probs[real], atol=1e-5, rtol=1e-6)


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
