"""`nmt split`: dev and test sets without near duplicates in the training text."""

from pathlib import Path
from typing import Any

import click

from nmt.commands import options
from nmt.commands.init import given_text, languages
from nmt.commands.options import FILE
from nmt.system.log import note

SIZE = "Size of the %s set in pairs; 0: none.  [default: 5 %%, at most 1,000]"


@click.command("split")
@click.argument("source", type=FILE)
@click.argument("target", type=FILE, required=False)
@languages
@options.prefix
@options.number("--dev", click.IntRange(min=0), SIZE % "dev")
@options.number("--test", click.IntRange(min=0), SIZE % "test")
@click.option("--documents", "by_document", is_flag=True, help="Hold out whole documents.")
@options.number("--seed", click.IntRange(min=0), "Another seed draws other pairs.", 1)
def command(
    source: Path,
    target: Path | None,
    source_language: str | None,
    target_language: str | None,
    prefix: str,
    by_document: bool,
    **sizes: Any,
) -> None:
    """Divide a corpus into training, dev and test text: SOURCE and TARGET, or one file with both.

    Without --documents, the three share no segment, not even one that differs only in case,
    punctuation, spaces or digits. Pairs that are nearly equal to a held-out pair, and pairs with an
    empty side, are removed.

    With --documents, the dev and test sets have whole documents, for a model that reads sentences
    in context. Their sizes are then not exact. A blank line in both files ends a document, as do
    the ids of files that name their documents. Only the training text loses pairs that are nearly
    equal to a held-out pair; dev and test set may share some, and frequent ones stay in all sets.

    The command writes two files for each set: PREFIX, the set and the language code, such as
    mine.dev.en and mine.dev.de, in the order of the corpus. PREFIX.removed.tsv has the pairs that
    were removed.

    \b
    Examples:
      nmt split corpus.en corpus.de -o mine
      nmt split corpus.en.gz corpus.de.gz -o data/mine/ --dev 2000 --test 0
      nmt split pairs.en-de.tsv -o mine --seed 2
      nmt split novels.en novels.de -o data/novels/ --documents
    """
    from nmt.corpora.held_out import REMOVED, Sizes, split

    paths = list(filter(None, (source, target)))
    text = given_text(paths, source_language, target_language)
    pairs, files = split(text, prefix, Sizes(**sizes), note, by_document=by_document)
    counts = ", ".join(f"{count:,} {kind}" for kind, count in pairs.items())
    note(f"{sum(pairs.values()):,} pairs: {counts}")
    if pairs[REMOVED]:
        note("removed: pairs connected with a dev or test pair, and pairs with an empty side")
    note(f"written: {', '.join(map(str, files))}")
