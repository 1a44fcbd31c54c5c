"""The training loop (section 5)."""

import signal
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from nmt.artifacts.model_file import load_weights, read_model_file, save_model
from nmt.artifacts.run_folder import RunFolder
from nmt.decoding.segments import output_limit
from nmt.model.transformer import Transformer
from nmt.system.log import note
from nmt.text.batches import Integers, PairDataset
from nmt.text.bpe_dropout import bpe_dropouts
from nmt.text.plan import EpochPlan, plan_epoch
from nmt.text.tokenizer import PAD
from nmt.training.averaging import is_averaged, write_average
from nmt.training.checkpoints import newest_checkpoint, resume, save_checkpoint
from nmt.training.cost import count_parameters
from nmt.training.divergence import check_divergence
from nmt.training.memory_probe import check_memory
from nmt.training.metrics_log import MetricsLog, has_average
from nmt.training.setup import Setup
from nmt.training.signals import Interrupted, StopRequest
from nmt.training.updates import Updater, UpdateResult
from nmt.training.validation import DevSet, Validation
from nmt.training.workers import Workers


@dataclass(frozen=True)
class TrainingOutcome:
    """The result of a training."""

    updates: int
    measure: str  # name of the score on the dev set
    best_score: float | None  # None if nothing was validated
    best_update: int
    averaged_score: float | None  # None if stopped by a signal, or finished by an earlier start
    stopped_by: int | None  # the signal that stopped the training


