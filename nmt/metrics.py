"""BLEU, chrF and TER by sacreBLEU, each with the signature that makes it reproducible."""

from collections.abc import Sequence
from dataclasses import dataclass

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

# Languages without spaces between words need sacreBLEU's own segmentation.
BLEU_TOKENIZERS = {"zh": "zh", "ja": "char", "ko": "char"}


@dataclass(frozen=True)
class Score:
    """A metric's value and sacreBLEU's signature of how it was computed."""

    name: str
    value: float
    signature: str


def bleu_metric(target_language: str) -> BLEU:
    """BLEU, cased, tokenised as WMT does it (13a) or as the language needs."""
    return BLEU(tokenize=BLEU_TOKENIZERS.get(target_language, "13a"))


def corpus_bleu(hypotheses: Sequence[str], references: Sequence[str], language: str) -> float:
    """BLEU alone, 0 to 100."""
    return float(bleu_metric(language).corpus_score(list(hypotheses), [list(references)]).score)


def corpus_scores(
    hypotheses: Sequence[str], references: Sequence[str], language: str
) -> list[Score]:
    """BLEU and chrF (higher is better) and TER (lower is better), 0 to 100 and beyond."""
    metrics: list[BLEU | CHRF | TER] = [bleu_metric(language), CHRF(), TER()]
    scores = []
    for metric in metrics:
        result = metric.corpus_score(list(hypotheses), [list(references)])
        name = result.name.split("|")[0]
        scores.append(Score(name, float(result.score), str(metric.get_signature())))
    return scores


def exact_matches(
    hypotheses: Sequence[str], references: Sequence[str], labels: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """For each label, how many of its segments equal their reference, and how many it has.

    `labels` holds space-separated labels, one line a segment; "all" counts every segment.
    """
    counts: dict[str, tuple[int, int]] = {}
    for hypothesis, reference, line in zip(hypotheses, references, labels, strict=True):
        for label in ["all", *line.split()]:
            right, total = counts.get(label, (0, 0))
            counts[label] = (right + (hypothesis == reference), total + 1)
    return {label: counts[label] for label in ["all", *sorted({*counts} - {"all"})] if counts}
