"""BLEU, chrF and TER by sacreBLEU, each with the signature that makes it reproducible."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from nmt.errors import NmtError

# Languages without spaces between words need sacreBLEU's own segmentation.
BLEU_TOKENIZERS = {"zh": "zh", "ja": "char", "ko": "char"}


MOSES = "moses"


@dataclass(frozen=True)
class BleuVariant:
    """Another BLEU than WMT's, to compare with what was published in it."""

    tokenizer: str = ""  # one of sacreBLEU's, or "moses"; none: the language's own
    lowercase: bool = False

    @property
    def name(self) -> str:
        """BLEU with what sets it apart, so that it is never taken for the usual one."""
        return " ".join(filter(None, ["BLEU", self.tokenizer, "lc" if self.lowercase else ""]))


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
    hypotheses: Sequence[str],
    references: Sequence[str],
    language: str,
    variant: BleuVariant | None = None,
) -> list[Score]:
    """BLEU and chrF (higher is better) and TER (lower is better), 0 to 100 and beyond.

    A variant of BLEU stands beside them, under its own name.
    """
    metrics: list[BLEU | CHRF | TER] = [bleu_metric(language), CHRF(), TER()]
    scores = []
    for metric in metrics:
        result = metric.corpus_score(list(hypotheses), [list(references)])
        name = result.name.split("|")[0]
        scores.append(Score(name, float(result.score), str(metric.get_signature())))
    if variant is not None:
        scores.append(bleu_variant(hypotheses, references, language, variant))
    return scores


def bleu_variant(
    hypotheses: Sequence[str], references: Sequence[str], language: str, variant: BleuVariant
) -> Score:
    """BLEU of another tokeniser or case; Moses' as the multi-bleu script of Moses counts it."""
    if variant.tokenizer == MOSES:
        tokenize = moses_tokenizer(language)
        hypotheses, references = ([*map(tokenize, side)] for side in (hypotheses, references))
        metric = BLEU(
            tokenize="none", lowercase=variant.lowercase, smooth_method="none", force=True
        )
    else:
        metric = BLEU(
            tokenize=variant.tokenizer or BLEU_TOKENIZERS.get(language, "13a"),
            lowercase=variant.lowercase,
        )
    result = metric.corpus_score(list(hypotheses), [list(references)])
    signature = str(metric.get_signature())
    if variant.tokenizer == MOSES:
        signature = signature.replace("tok:none", f"tok:moses-sacremoses-{version('sacremoses')}")
    return Score(variant.name, float(result.score), signature)


def moses_tokenizer(language: str) -> Callable[[str], str]:
    """Moses' tokeniser of a language: text -> tokens between spaces; raises NmtError without it."""
    try:
        from sacremoses import MosesTokenizer
    except ImportError as error:
        raise NmtError(
            "--tokenize moses needs the sacremoses package; `pip install 'nmt[moses]'`"
        ) from error
    moses = MosesTokenizer(lang=language)
    return lambda text: str(moses.tokenize(text, return_str=True, escape=False))


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
