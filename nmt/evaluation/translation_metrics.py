"""BLEU, chrF and TER as sacreBLEU computes them, and other kinds of BLEU under their own names."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from nmt.errors import NmtError
from nmt.evaluation.scores import Measure, MetricSet
from nmt.text.languages import bleu_tokenizer

MOSES = "moses"  # Moses' tokenizer; BLEU as its script multi-bleu computes it
PAPER = "paper"  # the same after hyphenated compounds are split
COMPOUND = re.compile(r"(\S)-(\S)")
LENGTHS = (10, 20, 30, 40, 50)  # tokens; the last length of each bucket


@dataclass(frozen=True)
class BleuVariant:
    """A BLEU with another tokenizer or without case, to compare with published figures."""

    tokenizer: str = ""  # sacreBLEU's 13a, intl, char, zh, none; moses; paper. "": the language's
    lowercase: bool = False

    @property
    def name(self) -> str:
        """Return "BLEU" and the options, so that the score is never mistaken for plain BLEU."""
        return " ".join(filter(None, ["BLEU", self.tokenizer, "lc" if self.lowercase else ""]))


def translation_metrics(language: str, variants: tuple[BleuVariant, ...] = ()) -> MetricSet:
    """Return BLEU and chrF (higher is better), TER (lower is better), and variants of BLEU.

    BLEU is cased. Its tokenizer is WMT's (13a), or the one that the target language needs. Raises
    NmtError if the package of a variant's tokenizer is not installed.
    """
    bleu = BLEU(tokenize=bleu_tokenizer(language))
    chrf = Measure("chrF2", CHRF())
    return MetricSet(
        measures=(
            Measure("BLEU", bleu),
            chrf,
            Measure("TER", TER(), lower_is_better=True),
            *(Measure(each.name, variant_metric(language, each)) for each in variants),
        ),
        segment_measure=chrf,
        tokens=lambda text: str(bleu.tokenizer(text)).split(),
        unit=f"tokens ({bleu.tokenizer_signature})",
        lengths=LENGTHS,
    )


class MultiBleu(BLEU):
    """BLEU of Moses' tokens, without smoothing, as the script multi-bleu computes it."""

    def __init__(self, language: str, variant: BleuVariant) -> None:
        super().__init__(
            lowercase=variant.lowercase, tokenize="none", smooth_method="none", force=True
        )
        self._tokenize = moses_tokenizer(language)
        self._splits_compounds = variant.tokenizer == PAPER
        ending = "-compounds-split" if self._splits_compounds else ""
        self.tokenizer_signature = f"moses-sacremoses-{version('sacremoses')}{ending}"

    def _preprocess_segment(self, sent: str) -> str:
        tokens = self._tokenize(sent.rstrip())
        if self._splits_compounds:
            tokens = split_compounds(tokens)
        # Lower-casing comes last: Moses' tokenizer recognises abbreviations by their case.
        return tokens.lower() if self.lowercase else tokens


def variant_metric(language: str, variant: BleuVariant) -> BLEU:
    """Return the metric of a variant; raises NmtError if its tokenizer is not installed."""
    if variant.tokenizer in (MOSES, PAPER):
        return MultiBleu(language, variant)
    return BLEU(
        tokenize=variant.tokenizer or bleu_tokenizer(language),
        lowercase=variant.lowercase,
    )


def split_compounds(tokens: str) -> str:
    """Make each hyphen within a token a token: "rich-text" -> "rich ##AT##-##AT## text".

    The paper's authors do this before they compute BLEU: get_ende_bleu.sh of Tensor2Tensor.
    """
    return COMPOUND.sub(r"\1 ##AT##-##AT## \2", tokens)


def moses_tokenizer(language: str) -> Callable[[str], str]:
    """Return Moses' tokenizer of a language, which separates tokens by spaces.

    Raises NmtError if sacremoses is not installed.
    """
    try:
        from sacremoses import MosesTokenizer
    except ImportError as error:
        raise NmtError(
            "BLEU of Moses' tokens needs the sacremoses package; `pip install 'nmt[moses]'`"
        ) from error
    moses = MosesTokenizer(lang=language)
    return lambda text: str(moses.tokenize(text, return_str=True, escape=False))
