"""The best next pieces by groups are those of a log-softmax that is sorted as a whole."""

import pytest
import torch

from nmt.kernels import top_k as module
from nmt.kernels.top_k import Rules, best_candidates, reference_candidates


@pytest.mark.parametrize("V", [640, 641, 700, 8000])
@pytest.mark.parametrize("rows", [1, 5, 70])
@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_groups_find_what_a_sort_finds(V: int, rows: int, count: int, dtype: torch.dtype) -> None:
    """The best may lie anywhere, in the last pieces too; some rows may only end."""
    generator = torch.Generator().manual_seed(V + rows + count)
    logits = (4 * torch.randn(rows, V, generator=generator)).to(dtype)
    logits[0, -1] = 30
    logits[-1, :3] = 40  # never allowed
    logits[-1, 64:68] = torch.tensor([26.0, 27.0, 28.0, 29.0], dtype=dtype)  # of one group
    must_end = torch.arange(rows) % 3 == 1
    for ends in (None, must_end):
        rules = Rules((0, 1, 2), 5, ends)
        expected = reference_candidates(logits.clone(), rules, count)
        found = best_candidates(logits.clone(), rules, count)
        torch.testing.assert_close(found.log_probs, expected.log_probs, atol=1e-5, rtol=1e-6)
        if dtype == torch.float32:  # bfloat16 has ties, which may come in any order
            real = expected.log_probs > -torch.inf
            assert torch.equal(found.pieces[real], expected.pieces[real])
        picked = logits.float().log_softmax(-1).gather(1, found.pieces)
        real = found.log_probs > -torch.inf
        torch.testing.assert_close(picked[real], found.log_probs[real], atol=1e-5, rtol=1e-6)


def test_few_pieces_are_sorted_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "chunk_candidates", None)
    found = best_candidates(torch.randn(3, 40), Rules((0,), 1, None), 8)
    assert found.pieces.shape == (3, 8)
