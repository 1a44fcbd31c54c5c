"""The training loop (section 5)."""

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from functools import cached_property, partial
from pathlib import Path
from time import monotonic

import torch

from nmt.config import Recipe
from nmt.decoding.models.alignment import choose_attention
from nmt.decoding.translator.segments import output_limit
from nmt.errors import DivergenceError, list_first
from nmt.model import make_network
from nmt.model.encoder_decoder import EncoderDecoder
from nmt.recipe.settings import with_settings
from nmt.runs.history import read_history
from nmt.runs.model_file import ModelFile, Weights, save_model, write_alignment
from nmt.runs.run_folder import MANIFEST, STATE, WEIGHTS, RunFolder
from nmt.runs.trained_model import load_file, load_weights, to_arrays
from nmt.system.arguments import argument
from nmt.system.files import is_present
from nmt.system.log import note
from nmt.system.threads import thread_pool_for
from nmt.text.alignment import align_pairs
from nmt.text.batches import PairDataset
from nmt.text.bpe_dropout import bpe_dropouts
from nmt.text.encode import alone
from nmt.text.facts import known_text
from nmt.text.reading.corpus import DataFolder
from nmt.text.shards import Integers
from nmt.text.subwords.tokenizer import PAD
from nmt.training.files.averaging import is_averaged, write_average
from nmt.training.files.checkpoints import (
    CheckpointWriter,
    newest_checkpoint,
    resume,
)
from nmt.training.files.lost_files import restore_results
from nmt.training.files.metrics_log import MetricsLog, Observer, announce
from nmt.training.files.progress import TrainingOutcome
from nmt.training.loader import (
    BatchLoader,
    LoadedBatch,
    choose_prefetch,
    epoch_batches,
    plan_batches,
)
from nmt.training.memory_probe import check_memory
from nmt.training.parallel.workers import Workers
from nmt.training.precision import choose_precision
from nmt.training.setup import Setup, record, set_up_workers
from nmt.training.signals import Interrupted, StopRequest
from nmt.training.updates import StartedUpdate, Updater, UpdateResult
from nmt.training.validation import DevSet, Validation

ALIGNED_PAIRS = 300  # at most, of the dev set, that choose what aligns words
MAX_SKIPS_IN_ROW = 5  # skipped updates after which a training stops
SHOWN_LINES = 20  # of each text file

# Returns the observer of a run, before the first update, from run folder, setup and dev set.
Observe = Callable[[RunFolder, Setup, DevSet], Observer]


def train(
    recipe: Recipe,
    data: DataFolder,
    run: RunFolder,
    device: torch.device,
    workers: Workers,
    observe: Observe | None = None,
) -> TrainingOutcome:
    """Train a recipe in a run folder, from the start or from the newest checkpoint.

    The corpus is prepared if needed. Every worker calls this function. observe: called on the
    first worker; it returns the observer of the metrics. Raises NmtError for a corpus, a run folder
    or an initial model that cannot be used, DivergenceError if the loss stays NaN or infinite.
    """
    with run.lock() if workers.is_first else nullcontext():
        setup = set_up_workers(recipe, data, run, device, workers)
        if isinstance(setup, TrainingOutcome):
            return setup
        pool = thread_pool_for(device) if workers.is_alone else workers
        dev = DevSet(setup.recipe, setup.dev_pairs, setup.prepared.tokenizer, pool)
        observer = observe(run, setup, dev) if observe is not None and workers.is_first else None
        with repeatable(device, wanted=setup.recipe.train.deterministic):
            trainer = Trainer(setup, dev, run, device, workers, observer)
            if workers.is_first:
                restore_results(run, setup.recipe, trainer.progress)
                record(setup.recipe, data, run, note)
            return trainer.train()


