"""The metrics of a task: BLEU, chrF and TER of translations, or error rates.

Metrics are sacreBLEU's or derive from its `Metric`, so that they are resampled and tested alike.

Error rates are for tasks whose outputs are right or wrong. An example is spelling to phonemes,
where they are called phoneme and word error rate. An output is right if it equals a reference; its
tokens are compared with the nearest reference.
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from sacrebleu.metrics.base import Metric, Signature
from sacrebleu.metrics.base import Score as MetricScore
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from nmt import __version__
from nmt.config import Recipe
from nmt.errors import NmtError, UsageError
from nmt.text.reading.languages import WMT_TOKENIZER, bleu_tokenizer

ERROR_RATE = "error_rate"  # a value of data.metric; the other is "bleu"
MOSES = "moses"  # Moses' tokenizer; BLEU as its script multi-bleu computes it
PAPER = "paper"  # the same after hyphenated compounds are split
COMPOUND = re.compile(r"(\S)-(\S)")


@dataclass(frozen=True)
class Measure:
    """A metric and the name that tables give it."""

    name: str
    metric: Metric
    lower_is_better: bool = False

    @property
    def key(self) -> str:
        """Return the name as a JSON key."""
        return self.name.lower().replace(" ", "_")

    @property
    def worst(self) -> float:
        """Return a score that no model falls below: 0, or infinity if lower is better."""
        return math.inf if self.lower_is_better else 0.0

    def beats(self, score: float, other: float) -> bool:
        """Return whether a score is better than another."""
        return score < other if self.lower_is_better else score > other


@dataclass(frozen=True)
class MetricSet:
    """The metrics of a kind of task, and how to group its segments."""

    measures: tuple[Measure, ...]  # the main measure comes first
    segment_measure: Measure  # ranks single segments
    tokens: Callable[[str], list[str]]  # splits a text to measure its length
    unit: str  # of the lengths
    lengths: tuple[int, ...]  # last lengths of the buckets, in tokens of the first reference
    merges_sources: bool = False  # whether lines with one source are one segment
    left_out: tuple[str, ...] = ()  # measures that could not be had, each with the reason


@dataclass(frozen=True)
class BleuVariant:
    """A BLEU with another tokenizer or without case, to compare with published figures."""

    tokenizer: str = ""  # sacreBLEU's 13a, intl, char, zh, none; moses; paper. "": the language's
    lowercase: bool = False

    @property
    def name(self) -> str:
        """Return "BLEU" and the options, so that the score is never mistaken for plain BLEU."""
        return " ".join(filter(None, ["BLEU", self.tokenizer, "lc" if self.lowercase else ""]))


NO_VARIANT = BleuVariant()


def score_measure(recipe: Recipe) -> Measure:
    """Return the measure that validations of a recipe are scored by."""
    return choose_metrics(recipe.data.metric, recipe.data.target_language).measures[0]


def choose_metrics(
    metric: str, target_language: str, variant: BleuVariant = NO_VARIANT, *, in_full: bool = False
) -> MetricSet:
    """Return the metrics of a task, "bleu" or "error_rate", with a further kind of BLEU.

    in_full: add the paper's BLEU, or say why it is left out.
    Raises UsageError if a task without BLEU is given a variant, NmtError if the package of the
    variant's tokenizer is not installed.
    """
    variants = () if variant == NO_VARIANT else (variant,)
    if variants and metric == ERROR_RATE:
        raise UsageError(
            "another kind of BLEU (--tokenize, --lowercase) does not fit: the metric of this"
            " task is error_rate"
        )
    if metric == ERROR_RATE:
        return error_metrics()
    paper = BleuVariant(PAPER)
    if not in_full or paper in variants:
        return translation_metrics(target_language, variants)
    try:
        if bleu_tokenizer(target_language) != WMT_TOKENIZER:
            raise NmtError(f"Moses' tokenizer cannot split '{target_language}' into words")
        return translation_metrics(target_language, (paper, *variants))
    except NmtError as error:
        metrics = translation_metrics(target_language, variants)
        return replace(metrics, left_out=(f"{paper.name}: {error}",))


def translation_metrics(language: str, variants: tuple[BleuVariant, ...] = ()) -> MetricSet:
    """Return BLEU and chrF (higher is better), TER (lower is better), and variants of BLEU.

    BLEU is cased. Its tokenizer is WMT's (13a), or the one that the target language needs. Raises
    NmtError if the package of a variant's tokenizer is not installed.
    """
    tokenizer = bleu_tokenizer(language)
    bleu = BLEU(tokenize=tokenizer)
    chrf = Measure("chrF2", CHRF())
    measures = [Measure("BLEU", bleu), chrf, Measure("TER", TER(), lower_is_better=True)]
    for variant in variants:
        other: BLEU
        if variant.tokenizer in (MOSES, PAPER):
            other = MultiBleu(language, variant)
        else:
            other = BLEU(tokenize=variant.tokenizer or tokenizer, lowercase=variant.lowercase)
        measures.append(Measure(variant.name, other))
    return MetricSet(
        measures=(*measures,),
        segment_measure=chrf,
        tokens=lambda text: str(bleu.tokenizer(text)).split(),
        unit=f"tokens ({bleu.tokenizer_signature})",
        lengths=(10, 20, 30, 40, 50),
    )


class MultiBleu(BLEU):
    """BLEU of Moses' tokens, without smoothing, as the script multi-bleu computes it."""

    def __init__(self, language: str, variant: BleuVariant) -> None:
        """Raise NmtError if sacremoses is not installed."""
        try:
            from sacremoses import MosesTokenizer
        except ImportError as error:
            raise NmtError(
                "BLEU of Moses' tokens needs the sacremoses package:"
                " pip install 'attention-nmt[moses]'"
            ) from error
        super().__init__(
            lowercase=variant.lowercase, tokenize="none", smooth_method="none", force=True
        )
        self._moses = MosesTokenizer(lang=language)
        self._splits_compounds = variant.tokenizer == PAPER
        ending = "-compounds-split" if self._splits_compounds else ""
        self.tokenizer_signature = f"moses-sacremoses-{version('sacremoses')}{ending}"

    def _preprocess_segment(self, sent: str) -> str:
        tokens = str(self._moses.tokenize(sent.rstrip(), return_str=True, escape=False))
        if self._splits_compounds:
            tokens = split_compounds(tokens)
        # Lower-casing comes last: Moses' tokenizer recognises abbreviations by their case.
        return tokens.lower() if self.lowercase else tokens


