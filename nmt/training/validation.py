"""Dev loss and the BLEU that `nmt evaluate` prints for the same model and set."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from nmt.config import Recipe
from nmt.decoding.translator import batches_by_length, translate_texts
from nmt.errors import NmtError
from nmt.log import note
from nmt.metrics import corpus_bleu
from nmt.model.transformer import Transformer
from nmt.text.batches import make_batch
from nmt.text.corpus import DataFolder, read_pairs
from nmt.text.tokenizer import PAD, Tokenizer
from nmt.training.loss import reference_loss


@dataclass(frozen=True)
class Validation:
    """How well a model does on the dev set."""

    loss: float  # smoothed, a token
    plain_loss: float  # unsmoothed, a token; its exponential is the perplexity
    bleu: float


def tell_once() -> Callable[[str], None]:
    """A report that says each thing the first time alone, for what recurs at every validation."""
    told: set[str] = set()

    def report(message: str) -> None:
        if message not in told:
            told.add(message)
            note(f"dev set: {message}")

    return report


class DevSet:
    """The dev corpora of a recipe, read once."""

    def __init__(self, recipe: Recipe, data: DataFolder, tokenizer: Tokenizer) -> None:
        pairs = [pair for files in recipe.data.dev for pair in read_pairs(files, data, recipe)]
        if not pairs:
            raise NmtError(f"the dev set of recipe {recipe.name} is empty; set data.dev")
        self.sources = [source for source, _ in pairs]
        self.references = [target for _, target in pairs]
        self._report = tell_once()
        self._recipe = recipe
        self._tokenizer = tokenizer

    def validate(self, network: Transformer) -> Validation:
        """Loss and beam-search BLEU; the network's mode is left as it was."""
        loss, plain_loss = self.loss(network)
        hypotheses = translate_texts(
            network, self._tokenizer, self._recipe.decode, self.sources, self._report
        )
        language = self._recipe.data.target_language
        return Validation(loss, plain_loss, corpus_bleu(hypotheses, self.references, language))

    @torch.inference_mode()
    def loss(self, network: Transformer) -> tuple[float, float]:
        """Smoothed and plain loss a token, over batches of similar length."""
        was_training = network.training
        network.eval()
        device = network.embedding.device
        sides = (self._tokenizer.encode(side) for side in (self.sources, self.references))
        limit = self._recipe.data.max_length
        pairs = zip(*sides, strict=True)
        encoded = [pair for pair in pairs if max(map(len, pair)) <= limit]
        if len(encoded) < len(self.sources):
            self._report(
                f"{len(self.sources) - len(encoded)} pairs longer than data.max_length={limit}"
                " are left out of the loss; BLEU counts them"
            )
        lengths = [max(len(source), len(target)) + 1 for source, target in encoded]
        smoothing = self._recipe.train.label_smoothing
        smoothed, plain, tokens = 0.0, 0.0, 0
        for indices in batches_by_length(lengths, self._recipe.decode.batch_tokens):
            batch = make_batch([encoded[index] for index in indices]).to(device)
            logits = network(batch.source, batch.target_input).flatten(0, 1)
            sums = reference_loss(logits, batch.labels.flatten(), smoothing, PAD)
            smoothed += float(sums.smoothed)
            plain += float(sums.plain)
            tokens += batch.target_tokens
        network.train(was_training)
        tokens = max(tokens, 1)
        return smoothed / tokens, plain / tokens