class Trainer:
    """Trains a recipe in a run folder, from the start or from the newest checkpoint."""

    def __init__(
        self,
        setup: Setup,
        dev: DevSet,
        run: RunFolder,
        device: torch.device,
        workers: Workers,
        observer: Observer | None = None,
    ) -> None:
        """Create the network and load its weights: initial ones, or those of a checkpoint.

        Raises NmtError if the run's checkpoints cannot be used.
        """
        self.recipe, self.prepared, self.dev = setup.recipe, setup.prepared, dev
        self.run, self.device, self.workers, self.observer = run, device, workers, observer
        self.dataset = training_pairs(setup)
        self.network = initial_network(setup, self.dataset).to(device)
        self.prefetch = choose_prefetch(device)
        self.writer = CheckpointWriter(run, in_background=self.prefetch.saves_in_background)
        if workers.lifeline is not None:  # finish a checkpoint before it ends
            workers.lifeline.before_exit = self.writer.finish
        # With the epoch and the indices of the pairs.
        self.started: deque[tuple[StartedUpdate, int, Integers]] = deque()
        self.updater = Updater(self.recipe, self.network, workers, device)
        fingerprint = setup.prepared.fingerprint
        update = workers.on_first_worker(lambda: newest_checkpoint(run, fingerprint))
        self.progress = resume(run, update, self.network, self.updater.optimizer)
        self.validation: Validation | None = None  # the last one

    def train(self) -> TrainingOutcome:
        """Update until `train.max_updates`, the end of patience or a signal; then average."""
        announce(self.recipe, self.prepared, self.run, self.device, self.workers, self.progress)
        if self.is_finished() and self.workers.on_first_worker(self.is_averaged):
            return self.outcome()
        prints, single = self.workers.is_first, self.workers.is_alone
        with (
            StopRequest(prints=prints, single_process=single) as stop,
            MetricsLog(self.run, self.recipe, self.progress, self.observer, writes=prints) as log,
            self.writer,
            closing(self.updater),
        ):
            if not self.is_finished() and not self.choose_settings(stop):
                return self.outcome(stopped_by=stop.signal)
            self.saved_at = monotonic()
            with self.make_loader() as loader:
                while self.validate_if_due(log, stop) and not self.is_finished():
                    if not self.started:
                        self.since = time.perf_counter()  # seconds count from here
                    results = self.update(next(loader), log, stop)
                    signals = [result.signal for result in results if result.signal is not None]
                    if signals:
                        self.finish_started(log)
                        # The others wait: torchrun ends all workers soon after the first one exits.
                        self.workers.on_first_worker(self.save_now)
                        return self.outcome(stopped_by=signals[0])
                    self.save_if_due()
            self.workers.on_first_worker(self.save_now)
            stopped_by = self.workers.shared_signal(stop.signal)
            if stopped_by is not None:
                return self.outcome(stopped_by=stopped_by)
            return self.average(log, stop)

    def update(self, batch: LoadedBatch, log: MetricsLog, stop: StopRequest) -> list[UpdateResult]:
        """Start an update and return the results of those that are finished.

        A GPU computes an update while the next one is started, so that results come late; none is
        missing where a validation or a checkpoint follows. The first worker's request for a
        checkpoint travels with the update, so that all workers save after the same one. Raises
        DivergenceError if too many updates in a row are skipped.
        """
        self.writer.check()
        progress = self.progress
        progress.update += 1
        progress.epoch, progress.batch = batch.epoch, batch.number
        received = signal.SIGTERM if self.workers.is_orphaned() else stop.signal
        started = self.updater.start(
            batch.share, progress.update, batch.counts, received, self.is_time_to_save()
        )
        self.started.append((started, batch.epoch, batch.indices))
        is_due = self.is_checkpoint_due() or self.is_validation_due() or self.is_finished()
        results = self.finish_started(log, leave=0 if is_due else self.prefetch.late_results)
        if any(result.wants_checkpoint for result in results):
            results += self.finish_started(log)
            if results[-1].is_finite:
                progress.timed_update = progress.update
                self.saved_at = monotonic()
        return results

    def finish_started(self, log: MetricsLog, leave: int = 0) -> list[UpdateResult]:
        """Wait for started updates, except for the last ones, and record their results."""
        results = []
        while len(self.started) > leave:
            update, epoch, indices = self.started.popleft()
            result = update.result()
            now = time.perf_counter()
            seconds, self.since = now - self.since, now
            self.progress.count_update(skipped=not result.is_finite, seconds=seconds)
            log.add(result, epoch)
            if not result.is_finite:
                lines = self.dataset.lines(indices)
                log.write_skipped(result, epoch, lines)
                self.check_divergence(lines)
            results.append(result)
        return results

    def check_divergence(self, lines: Mapping[str, Sequence[int]]) -> None:
        """Raise DivergenceError, with what to try, if too many updates in a row were skipped.

        lines: the line numbers of the last batch's pairs by text file.
        """
        progress = self.progress
        if progress.skipped_in_row < MAX_SKIPS_IN_ROW:
            return
        # The update that breaks the weights is itself finite, so the newest checkpoint may be
        # broken: the best model, or else the oldest checkpoint, is safer.
        good = [self.run.checkpoint(update, WEIGHTS) for update in self.run.updates_with(STATE)[:1]]
        if progress.best_update:
            good = [self.run.best]
        shown = "; ".join(
            f"{name}, lines {list_first(numbers, SHOWN_LINES)}" for name, numbers in lines.items()
        )
        init_from = "".join(f" --init-from {argument(path)}" for path in good)
        raise DivergenceError(
            f"update {progress.update:,}: the training diverged, loss or gradient was NaN or"
            f" infinite {MAX_SKIPS_IN_ROW} times in a row; the last batch held"
            f" {shown}. If these lines are sound, train again with a lower"
            " train.learning_rate_scale, more train.warmup_updates or train.precision=float32:"
            f"{init_from} --run NEW_FOLDER"
        )

    def validate_if_due(self, log: MetricsLog, stop: StopRequest) -> bool:
        """Validate if it is time to, and keep the best model; return False if a signal came."""
        settings, progress = self.recipe.train, self.progress
        due = self.is_validation_due() or self.is_finished()
        if not progress.update or not due or progress.validated_update == progress.update:
            return True
        validation = self.validation = self.validate(stop)
        if validation is None:
            return False
        improved = progress.is_improvement(validation, settings.early_stopping_metric)
        progress.count_validation(validation, improved=improved)
        if improved and self.workers.is_first:
            self.save_model(self.run.best)
        log.write_validation(validation, improved=improved)
        self.save_if_due()
        return True

    def validate(self, stop: StopRequest) -> Validation | None:
        """Return a validation; None if a signal interrupted it."""
        try:
            with self.updater.average.in_use(), self.workers.interruptible(stop):
                return self.dev.validate(self.network)
        except Interrupted:
            return None

    def average(self, log: MetricsLog, stop: StopRequest) -> TrainingOutcome:
        """Average the last checkpoints (section 6.1), save and validate the average."""
        self.workers.on_first_worker(self.write_average)
        mean = load_file(self.network, self.run.model)
        self.workers.on_first_worker(self.choose_alignment)
        update, settings = self.progress.update, self.recipe.train
        # Then the average is what the last validation measured.
        is_validated = settings.moving_average or [*mean.updates] == [update]
        validation = (self.validation if is_validated else None) or self.validate(stop)
        if validation is None:
            return self.outcome(stopped_by=self.workers.shared_signal(stop.signal))
        log.write_average(validation, [*mean.updates])
        return self.outcome(averaged_score=validation.score)

    def make_loader(self) -> BatchLoader:
        """Return a loader of the batches from the progress on."""
        return BatchLoader(
            self.dataset,
            partial(epoch_batches, self.recipe.train, self.dataset),
            epoch=self.progress.epoch,
            batch=self.progress.batch,
            workers=self.workers,
            micro_batch_tokens=self.recipe.train.micro_batch_tokens,
            prefetch=self.prefetch,
            device=self.device,
        )

    def choose_settings(self, stop: StopRequest) -> bool:
        """Choose the precision and the micro-batches that the recipe leaves open.

        A resumed run takes them from its recipe. Returns False if a signal came. Raises NmtError if
        memory does not suffice for the largest batches.
        """
        precision = self.recipe.train.precision
        try:
            with self.workers.interruptible(stop):
                if precision == "auto" and not self.progress.update:
                    precision = choose_precision(self.updater, self.make_loader())
                    self.updater.precision = precision
                self.updater.set_up()
                micro_batch_tokens = check_memory(
                    self.updater,
                    self.dev,
                    self.dataset,
                    plan_batches(self.recipe.train, self.dataset, self.progress.epoch),
                    epoch=self.progress.epoch,
                    length_multiple=self.prefetch.length_multiple,
                )
        except Interrupted:
            return False
        chosen = {"train.precision": precision, "train.micro_batch_tokens": micro_batch_tokens}
        if with_settings(self.recipe, chosen) != self.recipe:
            self.recipe = with_settings(self.recipe, chosen)
            self.workers.on_first_worker(lambda: self.run.save_recipe(self.recipe))
        return True

    def is_finished(self) -> bool:
        """Return True after `train.max_updates`, or when the dev set improves no more."""
        return self.progress.is_finished(self.recipe.train)

    def is_averaged(self) -> bool:
        """Return True if the average up to the current update is written and validated."""
        update = self.progress.update
        scored = read_history(self.run.metrics, self.recipe).scored
        is_validated = any(one.kind == "average" and one.update == update for one in scored)
        return is_validated and is_averaged(self.run, self.recipe, update)

    def is_validation_due(self) -> bool:
        """Return True if the current update is a multiple of `train.validate_updates`."""
        return self.progress.update % self.recipe.train.validate_updates == 0

    def is_checkpoint_due(self) -> bool:
        """Return True if a checkpoint of the current update is due, by updates or by time."""
        return self.progress.is_checkpoint_due(self.recipe.train)

    def is_time_to_save(self) -> bool:
        """Return True if this worker decides, and `train.checkpoint_minutes` have passed.

        The paper's checkpoints are written every 10 minutes (section 6.1).
        """
        seconds = 60 * self.recipe.train.checkpoint_minutes
        return self.workers.is_first and 0 < seconds <= monotonic() - self.saved_at

    def save_if_due(self) -> None:
        """Write a checkpoint if one is due and the weights are not perhaps broken."""
        if self.is_checkpoint_due() and not self.progress.skipped_in_row:
            self.save()

    def save(self) -> None:
        """Write a checkpoint if this is the first worker."""
        if self.workers.is_first:
            self.writer.save(
                self.network,
                self.updater.optimizer,
                self.progress,
                self.prepared.fingerprint,
                self.model_file({}),
            )

    def save_now(self) -> None:
        """Write a checkpoint and wait until it is written."""
        self.save()
        self.writer.wait()

    def write_average(self) -> None:
        """Write the run's model: the moving average, or the average of the last checkpoints."""
        if self.recipe.train.moving_average:
            self.save_model(self.run.model)
            return
        self.writer.check_folder(self.progress.update)
        write_average(self.run, self.recipe, self.progress.update)

    def choose_alignment(self) -> None:
        """Choose what aligns words in the average, and write it into the average and the best.

        It is the attention that agrees best with a statistical aligner on the dev set.
        """
        step = -1 if self.recipe.model.is_right_to_left else 1
        tags = {*self.prepared.tokenizer.source.tag_ids()}
        pairs = [(alone(pair[0], tags), alone(pair[1], tags)) for pair in self.dev.encoded]
        pairs = [pair for pair in pairs if pair[1] and not tags.issuperset(pair[0])]
        pairs = pairs[:: max(1, -(-len(pairs) // ALIGNED_PAIRS))]
        sources, targets = [pair[0] for pair in pairs], [pair[1][::step] for pair in pairs]
        links = align_pairs(self.prepared.shards, self.prepared.tokenizer, sources, targets)
        subwords = self.prepared.tokenizer.target
        chosen = choose_attention(self.network, sources, targets, links, subwords)
        if chosen is not None:
            for path in filter(is_present, (self.run.model, self.run.best)):
                write_alignment(path, chosen)

    def save_model(self, path: Path) -> None:
        """Write a model file with the weights that validations measure."""
        self.writer.check_folder(self.progress.update)
        with self.updater.average.in_use():
            save_model(path, self.model_file(to_arrays(self.network.state_dict())))

    def model_file(self, weights: Weights) -> ModelFile:
        """Return the content of a model file of the current update."""
        tokenizer, update = self.prepared.tokenizer.model, self.progress.update
        return ModelFile(weights, tokenizer, self.recipe, (update,), known_text=self.known_text)

    @cached_property
    def known_text(self) -> bytes:
        """Return the bytes of the `KnownText` that each model file gets."""
        sources = [source for source, _ in self.dev.encoded]
        found = known_text(self.prepared.shards, self.prepared.tokenizer, sources)
        return found.to_bytes() if found else b""

    def outcome(
        self, *, averaged_score: float | None = None, stopped_by: int | None = None
    ) -> TrainingOutcome:
        """Return the result of the training so far."""
        progress, measure = self.progress, self.dev.measure.name
        best = progress.best_score, progress.best_update
        self.writer.wait()
        saved = max(self.run.updates_with(STATE, MANIFEST), default=None)
        return TrainingOutcome(progress.update, measure, *best, averaged_score, stopped_by, saved)


def training_pairs(setup: Setup) -> PairDataset:
    """Return the training pairs of a setup, with BPE-dropout if its recipe asks for it."""
    settings, prepared = setup.recipe.train, setup.prepared
    dropouts = bpe_dropouts(prepared.tokenizer, settings.bpe_dropout, settings.seed)
    return PairDataset(
        prepared.shards,
        prepared.names,
        dropouts,
        right_to_left=setup.recipe.model.is_right_to_left,
        alignments=prepared.alignments,
        share=settings.share,
        directions=prepared.directions,
    )


def initial_network(setup: Setup, dataset: PairDataset) -> EncoderDecoder:
    """Return the network with the setup's initial model, or with random weights by the seed."""
    recipe = setup.recipe
    torch.manual_seed(recipe.train.seed)
    network = make_network(recipe.model, len(setup.prepared.tokenizer), PAD)
    if setup.initial is not None:
        load_weights(network, setup.initial.weights, Path(recipe.train.init_from))
    # The table of positions gets its final size now: growing it later would compile again.
    longest = max(dataset.source_lengths.max(), dataset.target_lengths.max())
    translated = output_limit(recipe.decode.max_segment_tokens, recipe.decode)
    network.grow_positions(max(int(longest), translated))
    return network


@contextmanager
def repeatable(device: torch.device, *, wanted: bool) -> Iterator[None]:
    """Let a GPU use only kernels that repeat their results bit for bit; a no-op on a CPU.

    An operation without such a kernel raises RuntimeError.
    """
    if not wanted or device.type != "cuda":
        yield
        return
    # cuBLAS reads this when it starts, with the first matrix product.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
