"""One update: sum losses and gradients, divide by the token count once, apply Adam (section 5).

Sums and one division make updates exact: micro-batches, threads and workers change nothing but
rounding and which dropout masks are drawn.
"""

import math
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nmt.config import Recipe
from nmt.errors import NmtError
from nmt.kernels.dropout import drawing_from
from nmt.kernels.loss import LossSums, smoothed_loss, sum_type
from nmt.kernels.r_drop import r_drop_loss
from nmt.model.transformer import Transformer
from nmt.system.threads import ThreadPool
from nmt.text.batches import Batch
from nmt.text.tokenizer import PAD
from nmt.training.schedule import inverse_sqrt
from nmt.training.workers import Workers, combined_signal, signal_flags

Forward = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class UpdateResult:
    """Losses and size of an update, over all workers."""

    smoothed_loss: float  # summed over the target tokens
    plain_loss: float  # summed over the target tokens, without label smoothing
    source_tokens: int
    target_tokens: int
    learning_rate: float
    gradient_norm: float  # of the mean loss per target token
    signal: int | None  # that stops the training, if any worker received one

    @property
    def is_finite(self) -> bool:
        """True if loss and gradient are finite; otherwise the weights did not change."""
        return math.isfinite(self.smoothed_loss) and math.isfinite(self.gradient_norm)


