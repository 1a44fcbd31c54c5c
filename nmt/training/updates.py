"""One update: sum losses and gradients, divide by the token count once, apply Adam (section 5).

Sums and one division make updates exact: micro-batches, threads and workers change nothing but
rounding and which dropout masks are drawn.

`Updater.start` is the update from top to bottom. Below it are the losses that it sums, then the
learning rate of section 5.3, the moving average of the weights and the result of an update.
"""

import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nmt.config import Recipe, TrainSettings
from nmt.kernels.dropout import drawing_from, keep_mask
from nmt.kernels.loss import (
    Agreement,
    LossSums,
    projected_loss,
    r_drop,
    simcut,
    smoothed_loss,
    sum_type,
)
from nmt.model.encoder_decoder import EncoderDecoder
from nmt.recipe.size import count_moments
from nmt.system.threads import torch_threads
from nmt.text.batches import Batch
from nmt.text.subwords.tokenizer import PAD
from nmt.training.guided_alignment import GuidedAlignment
from nmt.training.muon import Muon, layer_matrices
from nmt.training.parallel.gradients import GradientProcesses
from nmt.training.parallel.workers import Workers, combined_signal, signal_flags

# Parameters of a model whose batches are divided among processes, instead of threads: they save
# 5 % of an update with 8 million, and cost 3 % with the 50 million of the paper's base model.
MOST_FORKED = 20_000_000
AVERAGE = "average"  # key of a parameter's moving average in the optimiser's state


