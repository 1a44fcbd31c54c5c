"""What a training tells: a bar, lines on stderr, metrics.jsonl and TensorBoard's events."""

import json
import math
import time
from contextlib import ExitStack
from dataclasses import asdict
from types import TracebackType
from typing import Any

from nmt.artifacts.run_folder import RunFolder, parse_metrics
from nmt.config import Recipe
from nmt.errors import NmtError
from nmt.system.atomic import write_text
from nmt.system.log import note, progress_bar
from nmt.training.checkpoints import Progress, Window
from nmt.training.updates import Sums
from nmt.training.validation import Validation


class MetricsLog:
    """Gathers updates and reports them every `train.report_updates`; only counts if not `writes`.

    What is gathered is part of the progress, so that a resumed run reports as one in one go.
    """

    def __init__(
        self, run: RunFolder, recipe: Recipe, progress: Progress, *, writes: bool = True
    ) -> None:
        self._path = run.metrics
        self._settings = recipe.train
        self._progress = progress
        self._open = ExitStack()
        self._bar = progress_bar(
            total=self._settings.max_updates, initial=progress.update, unit="update", desc="train"
        )
        self._open.callback(self._bar.close)
        self._stream = None
        self._events = None
        if writes:
            self._forget_later()
            # Unbuffered: what a full disk refuses is not tried again on closing.
            self._stream = self._open.enter_context(self._path.open("ab", buffering=0))
            if self._settings.tensorboard:
                self._events = event_writer(run, progress.update)
                self._open.callback(self._events.close)

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()

    def _forget_later(self) -> None:
        """Drop lines of what is about to be done again."""
        if not self._path.is_file():
            return
        text = self._path.read_text(encoding="utf-8", errors="replace")
        lines = [(line, parse_metrics(line)) for line in text.splitlines(keepends=True)]
        damaged = sum(content is None for _, content in lines)
        if damaged:
            note(f"{self._path}: dropped {damaged} damaged lines")
        kept = [line for line, content in lines if content and self._stands(content)]
        if len(kept) < len(lines):
            write_text(self._path, "".join(kept))

    def _stands(self, line: dict[str, Any]) -> bool:
        """Whether what a line tells of is not done again."""
        if line["kind"] == "average":
            return bool(line["update"] < self._progress.update)
        last = self._progress.validated_update if line["kind"] == "dev" else self._progress.update
        return bool(line["update"] <= last)

    def add(self, sums: Sums) -> None:
        """Count an update; report if it is time to."""
        self._bar.update()
        window = self._progress.window
        if sums.is_finite:
            window.updates += 1
            window.smoothed += sums.smoothed
            window.plain += sums.plain
            window.source_tokens += sums.source_tokens
            window.target_tokens += sums.target_tokens
            window.gradient_norm += sums.gradient_norm
        if self._progress.update % self._settings.report_updates:
            return
        if window.updates:
            self._report(window, sums.learning_rate)
        self._progress.window = Window(began=self._progress.seconds)

    def _report(self, window: Window, learning_rate: float) -> None:
        seconds = max(self._progress.seconds - window.began, 1e-9)
        loss = window.smoothed / window.target_tokens
        speed = (window.source_tokens + window.target_tokens) / seconds
        self._bar.set_postfix_str(f"loss {loss:.3f}, lr {learning_rate:.2e}, {speed:,.0f} tokens/s")
        self._write(
            "train",
            loss=loss,
            perplexity=perplexity(window.plain / window.target_tokens),
            learning_rate=learning_rate,
            gradient_norm=window.gradient_norm / window.updates,
            tokens_per_second=round(speed),
            skipped=self._progress.skipped,
        )

    def skipped(self, sums: Sums, lines: dict[str, list[int]]) -> None:
        """Report an update that was skipped, with the lines of its pairs in their files."""
        progress = self._progress
        what = "loss" if not math.isfinite(sums.smoothed) else "gradient"
        note(
            f"update {progress.update:,} skipped: its {what} is not a number"
            f" ({progress.skipped:,} skipped so far); its lines are in {self._path}"
        )
        self._write("skipped", reason=what, lines=lines, skipped=progress.skipped)

    def validated(self, validation: Validation, better: bool) -> None:
        """Report a validation."""
        progress = self._progress
        note(
            f"update {progress.update:,}, epoch {progress.epoch + 1}, {clock(progress.seconds)}:"
            f" dev loss {validation.loss:.3f}, perplexity {perplexity(validation.plain_loss):.2f},"
            f" {validation.measure.name} {validation.score:.2f}{' (best)' if better else ''}"
        )
        self._write("dev", **describe(validation))

    def averaged(self, validation: Validation, updates: list[int]) -> None:
        """Report the average's validation."""
        note(
            f"average of {len(updates)} checkpoints: dev loss {validation.loss:.3f}, perplexity"
            f" {perplexity(validation.plain_loss):.2f}, {validation.measure.name}"
            f" {validation.score:.2f}"
        )
        self._write("average", averaged_updates=updates, **describe(validation))

    def _write(self, kind: str, **values: Any) -> None:
        progress = self._progress
        if self._stream is None:
            return
        line = {
            "kind": kind,
            "update": progress.update,
            "epoch": progress.epoch + 1,
            "seconds": round(progress.seconds, 2),
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            # JSON knows no NaN.
            **{key: value if is_number(value) else None for key, value in values.items()},
        }
        try:
            self._stream.write(json.dumps(line).encode() + b"\n")
        except OSError as error:
            raise NmtError(
                f"cannot write {self._path}: {error.strerror}; make room, and the same command goes"
                " on from the last checkpoint"
            ) from error
        if self._events is not None:
            for name, value in values.items():
                if isinstance(value, (int, float)) and is_number(value):
                    self._events.add_scalar(f"{kind}/{name}", value, progress.update)
            self._events.flush()


def event_writer(run: RunFolder, update: int) -> Any:
    """What writes TensorBoard's events; those of later updates no longer count."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise NmtError(
            "train.tensorboard needs the tensorboard package; `pip install 'nmt[tensorboard]'`, or"
            " set train.tensorboard=false"
        ) from error
    return SummaryWriter(str(run.tensorboard), purge_step=update + 1)


def is_number(value: Any) -> bool:
    """Whether it is no float, or a finite one."""
    return not isinstance(value, float) or math.isfinite(value)


def has_average(run: RunFolder, update: int) -> bool:
    """Whether metrics.jsonl tells of an average that ends with this update."""
    lines = run.read_metrics()
    return any(line["kind"] == "average" and line["update"] == update for line in lines)


def describe(validation: Validation) -> dict[str, Any]:
    """A validation's figures and samples by name."""
    return {
        "loss": validation.loss,
        "perplexity": perplexity(validation.plain_loss),
        validation.measure.key: validation.score,
        "samples": [asdict(sample) for sample in validation.samples],
    }


def perplexity(plain_loss: float) -> float:
    """The exponential of the unsmoothed loss a token."""
    return math.exp(min(plain_loss, 700.0))  # beyond, a float overflows


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
