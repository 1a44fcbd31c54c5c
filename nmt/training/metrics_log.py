"""The metrics of a training: lines on stderr, metrics.jsonl and TensorBoard."""

import json
import math
import time
from contextlib import ExitStack
from dataclasses import asdict
from types import TracebackType
from typing import Any

from nmt.config import Recipe
from nmt.diagnosis.token_facts import TokenFacts
from nmt.errors import NmtError, write_advice
from nmt.runs.history import read_metrics
from nmt.runs.run_folder import RunFolder
from nmt.system.atomic import write_text
from nmt.system.log import note
from nmt.training.live_diagnosis import LiveDiagnosis
from nmt.training.progress import Progress, Window
from nmt.training.progress_report import ProgressReport, clock
from nmt.training.update_result import UpdateResult
from nmt.training.validation import Validation


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
        facts: TokenFacts | None = None,
        *,
        writes: bool = True,
    ) -> None:
        """Open the metrics and drop the lines of updates that will be repeated.

        facts: of the prepared text, for the diagnosis. writes: False on workers that only count.
        """
        self._run = run
        self._settings = recipe.train
        self._progress = progress
        self._open = ExitStack()
        self._report = ProgressReport(recipe.train, progress)
        self._open.callback(self._report.close)
        self._stream = None
        self._events = None
        self._diagnosis = None
        if writes:
            kept = self._drop_repeated_lines()
            # Unbuffered: closing must not try again to write what a full disk has refused.
            self._stream = self._open.enter_context(run.metrics.open("ab", buffering=0))
            if self._settings.tensorboard:
                self._events = event_writer(run, progress.update)
                self._open.callback(self._events.close)
            self._diagnosis = LiveDiagnosis(run, recipe, facts, kept)

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()

    def _drop_repeated_lines(self) -> list[dict[str, Any]]:
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

    def _is_kept(self, line: dict[str, Any]) -> bool:
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
        if result.is_finite:
            window.updates += 1
            window.smoothed_loss += result.smoothed_loss
            window.plain_loss += result.plain_loss
            window.source_tokens += result.source_tokens
            window.target_tokens += result.target_tokens
            window.gradient_norm += result.gradient_norm
        if result.number % self._settings.report_updates:
            return
        if window.updates:
            self._write_window(window, result, epoch)
        self._progress.window = Window(start_seconds=self._progress.seconds)

    def _write_window(self, window: Window, last: UpdateResult, epoch: int) -> None:
        """Write the means over the updates of a window."""
        seconds = max(self._progress.seconds - window.start_seconds, 1e-9)
        loss = window.smoothed_loss / window.target_tokens
        speed = (window.source_tokens + window.target_tokens) / seconds
        self._write(
            "train",
            last.number,
            epoch,
            loss=loss,
            perplexity=perplexity(window.plain_loss / window.target_tokens),
            learning_rate=last.learning_rate,
            gradient_norm=window.gradient_norm / window.updates,
            tokens_per_second=round(speed),
            skipped=self._progress.skipped,
        )

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
            f" {figures(validation)}{' (best)' if improved else ''}"
        )
        self._write("dev", progress.update, progress.epoch, **describe(validation))
        if self._diagnosis is not None:
            self._diagnosis.tell()

    def write_average(self, validation: Validation, updates: list[int]) -> None:
        """Write the validation of the average; updates: those of the averaged checkpoints."""
        what = f"average of {len(updates)} checkpoint{'s' * (len(updates) > 1)}"
        if self._settings.moving_average:
            what = "moving average"
        note(f"{what}: {figures(validation)}")
        update, epoch = self._progress.update, self._progress.epoch
        self._write("average", update, epoch, averaged_updates=updates, **describe(validation))
        if self._diagnosis is not None:
            self._diagnosis.summarise()

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
        if self._diagnosis is not None:
            self._diagnosis.add(line)
        if self._events is not None:
            for name, value in values.items():
                if isinstance(value, (int, float)) and is_finite(value):
                    self._events.add_scalar(f"{kind}/{name}", value, update)
            self._events.flush()


def event_writer(run: RunFolder, update: int) -> Any:
    """Return TensorBoard's writer, which discards the events of later updates."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(run.tensorboard), purge_step=update + 1)


def as_json_line(values: dict[str, Any]) -> str:
    """Return values as a line of metrics.jsonl."""
    return json.dumps(values) + "\n"


def is_finite(value: Any) -> bool:
    """Return False for NaN and infinity, True for any other value."""
    return not isinstance(value, float) or math.isfinite(value)


def has_average(run: RunFolder, update: int) -> bool:
    """Return True if metrics.jsonl contains the validation of an average up to this update."""
    lines = read_metrics(run.metrics)
    return any(line["kind"] == "average" and line["update"] == update for line in lines)


def describe(validation: Validation) -> dict[str, Any]:
    """Return the figures and samples of a validation by their names in metrics.jsonl."""
    return {
        "loss": validation.loss,
        "perplexity": perplexity(validation.plain_loss),
        validation.measure.key: validation.score,
        "samples": [asdict(sample) for sample in validation.samples],
    }


def figures(validation: Validation) -> str:
    """Return the figures of a validation as a phrase."""
    return (
        f"dev loss {validation.loss:.3f} (label-smoothed), perplexity"
        f" {perplexity(validation.plain_loss):.2f}, {validation.measure.name}"
        f" {validation.score:.2f}"
    )


def perplexity(plain_loss: float) -> float:
    """Return the exponential of the unsmoothed mean loss per token."""
    return math.exp(min(plain_loss, 700.0))  # beyond 700 a float overflows
