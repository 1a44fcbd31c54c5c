"""Error rates of tokens and of sequences, for tasks whose outputs are right or wrong.

An example is spelling to phonemes, where they are called phoneme and word error rate. An output is
right if it equals a reference; its tokens are compared with the nearest reference.
"""

from collections.abc import Sequence
from typing import Any

from sacrebleu.metrics.base import Metric, Signature
from sacrebleu.metrics.base import Score as MetricScore

from nmt import __version__
from nmt.evaluation.scores import Measure, MetricSet

LENGTHS = (4, 6, 8, 10, 12)  # tokens; the last length of each bucket


def error_metrics() -> MetricSet:
    """Return token and sequence error rate, in percent; lines with one source are one segment."""
    tokens = Measure("token error rate", TokenErrorRate(), lower_is_better=True)
    sequences = Measure("sequence error rate", SequenceErrorRate(), lower_is_better=True)
    return MetricSet(
        measures=(tokens, sequences),
        segment_measure=tokens,
        tokens=str.split,
        unit="tokens between spaces",
        lengths=LENGTHS,
        merges_sources=True,
    )


def edit_distance(left: Sequence[str], right: Sequence[str]) -> int:
    """Return the fewest insertions, deletions and replacements from left to right.

    Levenshtein (1966), by dynamic programming over one row.
    """
    row = list(range(len(right) + 1))
    for number, token in enumerate(left, start=1):
        diagonal, row[0] = row[0], number
        for column, other in enumerate(right, start=1):
            replaced = diagonal + (token != other)
            diagonal, row[column] = row[column], min(replaced, row[column] + 1, row[column - 1] + 1)
    return row[-1]


class ErrorSignature(Signature):
    """A signature that names the counted unit and this program, not sacreBLEU, as its source."""

    def __init__(self, args: dict[str, Any]) -> None:
        super().__init__(args)
        self.info.update({"unit": args["unit"], "ref": "nearest", "version": f"nmt-{__version__}"})


class ErrorRate(Metric):
    """Errors in percent of all units, summed over the corpus.

    Derives from sacreBLEU's `Metric`, so that sacreBLEU can resample and compare it. The statistics
    of a sequence are (errors, total).
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
    """Edit distance to the nearest reference, divided by the length of that reference.

    If several references are equally near, the first counts.
    """

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
    """Share of outputs that equal none of their references."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # sacreBLEU's
        self.unit = "sequence"

    def _compute_segment_statistics(
        self, hypothesis: str, ref_kwargs: dict[str, list[list[str]]]
    ) -> list[int]:
        return [int(hypothesis.split() not in ref_kwargs["references"]), 1]