class Updater:
    """Applies updates to a network; owns the optimiser and the threads."""

    def __init__(
        self, recipe: Recipe, network: EncoderDecoder, workers: Workers, device: torch.device
    ) -> None:
        self.recipe = recipe
        self._settings = recipe.train
        self.precision = recipe.train.precision  # of matrix products; "auto" is float32
        self.network = network
        self.workers = workers
        self.device = device
        self._parameters = list(network.parameters())
        adam: dict[str, Any] = {
            "lr": 0.0,  # the schedule sets it before every update
            "betas": (recipe.train.adam_beta1, recipe.train.adam_beta2),
            "eps": recipe.train.adam_epsilon,
            "fused": True,
        }
        self.optimizer = torch.optim.Adam(self._parameters, **adam)
        if recipe.train.optimizer == "muon":
            self.optimizer = Muon(self._parameters, layer_matrices(network), **adam)
        self.average = MovingAverage(self._parameters, self.optimizer, recipe.train.moving_average)
        self._sum_type = sum_type(device)
        # Threads split a batch only on a CPU, without torch.compile and with a single process.
        splits = device.type == "cpu" and workers.is_alone and not recipe.train.compile
        self.threads = torch_threads() if splits else torch_threads(1)
        # Blocks of logits pay in a CPU's cache. torch.compile and DistributedDataParallel wrap
        # `forward`, which returns whole logits.
        self.works_in_blocks = splits
        self._agreement = agreement(recipe.train)
        self._generators = [torch.Generator() for _ in range(self.threads.count)]
        is_small = sum(map(Tensor.numel, self._parameters)) <= MOST_FORKED
        # On other systems than Linux, forks are not safe. With a GPU, autograd has threads of its
        # own, after whose start it refuses to work in a fork. A process has one thread.
        can_fork = sys.platform == "linux" and not torch.accelerator.device_count()
        uses_all = torch.get_num_threads() // self.threads.count == 1
        self.forks = self.threads.count > 1 and is_small and can_fork and uses_all
        self._processes: GradientProcesses | None = None
        self._number = 0  # of the update
        weight = recipe.train.guided_alignment
        self._guide = GuidedAlignment(network, weight) if weight else None
        # This is a setting of the process, and an earlier training may have changed it.
        wanted = "high" if self.precision == "tf32" else "highest"
        torch.set_float32_matmul_precision(wanted)
        self._wrapped: nn.Module = network

    def set_up(self) -> None:
        """Compile the network and wrap it for the other workers, when the weights are loaded."""
        network: nn.Module = self.network
        if self._settings.compile:  # first: the wrapper's hooks would break the compiled graph
            network = torch.compile(network, dynamic=True)  # type: ignore[assignment] # a module
        self._wrapped = self.workers.wrap(network, self.device, self._settings)

    def start(
        self,
        share: Sequence[Batch],
        number: int,
        counts: bool,
        stop: int | None,
        wants_checkpoint: bool = False,
    ) -> "StartedUpdate":
        """Apply update `number` with this worker's share of the batch; wait for nothing.

        share: its micro-batches. counts: False if the share stands in for an empty one and must not
        count. stop: the signal that this worker received. wants_checkpoint: whether it asks all
        workers to save one. If loss or gradient of the whole batch is NaN or infinite, the weights
        stay as they are.
        """
        self.network.train()
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
        totals = self.workers.all_reduce(torch.cat([torch.stack([smoothed, plain]), totals]))
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        torch._foreach_div_(gradients, totals[3].float())  # target tokens
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        values = torch.cat([totals, norm.to(totals.dtype)[None]])
        # If this is 1, the optimiser changes nothing; the CPU reads nothing.
        skip = 1 - (values[0] + values[-1]).isfinite().float()
        self.optimizer.found_inf = skip  # type: ignore[attr-defined] # Adam's fused form reads it
        rate = learning_rate(self.recipe, number)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        if decay := rate * self._settings.weight_decay:
            matrices: list[Tensor] = [weight for weight in self._parameters if weight.ndim > 1]
            with torch.no_grad():
                torch._foreach_mul_(matrices, 1 - decay * (1 - skip))
        with self.autocast():  # Muon multiplies matrices
            self.optimizer.step()
        self.average.add(number)
        self.optimizer.zero_grad()
        return StartedUpdate(number, rate, values)

    def _seed_dropout(self, number: int, micro_batch: int = 0) -> None:
        """Seed dropout by the seed, the update, the worker and the thread.

        micro_batch: of processes, whose generators do not know what the others have drawn.
        """
        self._number = number
        for thread, generator in enumerate(self._generators):
            entropy = [self._settings.seed, number, self.workers.rank, thread]
            entropy += [micro_batch] if micro_batch else []
            state = numpy.random.SeedSequence(entropy).generate_state(1, numpy.uint64)
            generator.manual_seed(int(state[0]))
        # Some modules draw from PyTorch's default generator.
        torch.manual_seed(self._generators[0].initial_seed())

    def backward(
        self, share: Sequence[Batch], weight: float = 1.0, *, in_processes: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Add the gradients of the smoothed loss of micro-batches, summed and weighted.

        in_processes: False keeps all work in this process. Returns the weighted sums of the
        smoothed and the plain loss.
        """
        if in_processes and self.forks:
            return self._backward_in_processes(share, weight)
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

    def _backward_in_processes(
        self, share: Sequence[Batch], weight: float
    ) -> tuple[Tensor, Tensor]:
        """Do as `backward`, but replace gradients that the parameters have.

        Each process computes a part of a micro-batch.
        """
        if self._processes is None:
            count = self.threads.count
            self._processes = GradientProcesses(count, self._parameters, self._backward_part)
        total = torch.zeros(2, dtype=self._sum_type)
        for micro_batch, batch in enumerate(share):
            how = self._number, micro_batch, weight, self.precision
            tasks = [(part, *how) for part in batch.split_evenly(self.threads.count)]
            total += torch.tensor(self._processes.run(tasks), dtype=total.dtype).sum(0)
        self._processes.collect()
        smoothed, plain = total
        return smoothed, plain

    def _backward_part(
        self, index: int, part: Batch, number: int, micro_batch: int, weight: float, precision: str
    ) -> tuple[float, float]:
        """Add the gradients of a part in its process, whose settings are those of its start.

        Returns the weighted smoothed and plain loss.
        """
        self.precision = precision
        self.network.train()
        self._seed_dropout(number, micro_batch)
        with nullcontext() if self._guide is None else self._guide.recording():
            sums = self._loss(part, index)
            (sums.smoothed * weight).backward()
        return float(sums.smoothed.detach()) * weight, float(sums.plain) * weight

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
        network, smoothing = self.network, self._settings.label_smoothing
        with self.autocast():
            hidden = network.hidden(*self._inputs(batch)).flatten(0, 1)
            matrix, bias = network.embeddings.softmax_weight, network.embeddings.softmax_bias
            labels = batch.labels.flatten()
            return projected_loss(hidden, matrix, labels, smoothing, PAD, bias, self._agreement)

    def _whole_loss(self, batch: Batch) -> LossSums:
        """Return the summed losses of a batch from its logits."""
        smoothing = self._settings.label_smoothing
        with self.autocast():
            whole: Tensor = self._wrapped(*self._inputs(batch))
            logits = whole.flatten(0, 1)
        return smoothed_loss(logits, batch.labels.flatten(), smoothing, PAD, self._agreement)

    def _inputs(self, batch: Batch) -> list[Tensor]:
        """Return the arguments of `EncoderDecoder.forward`, each pair once for each pass.

        SimCut cuts embeddings in the second pass only.
        """
        ids, settings = [batch.source, batch.target_input], self._settings
        if settings.passes == 1:
            return ids
        twice = [torch.cat([side, side]) for side in ids]
        if not settings.simcut:
            return twice
        kept = [keep_mask(side.shape, settings.simcut_cutoff, side.device) for side in ids]
        return [*twice, *(torch.cat([torch.ones_like(mask), mask]) for mask in kept)]

    def try_batch(self, batch: Batch) -> None:
        """Use the memory that an update with this batch needs, then free it; no weight changes."""
        count = 0
        if not self.optimizer.state:  # moments are allocated at the first update
            count = count_moments(self.recipe, self.network.vocab_size)
        moments = torch.empty(count, device=self.device)
        try:
            self.rehearse(batch, in_processes=False)  # the limit of memory is this one's
        finally:
            del moments
            if self.device.type == "cuda":  # what did not fit has left memory in pieces
                torch.cuda.empty_cache()

    def rehearse(self, batch: Batch, *, in_processes: bool = True) -> None:
        """Run a forward and a backward pass and discard the gradients; no weight changes.

        Each update seeds dropout again, so that the masks drawn here change nothing.
        """
        self.network.train()
        try:
            with self._without_exchange():
                self.backward([batch], in_processes=in_processes)
        finally:
            self.optimizer.zero_grad()

    def processor_seconds(self) -> float:
        """Return the processor time of this process and of those that it has started."""
        started = 0.0 if self._processes is None else self._processes.processor_seconds
        return process_time() + started

    def close(self) -> None:
        """End the processes; another update starts others."""
        if self._processes is not None:
            self._processes.close()

    def _without_exchange(self) -> AbstractContextManager[None]:
        """Return a context in which gradients are not summed over the workers."""
        if isinstance(self._wrapped, DistributedDataParallel):
            return self._wrapped.no_sync()
        return nullcontext()

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context that sets the precision of matrix products."""
        if self.precision == "bf16":
            # No cache: each weight is cast once a pass anyway, and threads would share the cache.
            return torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False)
        return nullcontext()


