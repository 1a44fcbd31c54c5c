"""Error rates of tokens and of whole sequences, for tasks whose outputs are right or wrong.

Spelling to phonemes is one: there they are called phoneme and word error rate. An output is right
if it is one of the references, and its tokens are compared with the reference nearest to it.
"""

from collections.abc import Sequence
from typing import Any

from sacrebleu.metrics.base import Metric, Signature
from sacrebleu.metrics.base import Score as MetricScore

from nmt import __version__
from nmt.evaluation.scores import Measure, MetricSet

LENGTHS = (4, 6, 8, 10, 12)  # tokens; where buckets of sequences end


def error_metrics() -> MetricSet:
    """Token and sequence error rate, in percent; lines of one source are its references."""
    tokens = Measure("token error rate", TokenErrorRate(), lower_is_better=True)
    sequences = Measure("sequence error rate", SequenceErrorRate(), lower_is_better=True)
    return MetricSet(
        measures=(tokens, sequences),
        of_segments=tokens,
        tokens=str.split,
        unit="tokens between spaces",
        lengths=LENGTHS,
        merges_sources=True,
    )


def edit_distance(left: Sequence[str], right: Sequence[str]) -> int:
    """Fewest tokens inserted, deleted or replaced that make one the other (Levenshtein, 1966)."""
    row = list(range(len(right) + 1))
    for number, token in enumerate(left, start=1):
        before, row[0] = row[0], number
        for place, other in enumerate(right, start=1):
            replaced = before + (token != other)
            before, row[place] = row[place], min(replaced, row[place] + 1, row[place - 1] + 1)
    return row[-1]


class ErrorSignature(Signature):
    """What was counted, and by this program, not by sacreBLEU."""

    def __init__(self, args: dict[str, Any]) -> None:
        super().__init__(args)
        self.info.update({"unit": args["unit"], "ref": "nearest", "version": f"nmt-{__version__}"})


class ErrorRate(Metric):
    """Errors in percent of what there is to get right, summed over the corpus.

    Derived from sacreBLEU's `Metric`, so that it resamples and compares these too. Statistics of a
    sequence are (errors, total).
    """

    _SIGNATURE_TYPE = ErrorSignature
    unit = ""

    def _preprocess_segment(self, sent: str) -> str:
        return " ".join(sent.split())

    def _extract_reference_info(self, refs: Sequence[str]) -> dict[str, Any]:
        return {"references": [ref.split() for ref in refs]}

    def _aggregate_and_compute(self, stats: list[list[Any]]) -> MetricScore:
        return self._compute_score_from_stats([sum(column) for column in zip(*stats, strict=True)])

    def _compute_score_from_stats(self, stats: list[Any]) -> MetricScore:
        errors, total = float(stats[0]), float(stats[1])
        rate = errors / total if total else float(errors > 0)
        return MetricScore(self.unit, 100 * rate)


class TokenErrorRate(ErrorRate):
    """Edit distance to the nearest reference, of equally near ones the first, over its length."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # sacreBLEU's
        self.unit = "token"

    def _compute_segment_statistics(
        self, hypothesis: str, ref_kwargs: dict[str, list[list[str]]]
    ) -> list[int]:
        tokens = hypothesis.split()
        distances = [(edit_distance(tokens, ref), ref) for ref in ref_kwargs["references"]]
        distance, nearest = min(distances, key=lambda each: each[0])
        return [distance, len(nearest)]


class SequenceErrorRate(ErrorRate):
    """Share of outputs that are none of their references."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # sacreBLEU's
        self.unit = "sequence"

    def _compute_segment_statistics(
        self, hypothesis: str, ref_kwargs: dict[str, list[list[str]]]
    ) -> list[int]:
        return [int(hypothesis.split() not in ref_kwargs["references"]), 1]
