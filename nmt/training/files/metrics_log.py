"""Report a training: a bar or lines on stderr, metrics.jsonl and TensorBoard."""

import json
import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from time import monotonic
from typing import Any

import torch

from nmt.config import Recipe, TrainSettings
from nmt.errors import NmtError, write_advice
from nmt.recipe.size import count_parameters
from nmt.runs.history import Line, read_metrics
from nmt.runs.run_folder import RunFolder
from nmt.system.atomic import write_text
from nmt.system.log import note, progress_bar
from nmt.system.threads import thread_count
from nmt.text.batches import count_used
from nmt.text.plan import describe_shares
from nmt.text.prepare import Prepared
from nmt.training.files.progress import Progress, Window
from nmt.training.parallel.workers import Workers
from nmt.training.updates import UpdateResult
from nmt.training.validation import Validation

BAR_SECONDS = 1.0  # between two changes of the means beside the bar
LINE_SECONDS = 60.0  # between two lines where there is no terminal

# Called with the lines that the run has at the start, then with each new one.
Observer = Callable[[list[Line]], None]


def announce(
    recipe: Recipe,
    prepared: Prepared,
    run: RunFolder,
    device: torch.device,
    workers: Workers,
    progress: Progress,
) -> None:
    """Print what is trained, where, and the update that it resumes from."""
    settings, data = recipe.train, recipe.data
    parameters = count_parameters(recipe.model, len(prepared.tokenizer))
    threads = f", {thread_count()}" if device.type == "cpu" else ""
    # "auto": a measurement before the first update chooses one of them.
    precision = "float32 or bf16" if settings.precision == "auto" else settings.precision
    others = f", {workers.count} workers" if workers.count > 1 else ""
    pairs = sum(map(len, prepared.shards))
    used = f"{count_used(pairs, settings.share):,} of " if settings.share < 1 else ""
    note(
        f"{recipe.name} ({', '.join(map('-'.join, data.directions))}):"
        f" {used}{pairs:,} pairs, {parameters:,} parameters,"
        f" {precision} on {device.type}{threads}{others}; run folder {run.path}"
    )
    if len(data.directions) > 1:
        note(describe_shares(prepared.direction_sizes(), settings.language_sampling))
    if progress.update:
        note(f"resumed at update {progress.update:,} of {settings.max_updates:,}")


