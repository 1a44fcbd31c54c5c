"""Measure what damage to a corpus costs in BLEU, and what `nmt clean` wins back.

    OMP_NUM_THREADS=1 python benchmarks/corpus_bleu.py CORPORA WORK --share 1 --share 5

One model is trained on clean Multi30k. For each share, one is trained on text of which so many
percent have each fault of `damage.py`, and one on what `nmt clean` makes of that text. Training
stops at a line that is not UTF-8, so these lines are left out of the damaged text, but not of the
text that `nmt clean` reads. All models have the recipe multi30k_en_de with fewer updates.

Each step leaves its result in WORK. The same command goes on after the last complete step, and a
training resumes.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import click
from corpus_damage import (  # type: ignore[import-not-found] # in this folder
    CORPORA,
    damaged,
    text_of,
    write_pairs,
)
from damage import BAD_BYTE  # type: ignore[import-not-found] # in this folder
from results import (  # type: ignore[import-not-found] # in this folder
    NOT_MEASURED,
    Cell,
    describe,
    write,
)
from short_training import nmt, short_schedule  # type: ignore[import-not-found] # in this folder

from nmt.corpora.pairs import Refused, read_leniently
from nmt.recipe.files import load_recipe
from nmt.recipe.toml import toml_value
from nmt.system.atomic import atomic_folder, write_text
from nmt.text.corpus import ParallelText

RECIPE = "multi30k_en_de"
DAMAGE_SEED = 1
COPIES = ("damaged", "cleaned")


@dataclass(frozen=True)
class Variant:
    """A training text: clean (0 % damage), damaged, or cleaned after damage."""

    kind: str
    percent: int  # of the pairs that get each fault

    @property
    def name(self) -> str:
        """Name of its folders."""
        return f"{self.kind}-{self.percent}" if self.percent else self.kind

    @property
    def row(self) -> str:
        """Its row in the table."""
        return f"{self.kind}, {self.percent} % of each fault" if self.percent else self.kind


@dataclass(frozen=True)
class Trial:
    """Hold where things are, and how long to train."""

    corpora: Path
    work: Path
    updates: int
    seeds: tuple[int, ...]

    def text(self, variant: Variant) -> ParallelText:
        """Return a variant's training text; it is made if it does not exist."""
        clean: ParallelText = text_of(self.corpora, CORPORA["Multi30k"])
        if not variant.percent:
            return clean
        folder = self.work / "text" / variant.name
        files = tuple(folder / f"text.{language}" for language in ("en", "de"))
        if not folder.exists():
            pairs = [*read_leniently(clean, Refused())]
            content, _ = damaged(pairs, Random(DAMAGE_SEED), variant.percent / 100)
            with atomic_folder(folder) as partial:
                if variant.kind == "cleaned":
                    raw = write_pairs(partial, content)
                    nmt("clean", *raw.paths, "-o", partial / "kept", "--ftfy")
                    for path in raw.paths:
                        (partial / f"kept{path.suffix}").replace(path)
                else:
                    write_pairs(partial, [pair for pair in content if BAD_BYTE not in pair[1]])
        return ParallelText(files, variant.name)

    def recipe(self, variant: Variant, text: ParallelText) -> Path:
        """Write a variant's recipe, whose schedule is that of RECIPE in shorter time."""
        source, target = (toml_value(str(path.resolve())) for path in text.paths)
        lines = [
            f'extends = "{RECIPE}"\n[data]',
            f"train = [{{ source = {source}, target = {target} }}]",
            *short_schedule(RECIPE, self.updates),
        ]
        path = self.work / "recipes" / f"{variant.name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, "\n".join([*lines, ""]))
        return path

    def scores(self, variant: Variant, seed: int) -> dict[str, float]:
        """Train on a variant's text and return BLEU by test set."""
        name = f"{variant.name}-{self.updates}-{seed}"
        found = self.work / "scores" / f"{name}.json"
        data = ("--data-dir", self.corpora)
        if not found.exists():
            run, recipe = self.work / "runs" / name, self.recipe(variant, self.text(variant))
            nmt("train", recipe, "--run", run, *data, "--seed", seed)
            printed = nmt("evaluate", "--model", run, *data, "--json")
            found.parent.mkdir(parents=True, exist_ok=True)
            write_text(found, printed)
        results = json.loads(found.read_text("utf-8"))["results"]
        return {each["test_set"]: each["scores"]["BLEU"]["value"] for each in results}

    def cells(self, variant: Variant) -> Iterator[Cell]:
        """Yield the figures of a variant: the mean over the seeds, and all of them in brackets."""
        size = sum(1 for _ in read_leniently(self.text(variant), Refused()))
        yield Cell(variant.row, "training pairs", size, "pairs")
        found = [self.scores(variant, seed) for seed in self.seeds]
        for name in found[0]:
            values = [each[name] for each in found]
            detail = ", ".join(f"{value:.1f}" for value in values) if len(values) > 1 else ""
            yield Cell(variant.row, name, round(sum(values) / len(values), 2), "BLEU", detail)