class Updater:
    """Applies updates to a network; owns the optimiser and the threads."""

    def __init__(
        self, recipe: Recipe, network: Transformer, workers: Workers, device: torch.device
    ) -> None:
        self._recipe = recipe
        self._settings = recipe.train
        self._network = network
        self._workers = workers
        self._device = device
        self._parameters = list(network.parameters())
        self.optimizer = torch.optim.Adam(
            self._parameters,
            lr=0.0,  # the schedule sets it before every update
            betas=(recipe.train.adam_beta1, recipe.train.adam_beta2),
            eps=recipe.train.adam_epsilon,
            fused=True,
        )
        self._sum_type = sum_type(device)
        # Threads split a batch only on a CPU, without torch.compile and with a single process.
        splits = device.type == "cpu" and workers.count == 1 and not recipe.train.compile
        self.threads = ThreadPool() if splits else ThreadPool(1)
        self._generators = [torch.Generator() for _ in range(self.threads.count)]
        self._wrapped: nn.Module = network
        self._forward: Forward = network

    def set_up(self) -> None:
        """Wrap the network for the other workers and compile it; call once the weights are loaded.

        Raises NmtError if torch.compile lacks a compiler.
        """
        self._wrapped = self._workers.wrap(self._network, self._device)
        self._forward = self._wrapped
        if self._settings.compile:
            check_compiler(self._device)
            self._forward = torch.compile(self._wrapped, dynamic=True)

    def update(self, share: Batch, number: int, counts: bool, stop: int | None) -> UpdateResult:
        """Apply update `number` with this worker's share of the batch.

        counts: False if the share stands in for an empty one and must not count. stop: the signal
        that this worker received. If loss or gradient of the whole batch is NaN or infinite, the
        weights stay as they are.
        """
        self._network.train()
        self._seed_dropout(number)
        smoothed, plain = self.backward(share, float(counts))
        sizes = [share.source_tokens * counts, share.target_tokens * counts]
        own = [*sizes, *signal_flags(stop)]
        totals = torch.tensor(own, dtype=self._sum_type, device=self._device)
        totals = self._workers.all_reduce(torch.cat([torch.stack([smoothed, plain]), totals]))
        loss, plain_loss, source_tokens, target_tokens, *flags = totals.tolist()
        gradients = [each.grad for each in self._parameters if each.grad is not None]
        torch._foreach_div_(gradients, target_tokens)
        norm = float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))))
        rate = self.learning_rate(number)
        tokens = int(source_tokens), int(target_tokens)
        result = UpdateResult(loss, plain_loss, *tokens, rate, norm, combined_signal(*flags))
        if result.is_finite:
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.step()
        self.optimizer.zero_grad()
        return result

    def _seed_dropout(self, number: int) -> None:
        """Seed dropout by the seed, the update, the worker and the thread."""
        for thread, generator in enumerate(self._generators):
            entropy = [self._settings.seed, number, self._workers.rank, thread]
            state = numpy.random.SeedSequence(entropy).generate_state(1, numpy.uint64)
            generator.manual_seed(int(state[0]))
        # Some modules draw from PyTorch's default generator.
        torch.manual_seed(self._generators[0].initial_seed())

    def backward(self, share: Batch, weight: float = 1.0) -> tuple[Tensor, Tensor]:
        """Add the gradients of the share's smoothed loss, summed over its tokens and weighted.

        Returns the weighted sums of the smoothed and the plain loss.
        """
        total = torch.zeros(2, dtype=self._sum_type, device=self._device)
        parts = list(share.split(self._settings.micro_batch_tokens))
        for number, part in enumerate(parts, start=1):
            micro = part.to(self._device)
            # Workers exchange gradients once, with the last micro-batch.
            with nullcontext() if number == len(parts) else self._without_exchange():
                if self.threads.count > 1:
                    total += self._backward_in_threads(micro, weight)
                else:
                    sums = self._loss(micro, 0)
                    (sums.smoothed * weight).backward()
                    total += torch.stack([sums.smoothed.detach(), sums.plain]) * weight
        smoothed, plain = total
        return smoothed, plain

    def _backward_in_threads(self, batch: Batch, weight: float) -> Tensor:
        """Add the gradients of a micro-batch whose pairs are split over the threads.

        The threads' results are added in a fixed order, so that rounding repeats.
        """

        def work(numbered: tuple[int, Batch]) -> tuple[LossSums, Sequence[Tensor]]:
            thread, part = numbered
            sums = self._loss(part, thread)
            return sums, torch.autograd.grad(sums.smoothed * weight, self._parameters)

        total = torch.zeros(2, dtype=self._sum_type)
        for sums, gradients in self.threads.map(
            work, list(enumerate(batch.split_evenly(self.threads.count)))
        ):
            total += torch.stack([sums.smoothed.detach(), sums.plain]) * weight
            for parameter, gradient in zip(self._parameters, gradients, strict=True):
                if parameter.grad is None:
                    parameter.grad = gradient
                else:
                    parameter.grad += gradient
        return total

    def _loss(self, batch: Batch, thread: int) -> LossSums:
        """Return the summed losses of a batch, with the dropout generator of a thread."""
        settings = self._settings
        passes = 2 if settings.r_drop else 1
        inputs = (each.repeat(passes, 1) for each in (batch.source, batch.target_input))
        with drawing_from(self._generators[thread]), self.autocast():
            logits = self._forward(*inputs).flatten(0, 1)
        labels = batch.labels.flatten()
        if settings.r_drop:
            return r_drop_loss(logits, labels, settings.label_smoothing, PAD, settings.r_drop)
        return smoothed_loss(logits, labels, settings.label_smoothing, PAD)

    def try_batch(self, batch: Batch) -> None:
        """Use the memory that an update with this batch needs, then free it; no weight changes."""
        moments = []
        if not self.optimizer.state:  # Adam allocates its moments at the first update
            moments = [torch.empty_like(each) for each in self._parameters for _ in range(2)]
        self._network.train()
        with self._without_exchange():
            self.backward(batch)
        self.optimizer.zero_grad()
        del moments

    def _without_exchange(self) -> AbstractContextManager[None]:
        """Return a context in which gradients are not summed over the workers."""
        if isinstance(self._wrapped, DistributedDataParallel):
            return self._wrapped.no_sync()
        return nullcontext()

    def learning_rate(self, number: int) -> float:
        """Return the learning rate of an update: equation 3 times `train.learning_rate_scale`."""
        rate = inverse_sqrt(
            number, d_model=self._recipe.model.d_model, warmup=self._settings.warmup_updates
        )
        return self._settings.learning_rate_scale * rate

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context that sets the precision of matrix products."""
        if self._settings.precision == "bf16":
            # No cache: each weight is cast once a pass anyway, and threads would share the cache.
            return torch.autocast(self._device.type, torch.bfloat16, cache_enabled=False)
        return nullcontext()


def check_compiler(device: torch.device) -> None:
    """Raise NmtError if torch.compile needs a C++ compiler (on a CPU) and there is none."""
    candidates = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++", "c++"]
    if device.type == "cpu" and not any(map(shutil.which, candidates)):
        raise NmtError(
            f"train.compile needs a C++ compiler ({' or '.join(candidates)}); install one, or set"
            " train.compile=false"
        )
