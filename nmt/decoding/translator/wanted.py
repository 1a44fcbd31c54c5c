"""Hold what a user wants to know about translations besides the best text, and add it.

Annotators add it to hypotheses after the search of a batch, in the process that searched. A new one
is a class with one method, `annotate`, a field of `Wanted`, a field of `Hypothesis`, and a line in
`make_annotators`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from nmt.config import DecodeSettings
from nmt.decoding.models.alignment import aligned_places, aligning_attention
from nmt.decoding.search.hypothesis import Hypothesis
from nmt.decoding.translator.segments import Part
from nmt.runs.model_file import AligningAttention
from nmt.runs.trained_model import TrainedModel
from nmt.text.tokenizer import SubwordModel

if TYPE_CHECKING:  # a search over arrays runs without PyTorch
    from nmt.decoding.models.pytorch import IncrementalDecoder

Outputs = list[list[Hypothesis]]  # the n best of each part


@dataclass(frozen=True)
class Wanted:
    """The parts that a translation should have."""

    n_best: int = 1  # candidates, at most the beam size
    token_scores: bool = False  # the log-probability of each token
    # How each model aligns the best translation with its source; empty: it is not aligned.
    alignment: tuple[AligningAttention, ...] = ()


ONE_TEXT = Wanted()


def wanted_of(
    model: TrainedModel, n_best: int | None, *, token_scores: bool, is_aligned: bool
) -> Wanted:
    """Return what the translations of a model and its ensemble should have.

    n_best: None for the best one. is_aligned: the best one is aligned with its source.
    """
    models = (model, *model.ensemble) if is_aligned else ()
    return Wanted(
        1 if n_best is None else n_best, token_scores, tuple(map(aligning_attention, models))
    )


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
        from nmt.decoding.models.forced import forced_log_probs

        log_probs = forced_log_probs(
            self.models,
            [part.ids for part in parts],
            [[hypothesis.ids for hypothesis in hypotheses] for hypotheses in found],
            self.batch_tokens,
        )
        return [
            [replace(one, token_log_probs=own) for one, own in zip(*pair, strict=True)]
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
        sources, outputs = [part.ids for part in parts], [best.ids for best, *_ in found]
        places = aligned_places(self.models, self.attentions, sources, outputs, self.subwords)
        return [
            [replace(best, aligned_places=tuple(own)), *others]
            for (best, *others), own in zip(found, places, strict=True)
        ]


def make_annotators(
    wanted: Wanted,
    decoders: "Callable[[], Sequence[IncrementalDecoder]]",
    settings: DecodeSettings,
    subwords: SubwordModel,
) -> list[Annotator]:
    """Return what adds all that is wanted.

    decoders: returns those of the models; called only if they are needed. settings: for the device.
    subwords: of the outputs.
    """
    annotators: list[Annotator] = []
    if wanted.token_scores:
        annotators.append(TokenScores(decoders(), settings.batch_tokens))
    if wanted.alignment:
        annotators.append(Alignment(decoders(), wanted.alignment, subwords))
    return annotators
