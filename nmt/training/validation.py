"""Dev loss and the score that `nmt evaluate` prints for the same model and set."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import torch

from nmt.config import Recipe
from nmt.decoding.translator import Map, translate_texts
from nmt.errors import NmtError
from nmt.evaluation.scores import Measure, main_score
from nmt.evaluation.tasks import task_metrics
from nmt.kernels.loss import reference_loss
from nmt.model.transformer import Transformer
from nmt.system.log import note
from nmt.system.threads import Threads
from nmt.text.batches import make_batch
from nmt.text.corpus import DataFolder, read_pairs
from nmt.text.plan import batches_by_length
from nmt.text.tokenizer import PAD, Tokenizer

SAMPLES = 6  # dev segments whose translations are kept, to see them improve


@dataclass(frozen=True)
class Sample:
    """A dev segment as it is translated by now."""

    source: str
    references: tuple[str, ...]
    translation: str


@dataclass(frozen=True)
class Validation:
    """How well a model does on the dev set."""

    loss: float  # smoothed, a token
    plain_loss: float  # unsmoothed, a token; its exponential is the perplexity
    score: float  # of outputs, by the first measure of data.metric
    measure: Measure  # its name, and whether lower is better
    samples: tuple[Sample, ...] = ()  # of the same segments at every validation


def tell_once() -> Callable[[str], None]:
    """A report that says each thing the first time alone, for what recurs at every validation."""
    told: set[str] = set()

    def report(message: str) -> None:
        if message not in told:
            told.add(message)
            note(f"dev set: {message}")

    return report


class DevSet:
    """The dev corpora of a recipe, read once.

    `map_batches` may share the work out to threads or other processes.
    """

    def __init__(
        self, recipe: Recipe, data: DataFolder, tokenizer: Tokenizer, map_batches: Map = map
    ) -> None:
        pairs = [pair for files in recipe.data.dev for pair in read_pairs(files, data, recipe)]
        if not pairs:
            raise NmtError(f"the dev set of recipe {recipe.name} is empty; set data.dev")
        self._metrics = task_metrics(recipe.data.metric, recipe.data.target_language)
        sources = [source for source, _ in pairs]
        items = self._metrics.items(sources, [(target,) for _, target in pairs])
        self.sources = [sources[line] for line in items.lines]
        self.references = items.references
        self._report = tell_once()
        self._recipe = recipe
        self._tokenizer = tokenizer
        self._map = map_batches
        self._encoded = self._encode(pairs)

    def _encode(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
        """The pairs that count for the loss."""
        sides = (
            pieces.encode(side)
            for pieces, side in zip(self._tokenizer.sides, zip(*pairs, strict=True), strict=True)
        )
        limit = self._recipe.data.max_length
        encoded = [pair for pair in zip(*sides, strict=True) if max(map(len, pair)) <= limit]
        if not encoded:
            raise NmtError(
                f"every pair of the dev set is longer than data.max_length={limit}; raise it"
            )
        if len(encoded) < len(pairs):
            self._report(
                f"{len(pairs) - len(encoded)} pairs longer than data.max_length={limit}"
                " are left out of the loss; the score counts them"
            )
        return encoded

    @property
    def measure(self) -> Measure:
        """What outputs are scored by."""
        return self._metrics.measures[0]

    def validate(self, network: Transformer) -> Validation:
        """Loss, and the score of beam search's outputs; the network's mode is left as it was."""
        loss, plain_loss = self.loss(network)
        score = self.measure.worst  # of a model that has no outputs
        samples: tuple[Sample, ...] = ()
        if math.isfinite(loss):
            hypotheses = self._translate(network, self.sources, self._map, self._report)
            score = main_score(self._metrics, hypotheses, self.references)
            samples = self._samples(hypotheses)
        return Validation(loss, plain_loss, score, self.measure, samples)

    def _samples(self, hypotheses: Sequence[str]) -> tuple[Sample, ...]:
        """Some segments, spread evenly over the dev set."""
        count = min(SAMPLES, len(hypotheses))
        places = [place * len(hypotheses) // count for place in range(count)]
        return tuple(
            Sample(self.sources[place], self.references[place], hypotheses[place])
            for place in places
        )

    def _translate(
        self,
        network: Transformer,
        sources: Sequence[str],
        how: Map,
        report: Callable[[str], None],
    ) -> list[str]:
        return translate_texts(network, self._tokenizer, self._recipe.decode, sources, report, how)

    def loss(self, network: Transformer) -> tuple[float, float]:
        """Smoothed and plain loss a token, over batches of similar length."""
        was_training = network.training
        network.eval()
        try:
            sums = list(self._map(lambda batch: self._sums(network, batch), self._batches()))
        finally:
            network.train(was_training)
        tokens = max(1, sum(len(target) + 1 for _, target in self._encoded))
        return sum(each[0] for each in sums) / tokens, sum(each[1] for each in sums) / tokens

    def _batches(self) -> list[list[int]]:
        """Indices of the encoded pairs, the longest first."""
        lengths = [max(map(len, pair)) + 1 for pair in self._encoded]
        return list(batches_by_length(lengths, self._recipe.decode.batch_tokens))

    @torch.inference_mode()
    def _sums(self, network: Transformer, indices: Sequence[int]) -> tuple[float, float]:
        """Smoothed and plain loss of some pairs, summed."""
        batch = make_batch([self._encoded[index] for index in indices])
        batch = batch.to(network.embedding.device)
        logits = network(batch.source, batch.target_input).flatten(0, 1)
        smoothing = self._recipe.train.label_smoothing
        sums = reference_loss(logits, batch.labels.flatten(), smoothing, PAD)
        return float(sums.smoothed), float(sums.plain)

    def try_longest(self, network: Transformer, threads: Threads) -> None:
        """Run the batches that need the most memory, one a thread, to find out if it suffices."""
        was_training = network.training
        network.eval()
        longest = self._batches()[: threads.count]
        list(threads.map(lambda batch: self._sums(network, batch), longest))
        network.train(was_training)
        lengths = [len(ids) + 1 for ids in self._tokenizer.source.encode(self.sources)]
        batches = batches_by_length(lengths, self._recipe.decode.batch_tokens)
        indices = chain.from_iterable(islice(batches, threads.count))
        sources = [self.sources[index] for index in indices]
        self._translate(network, sources, threads.map, lambda _: None)
