"""Candidates and rules as tensors, for a search whose Python must not wait for a device.

They do what `candidates` and `rules` do. Within a step, no number is copied to the device or read
from it. Dimensions are those of `candidates`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.decoding.rules import SpecialIds
from nmt.kernels.rule import Logits, Rule
from nmt.kernels.top_k import top_tokens


@dataclass(frozen=True)
class DeviceCandidates:
    """The best candidates of each sentence, best first: `Candidates`."""

    log_probs: Tensor  # (B, C)
    parents: Tensor  # (B, C)
    tokens: Tensor  # (B, C)
    is_eos: Tensor  # (B, C) bool


def best_device_candidates(
    log_probs: Tensor, logits: Tensor, rules: Sequence[Rule], beam_size: int, eos: int
) -> DeviceCandidates:
    """Return what `best_candidates` returns."""
    B, K, V = logits.shape
    width = min(2 * beam_size, V)
    top = top_tokens(logits.view(B * K, V), rules, width)
    extended = log_probs[:, :, None] + top.log_probs.view(B, K, width)
    best, flat = extended.view(B, -1).topk(min(2 * beam_size, K * width))
    tokens = top.ids.view(B, -1).gather(1, flat)
    return DeviceCandidates(best, flat // width, tokens, tokens == eos)


@dataclass(frozen=True)
class DeviceNever:
    """Forbid some tokens everywhere: `Never`."""

    ids: Tensor  # (n,)

    @classmethod
    def of(cls, ids: SpecialIds, device: torch.device) -> "DeviceNever":
        """Return the rule of a search; made once, because a GPU waits for numbers from Python."""
        return cls(torch.tensor(ids.never, dtype=torch.long, device=device))

    def apply(self, log_probs: Logits, first_row: int) -> None:
        """Set the log-probabilities (n, V) of the tokens to minus infinity."""
        torch.as_tensor(log_probs).index_fill_(1, self.ids, -math.inf)


@dataclass(frozen=True)
class DeviceMustEnd:
    """Forbid every token but EOS in some rows: `Force`."""

    eos: int
    rows: Tensor  # (R,) bool

    def apply(self, log_probs: Logits, first_row: int) -> None:
        """Set log_probs (n, V) to minus infinity, except EOS, in the rows that must end."""
        changed = torch.as_tensor(log_probs)
        eos = changed[:, self.eos].clone()
        must_end = self.rows[first_row : first_row + len(changed), None]
        changed.masked_fill_(must_end, -math.inf)
        changed[:, self.eos] = eos
