"""Measure what the settings `train.augment_*` do: marks and capitals kept, and BLEU on clean text.

    OMP_NUM_THREADS=1 python benchmarks/augment.py CORPORA WORK

(`augmentation.py` measures the command `nmt augment`.) The recipe multi30k_en_de is trained with
fewer updates, with and without changed pairs. Both models translate the test sets, one of them in
upper case, and 500 of its sentences into which marks were put. Odd input is given to the models as
it is (`decode.odd_input=as_is`), so that they keep marks and read capitals without help.

Each step leaves its result in WORK. The same command goes on after the last complete step, and a
training resumes.
"""

import gzip
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import click
from results import (  # type: ignore[import-not-found] # in this folder
    NOT_MEASURED,
    Cell,
    describe,
    write,
)
from short_training import nmt, short_schedule  # type: ignore[import-not-found] # in this folder

from nmt.recipe.toml import toml_value
from nmt.system.atomic import write_text

RECIPE = "multi30k_en_de"
TEST = "test_2016_flickr"
UPPER = f"{TEST} in upper case"
SHARES = {"upper_case": 0.05, "title_case": 0.05, "typos": 0.05, "placeholders": 0.1, "tags": 0.1}
ROWS = {"plain": "without changes", "augmented": "with changed pairs"}
AS_IS = ("--set", "decode.odd_input=as_is")
MARKED_SENTENCES = 500
PLACEHOLDERS = (
    *("%s", "%d", "%1$s", "%(name)s", "{0}", "{count}", "{user_name}", "{{ title }}", "${path}"),
    *(
        "https://example.org/en/page?id=7",
        "info@example.com",
        "&amp;",
        "<br/>",
        "README.md",
        "25 km",
    ),
)
TAGS = (
    *(("<b>", "</b>"), ("<em>", "</em>"), ("<code>", "</code>"), ("<1>", "</1>")),
    *(('<a href="https://example.org">', "</a>"), ('<span class="note">', "</span>")),
    ('<g id="3">', "</g>"),
)


