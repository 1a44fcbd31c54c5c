"""Compare the gain that `nmt train` expects of more updates with the real gain.

    python benchmarks/gain_estimates.py [--save benchmarks/results/gain-estimates.toml]

It reads the recorded curves `results/quality-curve-*.toml`, without the cooldowns.
After each validation whose 1.5 times as many updates were trained too, it makes the estimate.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import mean, median

import click
from measurements import Curve, read_measurement  # type: ignore[import-not-found] # in this folder
from results import Cell, describe, write  # type: ignore[import-not-found] # in this folder

from nmt.studio.diagnosis.gain import LEAST_FITTED, LONGER, Scores, extrapolated, fitted
from nmt.studio.diagnosis.training import NOTABLE_GAIN

DATA = Path(__file__).parent / "results"
# Scores rise while the learning rate falls to 0, so the diagnosis makes no estimate.
COOLDOWNS = {"quality-curve-quick"}
WINDOWS: dict[str, Callable[[Scores], Scores]] = {
    f"the last {LEAST_FITTED} validations": lambda scored: scored[-LEAST_FITTED:],
    "the recent validations, as `nmt train` does": fitted,
}


def curves() -> Iterator[Curve]:
    """Yield the recorded curves of trainings whose learning rate has no cooldown."""
    for path in sorted(DATA.glob("quality-curve-*.toml")):
        if path.stem not in COOLDOWNS:
            yield from read_measurement(path).curves


def scores(curve: Curve) -> Scores:
    """Return the updates and scores of a curve."""
    return [(each.updates, float(each.bleu)) for each in curve.points if each.updates is not None]


def score_at(scored: Scores, update: float) -> float:
    """Return the score at an update, linear between the validations before and after it."""
    for (before, low), (after, high) in pairwise(scored):
        if before <= update <= after:
            return low + (high - low) * (update - before) / (after - before)
    raise ValueError(f"no validation after update {update:,.0f}")


def compared(scored: Scores, window: Callable[[Scores], Scores]) -> Iterator[tuple[float, float]]:
    """Yield the expected and the real gain after each validation that has both."""
    for end in range(LEAST_FITTED, len(scored) + 1):
        last, score = scored[end - 1]
        if LONGER * last > scored[-1][0]:
            return
        expected = extrapolated(window(scored[:end]), LONGER * last)
        yield expected, score_at(scored, LONGER * last) - score


def cells(name: str, pairs: Sequence[tuple[float, float]]) -> Iterator[Cell]:
    """Yield the figures of one way to choose the validations."""
    off = [abs(expected - real) for expected, real in pairs]
    right = sum((one >= NOTABLE_GAIN) == (other >= NOTABLE_GAIN) for one, other in pairs)
    yield Cell(name, "estimates", len(pairs), "estimates")
    yield Cell(name, "median error", round(median(off), 2), "BLEU")
    yield Cell(name, "mean error", round(mean(off), 2), "BLEU")
    yield Cell(name, f"right about a gain of {NOTABLE_GAIN}", right, "estimates")


@click.command()
@click.option("--save", type=click.Path(path_type=Path), help="Data file to write.")
def main(save: Path | None) -> None:
    """Compare expected with real gains on the recorded curves."""
    found: list[Cell] = []
    for name, window in WINDOWS.items():
        pairs = [pair for curve in curves() for pair in compared(scores(curve), window)]
        found += cells(name, pairs)
    for each in found:
        print(each.text())
    if save:
        fields = describe(
            what="Expected gain of continuing",
            command="python benchmarks/gain_estimates.py",
            peer="none",
            note="The real gain is of single checkpoints, whose scores differ by chance: those"
            " of `multi30k_en_de` fall by 1.3 and rise by 1.1 BLEU within 2,000 updates. The curves"
            " are in `quality-curve-*.toml`.",
            rows="fitted scores",
        )
        write(save, fields, found)


if __name__ == "__main__":
    main()
