"""`nmt fetch`: download the corpora of a recipe."""

from pathlib import Path

import click

from nmt.commands.options import data_dir_option, recipe_argument, set_option
from nmt.recipe import load_recipe


@click.command("fetch")
@recipe_argument
@data_dir_option
@set_option
def command(recipe: str, data_dir: Path, overrides: tuple[str, ...]) -> None:
    """Download the corpora of RECIPE into the data folder and check their SHA-256.

    RECIPE is the name of a shipped recipe or the path of a TOML file; the default is "pocket". If
    the recipe gives no SHA-256 for a file, the command prints the SHA-256 of the first download and
    records it in SHA256SUMS in the data folder. Existing files are checked, never overwritten.

    \b
    Example:
      nmt fetch multi30k_en_de
    """
    resolved = load_recipe(recipe, overrides)

    from nmt.system.log import note
    from nmt.text.corpus import DataFolder
    from nmt.text.fetch import fetch

    if not resolved.data.downloads:
        for name in resolved.data.file_names:
            DataFolder(data_dir).find(name, resolved)
        note(f"recipe {resolved.name} has no downloads, and all its files exist")
    for download in resolved.data.downloads:
        fetch(download, data_dir, note)
