"""One update: losses as sums, gradients added up and divided once, Adam (section 5)."""

import math
import os
import shutil
import signal
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
from nmt.kernels.loss import LossSums, smoothed_loss
from nmt.kernels.r_drop import r_drop_loss
from nmt.model.transformer import Transformer
from nmt.system.threads import Threads
from nmt.text.batches import Batch
from nmt.text.tokenizer import PAD
from nmt.training.schedule import inverse_sqrt
from nmt.training.workers import Workers, agreed_signal

Forward = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Sums:
    """An update's losses, summed over the target tokens of all workers, and its size."""

    smoothed: float
    plain: float
    source_tokens: int
    target_tokens: int
    learning_rate: float
    gradient_norm: float  # of the loss a token
    signal: int | None  # that asks to stop, if any worker got one

    @property
    def is_finite(self) -> bool:
        """Whether loss and gradient are numbers; if not, no update was made."""
        return math.isfinite(self.smoothed) and math.isfinite(self.gradient_norm)


class Updater:
    """The network, its optimiser and what one update does to them."""

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
        # MPS has no float64.
        self._sum_type = torch.float32 if device.type == "mps" else torch.float64
        # A GPU, a compiled model and each of many workers get their batch as a whole.
        alone = device.type == "cpu" and workers.count == 1 and not recipe.train.compile
        self.threads = Threads() if alone else Threads(1)
        self._generators = [torch.Generator() for _ in range(self.threads.count)]
        self._wrapped: nn.Module = network
        self._forward: Forward = network

    def begin(self) -> None:
        """Once the weights are in place: join the other workers, compile."""
        self._wrapped = self._workers.wrap(self._network, self._device)
        self._forward = self._wrapped
        if self._settings.compile:
            check_compiler(self._device)
            self._forward = torch.compile(self._wrapped, dynamic=True)

    def update(self, share: Batch, number: int, counts: bool, stop: int | None) -> Sums:
        """Update `number` on this worker's share of its batch.

        A share that does not count stands in for an empty one. `stop` is the signal this worker
        got. Where loss or gradient of the whole batch is not finite, the weights stay.
        """
        self._network.train()
        self._seed_dropout(number)
        smoothed, plain = self.backward(share, float(counts))
        sizes = [share.source_tokens * counts, share.target_tokens * counts]
        signals = [stop == signal.SIGINT, stop == signal.SIGTERM]
        totals = torch.tensor([*sizes, *signals], dtype=self._sum_type, device=self._device)
        totals = self._workers.add(torch.cat([torch.stack([smoothed, plain]), totals]))
        loss, plain_loss, source_tokens, target_tokens, *asked = totals.tolist()
        gradients = [each.grad for each in self._parameters if each.grad is not None]
        torch._foreach_div_(gradients, target_tokens)  # sums and counts, divided once
        norm = float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))))
        rate = self.learning_rate(number)
        tokens = int(source_tokens), int(target_tokens)
        sums = Sums(loss, plain_loss, *tokens, rate, norm, agreed_signal(*asked))
        if sums.is_finite:
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.step()
        self.optimizer.zero_grad()
        return sums

    def _seed_dropout(self, number: int) -> None:
        """Masks depend on the update, the worker and the thread alone."""
        for thread, generator in enumerate(self._generators):
            entropy = [self._settings.seed, number, self._workers.rank, thread]
            state = numpy.random.SeedSequence(entropy).generate_state(1, numpy.uint64)
            generator.manual_seed(int(state[0]))
        torch.manual_seed(self._generators[0].initial_seed())  # where torch draws itself

    def backward(self, share: Batch, weight: float = 1.0) -> tuple[Tensor, Tensor]:
        """Gradients of the share's smoothed loss; the sums of smoothed and plain loss."""
        total = torch.zeros(2, dtype=self._sum_type, device=self._device)
        parts = list(share.split(self._settings.micro_batch_tokens))
        for number, part in enumerate(parts, start=1):
            micro = part.to(self._device)
            # Gradients travel between workers with the last part alone.
            with nullcontext() if number == len(parts) else self._alone():
                if self.threads.count > 1:
                    total += self._backward_in_threads(micro, weight)
                else:
                    sums = self._loss(micro, 0)
                    (sums.smoothed * weight).backward()
                    total += torch.stack([sums.smoothed.detach(), sums.plain]) * weight
        smoothed, plain = total
        return smoothed, plain

    def _backward_in_threads(self, batch: Batch, weight: float) -> Tensor:
        """The same by several threads, each with a part of the pairs; always added in order."""

        def work(numbered: tuple[int, Batch]) -> tuple[LossSums, Sequence[Tensor]]:
            thread, part = numbered
            sums = self._loss(part, thread)
            return sums, torch.autograd.grad(sums.smoothed * weight, self._parameters)

        total = torch.zeros(2, dtype=self._sum_type)
        for sums, gradients in self.threads.map(
            work, list(enumerate(batch.deal(self.threads.count)))
        ):
            total += torch.stack([sums.smoothed.detach(), sums.plain]) * weight
            for parameter, gradient in zip(self._parameters, gradients, strict=True):
                if parameter.grad is None:
                    parameter.grad = gradient
                else:
                    parameter.grad += gradient
        return total

    def _loss(self, batch: Batch, thread: int) -> LossSums:
        """Forward through the network; the dropout of a thread is its own."""
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
        """Take the memory that an update on the batch takes, and leave nothing behind."""
        moments = []
        if not self.optimizer.state:  # Adam's are made at the first update
            moments = [torch.empty_like(each) for each in self._parameters for _ in range(2)]
        self._network.train()
        with self._alone():
            self.backward(batch)
        self.optimizer.zero_grad()
        del moments

    def _alone(self) -> AbstractContextManager[None]:
        """Within it, gradients stay with this worker."""
        if isinstance(self._wrapped, DistributedDataParallel):
            return self._wrapped.no_sync()
        return nullcontext()

    def learning_rate(self, number: int) -> float:
        """Of an update (equation 3, times the recipe's factor)."""
        rate = inverse_sqrt(
            number, d_model=self._recipe.model.d_model, warmup=self._settings.warmup_updates
        )
        return self._settings.learning_rate_scale * rate

    def autocast(self) -> AbstractContextManager[object]:
        """The precision of matrix products."""
        if self._settings.precision == "bf16":
            # Each weight is cast once a pass anyway, and threads would share the cache of casts.
            return torch.autocast(self._device.type, torch.bfloat16, cache_enabled=False)
        return nullcontext()


def check_compiler(device: torch.device) -> None:
    """Refuse torch.compile on a CPU without a C++ compiler, before it fails in mid-update."""
    candidates = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++", "c++"]
    if device.type == "cpu" and not any(map(shutil.which, candidates)):
        raise NmtError(
            f"train.compile needs a C++ compiler ({' or '.join(candidates)}); install one, or set"
            " train.compile=false"
        )