def split_compounds(tokens: str) -> str:
    """Make each hyphen within a token a token: "rich-text" -> "rich ##AT##-##AT## text".

    The paper's authors do this before they compute BLEU: get_ende_bleu.sh of Tensor2Tensor.
    """
    return COMPOUND.sub(r"\1 ##AT##-##AT## \2", tokens)


def error_metrics() -> MetricSet:
    """Return token and sequence error rate, in percent; lines with one source are one segment."""
    tokens = Measure("token error rate", ErrorRate("token", token_errors), lower_is_better=True)
    sequences = ErrorRate("sequence", sequence_errors)
    return MetricSet(
        measures=(tokens, Measure("sequence error rate", sequences, lower_is_better=True)),
        segment_measure=tokens,
        tokens=str.split,
        unit="tokens between spaces",
        lengths=(4, 6, 8, 10, 12),
        merges_sources=True,
    )


def token_errors(output: list[str], references: list[list[str]]) -> list[int]:
    """Return the edit distance to the nearest reference, and the length of that reference.

    If several references are equally near, the first counts.
    """
    distances = [edit_distance(output, reference) for reference in references]
    distance = min(distances)
    return [distance, len(references[distances.index(distance)])]


def sequence_errors(output: list[str], references: list[list[str]]) -> list[int]:
    """Return whether an output equals none of its references, and 1: the number of outputs."""
    return [int(output not in references), 1]


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

    def __init__(self, unit: str, count: Callable[[list[str], list[list[str]]], list[int]]) -> None:
        """Name the unit; count: returns the errors in an output, given references, and its size."""
        super().__init__()  # type: ignore[no-untyped-call] # sacreBLEU's
        self.unit = unit
        self._count = count

    def _preprocess_segment(self, sent: str) -> str:
        return " ".join(sent.split())

    def _extract_reference_info(self, refs: Sequence[str]) -> dict[str, Any]:
        return {"references": [ref.split() for ref in refs]}

    def _compute_segment_statistics(self, hypothesis: str, ref_kwargs: dict[str, Any]) -> list[int]:
        return self._count(hypothesis.split(), ref_kwargs["references"])

    def _aggregate_and_compute(self, stats: list[list[Any]]) -> MetricScore:
        return self._compute_score_from_stats([sum(column) for column in zip(*stats, strict=True)])

    def _compute_score_from_stats(self, stats: list[Any]) -> MetricScore:
        errors, total = float(stats[0]), float(stats[1])
        rate = errors / total if total else float(errors > 0)
        return MetricScore(self.unit, 100 * rate)
