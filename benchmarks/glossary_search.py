"""Measure a search with a glossary: terms in the translations, BLEU and time.

    python benchmarks/glossary_search.py MODEL SOURCE REFERENCE --save results/glossary.toml

Plain search and search with the glossary translate SOURCE in turn, in one process of one thread.
The times are this process's CPU seconds, because other work may share the machine.
"""

import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import sacrebleu
import torch
from results import Cell, describe, write  # type: ignore[import-not-found] # in this folder

from nmt.decoding.terms.glossary import Glossary, Term, read_glossary
from nmt.decoding.translator.load import decode_settings
from nmt.decoding.translator.translator import Translator
from nmt.runs.trained_model import load_ensemble
from nmt.system.pools import ProcessPool
from nmt.text.lines import read_segments

TERMS = Path(__file__).with_name("glossary_terms.tsv")
FILE = click.Path(path_type=Path, exists=True)
WAYS = ("without glossary", "with glossary")


@dataclass(frozen=True)
class Text:
    """The segments of a test set, their references and the terms that they hold."""

    segments: list[str]
    references: list[str]
    terms: list[set[Term]]

    def with_terms(self) -> "Text":
        """Return the segments with terms alone."""
        kept = [index for index, terms in enumerate(self.terms) if terms]
        parts = (self.segments, self.references, self.terms)
        return Text(*([part[index] for index in kept] for part in parts))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Searched:
    """The results of all rounds, of both ways of searching."""

    texts: dict[str, list[str]]  # by way
    seconds: dict[str, list[float]]  # CPU, of each round

    def ratios(self) -> list[float]:
        """Return the ratios of the times, round by round."""
        return [b / a for a, b in zip(*(self.seconds[way] for way in WAYS), strict=True)]


def search(translators: Sequence[Translator], text: Text, rounds: int) -> Searched:
    """Translate a text in both ways in turn."""
    searched = Searched({}, {way: [] for way in WAYS})
    for _ in range(rounds):
        for way, translator in zip(WAYS, translators, strict=True):
            started = time.process_time()
            searched.texts[way] = [each.text for each in translator.translate(text.segments)]
            searched.seconds[way].append(time.process_time() - started)
    return searched


def cells_of(text: Text, searched: Searched, kind: str) -> Iterator[Cell]:
    """Yield the figures of a text; kind names it."""
    for way in WAYS:
        texts = searched.texts[way]
        if text.terms:
            pairs = [
                (term, each)
                for terms, each in zip(text.terms, texts, strict=True)
                for term in terms
            ]
            count = sum(term.is_in(each) for term, each in pairs)
            share = round(100 * count / len(pairs), 1)
            yield Cell(
                f"{kind}, terms that are present", way, share, "%", f"{count} of {len(pairs)}"
            )
        bleu = sacrebleu.corpus_bleu(texts, [text.references]).score
        yield Cell(f"{kind}, BLEU", way, round(bleu, 2), "BLEU")
        seconds = round(statistics.median(searched.seconds[way]), 1)
        yield Cell(f"{kind}, time", way, seconds, "CPU seconds")
    ratios = searched.ratios()
    shown = f"{min(ratios):.2f} to {max(ratios):.2f}"
    ratio = round(statistics.median(ratios), 2)
    yield Cell(f"{kind}, ratio of the times", WAYS[1], ratio, "ratio", shown, "at most 3")


def translators_of(
    model: Path, entries: list[Term], overrides: tuple[str, ...]
) -> tuple[Glossary, list[Translator]]:
    """Return the glossary for a model, and translators without and with it."""
    loaded = load_ensemble([model], "cpu")
    settings = decode_settings(loaded.recipe, overrides)
    translators = [
        Translator(loaded, settings, click.echo, glossary=given, pool=ProcessPool(1))
        for given in ([], entries)
    ]
    return Glossary(entries, loaded.tokenizer.target), translators


@click.command()
@click.argument("model", type=FILE)
@click.argument("source", type=FILE)
@click.argument("reference", type=FILE)
@click.option("--glossary", type=FILE, default=TERMS, show_default=True)
@click.option("--rounds", type=int, default=3, show_default=True)
@click.option("--set", "overrides", multiple=True, help="decode.KEY=VALUE")
@click.option("--note", default="", help="Note of the data file: which model it was.")
@click.option("--show", type=click.Path(path_type=Path), help="File for lines with terms to read.")
@click.option("--save", type=click.Path(path_type=Path), help="Data file to write, *.toml.")
def main(
    model: Path,
    source: Path,
    reference: Path,
    glossary: Path,
    rounds: int,
    overrides: tuple[str, ...],
    note: str,
    show: Path | None,
    save: Path | None,
) -> None:
    """Measure the search of a MODEL with and without a glossary."""
    torch.set_num_threads(1)
    finder, translators = translators_of(model, read_glossary(glossary), overrides)
    segments = [*read_segments(source)]
    terms = [{found.term for found in finder.find(segment)} for segment in segments]
    text = Text(segments, [*read_segments(reference)], terms)
    kept = text.with_terms()
    searched = search(translators, kept, rounds)
    cells = [
        *cells_of(text, search(translators, text, rounds), f"{len(segments):,} lines"),
        *cells_of(kept, searched, f"{len(kept.segments):,} lines with terms"),
    ]
    for cell in cells:
        click.echo(cell.text())
    if show:
        rows = zip(kept.segments, *(searched.texts[way] for way in WAYS), kept.terms, strict=True)
        show.write_text(
            "\n".join(
                f"{one}\n  {two}\n  {three}\n  {[(term.source, *term.targets) for term in found]}"
                for one, two, three, found in rows
            )
        )
    if save:
        fields = describe(
            what="A glossary on Multi30k",
            command=f"python benchmarks/glossary_search.py {' '.join(sys.argv[1:4])}",
            peer="plain search with the same beam",
            note=note,
            rows="figure",
        )
        write(save, fields, cells)


if __name__ == "__main__":
    main()