class Trainer:
    """Trains a recipe in a run folder, from the start or from the newest checkpoint."""

    def __init__(
        self, setup: Setup, dev: DevSet, run: RunFolder, device: torch.device, workers: Workers
    ) -> None:
        """Create the network and load its weights: initial ones, or those of a checkpoint.

        Raises NmtError if the run's checkpoints cannot be used.
        """
        self.recipe = setup.recipe
        self.prepared = setup.prepared
        self.dev = dev
        self.run = run
        self.device = device
        self.workers = workers
        self.dataset = training_pairs(setup)
        self.network = initial_network(setup, self.dataset).to(device)
        self.updater = Updater(self.recipe, self.network, workers, device)
        fingerprint = setup.prepared.fingerprint
        update = workers.on_first_worker(lambda: newest_checkpoint(run, fingerprint))
        self.progress = resume(run, update, self.network, self.updater.optimizer)

    def train(self) -> TrainingOutcome:
        """Update until `train.max_updates`, the end of patience or a signal; then average."""
        self.announce()
        if self.is_finished() and self.workers.on_first_worker(self.is_averaged):
            return self.outcome()
        prints, single = self.workers.is_first, self.workers.count == 1
        with (
            StopRequest(prints=prints, single_process=single) as stop,
            MetricsLog(self.run, self.recipe, self.progress, writes=prints) as log,
        ):
            self.updater.set_up()
            if not self.is_finished() and not self.check_memory(stop):
                return self.outcome(stopped_by=stop.signal)
            batches = self.batches()
            while self.validate_if_due(log, stop) and not self.is_finished():
                result = self.update(next(batches), log, stop)
                if result.signal is not None:
                    # The others wait: torchrun ends all workers soon after the first one exits.
                    self.workers.on_first_worker(self.save)
                    return self.outcome(stopped_by=result.signal)
                if self.is_checkpoint_due() and result.is_finite:  # else the weights may be broken
                    self.save()
            self.workers.on_first_worker(self.save)
            stopped_by = self.workers.shared_signal(stop.signal, self.device)
            if stopped_by is not None:
                return self.outcome(stopped_by=stopped_by)
            return self.average(log, stop)

    def update(self, indices: Integers, log: MetricsLog, stop: StopRequest) -> UpdateResult:
        """Apply one update with this worker's share of a batch.

        Raises DivergenceError if too many updates in a row are skipped.
        """
        progress, workers = self.progress, self.workers
        started = time.perf_counter()
        own = indices[workers.rank :: workers.count]
        # A worker without pairs takes one that does not count: every worker needs a backward pass.
        share = self.dataset.batch(own if len(own) else indices[:1], progress.epoch)
        progress.update += 1
        received = signal.SIGTERM if workers.is_orphaned() else stop.signal
        result = self.updater.update(share, progress.update, counts=bool(len(own)), stop=received)
        seconds = time.perf_counter() - started
        progress.count_update(skipped=not result.is_finite, seconds=seconds)
        log.add(result)
        if not result.is_finite:
            lines = self.dataset.lines(indices)
            log.write_skipped(result, lines)
            check_divergence(progress, self.run, lines)
        return result

    def validate_if_due(self, log: MetricsLog, stop: StopRequest) -> bool:
        """Validate if it is time to, and keep the best model; return False if a signal came."""
        settings, progress = self.recipe.train, self.progress
        due = progress.update % settings.validate_updates == 0 or self.is_finished()
        if not progress.update or not due or progress.validated_update == progress.update:
            return True
        validation = self.validate(stop)
        if validation is None:
            return False
        improved = progress.is_improvement(validation, settings.early_stopping_metric)
        progress.count_validation(validation, improved=improved)
        if improved and self.workers.is_first:
            weights, tokenizer = self.network.state_dict(), self.prepared.tokenizer.model
            save_model(self.run.best, weights, tokenizer, self.recipe, [progress.update])
        log.write_validation(validation, improved=improved)
        if self.is_checkpoint_due():
            self.save()
        return True

    def validate(self, stop: StopRequest) -> Validation | None:
        """Return a validation; None if a signal interrupted it.

        A single process stops at once, many workers when all have finished their current batch.
        """
        single = self.workers.count == 1
        try:
            with stop.interruptible() if single else self.workers.interruptible(stop):
                return self.dev.validate(self.network)
        except Interrupted:
            return None

    def average(self, log: MetricsLog, stop: StopRequest) -> TrainingOutcome:
        """Average the last checkpoints (section 6.1), save and validate the average."""
        self.workers.on_first_worker(self.write_average)
        mean = read_model_file(self.run.model)
        load_weights(self.network, mean.weights, self.run.model)
        validation = self.validate(stop)
        if validation is None:
            stopped_by = self.workers.shared_signal(stop.signal, self.device)
            return self.outcome(stopped_by=stopped_by)
        log.write_average(validation, [*mean.updates])
        return self.outcome(averaged_score=validation.score)

    def batches(self) -> Iterator[Integers]:
        """Yield the pair indices of each batch from the progress on, epoch after epoch."""
        progress = self.progress
        while True:
            plan = self.dataset.rebatched(self.plan(), self.recipe.train.seed, progress.epoch)
            while progress.batch < len(plan):
                progress.batch += 1
                yield plan[progress.batch - 1]
            del plan  # before the next epoch's plan is made: each takes much memory
            progress.epoch += 1
            progress.batch = 0

    def plan(self) -> EpochPlan:
        """Return the batches of the current epoch."""
        settings = self.recipe.train
        return plan_epoch(
            self.dataset.source_lengths,
            self.dataset.target_lengths,
            source_tokens=settings.batch_source_tokens,
            target_tokens=settings.batch_target_tokens,
            seed=settings.seed,
            epoch=self.progress.epoch,
        )

    def check_memory(self, stop: StopRequest) -> bool:
        """Check that memory suffices for the largest batches; return False if a signal came.

        Raises NmtError if it does not suffice.
        """
        single = self.workers.count == 1
        try:
            with stop.interruptible() if single else nullcontext():
                check_memory(
                    self.recipe,
                    self.plan(),
                    self.dataset,
                    self.progress.epoch,
                    self.dev,
                    self.updater,
                    self.network,
                    self.workers,
                )
        except Interrupted:
            return False
        return True

    def is_finished(self) -> bool:
        """Return True after `train.max_updates`, or when the dev set improves no more."""
        settings, progress = self.recipe.train, self.progress
        without_improvement = progress.validations_without_improvement
        out_of_patience = 0 < settings.patience <= without_improvement
        return progress.update >= settings.max_updates or out_of_patience

    def is_averaged(self) -> bool:
        """Return True if the average up to the current update is written and validated."""
        update = self.progress.update
        return is_averaged(self.run, self.recipe, update) and has_average(self.run, update)

    def is_checkpoint_due(self) -> bool:
        """Return True if the current update is a multiple of `train.checkpoint_updates`."""
        return self.progress.update % self.recipe.train.checkpoint_updates == 0

    def save(self) -> None:
        """Write a checkpoint if this is the first worker."""
        if self.workers.is_first:
            save_checkpoint(
                self.run,
                self.network,
                self.updater.optimizer,
                self.progress,
                self.prepared.tokenizer.model,
                self.recipe,
                self.prepared.fingerprint,
            )

    def write_average(self) -> None:
        """Write the average of the last checkpoints."""
        write_average(self.run, self.recipe, self.progress.update)

    def announce(self) -> None:
        """Print what is trained, where, and the update that it resumes from."""
        settings, data = self.recipe.train, self.recipe.data
        parameters = count_parameters(self.recipe.model, len(self.prepared.tokenizer))
        threads = f", {torch.get_num_threads()} threads" if self.device.type == "cpu" else ""
        workers = f", {self.workers.count} workers" if self.workers.count > 1 else ""
        note(
            f"{self.recipe.name} ({data.source_language}-{data.target_language}):"
            f" {len(self.dataset):,} pairs, {parameters:,} parameters, {settings.precision} on"
            f" {self.device.type}{threads}{workers}; run folder {self.run.path}"
        )
        if self.progress.update:
            note(f"resumed at update {self.progress.update:,} of {settings.max_updates:,}")

    def outcome(
        self, *, averaged_score: float | None = None, stopped_by: int | None = None
    ) -> TrainingOutcome:
        """Return the result of the training so far."""
        progress = self.progress
        best = progress.best_score, progress.best_update
        measure = self.dev.measure.name
        return TrainingOutcome(progress.update, measure, *best, averaged_score, stopped_by)


def training_pairs(setup: Setup) -> PairDataset:
    """Return the training pairs of a setup, with BPE-dropout if its recipe asks for it."""
    settings, prepared = setup.recipe.train, setup.prepared
    dropouts = bpe_dropouts(prepared.tokenizer, settings.bpe_dropout, settings.seed)
    return PairDataset(prepared.shards, prepared.names, dropouts)


def initial_network(setup: Setup, dataset: PairDataset) -> Transformer:
    """Return the network with the setup's initial model, or with random weights by the seed."""
    recipe = setup.recipe
    torch.manual_seed(recipe.train.seed)
    network = Transformer(recipe.model, len(setup.prepared.tokenizer), PAD)
    if setup.initial is not None:
        load_weights(network, setup.initial.weights, Path(recipe.train.init_from))
    # The table of positions gets its final size now: growing it later would compile again.
    longest = max(dataset.source_lengths.max(), dataset.target_lengths.max())
    translated = output_limit(recipe.decode.max_segment_tokens, recipe.decode)
    network.grow_positions(max(int(longest), translated))
    return network
