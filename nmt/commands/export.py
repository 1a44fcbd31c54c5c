"""`nmt export`: write a model in the format of another program, or with weights in 8 bits."""

from pathlib import Path

import click

from nmt.commands import options
from nmt.commands.completion import complete_run
from nmt.commands.options import PATH
from nmt.errors import UsageError
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
    metavar="NAME",
    help=f"Other program: {', '.join(FORMATS[:-1])} or {FORMATS[-1]}.",
)
@click.option(
    "--weights",
    type=click.Choice(["int8"]),
    metavar="int8",
    help="Write a model file of nmt with matrices in 8 bits, instead of --to.",
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
def command(
    model: Path,
    output: Path,
    to: str | None,
    weights: str | None,
    quantization: str | None,
    licence: str,
) -> None:
    """Write MODEL as OUTPUT in the format of another program, or smaller.

    MODEL is a run folder or a .safetensors file. OUTPUT gets the model, the tokenizer and a model
    card. A model that the other program cannot run is refused; the message names
    the setting.

    With --weights int8, OUTPUT is a .safetensors file of a quarter of the size, for nmt. Any model
    can be written so, and every command reads it.

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
      nmt export runs/multi30k_en_de small.safetensors --weights int8
    """
    if (to is None) == (weights is None):
        raise UsageError("`nmt export` needs either --to NAME or --weights int8; give one of them")
    from nmt.interop.export import export_8_bits, export_model

    if to is None:
        options.refuse(("--quantization", "--license"), "is for --to only; leave it out")
        export_8_bits(model, output)
        note(f"{output}: {model} with 8-bit weights")
        return
    export_model(model, output, to, quantization or "", licence)
    note(f"{output}: {model} for {to}{f', {quantization}' if quantization else ''}")
