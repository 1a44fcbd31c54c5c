"""Validation: the loss on the dev set and the score of its translations.

The score is the one that `nmt evaluate` prints for the same model and text with
`decode.odd_input="as_is"`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain, islice
from statistics import fmean

import torch

from nmt.config import Recipe
from nmt.decoding.translator.load import device_settings
from nmt.decoding.translator.translator import translate_texts
from nmt.errors import NmtError
from nmt.evaluation.metrics import Measure, MetricSet, choose_metrics
from nmt.evaluation.scores import main_score
from nmt.evaluation.test_sets import TestSet
from nmt.kernels.loss import reference_loss
from nmt.model.encoder_decoder import EncoderDecoder
from nmt.runs.history import Sample
from nmt.system.devices import run_or_halve
from nmt.system.log import Notify, note
from nmt.system.pools import Pool, ThreadPool
from nmt.system.threads import torch_threads
from nmt.text.batches import make_batch
from nmt.text.encode import encode_whole, find_opening
from nmt.text.plan import batches_by_length
from nmt.text.reading.corpus import DevPairs
from nmt.text.reading.lines import FirstSegment
from nmt.text.subwords.tokenizer import PAD, Tokenizer

EncodedPair = tuple[list[int], list[int]]  # ids of source and target

SAMPLES = 6  # dev segments whose translations each validation records


@dataclass(frozen=True)
class Validation:
    """The result of a model on the dev set."""

    loss: float  # mean per target token, with label smoothing
    plain_loss: float  # mean per target token, unsmoothed; its exponential is the perplexity
    score: float  # of the translations, by the first measure of data.metric
    measure: Measure  # name and direction of the score
    samples: tuple[Sample, ...] = ()  # the same segments at every validation
    by_direction: Mapping[str, float] = field(default_factory=dict)  # scores, if there are several


class DevSet:
    """The dev set of a recipe, encoded once and validated many times."""

    def __init__(
        self,
        recipe: Recipe,
        pairs: DevPairs,
        tokenizer: Tokenizer,
        pool: Pool | None = None,
    ) -> None:
        """Encode the dev set.

        pairs: its source and target segments, by direction. pool: computes batches in parallel, by
        default one after another. Raises NmtError if the dev set has no pairs, or none within
        `data.max_length`.
        """
        if not any(pairs.values()):
            raise NmtError(f"the dev set of recipe {recipe.name} is empty; set data.dev")
        self._tests: list[tuple[TestSet, MetricSet]] = []
        for languages, own in pairs.items():
            if own:
                metrics = choose_metrics(recipe.data.metric, languages[1])
                columns = [pair.source for pair in own], [(pair.target,) for pair in own]
                test = TestSet.of("the dev set", *columns).grouped(metrics)
                self._tests.append((replace(test, languages=languages), metrics))
        tests = [test for test, _ in self._tests]
        self.sources = [source for test in tests for source in test.sources]
        self.references = [known for test in tests for known in test.references]
        # The language to write for each source, if the model has several.
        has_tokens = tokenizer.source.language_tokens
        self._languages = [test.languages[1] for test in tests for _ in test.sources if has_tokens]
        self._notify = cache(lambda message: note(f"dev set: {message}"))  # each note once
        self._recipe = recipe
        self._tokenizer = tokenizer
        self._pool = pool or torch_threads(1)
        # Ids of the pairs that count for the loss, in the order of the model.
        self.encoded = self._within_limit(
            pair
            for (_, language), own in pairs.items()
            for pair in encode_whole(
                own, tokenizer, recipe.data, find_opening(language, tokenizer.source)
            )
        )

    def _within_limit(self, pairs: Iterable[EncodedPair]) -> list[EncodedPair]:
        """Return the pairs that count for the loss, in the order of the model."""
        limit = self._recipe.data.max_length
        found = [*pairs]
        encoded = [pair for pair in found if max(map(len, pair)) <= limit]
        if not encoded:
            raise NmtError(
                f"every pair of the dev set is longer than data.max_length={limit}; raise it"
            )
        if len(encoded) < len(found):
            self._notify(
                f"{len(found) - len(encoded)} pairs longer than data.max_length={limit}"
                " are left out of the loss; the score includes them"
            )
        if self._recipe.model.is_right_to_left:
            encoded = [(source, target[::-1]) for source, target in encoded]
        return encoded

    @property
    def measure(self) -> Measure:
        """Return the measure that scores the translations."""
        return self._tests[0][1].measures[0]

    def validate(self, network: EncoderDecoder) -> Validation:
        """Return the loss, and the score of the translations by beam search.

        With several directions, the score is the mean of theirs: each counts once. If the loss is
        NaN or infinite, nothing is translated and the score is the worst possible.
        The network's mode (training or evaluation) is restored.
        """
        loss, plain_loss = self.loss(network)
        score = self.measure.worst
        samples: tuple[Sample, ...] = ()
        scores: dict[str, float] = {}
        if math.isfinite(loss):
            every = range(len(self.sources))
            hypotheses = self._translate(network, every, self._pool, self._notify)
            scores = self._scores(hypotheses)
            score = fmean(scores.values())
            samples = self._samples(hypotheses)
        several = scores if len(scores) > 1 else {}
        return Validation(loss, plain_loss, score, self.measure, samples, several)

    def _scores(self, hypotheses: Sequence[str]) -> dict[str, float]:
        """Return the score of each direction, such as "en-de"."""
        rest = iter(hypotheses)
        return {
            "-".join(test.languages): main_score(
                metrics, [*islice(rest, len(test.sources))], test.references
            )
            for test, metrics in self._tests
        }

    def _samples(self, hypotheses: Sequence[str]) -> tuple[Sample, ...]:
        """Return some segments, spread evenly over the dev set, with their translations."""
        count = min(SAMPLES, len(hypotheses))
        indices = [number * len(hypotheses) // count for number in range(count)]
        return tuple(
            Sample(self.sources[index], self.references[index], hypotheses[index])
            for index in indices
        )

    def _translate(
        self,
        network: EncoderDecoder,
        indices: Sequence[int],
        pool: Pool,
        notify: Notify,
        *,
        at_once: bool = False,
    ) -> list[str]:
        """Return the translations of the sources at some indices; at_once: without context."""
        sources = [self.sources[index] for index in indices]
        if at_once:
            sources = [*map(FirstSegment, sources)]
        languages = [self._languages[index] for index in indices if self._languages]
        return translate_texts(
            network, self._tokenizer, self._recipe, sources, notify, pool, languages
        )

    def loss(self, network: EncoderDecoder) -> tuple[float, float]:
        """Return the smoothed and the plain loss per target token."""
        with network.evaluating():
            batches = self._batches(network)
            found = self._pool.map(lambda batch: self._sums(network, batch), batches)
            sums = list(chain.from_iterable(found))
        tokens = max(1, sum(len(target) + 1 for _, target in self.encoded))
        return sum(sum_[0] for sum_ in sums) / tokens, sum(sum_[1] for sum_ in sums) / tokens

    def _batches(self, network: EncoderDecoder) -> list[list[int]]:
        """Return batches of indices of the encoded pairs, the longest pairs first."""
        lengths = [max(map(len, pair)) + 1 for pair in self.encoded]
        return list(batches_by_length(lengths, self._batch_tokens(network)))

    def _batch_tokens(self, network: EncoderDecoder) -> int:
        return device_settings(self._recipe.decode, str(network.device)).batch_tokens

    def _sums(self, network: EncoderDecoder, indices: Sequence[int]) -> list[tuple[float, float]]:
        """Return the sums of a batch, of parts of it if it does not fit into a GPU."""
        if network.device.type != "cuda":
            return [self._part_sums(network, indices)]
        return run_or_halve(lambda part: [self._part_sums(network, part)], indices)

    @torch.inference_mode()
    def _part_sums(self, network: EncoderDecoder, indices: Sequence[int]) -> tuple[float, float]:
        """Return the smoothed and the plain loss, summed over some pairs."""
        batch = make_batch([self.encoded[index] for index in indices])
        batch = batch.to(network.device)
        logits = network(batch.source, batch.target_input).flatten(0, 1)
        smoothing = self._recipe.train.label_smoothing
        sums = reference_loss(logits, batch.labels.flatten(), smoothing, PAD)
        return float(sums.smoothed), float(sums.plain)

    def try_longest(self, network: EncoderDecoder, threads: ThreadPool) -> None:
        """Run the batches that need the most memory, one per thread, and discard the results."""
        longest = self._batches(network)[: threads.count]
        with network.evaluating():
            list(threads.map(lambda batch: self._sums(network, batch), longest))
        lengths = [len(ids) + 1 for ids in self._tokenizer.source.encode(self.sources)]
        batches = batches_by_length(lengths, self._batch_tokens(network))
        indices = [*chain.from_iterable(islice(batches, threads.count))]
        self._translate(network, indices, threads, lambda _: None, at_once=True)