def with_marks(sentences: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return sentences with marks, the same ones each time, and the marks of each in order.

    Half of them get a placeholder between words; the others get a tag around one to three words.
    """
    random = Random(1)
    made = []
    for number, sentence in enumerate(sentences):
        words = sentence.split()
        if number % 2:
            mark = random.choice(PLACEHOLDERS)
            words.insert(random.randrange(1, len(words)), mark)
            made.append((" ".join(words), [mark]))
            continue
        begin, close = random.choice(TAGS)
        first = random.randrange(len(words) - 1)
        last = min(first + random.randrange(3), len(words) - 2)  # the last word has a full stop
        words[first], words[last] = (
            (f"{begin}{words[first]}{close}",) * 2
            if first == last
            else (begin + words[first], words[last] + close)
        )
        made.append((" ".join(words), [begin, close]))
    return made


def is_kept(marks: Sequence[str], translation: str) -> bool:
    """Return whether a translation has each mark once, in order."""
    pattern = ".*?".join(map(re.escape, marks))
    counts_fit = all(translation.count(mark) == 1 for mark in marks)
    return counts_fit and re.search(pattern, translation) is not None


@dataclass(frozen=True)
class Trial:
    """Hold where things are, and how long to train."""

    corpora: Path
    work: Path
    updates: int
    seed: int

    def lines(self, language: str) -> list[str]:
        """Return the lines of a side of the test set."""
        path = self.corpora / "multi30k" / f"{TEST}.{language}.gz"
        return gzip.decompress(path.read_bytes()).decode("utf-8").splitlines()

    def recipe(self, name: str) -> Path:
        """Write a variant's recipe, whose schedule is that of RECIPE in shorter time."""
        lines = [f'extends = "{RECIPE}"', *short_schedule(RECIPE, self.updates)]
        if name == "augmented":
            lines += [f"augment_{way} = {toml_value(share)}" for way, share in SHARES.items()]
        path = self.work / f"{name}.toml"
        write_text(path, "\n".join([*lines, ""]))
        return path

    def file(self, name: str, lines: Sequence[str]) -> Path:
        """Write lines into a file and return its path."""
        path = self.work / name
        write_text(path, "".join(f"{line}\n" for line in lines))
        return path

    def results(self, name: str) -> dict[str, float]:
        """Train a variant and return its figures; what is done is read."""
        found = self.work / f"{name}-{self.updates}-{self.seed}.json"
        if not found.exists():
            run = self.work / "runs" / f"{name}-{self.updates}-{self.seed}"
            data = ("--data-dir", self.corpora)
            nmt("train", self.recipe(name), "--run", run, *data, "--seed", self.seed)
            write_text(found, json.dumps({**self.bleu(run), **self.kept(run)}))
        content: dict[str, float] = json.loads(found.read_text("utf-8"))
        return content

    def bleu(self, run: Path) -> dict[str, float]:
        """Return BLEU by test set, as it is and in upper case."""
        printed = nmt("evaluate", "--model", run, "--data-dir", self.corpora, "--json", *AS_IS)
        upper = [
            self.file(f"upper.{language}", [line.upper() for line in self.lines(language)])
            for language in ("en", "de")
        ]
        also = nmt("evaluate", *upper, "--model", run, "--json", *AS_IS)
        scores = {
            each["test_set"]: each["scores"]["BLEU"]["value"]
            for each in json.loads(printed)["results"]
        }
        (only,) = json.loads(also)["results"]
        return {**scores, UPPER: only["scores"]["BLEU"]["value"]}

    def kept(self, run: Path) -> dict[str, float]:
        """Return the percentages of placeholders and of tags that the model keeps."""
        marked = with_marks(self.lines("en")[:MARKED_SENTENCES])
        source = self.file("marked.en", [text for text, _ in marked])
        output = self.work / f"{run.name}.de"
        nmt("translate", source, "--model", run, "--output", output, *AS_IS)
        translations = output.read_text("utf-8").split("\n")
        kept = [
            is_kept(marks, line) for (_, marks), line in zip(marked, translations, strict=False)
        ]
        return {
            "placeholders kept": 100 * sum(kept[1::2]) / len(kept[1::2]),
            "tags kept": 100 * sum(kept[0::2]) / len(kept[0::2]),
        }

    def cells(self, name: str) -> Iterator[Cell]:
        """Yield the figures of a variant."""
        for column, value in self.results(name).items():
            unit = "%" if column.endswith("kept") else "BLEU"
            yield Cell(ROWS[name], column, round(value, 2), unit)


def save(output: Path, trial: Trial, cells: Sequence[Cell]) -> None:
    """Write the figures that are known, and "not measured" for the others."""
    known = {cell.row for cell in cells}
    shares = ", ".join(f"{way.replace('_', ' ')} {share:g}" for way, share in SHARES.items())
    fields = describe(
        what="Marks and capitals kept by a model that was trained with changed pairs",
        command="OMP_NUM_THREADS=1 python benchmarks/augment.py CORPORA WORK"
        f" --updates {trial.updates} --seed {trial.seed}",
        peer="none",
        note=f"The recipe {RECIPE}, English-German, with {trial.updates:,} updates, its schedule"
        f" shortened in proportion. Probabilities of changes: {shares}. Odd input is translated as"
        f" it is. Marks were put into {MARKED_SENTENCES} sentences; one is kept if the translation"
        " has it exactly once, and a tag if its end follows.",
        rows="training",
    )
    missing = [Cell(row, TEST, NOT_MEASURED, "BLEU") for row in ROWS.values() if row not in known]
    write(output, fields, [*cells, *missing])


@click.command()
@click.argument("corpora", type=click.Path(path_type=Path, exists=True))
@click.argument("work", type=click.Path(path_type=Path, file_okay=False))
@click.option("--updates", type=click.IntRange(1), default=4000, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of both trainings.")
@click.option("--output", type=click.Path(path_type=Path), help="Data file.  [default: none]")
def command(corpora: Path, work: Path, updates: int, seed: int, output: Path | None) -> None:
    """Train with and without changed pairs on Multi30k in the folder CORPORA."""
    trial = Trial(corpora.absolute(), work.absolute(), updates, seed)
    trial.work.mkdir(parents=True, exist_ok=True)
    cells: list[Cell] = []
    for name in ROWS:
        cells += trial.cells(name)
        if output:
            save(output, trial, cells)
    for cell in cells:
        click.echo(f"{cell.row}: {cell.column} {cell.value:,} {cell.unit}")


if __name__ == "__main__":
    command()
