"""`nmt prepare`: prepare a recipe's corpus for training."""

from pathlib import Path

import click

from nmt.commands.options import (
    part_of,
    recipe_and_run,
    recipe_or_run_argument,
    run_data_dir_option,
    run_option,
    set_option,
    settings_help,
)


@click.command("prepare", epilog=settings_help("data", "tokenizer"))
@recipe_or_run_argument
@run_option
@run_data_dir_option
@set_option
@click.option(
    "--verify",
    is_flag=True,
    help="Hash the prepared files and create damaged files again. Without it, files whose size and"
    " time are unchanged are trusted.",
)
@click.option(
    "--part",
    metavar="I/N",
    callback=part_of,
    help="Encode share I of N of a large corpus, on one of N machines with a common run folder."
    " Start share 1 first, and the others when tokenizer.model is in the run folder. After all"
    " shares, `nmt prepare` without --part ends the work.",
)
def command(
    recipe: str,
    run: Path | None,
    data_dir: Path | None,
    overrides: tuple[str, ...],
    verify: bool,
    part: tuple[int, int] | None,
) -> None:
    """Prepare the corpus of RECIPE for training.

    RECIPE is the name of a shipped recipe or the path of a TOML file; the default is "pocket". RUN
    is a run folder, whose recipe and data folder are used. The command learns the tokenizer,
    filters and encodes the corpus, and writes both into the run folder. Steps whose input has not
    changed are skipped.

    `nmt train` prepares the corpus too, so this command is optional.

    \b
    Example:
      nmt prepare multi30k_en_de --data-dir corpora
    """
    if part and verify:
        raise click.UsageError("--verify is for a corpus that is complete; leave out --part")
    resolved, folder = recipe_and_run(recipe, run, overrides)

    from nmt.system.log import note
    from nmt.text.corpus import DataFolder
    from nmt.text.parts import Share
    from nmt.training.setup import prepare_share, resolve, set_up

    data = DataFolder(folder.data_dir(data_dir))
    if part:
        with folder.lock(shared=True):  # with the machines that encode other parts
            prepare_share(resolve(resolved, folder).recipe, data, folder, note, Share(*part))
        return
    with folder.lock():
        resolved = resolve(resolved, folder).recipe
        prepared = set_up(resolved, data, folder, note, verify=verify).prepared
    pairs = sum(map(len, prepared.shards))
    tokens = sum(len(shard.ids) for shard in prepared.shards)
    source, target = map(len, prepared.tokenizer.sides)
    vocabulary = (
        f"a vocabulary of {target:,} tokens"
        if prepared.tokenizer.is_joint
        else f"vocabularies of {source:,} (source) and {target:,} (target) tokens"
    )
    note(f"{folder.prepared}: {pairs:,} pairs, {tokens:,} tokens, {vocabulary}")
