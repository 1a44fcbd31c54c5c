"""Two commands that tell tokens/s, run in turn, so that a machine's moods hit both alike.

    python benchmarks/against.py --rounds 3 \\
      'python benchmarks/train_speed.py runs/multi30k_en_de --no-gemm' 'python peer.py ...'

Each command's figure is the number before or after "tokens/s" in what it prints, its memory the one
in MiB after "peak" or before it.
"""

import re
import shlex
import statistics
import subprocess
import sys

import click

FIGURES = {
    "tokens/s": r'([\d,.]+) tokens/s|tokens/s"?: ([\d.]+)',
    "peak MiB": r'peak ([\d,.]+) MiB|peak MiB"?: ([\d.]+)',
}


def measure(command: str) -> dict[str, float]:
    """The figures that a command prints."""
    ended = subprocess.run(shlex.split(command), capture_output=True, text=True, check=False)
    found = {name: re.search(pattern, ended.stdout) for name, pattern in FIGURES.items()}
    if ended.returncode or found["tokens/s"] is None:
        sys.exit(f"{command} ended with {ended.returncode}: {ended.stdout}{ended.stderr}")
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
    """Run OURS and THEIRS in turn; the medians and the median of the ratios, round by round."""
    both: tuple[list[dict[str, float]], list[dict[str, float]]] = ([], [])
    for number in range(1, rounds + 1):
        for name, results, each in (("ours", both[0], ours), ("theirs", both[1], theirs)):
            results.append(measure(each))
            click.echo(f"round {number}, {name}: {results[-1]}", err=True)
    for figure in FIGURES:
        mine, other = (
            [result[figure] for result in results if figure in result] for results in both
        )
        if mine and other:
            ratios = [a / b for a, b in zip(mine, other, strict=True)]
            click.echo(
                f"{figure}: ours {statistics.median(mine):,.0f}, theirs"
                f" {statistics.median(other):,.0f}, ratio {statistics.median(ratios):.2f}"
                f" ({min(ratios):.2f} to {max(ratios):.2f}, {rounds} rounds)"
            )


if __name__ == "__main__":
    command()
