"""Annotators: what a user wants to know about hypotheses, added after the search of a batch.

They run in the process that searched. A new one is a class with one method, `annotate`, a field of
`wanted.Wanted`, a field of `Hypothesis`, and a line in `annotators_of`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from nmt.config import DecodeSettings
from nmt.decoding.hypothesis import Hypothesis
from nmt.decoding.model_forms import ModelForms
from nmt.decoding.segments import Part
from nmt.decoding.wanted import Wanted
from nmt.runs.model_file import AligningAttention
from nmt.text.tokenizer import SubwordModel

if TYPE_CHECKING:
    from nmt.decoding.incremental import IncrementalDecoder

Outputs = list[list[Hypothesis]]  # the n best of each part


class Annotator(Protocol):
    """Adds something to hypotheses."""

    def annotate(self, parts: Sequence[Part], found: Outputs) -> Outputs:
        """Return the hypotheses of the parts of a batch with something added."""
        ...


@dataclass(frozen=True)
class TokenScores:
    """Adds the log-probability of each token, by forced decoding."""

    models: "Sequence[IncrementalDecoder]"
    batch_tokens: int  # that are computed at once

    def annotate(self, parts: Sequence[Part], found: Outputs) -> Outputs:
        """Set `token_log_probs`."""
        from nmt.decoding.forced import forced_log_probs

        log_probs = forced_log_probs(
            self.models,
            [part.ids for part in parts],
            [[hypothesis.ids for hypothesis in each] for each in found],
            self.batch_tokens,
        )
        return [
            [replace(one, token_log_probs=other) for one, other in zip(*pair, strict=True)]
            for pair in zip(found, log_probs, strict=True)
        ]


@dataclass(frozen=True)
class Alignment:
    """Aligns the best output of each part with its source, by attention in forced decoding."""

    models: "Sequence[IncrementalDecoder]"
    attentions: Sequence[AligningAttention]  # one of each model
    subwords: SubwordModel  # of the outputs

    def annotate(self, parts: Sequence[Part], found: Outputs) -> Outputs:
        """Set `aligned_places` of the best hypotheses."""
        from nmt.decoding.alignment import aligned_places

        sources, outputs = [part.ids for part in parts], [each[0].ids for each in found]
        places = aligned_places(self.models, self.attentions, sources, outputs, self.subwords)
        return [
            [replace(best, aligned_places=tuple(own)), *others]
            for (best, *others), own in zip(found, places, strict=True)
        ]


def annotators_of(
    wanted: Wanted, forms: ModelForms, settings: DecodeSettings, subwords: SubwordModel
) -> list[Annotator]:
    """Return what adds all that is wanted; forms: of the models; settings: for the device;
    subwords: of the outputs.
    """
    annotators: list[Annotator] = []
    if wanted.token_scores:
        annotators.append(TokenScores(forms.decoders, settings.batch_tokens))
    if wanted.alignment:
        annotators.append(Alignment(forms.decoders, wanted.alignment, subwords))
    return annotators
