"""Translations of segments, assembled from the hypotheses of a search."""

from collections.abc import Sequence
from dataclasses import dataclass

from nmt.decoding.hypothesis import Hypothesis
from nmt.text.tokenizer import SubwordModel


@dataclass(frozen=True)
class Candidate:
    """One translation of a segment.

    If the segment was split, both numbers are summed over its parts.
    """

    text: str
    score: float  # log_prob over the length penalty; higher is better
    log_prob: float  # natural logarithm of the model's probability


@dataclass(frozen=True)
class Translation:
    """The translations of a segment, best first; at least one."""

    candidates: tuple[Candidate, ...]

    @property
    def text(self) -> str:
        """Text of the best translation."""
        return self.candidates[0].text


BLANK = Translation((Candidate("", 0.0, 0.0),))


def assemble(parts: Sequence[Sequence[Hypothesis]], subwords: SubwordModel) -> Translation:
    """Join the hypotheses of a segment's parts: the best of each, then the second best of each.

    parts: for each part its hypotheses, best first. The translation has as many candidates as the
    part with the fewest. A segment without parts is blank. subwords: those of the target language.
    """
    if not parts:
        return BLANK
    ranks = zip(*parts, strict=False)
    return Translation(tuple(join(hypotheses, subwords) for hypotheses in ranks))


def join(hypotheses: Sequence[Hypothesis], subwords: SubwordModel) -> Candidate:
    """Return a candidate made of one hypothesis for each part."""
    texts = [subwords.decode(each.ids) for each in hypotheses]
    return Candidate(
        " ".join(text for text in texts if text),
        sum(each.score for each in hypotheses),
        sum(each.log_prob for each in hypotheses),
    )
