"""BLEU, chrF and TER as sacreBLEU counts them; other BLEUs, each under a name of its own."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from nmt.errors import NmtError
from nmt.evaluation.scores import Measure, MetricSet

# Languages without spaces between words need sacreBLEU's own segmentation.
BLEU_TOKENIZERS = {"zh": "zh", "ja": "char", "ko": "char"}
MOSES = "moses"  # Moses' tokens, counted as its script multi-bleu does
PAPER = "paper"  # the same, hyphenated compounds split before
SACREBLEU_TOKENIZERS = ("13a", "intl", "char", "zh", "none")
COMPOUND = re.compile(r"(\S)-(\S)")
LENGTHS = (10, 20, 30, 40, 50)  # tokens; where buckets of segments end


@dataclass(frozen=True)
class BleuVariant:
    """Another BLEU than WMT's, to compare with what was published in it."""

    tokenizer: str = ""  # one of sacreBLEU's, "moses" or "paper"; none: the language's own
    lowercase: bool = False

    @property
    def name(self) -> str:
        """BLEU with what sets it apart, so that it is never taken for the usual one."""
        return " ".join(filter(None, ["BLEU", self.tokenizer, "lc" if self.lowercase else ""]))


def translation_metrics(language: str, variants: tuple[BleuVariant, ...] = ()) -> MetricSet:
    """BLEU and chrF (higher is better) and TER (lower is better), 0 to 100 and beyond.

    BLEU is cased and tokenised as WMT does it (13a) or as the target language needs. Variants of
    it stand beside them. Raises NmtError if a variant's tokeniser is missing.
    """
    bleu = BLEU(tokenize=BLEU_TOKENIZERS.get(language, "13a"))
    chrf = Measure("chrF2", CHRF())
    return MetricSet(
        measures=(
            Measure("BLEU", bleu),
            chrf,
            Measure("TER", TER(), lower_is_better=True),
            *(Measure(each.name, variant_metric(language, each)) for each in variants),
        ),
        of_segments=chrf,
        tokens=lambda text: str(bleu.tokenizer(text)).split(),
        unit=f"tokens ({bleu.tokenizer_signature})",
        lengths=LENGTHS,
    )


class MultiBleu(BLEU):
    """BLEU of Moses' tokens as its script multi-bleu counts it: nothing smoothed."""

    def __init__(self, language: str, variant: BleuVariant) -> None:
        super().__init__(
            lowercase=variant.lowercase, tokenize="none", smooth_method="none", force=True
        )
        self._tokenize = moses_tokenizer(language)
        self._split = variant.tokenizer == PAPER
        ending = "-compounds-split" if self._split else ""
        self.tokenizer_signature = f"moses-sacremoses-{version('sacremoses')}{ending}"

    def _preprocess_segment(self, sent: str) -> str:
        """Tokens between spaces, lower-cased last: Moses' tokeniser tells abbreviations by case."""
        tokens = self._tokenize(sent.rstrip())
        if self._split:
            tokens = split_compounds(tokens)
        return tokens.lower() if self.lowercase else tokens


def variant_metric(language: str, variant: BleuVariant) -> BLEU:
    """BLEU of another tokeniser or case."""
    if variant.tokenizer in (MOSES, PAPER):
        return MultiBleu(language, variant)
    return BLEU(
        tokenize=variant.tokenizer or BLEU_TOKENIZERS.get(language, "13a"),
        lowercase=variant.lowercase,
    )


def split_compounds(tokens: str) -> str:
    """A hyphen within a token as a token: "rich-text" -> "rich ##AT##-##AT## text".

    So do the authors before they count BLEU, in get_ende_bleu.sh of Tensor2Tensor.
    """
    return COMPOUND.sub(r"\1 ##AT##-##AT## \2", tokens)


def moses_tokenizer(language: str) -> Callable[[str], str]:
    """Moses' tokeniser of a language: text -> tokens between spaces; raises NmtError without it."""
    try:
        from sacremoses import MosesTokenizer
    except ImportError as error:
        raise NmtError(
            "BLEU of Moses' tokens needs the sacremoses package; `pip install 'nmt[moses]'`"
        ) from error
    moses = MosesTokenizer(lang=language)
    return lambda text: str(moses.tokenize(text, return_str=True, escape=False))
