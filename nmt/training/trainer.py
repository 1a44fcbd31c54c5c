"""The training loop (section 5)."""

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from nmt.artifacts.model_file import ModelFile, load_weights, read_model, save_model
from nmt.artifacts.run_folder import RunFolder
from nmt.config import Recipe
from nmt.errors import DivergenceError
from nmt.model.transformer import Transformer
from nmt.system.log import note
from nmt.text.batches import Integers, PairDataset
from nmt.text.bpe_dropout import bpe_dropouts
from nmt.text.plan import EpochPlan, plan_epoch
from nmt.text.prepare import Prepared
from nmt.text.tokenizer import PAD
from nmt.training.averaging import is_averaged, write_average
from nmt.training.checkpoints import (
    STATE,
    newest_checkpoint,
    resume,
    save_checkpoint,
    updates_of,
    weights_path,
)
from nmt.training.cost import count_parameters
from nmt.training.memory_probe import check_memory
from nmt.training.metrics_log import MetricsLog, has_average
from nmt.training.signals import StoppedEarly, StopRequest
from nmt.training.updates import Sums, Updater
from nmt.training.validation import DevSet, Validation
from nmt.training.workers import Workers

SKIPS_IN_ROW = 5  # updates without a finite loss and gradient after which a run stops


@dataclass(frozen=True)
class Outcome:
    """How a training ended."""

    updates: int
    measure: str  # the name of what the dev set is scored by
    best_score: float | None
    best_update: int
    averaged_score: float | None  # none if it was stopped before its end, or was done before
    stopped_by: int | None  # the signal, if one did


