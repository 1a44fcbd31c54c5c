"""The training loop (section 5)."""

import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from nmt.checkpoint import average, load_weights, read_model, save_model
from nmt.config import Recipe
from nmt.errors import NmtError
from nmt.log import note
from nmt.model.transformer import Transformer, count_parameters
from nmt.run import RunFolder
from nmt.text.batches import Batch, PairDataset, plan_epoch
from nmt.text.prepare import Prepared
from nmt.text.tokenizer import PAD
from nmt.training.loss import smoothed_loss
from nmt.training.report import Reporter, Sums
from nmt.training.schedule import inverse_sqrt
from nmt.training.signals import StopRequest
from nmt.training.state import averaged_updates, resume, save_checkpoint, weights_path
from nmt.training.validation import DevSet


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    updates: int
    best_bleu: float
    best_update: int
    averaged_bleu: float | None  # none if it was stopped before its end, or was done before
    stopped_by: int | None  # the signal, if one did


def check_compiler(device: torch.device) -> None:
    """Refuse torch.compile on a CPU without a C++ compiler, before it fails in mid-update."""
    candidates = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++", "c++"]
    if device.type == "cpu" and not any(map(shutil.which, candidates)):
        raise NmtError(
            f"train.compile needs a C++ compiler ({' or '.join(candidates)}); install one, or set"
            " train.compile=false"
        )


