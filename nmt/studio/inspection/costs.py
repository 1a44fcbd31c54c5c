"""What a recipe costs: operations a token, an update and a run; memory of its training by part."""

from dataclasses import dataclass

from nmt.config import Recipe
from nmt.training.cost import (
    TRAINING_PASSES,
    Workload,
    activation_bytes,
    count_parameters,
    forward_flops,
)

FLOAT_BYTES = 4
ADAM_MOMENTS = 2


@dataclass(frozen=True)
class Flops:
    """Floating-point operations of the products; of a training, forward and backward."""

    forward_per_source_token: float  # encoder, and the keys and values of all decoder layers
    forward_per_target_token: float  # decoder and softmax
    training_per_update: float  # with both sides of its batch full
    training_run: float  # of all updates
    length: int  # of every source and target that these figures take for granted


def flops_of(recipe: Recipe, vocab_size: int, length: int) -> Flops:
    """Those of a recipe, were every source and target of this length."""
    train = recipe.train

    def forward(source: float, target: float) -> float:
        work = Workload.even(source, target, length)
        return forward_flops(recipe.model, vocab_size, work)

    passes = TRAINING_PASSES * (2 if train.r_drop else 1)  # R-Drop goes twice through a batch
    update = passes * forward(train.batch_source_tokens, train.batch_target_tokens)
    return Flops(forward(1, 0), forward(0, 1), update, update * train.max_updates, length)


@dataclass(frozen=True)
class Memory:
    """Bytes that a training holds at once."""

    weights: float
    gradients: float
    adam_moments: float
    activations: float  # an estimate: see nmt.training.cost
    tokens: float  # of each side that those are of

    @property
    def total(self) -> float:
        """Of all parts."""
        return self.weights + self.gradients + self.adam_moments + self.activations


def memory_of(recipe: Recipe, vocab_size: int, length: int) -> Memory:
    """That of a recipe's largest batch at once, were every source and target of this length."""
    train = recipe.train
    tokens = min(train.batch_source_tokens, train.batch_target_tokens)
    if train.micro_batch_tokens:
        tokens = min(tokens, train.micro_batch_tokens)
    pairs = max(1.0, tokens / length) * (2 if train.r_drop else 1)
    bf16 = train.precision == "bf16"
    weights = FLOAT_BYTES * count_parameters(recipe.model, vocab_size)
    activations = activation_bytes(recipe.model, vocab_size, pairs, length, length, bf16=bf16)
    if bf16:  # a product keeps its weights as it had them
        activations += weights / 2
    return Memory(weights, weights, ADAM_MOMENTS * weights, activations, tokens)
