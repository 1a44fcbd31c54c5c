"""Rules forbid tokens, in any block of rows."""

import math

import torch

from nmt.decoding.rules import MustEnd, Never, SpecialIds, rules_for_step

CPU = torch.device("cpu")
IDS = SpecialIds(bos=2, eos=3, never=(0, 2))


def test_never_forbids_its_ids_and_changes_no_other() -> None:
    log_probs = torch.arange(10.0).view(2, 5)
    Never.of(IDS, CPU).apply(log_probs, 0)
    assert log_probs.tolist() == [
        [-math.inf, 1.0, -math.inf, 3.0, 4.0],
        [-math.inf, 6.0, -math.inf, 8.0, 9.0],
    ]


def test_must_end_leaves_only_eos_in_its_rows() -> None:
    """The second block of two rows begins with row 2."""
    rule = MustEnd(3, torch.tensor([False, False, True, False]))
    log_probs = torch.arange(10.0).view(2, 5)
    rule.apply(log_probs, 2)
    assert log_probs[0].tolist() == [-math.inf, -math.inf, -math.inf, 3.0, -math.inf]
    assert log_probs[1].tolist() == [5.0, 6.0, 7.0, 8.0, 9.0]


def test_only_sentences_at_their_greatest_length_must_end() -> None:
    never = Never.of(IDS, CPU)
    assert rules_for_step(never, IDS.eos, None, 2) == [never]
    log_probs = torch.zeros(4, 5)
    for rule in rules_for_step(never, IDS.eos, torch.tensor([False, True]), 2):
        rule.apply(log_probs, 0)
    allowed = (log_probs > -math.inf).int().tolist()
    assert allowed == [[0, 1, 0, 1, 1]] * 2 + [[0, 0, 0, 1, 0]] * 2
