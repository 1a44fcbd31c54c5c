"""`nmt import`: read the model of another program."""

from pathlib import Path

import click

from nmt.commands.options import PATH
from nmt.system.log import note


@click.command("import")
@click.argument("path", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="Model file to write.")
@click.option(
    "--languages",
    default="",
    metavar="SOURCE-TARGET",
    help="Codes of the languages, such as en-de.  [default: from PATH]",
)
def command(path: Path, output: Path, languages: str) -> None:
    """Convert the OPUS-MT model at PATH to a model file of nmt.

    PATH is a folder in the layout of Hugging Face or of Marian, or Marian's .npz file. No file is
    executed. The new file can be used like any model: to translate, score, explain, export or
    train. A model with another architecture is refused; the message names the setting.

    \b
    Examples:
      nmt import data/opus-mt-en-de -o opus.safetensors
      nmt import opus/opus.npz -o opus.safetensors --languages en-de
      nmt translate in.en --model opus.safetensors
    """
    from nmt.interop.import_model import import_model

    recipe = import_model(path, output, languages)
    pair = f"{recipe.data.source_language}-{recipe.data.target_language}"
    note(f"{output}: {path}, {pair}")
