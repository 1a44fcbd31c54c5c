"""One update: sum losses and gradients, divide by the token count once, apply Adam (section 5).

Sums and one division make updates exact: micro-batches, threads and workers change nothing but
rounding and which dropout masks are drawn.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nmt.config import Recipe
from nmt.kernels.dropout import drawing_from
from nmt.kernels.loss import LossSums, smoothed_loss, sum_type
from nmt.kernels.projected_loss import projected_loss
from nmt.kernels.r_drop import r_drop_loss
from nmt.model.transformer import Transformer
from nmt.system.threads import ThreadPool
from nmt.text.batches import Batch
from nmt.text.tokenizer import PAD
from nmt.training.guided_alignment import GuidedAlignment
from nmt.training.schedule import inverse_sqrt
from nmt.training.workers import Workers, combined_signal, signal_flags

Forward = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class UpdateResult:
    """Losses and size of an update, over all workers."""

    number: int  # counted from 1
    smoothed_loss: float  # summed over the target tokens
    plain_loss: float  # summed over the target tokens, without label smoothing
    source_tokens: int
    target_tokens: int
    learning_rate: float
    gradient_norm: float  # of the mean loss per target token
    signal: int | None  # that stops the training, if any worker received one
    wants_checkpoint: bool  # True if a worker asks all of them to save one

    @property
    def is_finite(self) -> bool:
        """True if loss and gradient are finite; otherwise the weights did not change."""
        return math.isfinite(self.smoothed_loss) and math.isfinite(self.gradient_norm)


@dataclass(frozen=True)
class StartedUpdate:
    """An update that a GPU may still compute; `result` waits for it."""

    number: int
    learning_rate: float
    figures: Tensor  # (6 + signals,) in the order in which `result` reads them

    def result(self) -> UpdateResult:
        """Read the figures from the device, in one copy."""
        loss, plain_loss, source_tokens, target_tokens, *flags, wanted, norm = self.figures.tolist()
        return UpdateResult(
            self.number,
            loss,
            plain_loss,
            int(source_tokens),
            int(target_tokens),
            self.learning_rate,
            norm,
            combined_signal(*flags),
            bool(wanted),
        )


class Updater:
    """Applies updates to a network; owns the optimiser and the threads."""

    def __init__(
        self, recipe: Recipe, network: Transformer, workers: Workers, device: torch.device
    ) -> None:
        self._recipe = recipe
        self._settings = recipe.train
        self.precision = recipe.train.precision  # of matrix products; "auto" is float32
        self._network = network
        self._workers = workers
        self.device = device
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
        splits = device.type == "cpu" and workers.is_alone and not recipe.train.compile
        self.threads = ThreadPool() if splits else ThreadPool(1)
        # Blocks of logits pay in a CPU's cache. torch.compile and DistributedDataParallel wrap
        # `forward`, which returns whole logits.
        self.works_in_blocks = splits and not recipe.train.r_drop
        self._generators = [torch.Generator() for _ in range(self.threads.count)]
        weight = recipe.train.guided_alignment
        self._guide = GuidedAlignment(network, weight) if weight else None
        # This is a setting of the process, and an earlier training may have changed it.
        wanted = "high" if self.precision == "tf32" else "highest"
        torch.set_float32_matmul_precision(wanted)
        self._wrapped: nn.Module = network
        self._forward: Forward = network

    def set_up(self) -> None:
        """Compile the network and wrap it for the other workers, when the weights are loaded."""
        network: nn.Module = self._network
        if self._settings.compile:  # first: the wrapper's hooks would break the compiled graph
            network = torch.compile(network, dynamic=True)  # type: ignore[assignment] # a module
        settings = self._settings
        self._wrapped = self._workers.wrap(
            network, self.device, settings.bucket_megabytes, settings.gradient_precision
        )
        self._forward = self._wrapped

    def update(
        self, share: Sequence[Batch], number: int, counts: bool, stop: int | None
    ) -> UpdateResult:
        """Apply an update and wait for its figures; arguments are those of `start`."""
        return self.start(share, number, counts, stop).result()

    def start(
        self,
        share: Sequence[Batch],
        number: int,
        counts: bool,
        stop: int | None,
        wants_checkpoint: bool = False,
    ) -> StartedUpdate:
        """Apply update `number` with this worker's share of the batch; wait for nothing.

        share: its micro-batches. counts: False if the share stands in for an empty one and must not
        count. stop: the signal that this worker received. wants_checkpoint: whether it asks all
        workers to save one. If loss or gradient of the whole batch is NaN or infinite, the weights
        stay as they are.
        """
        self._network.train()
        self._seed_dropout(number)
        smoothed, plain = self.backward(share, float(counts))
        sizes = [
            sum(part.source_tokens for part in share) * counts,
            sum(part.target_tokens for part in share) * counts,
        ]
        own = [*sizes, *signal_flags(stop), wants_checkpoint]
        totals = torch.tensor(own, dtype=self._sum_type)
        if self.device.type == "cuda":  # a copy of other memory would wait for the gradients
            totals = totals.pin_memory()
        totals = totals.to(self.device, non_blocking=True)
        totals = self._workers.all_reduce(torch.cat([torch.stack([smoothed, plain]), totals]))
        gradients = [each.grad for each in self._parameters if each.grad is not None]
        torch._foreach_div_(gradients, totals[3].float())  # target tokens
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        figures = torch.cat([totals, norm.to(totals.dtype)[None]])
        # Adam's fused form leaves weights and moments as they are if this is 1, without a read.
        skip = 1 - (figures[0] + figures[-1]).isfinite().float()
        self.optimizer.found_inf = skip  # type: ignore[attr-defined] # its fused form reads it
        rate = self.learning_rate(number)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad()
        return StartedUpdate(number, rate, figures)

    def _seed_dropout(self, number: int) -> None:
        """Seed dropout by the seed, the update, the worker and the thread."""
        for thread, generator in enumerate(self._generators):
            entropy = [self._settings.seed, number, self._workers.rank, thread]
            state = numpy.random.SeedSequence(entropy).generate_state(1, numpy.uint64)
            generator.manual_seed(int(state[0]))
        # Some modules draw from PyTorch's default generator.
        torch.manual_seed(self._generators[0].initial_seed())

    def backward(self, share: Sequence[Batch], weight: float = 1.0) -> tuple[Tensor, Tensor]:
        """Add the gradients of the smoothed loss of micro-batches, summed and weighted.

        Returns the weighted sums of the smoothed and the plain loss.
        """
        total = torch.zeros(2, dtype=self._sum_type, device=self.device)
        with nullcontext() if self._guide is None else self._guide.recording():
            for number, part in enumerate(share, start=1):
                micro = part.to(self.device)
                # Workers exchange gradients once, with the last micro-batch.
                with nullcontext() if number == len(share) else self._without_exchange():
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
        with drawing_from(self._generators[thread]):
            sums = self._loss_in_blocks(batch) if self.works_in_blocks else self._whole_loss(batch)
        if self._guide is None or batch.aligned is None:
            return sums
        return sums._replace(smoothed=sums.smoothed + self._guide.loss(batch.aligned))

    def _loss_in_blocks(self, batch: Batch) -> LossSums:
        """Return the summed losses of a batch, whose logits are never stored as a whole."""
        network, smoothing = self._network, self._settings.label_smoothing
        with self.autocast():
            hidden = network.hidden(batch.source, batch.target_input).flatten(0, 1)
            matrix, bias = network.embeddings.softmax_weight, network.embeddings.softmax_bias
            return projected_loss(hidden, matrix, batch.labels.flatten(), smoothing, PAD, bias)

    def _whole_loss(self, batch: Batch) -> LossSums:
        """Return the summed losses of a batch from its logits."""
        settings = self._settings
        passes = 2 if settings.r_drop else 1
        inputs = (each.repeat(passes, 1) for each in (batch.source, batch.target_input))
        with self.autocast():
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
        try:
            self.rehearse(batch)
        finally:
            del moments
            if self.device.type == "cuda":  # what did not fit has left memory in pieces
                torch.cuda.empty_cache()

    def rehearse(self, batch: Batch) -> None:
        """Run a forward and a backward pass and discard the gradients; no weight changes.

        Each update seeds dropout again, so that the masks drawn here change nothing.
        """
        self._network.train()
        try:
            with self._without_exchange():
                self.backward([batch])
        finally:
            self.optimizer.zero_grad()

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
        if self.precision == "bf16":
            # No cache: each weight is cast once a pass anyway, and threads would share the cache.
            return torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False)
        return nullcontext()
