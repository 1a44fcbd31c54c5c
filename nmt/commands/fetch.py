"""`nmt fetch`: download corpora."""

from pathlib import Path

import click

from nmt.commands.options import data_dir_option, recipe_argument, set_option
from nmt.recipe import load_recipe


@click.command("fetch")
@recipe_argument
@data_dir_option
@set_option
def command(recipe: str, data_dir: Path, overrides: tuple[str, ...]) -> None:
    """Download the corpora that RECIPE names into the data folder, checked by SHA-256.

    Where the recipe knows no hash, the first download's is printed and pinned in the data folder's
    SHA256SUMS. What is there already is checked, not downloaded again.

    \b
    Example:
      nmt fetch multi30k_en_de
    """
    settled = load_recipe(recipe, overrides)

    from nmt.system.log import note
    from nmt.text.corpus import DataFolder
    from nmt.text.fetch import fetch

    if not settled.data.downloads:
        for name in settled.data.file_names:
            DataFolder(data_dir).find(name, settled)
        note(f"recipe {settled.name} names no address, and all its files are there")
    for download in settled.data.downloads:
        fetch(download, data_dir, note)