class Trainer:
    """Trains one recipe in one run folder, from its beginning or from its newest checkpoint."""

    def __init__(
        self,
        recipe: Recipe,
        prepared: Prepared,
        dev: DevSet,
        run: RunFolder,
        device: torch.device,
        workers: Workers,
        initial: ModelFile | None = None,
    ) -> None:
        self.recipe = recipe
        self.run = run
        self.device = device
        self.dev = dev
        self.prepared = prepared
        self.workers = workers
        settings = recipe.train
        dropouts = bpe_dropouts(prepared.tokenizer, settings.bpe_dropout, settings.seed)
        self.dataset = PairDataset(prepared.shards, prepared.names, dropouts)
        torch.manual_seed(settings.seed)
        self.network = Transformer(recipe.model, len(prepared.tokenizer), PAD).to(device)
        if initial is not None:
            load_weights(self.network, initial.weights, Path(settings.init_from))
        # A longer table made in mid-run would be compiled anew.
        longest = max(self.dataset.source_lengths.max(), self.dataset.target_lengths.max())
        translated = recipe.decode.max_segment_tokens + recipe.decode.max_extra_tokens
        self.network.grow_positions(max(int(longest), translated))
        self.updater = Updater(recipe, self.network, workers, device)
        update = int(workers.first(lambda: str(newest_checkpoint(run, prepared.fingerprint))))
        self.progress = resume(run, update, self.network, self.updater.optimizer)

    def train(self) -> Outcome:
        """Update until the end, patience runs out or a signal comes; then average."""
        self.announce()
        if self.is_finished() and self.workers.first(self.is_averaged) == "yes":
            return self.outcome()
        writes = self.workers.is_first
        with (
            StopRequest(speaks=writes, alone=self.workers.count == 1) as stop,
            MetricsLog(self.run, self.recipe, self.progress, writes=writes) as reporter,
        ):
            self.updater.begin()
            if not self.is_finished() and not self.checked_memory(stop):
                return self.outcome(stopped_by=stop.signal)
            batches = self.batches()
            while self.validated(reporter, stop) and not self.is_finished():
                sums = self.update(next(batches), stop, reporter)
                if sums.signal is not None:
                    # The others wait, as torchrun ends all soon after the first that leaves.
                    self.workers.first(self.save)
                    return self.outcome(stopped_by=sums.signal)
                on_grid = self.progress.update % self.recipe.train.checkpoint_updates == 0
                if on_grid and sums.is_finite:  # else the weights may be what is wrong
                    self.save()
            self.workers.first(self.save)
            stopped_by = self.workers.agree(stop.signal, self.device)
            if stopped_by is not None:
                return self.outcome(stopped_by=stopped_by)
            return self.finish(reporter, stop)

    def announce(self) -> None:
        """Say what is trained, and from where."""
        settings = self.recipe.train
        parameters = count_parameters(self.recipe.model, len(self.prepared.tokenizer))
        data = self.recipe.data
        languages = f"{data.source_language}-{data.target_language}"
        threads = f", {torch.get_num_threads()} threads" if self.device.type == "cpu" else ""
        many = f", {self.workers.count} workers" if self.workers.count > 1 else ""
        note(
            f"{self.recipe.name} ({languages}): {len(self.dataset):,} pairs,"
            f" {parameters:,} parameters, {settings.precision} on {self.device.type}{threads}"
            f"{many}; run folder {self.run.path}"
        )
        if self.progress.update:
            note(f"resumed at update {self.progress.update:,} of {settings.max_updates:,}")

    def plan(self) -> EpochPlan:
        """The batches of the present epoch."""
        settings = self.recipe.train
        return plan_epoch(
            self.dataset.source_lengths,
            self.dataset.target_lengths,
            source_tokens=settings.batch_source_tokens,
            target_tokens=settings.batch_target_tokens,
            seed=settings.seed,
            epoch=self.progress.epoch,
        )

    def batches(self) -> Iterator[Integers]:
        """The pairs of each batch from where the progress stands, epoch after epoch."""
        progress = self.progress
        while True:
            plan = self.dataset.dealt(self.plan(), self.recipe.train.seed, progress.epoch)
            while progress.batch < len(plan):
                progress.batch += 1
                yield plan[progress.batch - 1]
            del plan  # else two would be held at a time
            progress.epoch += 1
            progress.batch = 0

    def checked_memory(self, stop: StopRequest) -> bool:
        """Whether memory was found to suffice; False if a signal to one who works alone came first.

        Raises NmtError if it does not suffice.
        """
        if self.workers.count > 1:
            self.check_memory()
            return True
        try:
            with stop.may_leave():
                self.check_memory()
        except StoppedEarly:
            return False
        return True

    def check_memory(self) -> None:
        """Refuse to begin if memory does not suffice for the largest batches."""
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

    def update(self, indices: Integers, stop: StopRequest, reporter: MetricsLog) -> Sums:
        """One update on this worker's share; raises DivergenceError if too many are skipped."""
        progress, workers = self.progress, self.workers
        started = time.perf_counter()
        mine = indices[workers.rank :: workers.count]
        share = self.dataset.batch(mine if len(mine) else indices[:1], progress.epoch)
        progress.update += 1
        asked = signal.SIGTERM if workers.is_orphaned() else stop.signal
        sums = self.updater.update(share, progress.update, counts=bool(len(mine)), stop=asked)
        progress.seconds += time.perf_counter() - started
        progress.skipped += not sums.is_finite
        progress.skipped_in_row = 0 if sums.is_finite else progress.skipped_in_row + 1
        reporter.add(sums)
        if not sums.is_finite:
            lines = self.dataset.lines(indices)
            reporter.skipped(sums, lines)
            if progress.skipped_in_row >= SKIPS_IN_ROW:
                raise DivergenceError(self.describe_divergence(lines))
        return sums

    def describe_divergence(self, lines: dict[str, list[int]]) -> str:
        """Why a run stops that has no finite loss any more, and what helps."""
        update = self.progress.update
        places = []
        for name, numbers in lines.items():
            more = f" and {len(numbers) - 20:,} more" if len(numbers) > 20 else ""
            places.append(f"{name}, lines {', '.join(map(str, numbers[:20]))}{more}")
        # The update that spoils the weights is itself finite, so the newest need not be sound.
        states = updates_of(self.run, STATE)
        sound = self.run.best if self.progress.best_update else None
        if sound is None and states:
            sound = weights_path(self.run, states[0])
        good = f" --init-from {sound}" if sound else ""
        return (
            f"update {update:,}: loss or gradient was not a number {SKIPS_IN_ROW} times in a row,"
            f" the training diverged; the last batch held {'; '.join(places)}. If these lines are"
            " sound, begin anew with a lower train.learning_rate_scale, more train.warmup_updates"
            f" or train.precision=float32:{good} --run NEW_FOLDER"
        )

    def is_finished(self) -> bool:
        """Whether the last update or the end of patience is reached."""
        settings, progress = self.recipe.train, self.progress
        patient = not settings.patience or progress.validations_without_gain < settings.patience
        return progress.update >= settings.max_updates or not patient

    def is_averaged(self) -> str:
        """ "yes" if nothing is left to do after the last update."""
        done = is_averaged(self.run, self.recipe, self.progress.update)
        return "yes" if done and has_average(self.run, self.progress.update) else "no"

    def validated(self, reporter: MetricsLog, stop: StopRequest) -> bool:
        """Score the dev set if it is time to, keep the best; False if a signal cut that short."""
        settings, progress = self.recipe.train, self.progress
        due = progress.update % settings.validate_updates == 0 or self.is_finished()
        if not progress.update or not due or progress.validated_update == progress.update:
            return True
        validation = self.score(stop)
        if validation is None:
            return False
        better = progress.is_gain(validation, settings.early_stopping_metric)
        progress.count_validation(validation, better)
        if better and self.workers.is_first:
            update, tokenizer = progress.update, self.prepared.tokenizer.model
            weights = self.network.state_dict()
            save_model(self.run.best, weights, tokenizer, self.recipe, [update])
        reporter.validated(validation, better)
        if progress.update % settings.checkpoint_updates == 0:
            self.save()
        return True

    def score(self, stop: StopRequest) -> Validation | None:
        """A validation; none if a signal ended it.

        One who works alone leaves at once, many when all have done the batch they are at.
        """
        alone = self.workers.count == 1
        try:
            with stop.may_leave() if alone else self.workers.may_leave(stop):
                return self.dev.validate(self.network)
        except StoppedEarly:
            return None

    def save(self) -> str:
        """Write a checkpoint to go on from."""
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
        return "saved"

    def finish(self, reporter: MetricsLog, stop: StopRequest) -> Outcome:
        """Average the last checkpoints, save and score the average (section 6.1)."""
        self.workers.first(lambda: write_average(self.run, self.recipe, self.progress.update))
        mean = read_model(self.run.model)
        load_weights(self.network, mean.weights, self.run.model)
        validation = self.score(stop)
        if validation is None:
            return self.outcome(stopped_by=self.workers.agree(stop.signal, self.device))
        reporter.averaged(validation, [*mean.updates])
        return self.outcome(averaged_score=validation.score)

    def outcome(
        self, *, averaged_score: float | None = None, stopped_by: int | None = None
    ) -> Outcome:
        """What to tell the caller."""
        progress = self.progress
        best = progress.best_score, progress.best_update
        return Outcome(progress.update, self.dev.measure.name, *best, averaged_score, stopped_by)
