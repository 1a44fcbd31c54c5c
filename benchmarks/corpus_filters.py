"""Measure the filters of `nmt clean` that are off by default, on clean corpora.

    python benchmarks/corpus_filters.py CORPORA --output results/corpus-filters.toml

For each filter: the share of clean pairs that it would remove, and CPU seconds for a million pairs.
Then targets are replaced by French sentences, and by targets with other numbers.
"""

import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random

import click
from corpus_damage import (  # type: ignore[import-not-found] # in this folder
    CORPORA,
    corpora_options,
    measured,
    text_of,
)
from damage import Pair  # type: ignore[import-not-found] # in this folder
from results import Cell, describe, write  # type: ignore[import-not-found] # in this folder

from nmt.corpora.detectors import (
    CheckLimits,
    Find,
    Norms,
    learn_norms,
    load_identifier,
    usual_languages,
)
from nmt.corpora.findings import DEFAULT_FILTERS, FILTERS, OTHER_LANGUAGE, choose_detectors
from nmt.corpora.pairs import Refused, read_leniently, sample_rows
from nmt.corpora.segment import Segment

LIMITS = CheckLimits()
MOST_PAIRS = 20_000  # that each filter examines: language identification takes long
FRENCH = [
    "Il fait beau.",
    "Je ne sais pas.",
    "Merci beaucoup, madame.",
    "Où est la gare ?",
    "Nous avons mangé une pomme.",
    "Le chat dort sur le canapé.",
    "Elle a perdu ses clés hier soir.",
    "Mon frère travaille dans une banque.",
    "Il faut que tu viennes avec nous demain.",
    "Les enfants jouent dans le jardin de l'école.",
    "Cette ville est plus grande que je ne le pensais.",
    "Un homme en chemise bleue répare une vieille voiture.",
    "Deux chiens courent dans la neige derrière un ballon rouge.",
    "Je voudrais réserver une chambre pour deux personnes cette nuit.",
    "Le gouvernement a annoncé de nouvelles mesures pour soutenir l'économie.",
    "Quand il est arrivé à la maison, sa femme avait déjà préparé le repas.",
    "La bibliothèque est fermée le dimanche, mais elle ouvre tôt le lundi matin.",
    "Nous avons passé tout l'été au bord de la mer avec les grands-parents.",
    "Selon les chercheurs, cette découverte pourrait changer notre façon de comprendre le climat.",
    "Les passagers ont attendu pendant plus de trois heures avant que le train ne reparte.",
]
LONG = 40  # characters


def share(find: Find, pairs: list[Pair], norms: Norms) -> float:
    """Return the share in percent of pairs that a detector names."""
    named = sum(bool(find(Segment(one), Segment(other), norms)) for one, other in pairs)
    return 100 * named / len(pairs)


def with_other_numbers(pairs: list[Pair], draw: Random) -> list[Pair]:
    """Return the pairs with digits on both sides, a number of the target replaced by another."""
    found = [pair for pair in pairs if all(re.search(r"\d", side) for side in pair)]
    return [
        (source, re.sub(r"\d+", lambda old: str(int(old[0]) + draw.randint(1, 9)), target, count=1))
        for source, target in found
    ]


def measure(folder: Path, corpus: str, seed: int) -> Iterator[Cell]:
    """Yield the figures of a corpus."""
    draw = Random(seed)
    text = text_of(folder, CORPORA[corpus])
    every = [*read_leniently(text, Refused())]
    pairs = draw.sample(every, min(MOST_PAIRS, len(every)))
    sample = [row[1:] for row in sample_rows(text, LIMITS.sample_pairs)]
    few = sample[:: -(-len(sample) // LIMITS.language_sample)]
    norms = learn_norms([], LIMITS, usual_languages(few, load_identifier()))
    detectors = choose_detectors({*FILTERS} - {*DEFAULT_FILTERS})
    segments = [(Segment(source), Segment(target)) for source, target in pairs]
    for name, find in detectors.items():
        find(*segments[0], norms)  # loads the identifier
        started = time.process_time()
        named = sum(bool(find(*pair, norms)) for pair in segments)
        seconds = (time.process_time() - started) * 1e6 / len(pairs)
        removed = 100 * named / len(pairs)
        detail = f"{seconds:.0f} s"
        yield Cell(f"clean pairs: `{name}`", corpus, round(removed, 3), "%", detail)
    sources = [source for source, _ in draw.sample(pairs, len(FRENCH))]
    french = [*zip(sources, FRENCH, strict=True)]
    language = detectors[OTHER_LANGUAGE]
    for row, some in (
        (f"found: French targets of {LONG} characters or more", [len(t) >= LONG for t in FRENCH]),
        ("found: shorter French targets", [len(t) < LONG for t in FRENCH]),
    ):
        chosen = [pair for pair, wanted in zip(french, some, strict=True) if wanted]
        yield Cell(row, corpus, round(share(language, chosen, norms)), "%", f"of {len(chosen)}")
    others = with_other_numbers(every, draw)
    found = share(detectors["numbers"], others, norms)
    yield Cell("found: another number", corpus, round(found, 1), "%", f"of {len(others)}")


@click.command()
@corpora_options  # type: ignore[untyped-decorator] # from this folder
def command(folder: Path, seed: int, output: Path | None) -> None:
    """Apply the optional filters to the corpora below FOLDER, multi30k/ and tatoeba/."""
    cells = measured(folder, partial(measure, folder, seed=seed))
    if output:
        made = describe(
            what="filters of nmt clean that are off by default",
            command=f"python benchmarks/corpus_filters.py CORPORA --seed {seed}",
            peer="none",
            note=f"A sample of {MOST_PAIRS:,} training pairs of Multi30k and of Tatoeba"
            " (English-German). The French sentences are 20 that the script holds. The other number"
            " is up to 9 greater, in all pairs with digits on both sides. In brackets: CPU time for"
            " a million pairs, and the number of pairs.",
            rows="figure",
        )
        write(output, made, cells)


if __name__ == "__main__":
    command()
