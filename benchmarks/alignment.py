"""Measure word alignments of Multi30k by the alignment error rate.

    python benchmarks/alignment.py RUN --data data [--save benchmarks/results/alignment.toml]

`benchmarks/alignments/multi30k_val.tsv` holds links of the first lines of the dev set, made by
hand. RUN is a trained run of a Multi30k recipe: its prepared corpus teaches the aligner, and its
model's attention aligns. With `--guided RUN`, that model is one more row.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import click
import numpy
import torch
from results import Figure, describe, write  # type: ignore[import-not-found] # a script in this folder

from nmt.decoding.models.alignment import (
    align_tokens,
    aligning_attention,
    attention_to_source,
    best_positions,
    find_token_words,
)
from nmt.decoding.models.pytorch import make_decoder
from nmt.runs.run_folder import RunFolder
from nmt.runs.trained_model import TrainedModel, load_model
from nmt.text.alignment import MOST_CELLS, NONE, Aligner, sample
from nmt.text.batches import pad_with_eos, source_batch
from nmt.text.manifest import sha256
from nmt.text.prepare import open_prepared
from nmt.text.reading.lines import read_lines
from nmt.text.shards import flatten
from nmt.text.subwords.tokenizer import Tokenizer
from nmt.text.subwords.words import find_words

Link = tuple[int, int]  # a word of the source and one of the target, from 0
Links = list[set[Link]]  # of each sentence
GOLD = Path(__file__).parent / "alignments" / "multi30k_val.tsv"


@dataclass(frozen=True)
class Gold:
    """Links made by hand (Och and Ney, 2003)."""

    lines: list[int]  # numbers of the lines, from 1
    sure: Links  # words that are translations of each other
    possible: Links  # these, and words that may be linked


@dataclass(frozen=True)
class Quality:
    """How good links are, as shares of 1."""

    error_rate: float
    precision: float  # of the links, those that are possible
    recall: float  # of the sure links, those that were found


def read_gold(path: Path) -> Gold:
    """Return the links of a file: lines of a line number, sure and possible links, with tabs."""
    gold = Gold([], [], [])
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        number, *kinds = line.split("\t")
        sure, possible = (
            {(int(one), int(other)) for one, other in (each.split("-") for each in kind.split())}
            for kind in kinds
        )
        gold.lines.append(int(number))
        gold.sure.append(sure)
        gold.possible.append(sure | possible)
    return gold


def quality(found: Sequence[set[Link]], gold: Gold) -> Quality:
    """Return AER = 1 - (|A and S| + |A and P|) / (|A| + |S|), Och and Ney (2003), and its parts."""
    pairs = [*zip(found, gold.sure, gold.possible, strict=True)]
    sure_found = sum(len(links & sure) for links, sure, _ in pairs)
    possible_found = sum(len(links & possible) for links, _, possible in pairs)
    links, sure = sum(map(len, found)), sum(map(len, gold.sure))
    return Quality(
        1 - (sure_found + possible_found) / (links + sure),
        possible_found / max(1, links),
        sure_found / max(1, sure),
    )


class Sentences:
    """The sentences of the gold standard, as text and as tokens."""

    def __init__(self, data: Path, gold: Gold, tokenizer: Tokenizer) -> None:
        """Read the sentences; raises ValueError if the files are not those that were aligned."""
        wanted = [
            line.split()[2]
            for line in GOLD.read_text(encoding="utf-8").splitlines()
            if line.startswith("# sha256")
        ]
        sides = []
        for name, digest in zip(("val.en.gz", "val.de.gz"), wanted, strict=True):
            path = data / "multi30k" / name
            if sha256(path.read_bytes()) != digest:
                raise ValueError(f"{path} is not the file that was aligned")
            lines = [*read_lines(path)]
            sides.append([lines[number - 1] for number in gold.lines])
        self.source, self.target = (
            model.encode(side) for model, side in zip(tokenizer.sides, sides, strict=True)
        )
        self.words = [
            [find_words(text, model).by_token for text in side]
            for model, side in zip(tokenizer.sides, sides, strict=True)
        ]

    def links(self, places: Iterable[Sequence[int]]) -> Links:
        """Return the links of words, from the place that each target token is aligned to."""
        return [
            {
                (one, other)
                for place, target_words in zip(row, targets, strict=True)
                if place != NONE
                for one in sources[place]
                for other in target_words
            }
            for row, sources, targets in zip(places, *self.words, strict=True)
        ]

    def backward_links(self, places: Iterable[Sequence[int]]) -> Links:
        """Return the links of words, from the place that each source token is aligned to."""
        self.words.reverse()
        found = self.links(places)
        self.words.reverse()
        return [{(one, other) for other, one in each} for each in found]


def rows_of(places: Iterable[int], rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return places, end to end, as those of each row of tokens."""
    ends = numpy.cumsum([0, *map(len, rows)]).tolist()
    flat = [*places]
    return [flat[begin:end] for begin, end in pairwise(ends)]


