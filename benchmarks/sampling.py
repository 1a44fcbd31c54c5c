"""Measure samples and minimum Bayes risk next to beam search: BLEU, chrF, variety and CPU time.

    python benchmarks/sampling.py runs/multi30k_en_de val.en val.de --lines 100

Everything is computed by one thread of this process, whose own CPU time is measured: other work on
the machine changes the ratio of two times little.
"""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import torch
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from nmt.decoding.translator.translation import OutputOptions, Translation
from nmt.decoding.translator.translator import Translator
from nmt.runs.trained_model import load_model
from nmt.system.pools import ProcessPool
from nmt.text.lines import read_lines

N_BEST = 10  # outputs whose variety is counted


@dataclass(frozen=True)
class Test:
    """A text that one model translates."""

    model: Any
    sources: list[str]
    references: list[str]

    def translate(self, n_best: int, **settings: Any) -> tuple[list[Translation], float]:
        """Return translations, and the CPU seconds that they took."""
        chosen = replace(self.model.recipe.decode, **settings)
        pool = ProcessPool(1)
        translator = Translator(self.model, chosen, click.echo, OutputOptions(n_best), pool=pool)
        started = time.process_time()
        found = [*translator.translate(self.sources)]
        return found, time.process_time() - started

    def measure(self, name: str, **settings: Any) -> None:
        """Print scores and time of the best translations."""
        found, seconds = self.translate(1, **settings)
        texts = [each.text for each in found]
        bleu = BLEU().corpus_score(texts, [self.references]).score
        chrf = CHRF().corpus_score(texts, [self.references]).score
        click.echo(f"{name}\tBLEU {bleu:.2f}\tchrF {chrf:.2f}\t{seconds:.2f} s")

    def variety(self, name: str, **settings: Any) -> None:
        """Print how many of the outputs of a segment are distinct, on average."""
        found, seconds = self.translate(N_BEST, **settings)
        distinct = sum(len({each.text for each in one.candidates}) for one in found) / len(found)
        click.echo(f"{name}\t{distinct:.2f} of {N_BEST} are distinct\t{seconds:.2f} s")


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("reference", type=click.Path(path_type=Path))
@click.option("--lines", type=int, default=300, show_default=True, help="Lines to translate.")
@click.option("--temperature", type=float, multiple=True, default=(1.0,), show_default=True)
@click.option("--top-p", type=float, multiple=True, default=(1.0,), show_default=True)
@click.option("--candidates", type=int, multiple=True, default=(10, 100), show_default=True)
@click.option("--mbr", default="chrf", show_default=True)
@click.option("--variety/--no-variety", default=True)
def command(
    model: Path,
    source: Path,
    reference: Path,
    lines: int,
    temperature: tuple[float, ...],
    top_p: tuple[float, ...],
    candidates: tuple[int, ...],
    mbr: str,
    variety: bool,
) -> None:
    """Translate SOURCE with MODEL by every combination of the options, and score it."""
    torch.set_num_threads(1)
    sources, references = ([*read_lines(path)][:lines] for path in (source, reference))
    test = Test(load_model(model, "cpu"), sources, references)
    test.measure("beam 4", beam_size=4)
    for heat, share in ((heat, share) for heat in temperature for share in top_p):
        name = f"temperature {heat:g}, top-p {share:g}"
        drawn = {"method": "sample", "temperature": heat, "top_p": share}
        for count in candidates:
            test.measure(f"{count} samples, {name}", **drawn, mbr=mbr, candidates=count)
        if variety:
            test.variety(f"samples, {name}", **drawn)
    if variety:
        test.variety(f"beam {N_BEST}", beam_size=N_BEST)


if __name__ == "__main__":
    command()
