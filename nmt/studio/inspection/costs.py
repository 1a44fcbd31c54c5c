"""Calculate the costs of a recipe: floating-point operations, and memory in training."""

from dataclasses import dataclass

from nmt.config import Recipe
from nmt.recipe.size import FLOAT_BYTES, count_parameters
from nmt.training.cost import (
    TRAINING_PASSES,
    Workload,
    activation_bytes,
    forward_flops,
)


@dataclass(frozen=True)
class Flops:
    """Floating-point operations of matrix products; training counts forward and backward."""

    forward_per_source_token: float  # encoder, and memory's keys and values in all decoder layers
    forward_per_target_token: float  # decoder and softmax
    training_per_update: float  # with a full batch on both sides
    training_run: float  # all updates
    length: int  # tokens of every source and target, an assumption


def flops_of(recipe: Recipe, vocab_size: int, length: int) -> Flops:
    """Return the operations of a recipe if every source and target has `length` tokens."""
    train = recipe.train

    def forward(source: float, target: float) -> float:
        work = Workload.from_equal_lengths(source, target, length)
        return forward_flops(recipe.model, vocab_size, work)

    passes = TRAINING_PASSES * train.passes
    update = passes * forward(train.batch_source_tokens, train.batch_target_tokens)
    return Flops(forward(1, 0), forward(0, 1), update, update * train.max_updates, length)


@dataclass(frozen=True)
class Memory:
    """Bytes that training holds at the same time."""

    weights: float
    gradients: float
    moments: float  # Adam's, and the moving average
    activations: float  # an estimate: see nmt.training.cost
    tokens: float  # a side, whose activations are held

    @property
    def total(self) -> float:
        """Return the sum of all parts."""
        return self.weights + self.gradients + self.moments + self.activations


def memory_of(recipe: Recipe, vocab_size: int, length: int) -> Memory:
    """Return the memory for a recipe's batch if every source and target has `length` tokens."""
    train = recipe.train
    tokens = min(train.batch_source_tokens, train.batch_target_tokens)
    if train.micro_batch_tokens:
        tokens = min(tokens, train.micro_batch_tokens)
    pairs = max(1.0, tokens / length) * train.passes
    bf16 = train.precision == "bf16"
    weights = FLOAT_BYTES * count_parameters(recipe.model, vocab_size)
    activations = activation_bytes(recipe.model, vocab_size, pairs, length, length, bf16=bf16)
    if bf16:  # a product keeps its bf16 copy of the weights for the backward pass
        activations += weights / 2
    return Memory(weights, weights, train.moments * weights, activations, tokens)