def agreement(settings: TrainSettings) -> Agreement | None:
    """Return how the two passes over a batch must agree; None if there is one pass."""
    if settings.simcut:
        return simcut(settings.simcut)
    return r_drop(settings.r_drop) if settings.r_drop else None


def learning_rate(recipe: Recipe, update: int) -> float:
    """Return the learning rate of an update, counted from 1.

    This is equation 3 times `train.learning_rate_scale`, and times `cooldown`, which begins after
    the warm-up, also in a trial of a few updates.
    """
    train = recipe.train
    length = min(train.cooldown_updates, max(0, train.max_updates - train.warmup_updates))
    rate = inverse_sqrt(update, d_model=recipe.model.d_model, warmup=train.warmup_updates)
    factor = cooldown(update, last=train.max_updates, length=length)
    return train.learning_rate_scale * rate * factor


def inverse_sqrt(update: int, *, d_model: int, warmup: int) -> float:
    """Return d_model^-0.5 * min(update^-0.5, update * warmup^-1.5), equation 3; update >= 1."""
    return float(d_model**-0.5 * min(update**-0.5, update * warmup**-1.5))


def cooldown(update: int, *, last: int, length: int) -> float:
    """Return the factor that falls in equal steps in the last `length` of `last` updates.

    It is 1 before them and would be 0 one update after the last one (Haegele et al., 2024).
    """
    return min(1.0, max(0, last + 1 - update) / (length + 1))


