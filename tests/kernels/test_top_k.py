"""The fast top-k by groups finds what a sort of the whole vocabulary finds."""

import pytest
import torch
from torch import Tensor

from nmt.kernels import top_k as module
from nmt.kernels.rule import Logits
from nmt.kernels.top_k import reference_top_tokens, top_tokens


class Forbid:
    """A rule that forbids the first ids, and all but id 5 in some rows."""

    def __init__(self, ids: int, rows: Tensor) -> None:
        self.ids, self.rows = ids, rows

    def apply(self, logits: Logits, first_row: int) -> None:
        log_probs = torch.as_tensor(logits)
        log_probs[:, : self.ids] = -torch.inf
        only = log_probs[:, 5].clone()
        rows = self.rows[first_row : first_row + len(log_probs), None]
        log_probs.masked_fill_(rows, -torch.inf)
        log_probs[:, 5] = only


@pytest.mark.parametrize("V", [640, 641, 700, 8000])
@pytest.mark.parametrize("rows", [1, 5, 70])
@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_groups_find_what_a_sort_finds(
    V: int, rows: int, count: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best tokens may be anywhere, also among the last ids; some rows allow only one token."""
    monkeypatch.setattr(module, "BLOCK_BYTES", 4 * V * 32)  # 70 rows are three blocks
    generator = torch.Generator().manual_seed(V + rows + count)
    logits = (4 * torch.randn(rows, V, generator=generator)).to(dtype)
    logits[0, -1] = 30
    logits[-1, :3] = 40  # forbidden
    logits[-1, 64:68] = torch.tensor([26.0, 27.0, 28.0, 29.0], dtype=dtype)  # in one group
    for only_one in (torch.zeros(rows, dtype=torch.bool), torch.arange(rows) % 3 == 1):
        rules = [Forbid(3, only_one)]
        expected = reference_top_tokens(logits.clone(), rules, count)
        found = top_tokens(logits.clone(), rules, count)
        torch.testing.assert_close(found.log_probs, expected.log_probs, atol=1e-5, rtol=1e-6)
        if dtype == torch.float32:  # bfloat16 has ties, which may come in any order
            real = expected.log_probs > -torch.inf
            assert torch.equal(found.ids[real], expected.ids[real])
        picked = logits.float().log_softmax(-1).gather(1, found.ids)
        real = found.log_probs > -torch.inf
        torch.testing.assert_close(picked[real], found.log_probs[real], atol=1e-5, rtol=1e-6)


def test_a_small_vocabulary_takes_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "grouped_top_tokens", None)
    logits = torch.randn(3, 40)
    found = top_tokens(logits, [], 8)
    assert torch.equal(found.ids, logits.topk(8).indices)
