"""Show how a training goes: a bar on a terminal, a line a minute in a log."""

from time import monotonic

import torch

from nmt.config import Recipe, TrainSettings
from nmt.recipe.size import count_parameters
from nmt.runs.run_folder import RunFolder
from nmt.system.log import note, progress_bar
from nmt.system.threads import thread_count
from nmt.text.prepare import Prepared
from nmt.training.progress import Progress
from nmt.training.update_result import UpdateResult
from nmt.training.workers import Workers

BAR_SECONDS = 1.0  # between two changes of the figures beside the bar
LINE_SECONDS = 60.0  # between two lines where there is no terminal


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
        self._seconds = progress.seconds  # in updates, until the figures were shown
        self._shown = monotonic()
        self._loss, self._target_tokens, self._tokens = 0.0, 0, 0  # since the figures were shown

    def add(self, result: UpdateResult) -> None:
        """Count an update, and show the figures if it is time to."""
        now, is_first = monotonic(), result.number == self._first + 1
        if is_first:  # the time before it went into setting up
            self._started = now - (self._progress.seconds - self._seconds)
            self._bar.unpause()
        self._bar.update()
        if result.is_finite:
            self._loss += result.smoothed_loss
            self._target_tokens += result.target_tokens
            self._tokens += result.source_tokens + result.target_tokens
        due = LINE_SECONDS if self._bar.disable else BAR_SECONDS
        if is_first or now - self._shown >= due:
            self._show(now, result.number)

    def _show(self, now: float, done: int) -> None:
        """Show the means since the figures were last shown; done: updates so far."""
        if self._target_tokens:
            loss = self._loss / self._target_tokens
            speed = self._tokens / max(self._progress.seconds - self._seconds, 1e-9)
            figures = f"loss {loss:.3f} ({loss_terms(self._settings)}), {speed:,.0f} tokens/s"
            if self._bar.disable:
                total = self._settings.max_updates
                left = clock((now - self._started) / (done - self._first) * (total - done))
                note(f"update {done:,} of {total:,}: {figures}, about {left} left")
            else:
                self._bar.set_postfix_str(figures)  # the bar itself shows the time left
        self._loss, self._target_tokens, self._tokens = 0.0, 0, 0
        self._shown, self._seconds = now, self._progress.seconds

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()


def loss_terms(settings: TrainSettings) -> str:
    """Return what the loss of the training consists of."""
    terms = ("r_drop", "simcut", "guided_alignment")
    return " + ".join(["label-smoothed", *(each for each in terms if getattr(settings, each))])


def clock(seconds: float) -> str:
    """Return seconds as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


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
    # Which of them is measured before the first update.
    precision = "float32 or bf16" if settings.precision == "auto" else settings.precision
    others = f", {workers.count} workers" if workers.count > 1 else ""
    note(
        f"{recipe.name} ({data.source_language}-{data.target_language}):"
        f" {sum(map(len, prepared.shards)):,} pairs, {parameters:,} parameters,"
        f" {precision} on {device.type}{threads}{others}; run folder {run.path}"
    )
    if progress.update:
        note(f"resumed at update {progress.update:,} of {settings.max_updates:,}")
