"""`nmt fetch`: download the corpora of a recipe, or a trained model."""

import re
from pathlib import Path

import click

from nmt.commands import options
from nmt.commands.completion import complete_fetched
from nmt.errors import UsageError, shown, suggestion
from nmt.recipe.files import DEFAULT_RECIPE, find_recipe, load_recipe
from nmt.system.arguments import argument
from nmt.system.log import note
from nmt.text.reading.corpus import DataFolder

HUB = "https://huggingface.co"


@click.command("fetch")
@click.argument(
    "name", metavar="[RECIPE | MODEL]", default=DEFAULT_RECIPE, shell_complete=complete_fetched
)
@options.data_dir(help_text="Folder for what is downloaded.")
@options.set_any
@click.option(
    "--hub",
    metavar="URL",
    default=HUB,
    envvar="HF_ENDPOINT",
    show_default=True,
    show_envvar=True,
    help="Model hub, or a mirror with the same paths.",
)
@click.option(
    "--revision",
    metavar="NAME",
    help="Revision of a model.  [default: the pinned one, or the latest]",
)
def command(
    name: str, data_dir: Path, overrides: tuple[str, ...], hub: str, revision: str | None
) -> None:
    """Download the corpora of RECIPE, or a trained MODEL, into the data folder; check the SHA-256.

    RECIPE is the name of a shipped recipe or the path of a TOML file; the default is "pocket".
    MODEL is an OPUS-MT model such as opus-mt-en-de; its files go into a folder of its name, for
    `nmt import`. Existing files are checked, never overwritten.

    \b
    Examples:
      nmt fetch multi30k_en_de
      nmt fetch opus-mt-en-de
    """
    from nmt.interop.opus.hub import COMMON, model_name

    model = None
    try:
        find_recipe(name)
    except UsageError as error:
        model = model_name(name)
        if model is None and "opus" in name.lower():
            message = f"no recipe or model {shown(name)}{suggestion(name, COMMON)}"
            raise UsageError(message) from error
    if model is not None:
        if overrides:
            raise UsageError(
                f"--set changes settings of a recipe, but {model} is a model; leave it out"
            )
        fetch_trained(model, data_dir, hub, revision)
        return
    options.refuse(("--hub", "--revision"), f"is for models, but {name} is a recipe; leave it out")
    resolved = load_recipe(name, overrides)

    from nmt.text.reading.download import fetch

    if not resolved.data.downloads:
        for file in resolved.data.file_names:
            DataFolder(data_dir).find(file, resolved)
        note(f"recipe {resolved.name} has no downloads, and all its files exist")
    for download in resolved.data.downloads:
        fetch(download, data_dir, note)


def fetch_trained(model: str, data_dir: Path, hub: str, revision: str | None) -> None:
    """Download a trained model, and print how to import it."""
    from nmt.interop.opus.hub import REVISION, fetch_model

    if not re.match(r"https?://[^/]", hub):
        raise UsageError(f"--hub or HF_ENDPOINT is {shown(hub)}, which is not an http(s) address")
    if revision is not None and not REVISION.fullmatch(revision):
        raise UsageError(f"--revision {shown(revision)} is not a commit, a branch or a tag")
    folder = fetch_model(model, data_dir, hub, revision)
    note(f"next:\n  nmt import {argument(folder)} -o {model}.safetensors")