class MovingAverage:
    """An exponential moving average of the weights, instead of an average of checkpoints.

    Like the checkpoints' average (section 6.1), it is better than the weights of a single update.
    It is known at every update, so that validations measure it and the best model has it. It is
    kept in the optimiser's state, where checkpoints hold it like Adam's moments.
    """

    def __init__(
        self, parameters: Sequence[Tensor], optimizer: torch.optim.Optimizer, decay: float
    ) -> None:
        """Prepare to average; `decay` is `train.moving_average`, 0 for no average."""
        self._parameters = [*parameters]
        self._optimizer = optimizer
        self._decay = decay

    def add(self, update: int) -> None:
        """Count the weights after an update: average = d * average + (1 - d) * weights.

        In the first updates, d is less than the decay, (1 + update) / (10 + update), so that the
        random weights of the beginning are soon forgotten; TensorFlow's ExponentialMovingAverage
        has the same rule.
        """
        if not self._decay:
            return
        with torch.no_grad():
            averages = self._averages()
            if not averages:  # Adam makes the state of a parameter in its first step
                for parameter in self._parameters:
                    self._optimizer.state[parameter][AVERAGE] = parameter.detach().clone()
                return
            decay = min(self._decay, (1 + update) / (10 + update))
            torch._foreach_lerp_(averages, self._parameters, 1 - decay)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Give the model the averaged weights within a `with` block, and its own ones afterwards.

        Nothing is copied. Without an average, the model keeps its own weights.
        """
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def _averages(self) -> list[Tensor]:
        """Return the average of each parameter; none before the first update."""
        states = self._optimizer.state
        return [states[key][AVERAGE] for key in self._parameters if AVERAGE in states.get(key, {})]

    def _exchange(self) -> None:
        for parameter, average in zip(self._parameters, self._averages(), strict=False):
            self._optimizer.state[parameter][AVERAGE], parameter.data = parameter.data, average


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
        """Return True if loss and gradient are finite; otherwise the weights did not change."""
        return math.isfinite(self.smoothed_loss) and math.isfinite(self.gradient_norm)


class StartedUpdate:
    """An update that a GPU may still be computing; `result` waits for it, not for later ones."""

    def __init__(self, number: int, learning_rate: float, values: Tensor) -> None:
        """Queue the copy of the values to the host, if they are on a GPU.

        values: (6 + signals,) in the order in which `result` reads them.
        """
        self.number, self.learning_rate, self.values = number, learning_rate, values
        self.copied: torch.cuda.Event | None = None
        if values.device.type == "cuda":
            # A copy that `result` starts would stand behind the next update, and wait for that too.
            self.values = values.to("cpu", non_blocking=True)  # into pinned memory
            self.copied = torch.cuda.Event()
            self.copied.record(torch.cuda.current_stream(values.device))

    def result(self) -> UpdateResult:
        """Wait for the update and return its result."""
        if self.copied is not None:
            self.copied.synchronize()
        loss, plain_loss, source_tokens, target_tokens, *flags, wanted, norm = self.values.tolist()
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
