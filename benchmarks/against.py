"""Run two commands that print speeds in turn, so that slow minutes of a machine hit both alike.

    python benchmarks/against.py --rounds 3 \\
      'python benchmarks/train_speed.py runs/multi30k_en_de --no-gemm' 'python peer.py ...'

It reads the numbers next to "tokens/s", "sentences/s" and "peak MiB" in what a command prints.
before_after.py compares two checkouts of this project.
"""

import re
import shlex
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import click

Figures = Mapping[str, float]
PRINTED = {
    "tokens/s": r'([\d,.]+) tokens/s|tokens/s"?: ([\d.]+)',
    "sentences/s": r'([\d,.]+) sentences/s|sentences/s"?: ([\d.]+)',
    "peak MiB": r'peak ([\d,.]+) MiB|peak MiB"?: ([\d.]+)',
}


@dataclass(frozen=True)
class Comparison:
    """A figure of two sides: medians, and ratios first to second round by round."""

    first: float
    second: float
    ratios: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Return the median of the ratios."""
        return statistics.median(self.ratios)


def measure_in_turn(
    rounds: int, sides: Mapping[str, Callable[[], Figures]]
) -> dict[str, Comparison]:
    """Measure two named sides in turn and compare the figures that all rounds of both have.

    The figures of each round go to stderr.
    """
    found: dict[str, list[Figures]] = {name: [] for name in sides}
    for number in range(1, rounds + 1):
        for name, measure in sides.items():
            figures = measure()
            found[name].append(figures)
            shown = "; ".join(f"{key} {value:,.1f}" for key, value in figures.items())
            click.echo(f"round {number}, {name}: {shown}", err=True)
    first, second = found.values()
    return {
        key: compare([each[key] for each in first], [each[key] for each in second])
        for key in first[0]
        if all(key in each for each in (*first, *second))
    }


def compare(first: list[float], second: list[float]) -> Comparison:
    """Compare the values of two sides, one of each round."""
    ratios = tuple(a / b for a, b in zip(first, second, strict=True))
    return Comparison(statistics.median(first), statistics.median(second), ratios)


def run_command(command: str) -> Figures:
    """Run a command and return the figures that it prints; exit if there are none."""
    ended = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
    found = {name: re.search(pattern, ended.stdout) for name, pattern in PRINTED.items()}
    if ended.returncode or not any(found.values()):
        sys.exit(f"{command}: exit status {ended.returncode}: {ended.stdout}{ended.stderr}")
    return {
        name: float((match[1] or match[2]).replace(",", ""))
        for name, match in found.items()
        if match
    }


@click.command()
@click.argument("ours")
@click.argument("theirs")
@click.option("--rounds", default=3, show_default=True, help="Runs of each command.")
def command(ours: str, theirs: str, rounds: int) -> None:
    """Run the commands OURS and THEIRS in turn; print medians and the median of the ratios."""
    sides = {"ours": lambda: run_command(ours), "theirs": lambda: run_command(theirs)}
    for name, found in measure_in_turn(rounds, sides).items():
        click.echo(
            f"{name}: ours {found.first:,.0f}, theirs {found.second:,.0f}, ratio"
            f" {found.ratio:.2f} ({min(found.ratios):.2f} to {max(found.ratios):.2f},"
            f" {rounds} rounds)"
        )


if __name__ == "__main__":
    command()