def variants(percents: Sequence[int]) -> Iterator[Variant]:
    """Yield the training texts."""
    yield Variant("clean", 0)
    for percent in percents:
        for kind in COPIES:
            yield Variant(kind, percent)


def save(output: Path, trial: Trial, cells: Sequence[Cell], percents: Sequence[int]) -> None:
    """Write the figures that are known, and "not measured" for the others."""
    known = {cell.row for cell in cells}
    missing = [each.row for each in variants(percents) if each.row not in known]
    options = " ".join(f"--share {percent}" for percent in percents)
    seeds = " ".join(f"--seed {seed}" for seed in trial.seeds)
    brackets = " In brackets: the figures of each seed." if len(trial.seeds) > 1 else " One seed."
    fields = describe(
        what="BLEU of models of the damaged, the cleaned and the clean corpus",
        command="OMP_NUM_THREADS=1 python benchmarks/corpus_bleu.py CORPORA WORK"
        f" --updates {trial.updates} {options} {seeds}",
        peer="none",
        note=f"The recipe {RECIPE}, English-German, with {trial.updates:,} updates, its schedule"
        f" shortened in proportion.{brackets} Of the damaged text, lines that are not UTF-8 are"
        " left out, because training stops there. It was cleaned with `nmt clean --ftfy`.",
        rows="training text",
    )
    column = next(iter(load_recipe(RECIPE).data.test))
    write(output, fields, [*cells, *(Cell(row, column, NOT_MEASURED, "BLEU") for row in missing)])


@click.command()
@click.argument("corpora", type=click.Path(path_type=Path, exists=True))
@click.argument("work", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--share",
    "percents",
    type=click.IntRange(1, 5),
    multiple=True,
    default=(1, 5),
    show_default=True,
    help="Percent of the pairs that get each of the 13 faults. May be repeated.",
)
@click.option("--updates", type=click.IntRange(1), default=4000, show_default=True)
@click.option(
    "--seed",
    "seeds",
    type=int,
    multiple=True,
    default=(1,),
    show_default=True,
    help="Seed of a training; with several, means are reported. May be repeated.",
)
@click.option("--output", type=click.Path(path_type=Path), help="Data file.  [default: none]")
def command(
    corpora: Path,
    work: Path,
    percents: tuple[int, ...],
    updates: int,
    seeds: tuple[int, ...],
    output: Path | None,
) -> None:
    """Train on clean, damaged and cleaned Multi30k below CORPORA; WORK keeps all results."""
    trial = Trial(corpora, work, updates, seeds)
    cells: list[Cell] = []
    for variant in variants(percents):
        for cell in trial.cells(variant):
            cells.append(cell)
            click.echo(f"{cell.row}: {cell.column}: {cell.value} {cell.detail}".rstrip())
        if output:
            save(output, trial, cells, percents)


if __name__ == "__main__":
    command()
