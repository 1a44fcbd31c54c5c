"""Command line: python -m data.pocket --output DIR [--seed S] [--distances] and further options."""

from __future__ import annotations

import argparse
import gzip
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TextIO

from data.pocket import english_syntax, german_syntax
from data.pocket.corpus import (
    TRAIN_PAIRS,
    Example,
    Row,
    Splits,
    build_splits,
    label_line,
    train_examples,
)
from data.pocket.distance import build_distant
from data.pocket.documents import build_documents
from data.pocket.held_out import held_out_pairs
from data.pocket.links import word_links

SEED = 1
EXAMPLE = """example:
  python -m data.pocket --output corpus --pairs 32000 --seed 1
  python -m data.pocket --output big --pairs 10000000 --duplicates   # train files only
  python -m data.pocket --output data/pocket/distance --distances    # for recipe pocket_distance
  python -m data.pocket --output data/pocket/documents --documents   # for recipe pocket_context"""


@contextmanager
def gzip_text(path: Path) -> Iterator[TextIO]:
    """Open a gzip file to write text; its bytes depend on the text only, not on time and name."""
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=raw, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as text,
    ):
        yield text


def write_train(folder: Path, train: Iterable[Example | Row]) -> None:
    with (
        gzip_text(folder / "train.en.gz") as english,
        gzip_text(folder / "train.de.gz") as german,
    ):
        for example in train:
            english.write(example.english + "\n")
            german.write(example.german + "\n")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def write_held_out(folder: Path, seed: int) -> None:
    header = "kind\tgovernor\tnoun"
    rows = ("\t".join(pair) for pair in sorted(held_out_pairs(seed)))
    write_lines(folder / "held_out.tsv", [header, *rows])


def write_splits(folder: Path, splits: Splits) -> None:
    write_train(folder, splits.train)
    for name, part in (("dev", splits.dev), ("test", splits.test)):
        write_lines(folder / f"{name}.en", (example.english for example in part))
        write_lines(folder / f"{name}.de", (example.german for example in part))
    write_lines(folder / "test.labels", (label_line(example) for example in splits.test))
    with gzip_text(folder / "dev.links.gz") as links:
        for sentence in (example.sentence for example in splits.dev):
            source = word_links(sentence, english_syntax.sentence_words(sentence), "source")
            target = word_links(sentence, german_syntax.sentence_words(sentence), "target")
            links.write("\t".join((*source, *target)) + "\n")


def write_contrastive(folder: Path, splits: dict[str, list[Row]]) -> None:
    write_train(folder, splits["train"])
    for name in ("dev", "test"):
        write_lines(folder / f"{name}.en", (row.english for row in splits[name]))
        write_lines(folder / f"{name}.de", (row.german for row in splits[name]))
    write_lines(folder / "test.contrast.de", (row.contrast for row in splits["test"]))
    write_lines(folder / "test.labels", (row.labels for row in splits["test"]))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m data.pocket",
        description="Generate the pocket English-German corpus.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to write into")
    parser.add_argument(
        "--pairs", type=int, default=TRAIN_PAIRS, help="training pairs (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=SEED, help="seed of the corpus (%(default)s)")
    others = parser.add_mutually_exclusive_group()
    others.add_argument(
        "--duplicates",
        action="store_true",
        help="stream train files only, repetitions included, in constant memory",
    )
    others.add_argument(
        "--distances",
        action="store_true",
        help="write another corpus: 0 to 30 words between two words that depend on each other",
    )
    others.add_argument(
        "--documents",
        action="store_true",
        help="write another corpus: a pronoun takes up a noun of the sentence before",
    )
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    folder: Path = arguments.output
    folder.mkdir(parents=True, exist_ok=True)
    if arguments.distances or arguments.documents:
        build = build_distant if arguments.distances else build_documents
        splits = build(arguments.seed)
        write_contrastive(
            folder,
            {name: [row for each in part for row in each.rows] for name, part in splits.items()},
        )
        return
    write_held_out(folder, arguments.seed)
    if arguments.duplicates:
        held_out = held_out_pairs(arguments.seed)
        write_train(folder, islice(train_examples(arguments.seed, held_out), arguments.pairs))
    else:
        write_splits(folder, build_splits(arguments.seed, arguments.pairs))


if __name__ == "__main__":
    main()