class MetricsLog:
    """Collects the results of updates and writes them every `train.report_updates`.

    The collected sums are part of the progress, so that a resumed run writes the same metrics as an
    uninterrupted one.
    """

    def __init__(
        self,
        run: RunFolder,
        recipe: Recipe,
        progress: Progress,
        observer: Observer | None = None,
        *,
        writes: bool = True,
    ) -> None:
        """Open the metrics and drop the lines of updates that will be repeated.

        observer: receives the lines. writes: False on workers that only count.
        """
        self._run = run
        self._settings = recipe.train
        self._progress = progress
        self._open = ExitStack()
        self._report = ProgressReport(recipe.train, progress)
        self._open.callback(self._report.close)
        self._stream = None
        self._events: Any = None
        self._observer = observer if writes else None
        if writes:
            kept = self._drop_repeated_lines()
            # Unbuffered: closing must not try again to write what a full disk has refused.
            self._stream = self._open.enter_context(run.metrics.open("ab", buffering=0))
            if self._settings.tensorboard:
                from torch.utils.tensorboard import SummaryWriter

                # It discards the events of later updates.
                self._events = SummaryWriter(str(run.tensorboard), purge_step=progress.update + 1)
                self._open.callback(self._events.close)
            if self._observer is not None:
                self._observer(kept)

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _drop_repeated_lines(self) -> list[Line]:
        """Remove damaged lines and those of updates after the progress; return the others."""
        path = self._run.metrics
        if path.is_fifo():  # opening it would wait for a reader
            raise NmtError(f"the metrics {path} is a pipe, not a file; remove it")
        if not path.is_file():
            return []
        kept = [line for line in read_metrics(self._run.metrics, note) if self._is_kept(line)]
        content = "".join(map(as_json_line, kept))
        if content.encode() != path.read_bytes():
            write_text(path, content)
        return kept

    def _is_kept(self, line: Line) -> bool:
        """Return True unless the training will write this line again."""
        progress = self._progress
        if line["kind"] == "average":
            return bool(line["update"] < progress.update)
        last = progress.validated_update if line["kind"] == "dev" else progress.update
        return bool(line["update"] <= last)

    def add(self, result: UpdateResult, epoch: int) -> None:
        """Count an update and write a `train` line if it is due.

        epoch: that of the update, from 0; results come late, when the next epoch may have begun.
        """
        self._report.add(result)
        window = self._progress.window
        window.add(result)
        if result.number % self._settings.report_updates:
            return
        if window.updates:
            self._write(
                "train",
                result.number,
                epoch,
                loss=window.smoothed_loss / window.target_tokens,
                perplexity=perplexity(window.plain_loss / window.target_tokens),
                learning_rate=result.learning_rate,
                gradient_norm=window.gradient_norm / window.updates,
                tokens_per_second=round(window.tokens_per_second(self._progress.seconds)),
                skipped=self._progress.skipped,
            )
        self._progress.window = Window(start_seconds=self._progress.seconds)

    def write_skipped(self, result: UpdateResult, epoch: int, lines: dict[str, list[int]]) -> None:
        """Write a skipped update; lines: the line numbers of its pairs by text file."""
        progress = self._progress
        what = "loss" if not math.isfinite(result.smoothed_loss) else "gradient"
        note(
            f"update {result.number:,} skipped: its {what} is NaN or infinite"
            f" ({progress.skipped:,} skipped so far); {self._run.metrics} names the lines of"
            " its batch"
        )
        self._write(
            "skipped", result.number, epoch, reason=what, lines=lines, skipped=progress.skipped
        )

    def write_validation(self, validation: Validation, *, improved: bool) -> None:
        """Write a validation; improved: it is the best so far."""
        progress = self._progress
        note(
            f"update {progress.update:,}, epoch {progress.epoch + 1}, {clock(progress.seconds)}:"
            f" {show_metrics(validation)}{' (best)' if improved else ''}"
        )
        self._write("dev", progress.update, progress.epoch, **describe(validation))

    def write_average(self, validation: Validation, updates: list[int]) -> None:
        """Write the validation of the average; updates: those of the averaged checkpoints."""
        count = len(updates)
        what = f"average of {count} checkpoints" if count > 1 else "model of one checkpoint"
        if self._settings.moving_average:
            what = "moving average"
        note(f"{what}: {show_metrics(validation)}")
        update, epoch = self._progress.update, self._progress.epoch
        self._write("average", update, epoch, averaged_updates=updates, **describe(validation))

    def _write(self, kind: str, update: int, epoch: int, **values: Any) -> None:
        """Write a line about an update to metrics.jsonl and its numbers to TensorBoard."""
        progress = self._progress
        if self._stream is None:
            return
        line = {
            "kind": kind,
            "update": update,
            "epoch": epoch + 1,
            "seconds": round(progress.seconds, 2),
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            # JSON has no NaN.
            **{key: value if is_finite(value) else None for key, value in values.items()},
        }
        try:
            self._stream.write(as_json_line(line).encode())
        except OSError as error:
            raise NmtError(
                f"cannot write {self._run.metrics}: {error.strerror}; {write_advice(error)},"
                " then the same command resumes from the last checkpoint"
            ) from error
        if self._events is not None:
            for name, value in values.items():
                if isinstance(value, (int, float)) and is_finite(value):
                    self._events.add_scalar(f"{kind}/{name}", value, update)
            self._events.flush()
        if self._observer is not None:
            self._observer([line])


