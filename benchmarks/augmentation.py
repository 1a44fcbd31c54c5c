"""Measure what tagged back-translation gains: half of Tatoeba parallel, half of it German alone.

    OMP_NUM_THREADS=1 python benchmarks/augmentation.py CORPORA --work WORK

Every second training pair is kept. Of the others, only the German side is used. Trained are the
recipe `tatoeba_en_de` on the kept pairs; the same from German to English, whose model translates
the German sentences; and the recipe on the kept pairs and those translations. With --longer, the
first and the last go on. Every step that is done is skipped, and a training that was stopped goes
on, so that the same command can be repeated.
"""

import gzip
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
from measurements import read_measurement  # type: ignore[import-not-found] # in this folder
from results import (  # type: ignore[import-not-found] # in this folder
    NOT_MEASURED,
    Cell,
    describe,
    write,
)
from short_training import nmt, short_schedule  # type: ignore[import-not-found] # in this folder

from nmt.recipe.toml import toml_value

RECIPE = "tatoeba_en_de"
FULL = Path(__file__).parent / "results" / "recipe-tatoeba.toml"
TAG = "<BT>"
LANGUAGES = ("en", "de")
ALL, ALL_PAIRS = "en-de, all pairs (recipe)", 165_813
SCORES = ("BLEU", "chrF2", "TER")
CONTINUED, LONGER = ("half", "augmented"), "-longer"
CONTINUED_NOTE = (
    " The continued trainings keep their learning rate and their checkpoints' distance."
)


@dataclass(frozen=True)
class Place:
    """Name the folders that the experiment reads and writes."""

    corpora: Path
    work: Path
    updates: int

    def given(self, name: str, *, swapped: bool = False) -> dict[str, str]:
        """Return the files of a set of Tatoeba, as a recipe names them."""
        files = [str(self.corpora / "tatoeba" / f"{name}.{each}.gz") for each in LANGUAGES]
        return pair_of(files, swapped=swapped)

    def half(self, *, swapped: bool = False) -> dict[str, str]:
        """Return the files of the kept pairs, as a recipe names them."""
        files = [str(self.work / f"half.{each}.gz") for each in LANGUAGES]
        return pair_of(files, swapped=swapped)

    def recipe(self, name: str) -> Path:
        """Return the path of a recipe."""
        return self.work / f"{name}.toml"

    def run(self, name: str) -> Path:
        """Return the folder of a run."""
        return self.work / "runs" / name


def pair_of(files: Sequence[str], *, swapped: bool) -> dict[str, str]:
    """Return two files as a recipe names them."""
    source, target = reversed(files) if swapped else files
    return {"source": source, "target": target}


def divide(place: Place) -> None:
    """Write the kept pairs, and the target side of the others."""
    mono = place.work / "mono.de.gz"
    if mono.exists():
        return
    sides = []
    for language in LANGUAGES:
        path = place.corpora / "tatoeba" / f"train.{language}.gz"
        sides.append(gzip.decompress(path.read_bytes()).splitlines(keepends=True))
        write_packed(place.work / f"half.{language}.gz", sides[-1][0::2])
    write_packed(mono, sides[1][1::2])


