"""`nmt export`: write a model in the format of another program, or as a file to publish."""

from pathlib import Path

import click

from nmt.commands import options
from nmt.commands.completion import complete_model
from nmt.commands.options import PATH
from nmt.errors import UsageError
from nmt.system.log import note

WEIGHTS = ("int8", "float32")
FORMATS = ("ctranslate2", "argos", "huggingface", "onnx")
QUANTIZATIONS = ("int8", "int8_float32", "int16", "float16", "bfloat16")


@click.command("export")
@click.argument("model", type=PATH, shell_complete=complete_model)
@click.argument("output", type=PATH)
@options.choice("--to", FORMATS, "Other program: {}.")
@options.choice(
    "--weights",
    WEIGHTS,
    "Write a model file of nmt with weights in {}, instead of --to.",
    metavar="TYPE",
)
@options.choice(
    "--quantization",
    QUANTIZATIONS,
    "Type of the large weights, for ctranslate2 and argos: {}.  [default: none, float32 weights]",
    metavar="TYPE",
)
@click.option(
    "--license",
    "licence",
    metavar="NAME",
    default="",
    help="Licence of the model, such as cc-by-4.0.  [default: that in MODEL, if any]",
)
def command(
    model: Path,
    output: Path,
    to: str | None,
    weights: str | None,
    quantization: str | None,
    licence: str,
) -> None:
    """Write MODEL as OUTPUT in the format of another program, or as a file to publish.

    MODEL is a run folder or a .safetensors file. With --to, OUTPUT gets the model, the tokenizer
    and a model card. A model that the other program cannot run is refused; the message names
    the setting.

    With --weights instead of --to, OUTPUT is a .safetensors file for nmt, which every command
    reads. With int8, it has a quarter of the size.

    OUTPUT names no folders of this machine.

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
        raise UsageError("`nmt export` needs either --to NAME or --weights TYPE; give one of them")
    from nmt.interop.export import export_model, export_weights

    if to is None:
        options.refuse(["--quantization"], "is for --to only; leave it out")
        export_weights(model, output, licence, in_8_bits=weights == "int8")
        note(f"{output}: {model} with {weights} weights")
        return
    export_model(model, output, to, quantization or "", licence)
    note(f"{output}: {model} for {to}{f', {quantization}' if quantization else ''}")
