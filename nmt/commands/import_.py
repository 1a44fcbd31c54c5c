"""`nmt import`: read the model of another program."""

from pathlib import Path

import click


@click.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="Model file to write. Only a model that this command wrote is overwritten.",
)
@click.option(
    "--languages",
    default="",
    metavar="SOURCE-TARGET",
    help="Codes of the languages, such as en-de.  [default: as the model's files or name say]",
)
def command(path: Path, output: Path, languages: str) -> None:
    """Write the OPUS-MT model at PATH as a model file of this program.

    PATH is a folder as Hugging Face lays it out (config.json, model.safetensors or
    pytorch_model.bin, source.spm, target.spm, vocab.json). Nothing in it is executed. The new file
    gives the same logits, and translates, trains and explains as any other model.

    What this program cannot run is refused, with the setting that it lacks.

    \b
    Examples:
      nmt import opus-mt-en-de -o opus.safetensors
      nmt translate in.en --model opus.safetensors
    """
    from nmt.interop.import_model import import_model
    from nmt.system.log import note

    recipe = import_model(path, output, languages, note)
    pair = f"{recipe.data.source_language}-{recipe.data.target_language}"
    note(f"{output}: {path}, {pair}")
