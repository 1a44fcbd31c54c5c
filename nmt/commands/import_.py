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
    help="Model file to write. A model of another command is never overwritten.",
)
@click.option(
    "--languages",
    default="",
    metavar="SOURCE-TARGET",
    help="Codes of the languages, such as en-de.  [default: from the folder's name, else from the"
    " model's files]",
)
def command(path: Path, output: Path, languages: str) -> None:
    """Convert the OPUS-MT model at PATH to a model file of nmt.

    PATH is a folder in the layout of Hugging Face (config.json, model.safetensors or
    pytorch_model.bin, source.spm, target.spm, vocab.json), or in that of Marian (an .npz file,
    source.spm, target.spm, a vocabulary .vocab.yml). PATH may also be Marian's .npz file. No file
    is executed. The new file gives the logits that Hugging Face's transformers computes. It can be
    used like any model: to translate, score, explain, export or train.

    A model with another architecture is refused; the message names the setting.

    \b
    Examples:
      nmt import data/opus-mt-en-de -o opus.safetensors
      nmt import opus/opus.npz -o opus.safetensors --languages en-de
      nmt translate in.en --model opus.safetensors
    """
    from nmt.interop.import_model import import_model
    from nmt.system.log import note

    recipe = import_model(path, output, languages, note)
    pair = f"{recipe.data.source_language}-{recipe.data.target_language}"
    note(f"{output}: {path}, {pair}")
