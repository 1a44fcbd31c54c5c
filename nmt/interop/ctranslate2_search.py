"""Search with CTranslate2; scores and limits have the same meaning as in our own search.

CTranslate2's beam search differs from ours in four ways. This is how each difference is handled:

- It divides a log-probability by length^p; we divide by GNMT's ((5 + length) / 6)^alpha. We choose
  a p that is close, ask for as many outputs as the beam is wide, and rank them by our formula.
- It ends when patience * beam outputs are finished. With patience 2, almost all results equal those
  of `decode.stopping=safe`; patience 1 is `beam_finished`.
- It has one maximum length for a batch. If an output reaches the maximum length of its own part,
  this part is searched again alone.
- It may choose special tokens, such as the unknown one. If it does, the part is searched again
  without them. They are not forbidden from the start, because in CTranslate2 this changes the
  probabilities of all other tokens.

Scores come from log-probabilities of the model, up to rounding. Where a limit has changed those of
the search, the outputs are scored once more.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy

from nmt.config import DecodeSettings
from nmt.decoding.models.alignment import best_places, words_of_output
from nmt.decoding.search.hypothesis import Hypothesis, length_penalty
from nmt.decoding.search.mbr import make_chooser
from nmt.decoding.search.rules import special_ids
from nmt.decoding.translator.load import device_settings
from nmt.decoding.translator.searcher import Found, Searcher, diverged, with_places
from nmt.decoding.translator.segments import SubSegment, output_limit
from nmt.decoding.translator.translation import OutputOptions
from nmt.runs.trained_model import TrainedModel
from nmt.system.pools import ThreadPool
from nmt.text.tokenizer import SubwordModel

# GNMT's penalty grows as length^(alpha * length / (5 + length)) does at this length.
TYPICAL_LENGTH = 15
# With no penalty at all, CTranslate2 ends as soon as its best hypothesis is finished.
SMALLEST_PENALTY = 1e-9
PATIENCE = {"safe": 2.0, "beam_finished": 1.0}  # of `decode.stopping`


@dataclass(frozen=True)
class Vocabulary:
    """The pieces of a language: CTranslate2 takes texts, not ids."""

    pieces: Sequence[str]  # by id
    ids: Mapping[str, int]

    @classmethod
    def of(cls, subwords: SubwordModel) -> "Vocabulary":
        """Return the vocabulary of a language."""
        pieces = [subwords.piece(number) for number in range(len(subwords))]
        return cls(pieces, {piece: number for number, piece in enumerate(pieces)})

    def texts(self, ids: Sequence[int]) -> list[str]:
        """Return the pieces of ids."""
        return [self.pieces[each] for each in ids]


class CTranslate2Search(Searcher):
    """Searches batches of parts with CTranslate2."""

    def __init__(
        self,
        translator: Any,
        model: TrainedModel,
        settings: DecodeSettings,
        options: OutputOptions,
        candidates: int,
        threads: int,
    ) -> None:
        """Store the translator and how to search.

        Args:
            translator: CTranslate2's, with the model that it has loaded.
            model: has the tokenizer and the recipe.
            settings: how to search.
            options: what a translation should have.
            candidates: outputs to find for each part.
            threads: batches that are searched at the same time.
        """
        self.settings = device_settings(settings, model.device, candidates)
        self._pool = ThreadPool(threads)
        self._translator = translator
        self._subwords = model.tokenizer.target
        self._source, self._target = map(Vocabulary.of, model.tokenizer.sides)
        special = special_ids(model.tokenizer)
        self._never = {token for token in special.never if token < len(self._target.pieces)}
        self._options = options
        self._candidates = candidates
        self._step = -1 if model.recipe.model.is_right_to_left else 1
        language = model.recipe.data.target_language
        self._chooser = make_chooser(self.settings, self._subwords, language, options.n_best)

    def make_pool(self) -> ThreadPool:
        """Return the pool of CTranslate2's threads."""
        return self._pool

    def find_all(self, parts: Sequence[SubSegment], settings: DecodeSettings) -> Found:
        """Return the hypotheses of each part of a batch, with all that is asked for.

        Raises NmtError if the model's outputs are not numbers.
        """
        limits = [output_limit(len(part), settings) for part in parts]
        found = self._find(parts, settings, max(limits))
        for index, (part, limit) in enumerate(zip(parts, limits, strict=True)):
            if self._is_doubtful(found[index], limit):
                found[index] = self._find_alone(part, settings, limit)
        # A limit raises the probabilities of the tokens that are left; those of a prefix are 1.
        if settings.min_length or settings.no_repeat_ngram or any(part.prefix for part in parts):
            self._score(parts, found)
        if not all(found) or any(math.isnan(one.log_prob) for row in found for one in row):
            raise diverged(1)
        found = [sorted(row, key=lambda one: -one.score)[: self._candidates] for row in found]
        if self._options.token_scores:
            self._score(parts, found, keeps_tokens=True)
        if self._step < 0:
            found = [[backwards(one) for one in row] for row in found]
        if self._chooser is not None:
            found = [*map(self._chooser.choose, found)]
        return with_places(self, parts, found) if self._options.alignments else found

    def _find_alone(
        self, part: SubSegment, settings: DecodeSettings, limit: int
    ) -> list[Hypothesis]:
        """Search a part whose outputs reach their greatest length, EOS counted, or are no text.

        Outputs that CTranslate2 cuts off get an end here, as in our search. But it ranks them
        without that end, and those that end earlier may get lost: these are searched apart.
        """
        (found,) = self._find([part], settings, limit, self._never)
        if settings.beam_size > 1:
            (longer,) = self._find([part], settings, 2 * limit, self._never)
            known = {each.ids for each in found}
            found += [each for each in longer if len(each.ids) < limit and each.ids not in known]
        self._score([part], [found])
        return found

    def _find(
        self,
        parts: Sequence[SubSegment],
        settings: DecodeSettings,
        limit: int,
        never: set[int] | None = None,
    ) -> Found:
        """Search a batch; limit: the greatest length, EOS counted; never: tokens to leave out."""
        beam, alpha = settings.beam_size, settings.length_penalty
        is_greedy = beam == 1
        power = max(SMALLEST_PENALTY, alpha * TYPICAL_LENGTH / (5 + TYPICAL_LENGTH))
        power = 0.0 if is_greedy else power
        results = self._translator.translate_batch(
            [self._source.texts(part.ids) for part in parts],
            [self._target.texts(part.prefix.ids) for part in parts],
            beam_size=beam,
            num_hypotheses=beam,
            patience=1.0 if is_greedy else PATIENCE[settings.stopping],
            length_penalty=power,
            no_repeat_ngram_size=settings.no_repeat_ngram,
            suppress_sequences=[[self._target.pieces[each]] for each in never or ()],
            max_input_length=0,  # no limit: segments have been split
            max_decoding_length=limit - 1,
            min_decoding_length=settings.min_length,
            return_scores=True,
        )
        return [
            [
                self._hypothesis(pieces, score * (len(pieces) + 1) ** power)
                for pieces, score in zip(each.hypotheses, each.scores, strict=True)
            ]
            for each in results
        ]

    def _hypothesis(self, pieces: Sequence[str], log_prob: float) -> Hypothesis:
        ids = tuple(self._target.ids[each] for each in pieces)
        penalty = length_penalty(len(ids) + 1, self.settings.length_penalty)
        return Hypothesis(ids, log_prob, log_prob / penalty)

    def _is_doubtful(self, hypotheses: Sequence[Hypothesis], limit: int) -> bool:
        """Return whether an output may be cut off or has a token that is no text."""
        return any(
            len(each.ids) >= limit - 1 or not self._never.isdisjoint(each.ids)
            for each in hypotheses
        )

    def _score(
        self, parts: Sequence[SubSegment], found: Found, *, keeps_tokens: bool = False
    ) -> None:
        """Replace the scores of hypotheses by those of the whole model, EOS counted, in place."""
        results = iter(
            self._translator.score_batch(
                [
                    self._source.texts(part.ids)
                    for part, row in zip(parts, found, strict=True)
                    for _ in row
                ],
                [self._target.texts(each.ids) for row in found for each in row],
                max_input_length=0,
            )
        )
        for row in found:
            for index, each in enumerate(row):
                log_probs = tuple(next(results).log_probs)
                scored = self._hypothesis(self._target.texts(each.ids), math.fsum(log_probs))
                row[index] = replace(scored, token_log_probs=log_probs if keeps_tokens else ())

    def places(
        self, parts: Sequence[SubSegment], outputs: Sequence[Sequence[int]]
    ) -> list[list[int]]:
        """Return the places that the tokens of outputs, in natural order, are aligned to.

        The search is forced to write the outputs again.
        """
        results = self._translator.translate_batch(
            [self._source.texts(part.ids) for part in parts],
            [self._target.texts(ids[:: self._step]) for ids in outputs],
            beam_size=1,
            max_input_length=0,
            max_decoding_length=max(map(len, outputs)) + 1,
            return_attention=True,
        )
        places = []
        for part, ids, result in zip(parts, outputs, results, strict=True):
            rows = [row[: len(part)] for row in result.attention[0][: len(ids)]]
            weights = numpy.array(rows, numpy.float32).reshape(len(ids), len(part))
            places.append(best_places(weights[:: self._step], words_of_output(ids, self._subwords)))
        return places


def backwards(hypothesis: Hypothesis) -> Hypothesis:
    """Return a hypothesis with its last token first; EOS stays last."""
    log_probs = hypothesis.token_log_probs
    return replace(hypothesis.backwards(), token_log_probs=(*log_probs[-2::-1], *log_probs[-1:]))
