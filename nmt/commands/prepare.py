"""`nmt prepare`: the pipeline of text on its own."""

from pathlib import Path

import click

from nmt.commands.options import (
    data_dir_option,
    recipe_and_run,
    recipe_argument,
    run_option,
    set_option,
    settings_help,
)


@click.command("prepare", epilog=settings_help("data", "tokenizer"))
@recipe_argument
@run_option
@data_dir_option
@set_option
def command(recipe: str, run: Path | None, data_dir: Path, overrides: tuple[str, ...]) -> None:
    """Learn the tokenizer of RECIPE, clean and encode its corpus, write it into the run folder.

    Only what changed since the last time is done again. `nmt train` does this by itself.

    \b
    Example:
      nmt prepare multi30k_en_de --data-dir corpora
    """
    settled, folder = recipe_and_run(recipe, run, overrides)

    from nmt.system.log import note
    from nmt.text.corpus import DataFolder
    from nmt.text.prepare import prepare

    with folder.lock():
        folder.settle_recipe(settled)
        given = None
        if settled.train.init_from:
            from nmt.training.setup import given_tokenizer, initial_model

            given = given_tokenizer(settled, folder, initial_model(settled, folder))
        prepared = prepare(settled, DataFolder(data_dir), folder.prepared_folder(), note, given)
    pairs = sum(map(len, prepared.shards))
    tokens = sum(len(shard.ids) for shard in prepared.shards)
    source, target = map(len, prepared.tokenizer.sides)
    vocabulary = (
        f"{target:,} pieces in the vocabulary"
        if prepared.tokenizer.is_joint
        else f"{source:,} pieces in the vocabulary of the source, {target:,} of the target"
    )
    note(f"{folder.prepared}: {pairs:,} pairs, {tokens:,} tokens, {vocabulary}")