def write_packed(path: Path, lines: Sequence[bytes]) -> None:
    """Write a file whole or not at all."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(gzip.compress(b"".join(lines), mtime=0))
    partial.replace(path)


def write_recipe(place: Place, name: str, *, swapped: bool) -> None:
    """Write a recipe for the kept pairs, from German to English if `swapped`."""
    source, target = reversed(LANGUAGES) if swapped else LANGUAGES
    lines = [
        f"extends = {toml_value(RECIPE)}",
        "[data]",
        f"source_language = {toml_value(source)}",
        f"target_language = {toml_value(target)}",
        f"train = [{toml_value(place.half(swapped=swapped))}]",
        f"dev = [{toml_value(place.given('valid', swapped=swapped))}]",
        f"test = {{ tatoeba = {toml_value(place.given('test', swapped=swapped))} }}",
        *short_schedule(RECIPE, place.updates),
    ]
    place.recipe(name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def train(place: Place, name: str) -> None:
    """Train a recipe, or go on with its training."""
    nmt("train", place.recipe(name), "--run", place.run(name))


def augment(place: Place) -> dict[str, int]:
    """Translate the monolingual side, write the recipe `augmented`, and return counts of pairs."""
    report = place.work / "augment.json"
    if not report.exists():
        text = nmt(
            "augment",
            *("back-translation", place.work / "mono.de.gz"),
            *("--model", place.run("reverse"), "-o", f"{place.work}/bt/"),
            *("--recipe", place.recipe("half"), "--write-recipe", place.recipe("augmented")),
            *("--tag", TAG, "--json"),
        )
        report.write_text(text, encoding="utf-8")
    content = json.loads(report.read_text(encoding="utf-8"))
    return {"lines": content["lines"], "kept": content["models"][0]["kept"]}


def without_tag(place: Place) -> None:
    """Write the recipe `untagged`: `augmented` without the tag."""
    text = place.recipe("augmented").read_text(encoding="utf-8")
    place.recipe("untagged").write_text(text.replace(f', tag = "{TAG}"', ""), encoding="utf-8")


def scores(place: Place, name: str) -> dict[str, float]:
    """Return the scores of a run on its test set."""
    path = place.work / f"{name}-{place.updates}.json"
    if not path.exists():
        path.write_text(nmt("evaluate", "--model", place.run(name), "--json"), encoding="utf-8")
    (result,) = json.loads(path.read_text(encoding="utf-8"))["results"]
    return {name: result["scores"][name]["value"] for name in SCORES}


def rows(*, untagged: bool, longer: bool) -> dict[str, str]:
    """Return the names of rows by run, in the order of the trainings."""
    found = {
        "half": "en-de, half of the pairs",
        "reverse": "de-en, half of the pairs (writes the sources)",
        "augmented": "en-de, half of the pairs and back-translations",
    }
    if untagged:
        found["untagged"] = "en-de, half of the pairs and back-translations, without a tag"
    if longer:
        for name in CONTINUED:
            found[f"{name}{LONGER}"] = f"{found[name]}, continued"
    return found


def go_on(place: Place, longer: str) -> None:
    """Continue a copy of a finished run to the updates of `place`; longer: the copy's name."""
    if not place.run(longer).exists():
        partial = place.run(f"{longer}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(place.run(longer.removesuffix(LONGER)), partial)
        partial.replace(place.run(longer))
    nmt("train", place.run(longer), "--max-updates", place.updates)


def figures(place: Place, row: str, name: str, pairs: int) -> Iterator[Cell]:
    """Yield the cells of a trained run."""
    for column, value in scores(place, name).items():
        yield Cell(row, column, round(value, 2), column)
    yield Cell(row, "training pairs", pairs, "pairs")
    yield Cell(row, "updates", place.updates, "updates")


def save(
    output: Path, options: str, cells: Sequence[Cell], names: Iterable[str], note: str
) -> None:
    """Write the figures that are known, and "not measured" for the others; names: all rows."""
    known = {cell.row for cell in cells}
    fields = describe(
        what="Quality with tagged back-translation",
        command="OMP_NUM_THREADS=1 python benchmarks/augmentation.py CORPORA --work WORK" + options,
        peer="none",
        note=f"Recipe `{RECIPE}`, its schedule shortened in proportion.{note} The figures of all"
        " pairs are those of `recipe-tatoeba.toml`, from a longer training.",
        rows="direction, training text",
    )
    full = [
        Cell(ALL, each.column, (int if each.column == "updates" else float)(each.value), each.unit)
        for each in read_measurement(FULL).figures
        if each.column in (*SCORES, "updates")
    ]
    full.append(Cell(ALL, "training pairs", ALL_PAIRS, "pairs"))
    unknown = [Cell(row, "BLEU", NOT_MEASURED, "BLEU") for row in names if row not in known]
    write(output, fields, [*cells, *full, *unknown])


def counts_note(lines: int, kept: int) -> str:
    """Return a sentence on the text that is translated."""
    return (
        f" Every second training pair is kept, and of the others the {lines:,} German sentences."
        f" The model from German to English translates them, and {kept:,} of these pairs are good"
        " enough."
    )


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
@click.option("--work", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
@click.option("--updates", type=int, default=8000, show_default=True, help="Of each training.")
@click.option("--untagged", is_flag=True, help="Train on the translations without a tag, too.")
@click.option("--longer", type=int, help="Continue to this number of updates.  [default: no]")
@click.option("--output", type=click.Path(path_type=Path), help="Data file.  [default: none]")
def command(
    folder: Path, work: Path, updates: int, untagged: bool, longer: int | None, output: Path | None
) -> None:
    """Train with back-translated pairs of the corpus in the folder tatoeba/ below FOLDER."""
    if longer is not None and longer <= updates:
        raise click.UsageError("--longer must be more than --updates")
    place = Place(folder.absolute(), work.absolute(), updates)
    place.work.mkdir(parents=True, exist_ok=True)
    divide(place)
    half = len(gzip.decompress((place.work / "half.en.gz").read_bytes()).splitlines())
    names = rows(untagged=untagged, longer=longer is not None)
    options = f" --updates {updates}{' --untagged' * untagged}"
    if longer:
        options += f" --longer {longer}"
    cells, note, kept = list[Cell](), "", 0
    continued = CONTINUED_NOTE if longer else ""
    for name, row in names.items():
        if name in ("half", "reverse"):
            write_recipe(place, name, swapped=name == "reverse")
        elif name == "augmented":
            counts = augment(place)
            kept, note = counts["kept"], counts_note(**counts)
        elif name == "untagged":
            without_tag(place)
        if name.endswith(LONGER) and longer:
            place = replace(place, updates=longer)
            go_on(place, name)
        else:
            train(place, name)
        pairs = half if name.removesuffix(LONGER) in ("half", "reverse") else half + kept
        cells += figures(place, row, name, pairs)
        if output:
            save(output, options, cells, names.values(), note + continued)
    for cell in cells:
        click.echo(f"{cell.row}: {cell.column} {cell.value:,}")


if __name__ == "__main__":
    command()
