"""Measure how well `nmt clean --model --reverse-model` tells translations from other pairs.

    python benchmarks/dual_cross_entropy.py multi30k/val.en.gz multi30k/val.de.gz MODEL REVERSE

Each source is scored twice: with its own target, and with the target some lines above it, which is
text of the same kind that no rule removes. The half with the higher scores is kept.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import click
from results import Cell, describe, write  # type: ignore[import-not-found] # in this folder

from nmt.corpora.clean import Models, clean
from nmt.corpora.detectors import CheckLimits, learn_norms
from nmt.corpora.filters import Rules
from nmt.system.atomic import write_text
from nmt.text.corpus import ParallelText

AWAY = 7  # lines
COLUMN = "figure"


def scores_of(text: ParallelText, models: Models, folder: Path) -> list[float]:
    """Return the scores of the pairs of a text, and then of its sources with other targets."""
    pairs = [*text.pairs()]
    moved = [(source, pairs[n - AWAY][1]) for n, (source, _) in enumerate(pairs)]
    paths = folder / "text.en", folder / "text.de"
    for path, side in zip(paths, (0, 1), strict=True):
        write_text(path, "".join(f"{pair[side]}\n" for pair in (*pairs, *moved)))
    rules = Rules(learn_norms([], CheckLimits()), (), repair=False)
    clean(ParallelText(paths), f"{folder}/out/", rules, models)
    lines = (folder / "out" / "scores.tsv").read_text("utf-8").splitlines()[1:]
    return [float(line.split("\t")[1]) for line in lines]


def figures(scores: list[float]) -> Iterator[Cell]:
    """Yield the figures of scores; the first half of them is that of translations."""
    half = len(scores) // 2
    good, bad = scores[:half], scores[half:]
    yield Cell("median score of translations", COLUMN, round(median(good), 4), "score")
    yield Cell("median score of other pairs", COLUMN, round(median(bad), 4), "score")
    higher = 100 * sum(one > other for one, other in zip(good, bad, strict=True)) / half
    name = "translations with a higher score than their source with another target"
    yield Cell(name, COLUMN, round(higher, 1), "%")
    best = sorted(range(len(scores)), key=lambda place: -scores[place])[:half]
    share = 100 * sum(place < half for place in best) / half
    yield Cell("translations in the half with the higher scores", COLUMN, round(share, 1), "%")


@click.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.argument("target", type=click.Path(path_type=Path, exists=True))
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.argument("reverse_model", type=click.Path(path_type=Path, exists=True))
@click.option("--note", default="", help="What to say about the models.")
@click.option("--output", type=click.Path(path_type=Path), help="Data file.  [default: none]")
def command(
    source: Path, target: Path, model: Path, reverse_model: Path, note: str, output: Path | None
) -> None:
    """Score the pairs of SOURCE and TARGET, which no model should have been trained on."""
    models = Models(model, reverse_model, writes_scores=True)
    with tempfile.TemporaryDirectory() as folder:
        cells = [*figures(scores_of(ParallelText((source, target)), models, Path(folder)))]
    for cell in cells:
        click.echo(f"{cell.row}: {cell.value} {cell.unit}")
    if output:
        made = describe(
            what="dual conditional cross-entropy",
            command=f"python benchmarks/dual_cross_entropy.py {source.name} {target.name}"
            " MODEL REVERSE_MODEL",
            peer="none",
            note=f"The other target is that of the pair {AWAY} lines above. {note}".strip(),
            rows="what",
        )
        write(output, made, cells)


if __name__ == "__main__":
    command()
