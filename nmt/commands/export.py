"""`nmt export`: write a model in the format of another program."""

from pathlib import Path

import click

from nmt.commands.completion import complete_run

# The names in `nmt.interop.export.FORMATS`, which imports more.
FORMATS = ("ctranslate2", "argos", "huggingface", "onnx")
QUANTIZATIONS = ("int8", "int8_float32", "int16", "float16", "bfloat16")


@click.command("export")
@click.argument("model", type=click.Path(path_type=Path), shell_complete=complete_run)
@click.argument("output", type=click.Path(path_type=Path))
@click.option(
    "--to",
    type=click.Choice(FORMATS),
    required=True,
    help="ctranslate2: a folder that CTranslate2 loads; argos: a file that Argos Translate and"
    " LibreTranslate install; huggingface: a folder that transformers loads; onnx: graphs that"
    " onnxruntime runs.",
)
@click.option(
    "--quantization",
    type=click.Choice(QUANTIZATIONS),
    help="Type of the large weights, for ctranslate2 and argos.  [default: float32]",
)
@click.option(
    "--license",
    "licence",
    metavar="NAME",
    default="",
    help="Licence of the model for its card, such as cc-by-4.0.  [default: unknown]",
)
def command(model: Path, output: Path, to: str, quantization: str | None, licence: str) -> None:
    """Write MODEL as OUTPUT in the format of another program.

    MODEL is a run folder or a .safetensors file. OUTPUT is a folder, or a file for argos. It
    contains everything that the other program needs, including the tokenizer, and a model card,
    README.md. A new OUTPUT appears complete or not at all. An existing folder is replaced only if
    this command wrote it and nobody has changed it since.

    A model that the other program cannot run is refused; the message names the setting.

    \b
    Examples:
      nmt export runs/multi30k_en_de ct2/ --to ctranslate2 --quantization int8
      nmt export runs/multi30k_en_de en_de.argosmodel --to argos
      nmt export model.safetensors hf/ --to huggingface --license cc-by-4.0
    """
    from nmt.interop.export import export_model
    from nmt.system.log import note

    export_model(model, output, to, quantization or "", licence)
    note(f"{output}: {model} for {to}{f', {quantization}' if quantization else ''}")
