"""`nmt prepare`: prepare a recipe's corpus for training."""

from pathlib import Path

import click

from nmt.commands import options
from nmt.recipe.settings import parse_overrides
from nmt.runs.runs import find_recipe_and_run
from nmt.system.log import note
from nmt.text.reading.corpus import DataFolder


@click.command("prepare")
@options.recipe_or_run
@options.run
@options.run_data_dir
@options.set_any
def command(
    recipe: str, run: Path | None, data_dir: Path | None, overrides: tuple[str, ...]
) -> None:
    """Prepare the corpus of RECIPE for training.

    RECIPE is the name of a shipped recipe or the path of a TOML file; the default is "pocket". RUN
    is a run folder, whose recipe and data folder are used. The command learns the tokenizer,
    filters and encodes the corpus, and writes tokenizer and encoded corpus into the run folder.
    Steps whose input has not changed are skipped.

    `nmt train` prepares the corpus too, so this command is optional.

    \b
    Examples:
      nmt prepare
      nmt prepare multi30k_en_de --data-dir corpora
      nmt prepare mine.toml --set tokenizer.vocab_size=4000
    """
    resolved, folder = find_recipe_and_run(recipe, run, parse_overrides(overrides))

    from nmt.documents.registry import bilingual_reader
    from nmt.training.setup import record, resolve, set_up

    data = DataFolder(folder.data_dir(data_dir), bilingual_reader)
    with folder.lock():
        resolved = resolve(resolved, folder).recipe
        prepared = set_up(resolved, data, folder, note).prepared
        record(resolved, data, folder, note)
    pairs = sum(map(len, prepared.shards))
    tokens = sum(len(shard.ids) for shard in prepared.shards)
    source, target = map(len, prepared.tokenizer.sides)
    vocabulary = (
        f"a vocabulary of {target:,} tokens"
        if prepared.tokenizer.is_joint
        else f"vocabularies of {source:,} (source) and {target:,} (target) tokens"
    )
    note(f"{folder.prepared}: {pairs:,} pairs, {tokens:,} tokens, {vocabulary}")
