"""Rules forbid tokens, in any block of rows, in arrays and in tensors."""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy
import pytest
import torch

from nmt.decoding.search.device_beam import DeviceMustEnd
from nmt.decoding.search.rules import Force, Never, SpecialIds, rules_for_step
from nmt.kernels.rule import FloatArray, Logits

IDS = SpecialIds(bos=2, eos=3, never=(0, 2))

Kind: TypeAlias = Callable[[FloatArray], Logits]
both_kinds = pytest.mark.parametrize("kind", [numpy.array, torch.from_numpy])


def ten() -> FloatArray:
    """Return two rows of log-probabilities: 0 to 4 and 5 to 9."""
    return numpy.arange(10, dtype=numpy.float32).reshape(2, 5)


@both_kinds
@pytest.mark.parametrize("rule", [Never(numpy.array(IDS.never)), Never(torch.tensor(IDS.never))])
def test_never_forbids_its_ids_and_changes_no_other(rule: Never, kind: Kind) -> None:
    log_probs = kind(ten())
    rule.apply(log_probs, 0)
    assert log_probs.tolist() == [
        [-math.inf, 1.0, -math.inf, 3.0, 4.0],
        [-math.inf, 6.0, -math.inf, 8.0, 9.0],
    ]


IS_FORCED = [False, False, True, False]


@both_kinds
@pytest.mark.parametrize(
    "rule",
    [
        Force(numpy.full(4, 3), numpy.array(IS_FORCED)),
        DeviceMustEnd(3, torch.tensor(IS_FORCED)),
    ],
)
def test_a_forced_token_is_the_only_one_in_its_rows(rule: Force, kind: Kind) -> None:
    """The second block of two rows begins with row 2."""
    log_probs = kind(ten())
    rule.apply(log_probs, 2)
    assert log_probs[0].tolist() == [-math.inf, -math.inf, -math.inf, 3.0, -math.inf]
    assert log_probs[1].tolist() == [5.0, 6.0, 7.0, 8.0, 9.0]


@both_kinds
def test_only_sentences_at_their_greatest_length_must_end(kind: Kind) -> None:
    never = Never(numpy.array(IDS.never))
    assert rules_for_step(never, IDS.eos, [False, False], 2) == [never]
    log_probs = kind(numpy.zeros((4, 5), numpy.float32))
    for rule in rules_for_step(never, IDS.eos, [False, True], 2):
        rule.apply(log_probs, 0)
    allowed = [[value > -math.inf for value in row] for row in log_probs.tolist()]
    assert allowed == [[False, True, False, True, True]] * 2 + [[False] * 3 + [True, False]] * 2
