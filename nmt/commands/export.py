"""`nmt export`: write a model in the format of another program."""

from pathlib import Path

import click

from nmt.commands.completion import complete_run
from nmt.commands.options import PATH
from nmt.system.log import note

# The names in `nmt.interop.export.FORMATS`, which imports more.
FORMATS = ("ctranslate2", "argos", "huggingface", "onnx")
QUANTIZATIONS = ("int8", "int8_float32", "int16", "float16", "bfloat16")


@click.command("export")
@click.argument("model", type=PATH, shell_complete=complete_run)
@click.argument("output", type=PATH)
@click.option(
    "--to",
    type=click.Choice(FORMATS),
    required=True,
    metavar="NAME",
    help=f"Other program: {', '.join(FORMATS[:-1])} or {FORMATS[-1]}.",
)
@click.option(
    "--quantization",
    type=click.Choice(QUANTIZATIONS),
    metavar="TYPE",
    help="Type of the large weights, for ctranslate2 and argos:"
    f" {', '.join(QUANTIZATIONS[:-1])} or {QUANTIZATIONS[-1]}.  [default: none, float32 weights]",
)
@click.option(
    "--license",
    "licence",
    metavar="NAME",
    default="",
    help="Licence of the model for its card, such as cc-by-4.0.",
)
def command(model: Path, output: Path, to: str, quantization: str | None, licence: str) -> None:
    """Write MODEL as OUTPUT in the format of another program.

    MODEL is a run folder or a .safetensors file. OUTPUT gets the model, the tokenizer and a model
    card. A model that the other program cannot run is refused; the message names
    the setting.

    \b
    --to NAME is one of:
      ctranslate2  a folder that CTranslate2 loads
      argos        a file that Argos Translate and LibreTranslate install
      huggingface  a folder that transformers loads
      onnx         a folder of graphs that onnxruntime runs

    \b
    Examples:
      nmt export runs/multi30k_en_de ct2/ --to ctranslate2 --quantization int8
      nmt export runs/multi30k_en_de en_de.argosmodel --to argos
      nmt export model.safetensors hf/ --to huggingface --license cc-by-4.0
    """
    from nmt.interop.export import export_model

    export_model(model, output, to, quantization or "", licence)
    note(f"{output}: {model} for {to}{f', {quantization}' if quantization else ''}")