def aligner_links(run: RunFolder, sentences: Sentences) -> dict[str, Links]:
    """Return the links of the aligner, which learns from the run's corpus alone."""
    prepared = open_prepared(run.load_recipe(), run.prepared_folder())
    aligner = Aligner.learn(*sample(prepared.shards, MOST_CELLS), len(prepared.tokenizer))
    source, target = flatten(sentences.source), flatten(sentences.target)
    forward = sentences.links(
        rows_of(aligner.forward.best_sources(source, target), sentences.target)
    )
    backward = sentences.backward_links(
        rows_of(aligner.backward.best_sources(target, source), sentences.source)
    )
    both = sentences.links(rows_of(aligner.align(source, target), sentences.target))
    return {
        "aligner, source to target": forward,
        "aligner, target to source": backward,
        "aligner, tokens on which both agree (used for guided alignment)": both,
    }


def attention_links(model: TrainedModel, sentences: Sentences) -> dict[str, Links]:
    """Return the links by the attention of each layer and of what aligns in the model.

    The layers show two steps of the decoder. What aligns is shown as `nmt translate --alignments`
    uses it if it wrote the target, and with the largest weight of each token alone.
    """
    decoder = make_decoder(model.network)
    source = source_batch(sentences.source)
    labels = pad_with_eos(flatten(sentences.target))
    layers = range(model.recipe.model.decoder_layers)
    with torch.inference_mode():
        weights = [each.numpy() for each in attention_to_source(decoder, source, labels, layers)]
    words = [find_token_words(ids, model.tokenizer.target) for ids in sentences.target]
    found = {}
    for layer, heads in enumerate(weights):
        # The step that reads a token comes after the one that predicts it.
        for step, later in {"predicts": 0, "reads": 1}.items():
            positions = [
                best_positions(row[later : later + len(own), : len(ids)], own)
                for row, own, ids in zip(heads.mean(1), words, sentences.source, strict=True)
            ]
            name = f"attention of layer {layer + 1}, the step that {step} a token"
            found[name] = sentences.links(positions)
    aligning = aligning_attention(model)
    heads = weights[aligning.layer]
    rows = heads.mean(1) if aligning.head is None else heads[:, aligning.head]
    largest = [
        row[: len(target), : len(ids)].argmax(1).tolist()
        for row, target, ids in zip(rows, sentences.target, sentences.source, strict=True)
    ]
    which = "mean" if aligning.head is None else f"head {aligning.head + 1}"
    name = f"chosen attention (layer {aligning.layer + 1}, {which})"
    found[name] = chosen_links(model, sentences)
    found[f"{name}, largest weight"] = sentences.links(largest)
    return found


def chosen_links(model: TrainedModel, sentences: Sentences) -> Links:
    """Return the links of `nmt translate --alignments` if it wrote the target."""
    return sentences.links(
        align_tokens(
            [make_decoder(model.network)],
            [aligning_attention(model)],
            sentences.source,
            sentences.target,
            model.tokenizer.target,
        )
    )


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), default=Path("data"))
@click.option("--model", type=click.Path(path_type=Path), help="Default: the run's average.")
@click.option("--guided", type=click.Path(path_type=Path), help="A run with guided alignment.")
@click.option("--what", default="", help="What to say about the models.")
@click.option("--save", type=click.Path(path_type=Path))
def command(
    run: Path, data: Path, model: Path | None, guided: Path | None, what: str, save: Path | None
) -> None:
    """Print the alignment error rates of the aligner and of a run's attention."""
    folder = RunFolder(run)
    trained = load_model(model or folder.model, "cpu")
    gold = read_gold(GOLD)
    sentences = Sentences(data, gold, trained.tokenizer)
    found = attention_links(trained, sentences) | aligner_links(folder, sentences)
    if guided:
        path = guided if guided.is_file() else RunFolder(guided).model
        found["guided attention"] = chosen_links(load_model(path, "cpu"), sentences)
    cells = []
    for row, links in found.items():
        measured = quality(links, gold)
        for column, value in (
            ("AER", measured.error_rate),
            ("precision", measured.precision),
            ("recall of sure links", measured.recall),
        ):
            cells.append(Figure(row, column, round(100 * value, 1), "%"))
        click.echo(f"{row}: {measured}")
    if save:
        write(
            save,
            describe(
                what="Word alignments of Multi30k",
                command=f"python benchmarks/alignment.py RUN{' --guided RUN' if guided else ''}",
                peer="none",
                note=f"{what} {len(gold.lines)} sentences of the dev set, aligned by hand:"
                f" {sum(map(len, gold.sure))} sure links and"
                f" {sum(map(len, gold.possible)) - sum(map(len, gold.sure))} possible ones."
                " The reference is the target, not a translation of the model.".strip(),
                rows="links",
            ),
            cells,
        )


if __name__ == "__main__":
    command()
