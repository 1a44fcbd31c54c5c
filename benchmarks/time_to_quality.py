"""Print when a run first reached given dev scores: minutes of updates, updates and epochs.

python benchmarks/time_to_quality.py runs/multi30k_en_de --bleu 30 --bleu 35 --bleu 38
"""

import json
from pathlib import Path

import click

from nmt.runs.run_folder import RunFolder


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--bleu", "goals", type=float, multiple=True, default=(30.0, 35.0, 38.0), show_default=True
)
def command(run: Path, goals: tuple[float, ...]) -> None:
    """Print when RUN first reached each dev BLEU, from its metrics.jsonl.

    Minutes count updates only, not validations or checkpoints.
    """
    lines = map(json.loads, RunFolder(run).metrics.read_text(encoding="utf-8").splitlines())
    scored = [line for line in lines if line["kind"] in ("dev", "average")]
    for goal in goals:
        reached = next((line for line in scored if line["bleu"] >= goal), None)
        if reached is None:
            best = max((line["bleu"] for line in scored), default=0.0)
            click.echo(f"dev BLEU {goal:g}: not reached; the best is {best:.2f}")
            continue
        click.echo(
            f"dev BLEU {goal:g}: {reached['seconds'] / 60:.1f} minutes, update"
            f" {reached['update']:,}, epoch {reached['epoch']} ({reached['bleu']:.2f},"
            f" {reached['kind']})"
        )


if __name__ == "__main__":
    command()