class ProgressReport:
    """Shows loss, tokens per second and the time left, from the first update on.

    Time left counts all updates up to `train.max_updates`, and validations as often as so far;
    `train.patience` may end the training earlier.
    """

    def __init__(self, settings: TrainSettings, progress: Progress) -> None:
        """Start a bar at the current update; it stays hidden unless stderr is a terminal."""
        self._settings = settings
        self._progress = progress
        self._first = progress.update
        self._bar = progress_bar(
            total=settings.max_updates, initial=progress.update, unit="update", desc="train"
        )
        self._started = 0.0  # of the first update, by `monotonic`
        self._shown = monotonic()
        self._window = Window(start_seconds=progress.seconds)  # since they were shown last

    def add(self, result: UpdateResult) -> None:
        """Count an update, and show the means if it is time to."""
        now, is_first = monotonic(), result.number == self._first + 1
        if is_first:  # the time before it went into setting up
            self._started = now - (self._progress.seconds - self._window.start_seconds)
            self._bar.unpause()
        self._bar.update()
        self._window.add(result)
        due = LINE_SECONDS if self._bar.disable else BAR_SECONDS
        if is_first or now - self._shown >= due:
            self._show(now, result.number)

    def _show(self, now: float, done: int) -> None:
        """Show the means since they were last shown; done: updates so far."""
        window = self._window
        if window.updates:
            loss = window.smoothed_loss / window.target_tokens
            speed = window.tokens_per_second(self._progress.seconds)
            means = f"loss {loss:.3f} ({loss_terms(self._settings)}), {speed:,.0f} tokens/s"
            if self._bar.disable:
                total = self._settings.max_updates
                left = clock((now - self._started) / (done - self._first) * (total - done))
                note(f"update {done:,} of {total:,}: {means}, about {left} left")
            else:
                self._bar.set_postfix_str(means)  # the bar itself shows the time left
        self._shown, self._window = now, Window(start_seconds=self._progress.seconds)

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()


def loss_terms(settings: TrainSettings) -> str:
    """Return what the loss of the training consists of."""
    terms = ("r_drop", "simcut", "guided_alignment")
    first = "label-smoothed" if settings.label_smoothing else "cross-entropy"
    return " + ".join([first, *(term for term in terms if getattr(settings, term))])


def clock(seconds: float) -> str:
    """Return seconds as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def as_json_line(values: Line) -> str:
    """Return values as a line of metrics.jsonl."""
    return json.dumps(values) + "\n"


def is_finite(value: Any) -> bool:
    """Return False for NaN and infinity, True for any other value."""
    return not isinstance(value, float) or math.isfinite(value)


def describe(validation: Validation) -> dict[str, Any]:
    """Return the metrics and samples of a validation by their names in metrics.jsonl."""
    return {
        "loss": validation.loss,
        "perplexity": perplexity(validation.plain_loss),
        validation.measure.key: validation.score,
        **({"by_direction": validation.by_direction} if validation.by_direction else {}),
        "samples": [asdict(sample) for sample in validation.samples],
    }


def show_metrics(validation: Validation) -> str:
    """Return the metrics of a validation as a phrase."""
    is_smoothed = not math.isclose(validation.loss, validation.plain_loss, rel_tol=1e-4)
    scores = (f"{pair} {score:.2f}" for pair, score in validation.by_direction.items())
    by_direction = f" ({', '.join(scores)})" if validation.by_direction else ""
    return (
        f"dev loss {validation.loss:.3f}{' (label-smoothed)' * is_smoothed}, perplexity"
        f" {perplexity(validation.plain_loss):.2f}, {validation.measure.name}"
        f" {validation.score:.2f}{by_direction}"
    )


def perplexity(plain_loss: float) -> float:
    """Return the exponential of the unsmoothed mean loss per token."""
    return math.exp(min(plain_loss, 700.0))  # beyond 700 a float overflows