class Trainer:
    """Trains one recipe in one run folder, from its beginning or from its newest checkpoint."""

    def __init__(
        self, recipe: Recipe, prepared: Prepared, dev: DevSet, run: RunFolder, device: torch.device
    ) -> None:
        self.recipe = recipe
        self.run = run
        self.device = device
        self.dev = dev
        self.prepared = prepared
        self.dataset = PairDataset(prepared.shards)
        settings = recipe.train
        torch.manual_seed(settings.seed)
        self.network = Transformer(recipe.model, len(prepared.tokenizer), PAD).to(device)
        # A longer table made in mid-run would be compiled anew.
        longest = max(self.dataset.source_lengths.max(), self.dataset.target_lengths.max())
        self.network.position_table(int(longest))
        self.forward: Callable[[Tensor, Tensor], Tensor] = self.network
        if settings.compile:
            check_compiler(device)
            self.forward = torch.compile(self.network, dynamic=True)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(),
            lr=0.0,  # the schedule sets it before every update
            betas=(settings.adam_beta1, settings.adam_beta2),
            eps=settings.adam_epsilon,
            fused=True,
        )
        self.progress = resume(run, self.network, self.optimizer, prepared.fingerprint)

    def train(self) -> Outcome:
        """Update until the end, patience runs out or a signal comes; then average."""
        settings, progress = self.recipe.train, self.progress
        self.announce()
        with StopRequest() as stop, Reporter(self.run, self.recipe, progress) as reporter:
            if self.is_finished() and self.is_averaged():
                return self.outcome(None, None)
            batches = self.batches()
            while not self.is_finished():
                started = time.perf_counter()
                sums = self.update(next(batches))
                progress.seconds += time.perf_counter() - started
                reporter.add(sums)
                is_last = progress.update >= settings.max_updates
                if is_last or progress.update % settings.validate_updates == 0:
                    self.validate(reporter)
                if self.is_finished() or progress.update % settings.checkpoint_updates == 0:
                    self.save()
                if stop.signal is not None:
                    self.save()
                    return self.outcome(None, stop.signal)
            return self.outcome(self.finish(reporter), None)

    def announce(self) -> None:
        """Say what is trained, and from where."""
        settings = self.recipe.train
        parameters = count_parameters(self.recipe.model, len(self.prepared.tokenizer))
        data = self.recipe.data
        languages = f"{data.source_language}-{data.target_language}"
        threads = f", {torch.get_num_threads()} threads" if self.device.type == "cpu" else ""
        note(
            f"{self.recipe.name} ({languages}): {len(self.dataset):,} pairs,"
            f" {parameters:,} parameters, {settings.precision} on {self.device}{threads};"
            f" run folder {self.run.path}"
        )
        if self.progress.update:
            note(f"resumed at update {self.progress.update:,} of {settings.max_updates:,}")

    def batches(self) -> Iterator[Batch]:
        """Batches from where the progress stands, epoch after epoch."""
        settings, progress = self.recipe.train, self.progress
        while True:
            plan = plan_epoch(
                self.dataset.source_lengths,
                self.dataset.target_lengths,
                source_tokens=settings.batch_source_tokens,
                target_tokens=settings.batch_target_tokens,
                seed=settings.seed,
                epoch=progress.epoch,
            )
            for indices in plan[progress.batch :]:
                progress.batch += 1
                yield self.dataset.batch(indices)
            progress.epoch += 1
            progress.batch = 0

    def update(self, batch: Batch) -> Sums:
        """One optimiser update on one batch, accumulated over its micro-batches."""
        settings, progress = self.recipe.train, self.progress
        progress.update += 1
        self.network.train()
        torch.manual_seed(settings.seed * 1_000_003 + progress.update)  # dropout of this update
        smoothed, plain = 0.0, 0.0
        for part in batch.split(settings.micro_batch_tokens):
            micro = part.to(self.device)
            with self.autocast():
                logits = self.forward(micro.source, micro.target_input)
            sums = smoothed_loss(
                logits.flatten(0, 1), micro.labels.flatten(), settings.label_smoothing, PAD
            )
            sums.smoothed.backward()
            smoothed += float(sums.smoothed.detach())
            plain += float(sums.plain)
        if not math.isfinite(smoothed):
            raise NmtError(
                f"the loss is not a number at update {progress.update:,}: the training diverged;"
                " lower train.learning_rate_scale or lengthen train.warmup_updates"
            )
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        torch._foreach_div_(gradients, batch.target_tokens)  # sums and counts, divided once
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.optimizer.step()
        self.optimizer.zero_grad()
        return Sums(smoothed, plain, batch.source_tokens, batch.target_tokens, self.learning_rate())

    def learning_rate(self) -> float:
        """Of the current update (equation 3, times the recipe's factor)."""
        settings = self.recipe.train
        rate = inverse_sqrt(
            self.progress.update, d_model=self.recipe.model.d_model, warmup=settings.warmup_updates
        )
        return settings.learning_rate_scale * rate

    def autocast(self) -> AbstractContextManager[object]:
        """The precision of matrix products."""
        if self.recipe.train.precision == "bf16":
            return torch.autocast(self.device.type, torch.bfloat16)
        return nullcontext()

    def is_finished(self) -> bool:
        """Whether the last update or the end of patience is reached."""
        settings, progress = self.recipe.train, self.progress
        patient = not settings.patience or progress.validations_without_gain < settings.patience
        return progress.update >= settings.max_updates or not patient

    def is_averaged(self) -> bool:
        """Whether the run's model is already the average of its last checkpoints."""
        try:
            return [*read_model(self.run.model).updates] == self.averaged_updates()
        except NmtError:  # none yet, or a damaged one: it is made anew
            return False

    def averaged_updates(self) -> list[int]:
        """The checkpoints of the average, were the training to end here."""
        return averaged_updates(self.run, self.recipe, self.progress.update)

    def validate(self, reporter: Reporter) -> None:
        """Score the dev set; keep the model if it is the best so far."""
        progress = self.progress
        validation = self.dev.validate(self.network)
        better = validation.bleu > progress.best_bleu
        if better:
            progress.best_bleu, progress.best_update = validation.bleu, progress.update
            progress.validations_without_gain = 0
            self.save_network(self.run.best)
        else:
            progress.validations_without_gain += 1
        reporter.validated(validation, better)

    def save_network(self, path: Path) -> None:
        """Write the current weights as a model file."""
        save_model(
            path,
            self.network.state_dict(),
            self.prepared.tokenizer.model,
            self.recipe,
            [self.progress.update],
        )

    def save(self) -> None:
        """Write a checkpoint to go on from."""
        save_checkpoint(
            self.run,
            self.network,
            self.optimizer,
            self.progress,
            self.prepared.tokenizer.model,
            self.recipe,
            self.prepared.fingerprint,
        )

    def finish(self, reporter: Reporter) -> float:
        """Average the last checkpoints, save and score the average (section 6.1)."""
        updates = self.averaged_updates()
        mean = average([weights_path(self.run, update) for update in updates])
        save_model(self.run.model, mean.weights, mean.tokenizer, self.recipe, updates)
        load_weights(self.network, mean.weights, self.run.model)
        validation = self.dev.validate(self.network)
        reporter.averaged(validation, updates)
        return validation.bleu

    def outcome(self, averaged_bleu: float | None, signal: int | None) -> Outcome:
        """What to tell the caller."""
        progress = self.progress
        return Outcome(
            progress.update, progress.best_bleu, progress.best_update, averaged_bleu, signal
        )
