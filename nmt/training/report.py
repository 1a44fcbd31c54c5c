"""What a training tells: a progress bar, lines on stderr and metrics.jsonl."""

import json
import math
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from nmt.atomic import write_text
from nmt.config import Recipe
from nmt.log import note, progress_bar
from nmt.run import RunFolder
from nmt.training.state import Progress
from nmt.training.validation import Validation


@dataclass(frozen=True)
class Sums:
    """An update's losses, summed over its target tokens, and its size."""

    smoothed: float
    plain: float
    source_tokens: int
    target_tokens: int
    learning_rate: float


class Reporter:
    """Gathers updates and reports them every `train.report_updates`."""

    def __init__(self, run: RunFolder, recipe: Recipe, progress: Progress) -> None:
        self._path = run.metrics
        self._settings = recipe.train
        self._progress = progress
        self._window: list[Sums] = []
        self._window_began = progress.seconds
        self._forget_after(progress.update)
        self._stream = self._path.open("a", encoding="utf-8")
        self._bar = progress_bar(
            total=self._settings.max_updates, initial=progress.update, unit="update", desc="train"
        )

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.close()
        self._stream.close()

    def _forget_after(self, update: int) -> None:
        """Drop lines of updates that are about to be taken again."""
        if not self._path.is_file():
            return
        text = self._path.read_text(encoding="utf-8", errors="replace")
        lines = text.splitlines(keepends=True)
        updates = [update_of(line) for line in lines]
        if None in updates:
            note(f"{self._path}: dropped {updates.count(None)} damaged lines")
        known = zip(lines, updates, strict=True)
        kept = [line for line, at in known if at is not None and at <= update]
        if len(kept) < len(lines):
            write_text(self._path, "".join(kept))

    def add(self, sums: Sums) -> None:
        """Count an update; report if it is time to."""
        self._bar.update()
        self._window.append(sums)
        if self._progress.update % self._settings.report_updates:
            return
        tokens = sum(each.target_tokens for each in self._window)
        both_tokens = tokens + sum(each.source_tokens for each in self._window)
        seconds = max(self._progress.seconds - self._window_began, 1e-9)
        loss = sum(each.smoothed for each in self._window) / tokens
        plain = sum(each.plain for each in self._window) / tokens
        speed = both_tokens / seconds
        self._bar.set_postfix_str(
            f"loss {loss:.3f}, lr {sums.learning_rate:.2e}, {speed:,.0f} tokens/s"
        )
        self._write(
            "train",
            loss=loss,
            perplexity=perplexity(plain),
            learning_rate=sums.learning_rate,
            tokens_per_second=round(speed),
        )
        self._window.clear()
        self._window_began = self._progress.seconds

    def validated(self, validation: Validation, better: bool) -> None:
        """Report a validation."""
        progress = self._progress
        note(
            f"update {progress.update:,}, epoch {progress.epoch + 1}, {clock(progress.seconds)}:"
            f" dev loss {validation.loss:.3f}, perplexity {perplexity(validation.plain_loss):.2f},"
            f" BLEU {validation.bleu:.2f}{' (best)' if better else ''}"
        )
        self._write("dev", **describe(validation))

    def averaged(self, validation: Validation, updates: list[int]) -> None:
        """Report the average's validation."""
        note(
            f"average of {len(updates)} checkpoints: dev loss {validation.loss:.3f}, perplexity"
            f" {perplexity(validation.plain_loss):.2f}, BLEU {validation.bleu:.2f}"
        )
        self._write("average", averaged_updates=updates, **describe(validation))

    def _write(self, kind: str, **values: Any) -> None:
        progress = self._progress
        line = {
            "kind": kind,
            "update": progress.update,
            "epoch": progress.epoch + 1,
            "seconds": round(progress.seconds, 2),
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            **values,
        }
        self._stream.write(json.dumps(line) + "\n")
        self._stream.flush()


def update_of(line: str) -> int | None:
    """The update a line of metrics.jsonl tells of; none if the line is damaged or cut short."""
    try:
        return int(json.loads(line)["update"]) if line.endswith("\n") else None
    except (ValueError, KeyError, TypeError):
        return None


def describe(validation: Validation) -> dict[str, float]:
    """A validation's figures by name."""
    return {
        "loss": validation.loss,
        "perplexity": perplexity(validation.plain_loss),
        "bleu": validation.bleu,
    }


def perplexity(plain_loss: float) -> float:
    """The exponential of the unsmoothed loss a token."""
    return math.exp(min(plain_loss, 700.0))  # beyond, a float overflows


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
