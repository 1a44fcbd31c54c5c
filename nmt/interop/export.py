"""Export a model: write it in the format of another program, or as a model file to publish.

Each format is a module, such as `onnx_export`, with a function `write`, which takes a model, an
empty folder and the quantization of the weights. It raises NmtError for a model that the other
program cannot run, naming the setting, or if a package is missing. If the format is a file, `pack`
makes it of the folder. Modules are imported when they are asked for, because each needs packages
that only its users have.
"""

import importlib
from dataclasses import replace
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any

import numpy

from nmt.config import Recipe, TextFiles
from nmt.errors import NmtError, UsageError
from nmt.interop.ctranslate2_export import POSITIONS, position_count
from nmt.interop.model_card import model_card
from nmt.interop.network import check_network
from nmt.recipe.files import ENDING
from nmt.runs.model_file import Weights, find_model, read_model_file, save_model
from nmt.runs.outputs import check_output, check_output_folder, output_folder
from nmt.runs.run_folder import known_licence
from nmt.runs.trained_model import load_model
from nmt.system.atomic import atomic_path

COMMAND = "export"  # that may replace what is written here
FILE_FIELDS = ("source", "target", "tsv", "file", "labels", "contrast")  # of texts in a recipe
CARD = "README.md"  # as the Hugging Face Hub names it
QUANTIZED = ("ctranslate2", "argos")  # formats that have quantizations


def export_model(
    model: Path, output: Path, to: str, quantization: str = "", licence: str = ""
) -> None:
    """Write a model in another program's format; the output appears whole or not at all.

    Args:
        model: a run folder or a .safetensors file.
        output: the folder or the file to write.
        to: one of the formats that `nmt export` offers.
        quantization: of the weights, one that CTranslate2 has; "" is none.
        licence: of the model, for its card; "" is that of the model file.

    Raises:
        UsageError: for a quantization of a format that has none, and for an output that must not be
            replaced, such as the model of another command; both before the model is loaded.
        NmtError: for a model that cannot be read or that the other program cannot run, for an
            output that cannot be written, and if a package is missing.
    """
    if quantization and to not in QUANTIZED:
        raise UsageError(f"--to {to} has no quantization {quantization}; leave out --quantization")
    is_file = to == "argos"  # the others are a folder
    if is_file:
        check_output(output, [model], "OUTPUT", command=COMMAND)
    else:
        check_output_folder(output, COMMAND, "OUTPUT")
    loaded = load_model(model, "cpu", "")
    check_network(loaded.recipe.model)
    check_finite(loaded.path, loaded.weights)
    loaded = replace(loaded, recipe=without_folders(loaded.recipe))
    details = {"format": to, "quantization": quantization}
    if to == "ctranslate2":
        details[POSITIONS] = str(position_count(loaded.recipe.decode))
    module = importlib.import_module(f"nmt.interop.{to}_export")
    card = model_card(loaded, to, licence or known_licence(loaded.path), quantization)

    def write(folder: Path) -> None:
        with output_folder(folder, COMMAND, details) as partial:
            module.write(loaded, partial, quantization)
            (partial / CARD).write_text(card, encoding="utf-8", newline="\n")

    if not is_file:
        write(output)
        return
    with atomic_path(output) as file, TemporaryDirectory(prefix="nmt-export-") as temporary:
        folder = Path(temporary, "package")
        write(folder)
        module.pack(folder, file, loaded.recipe.data)


def export_weights(model: Path, output: Path, licence: str = "", *, in_8_bits: bool) -> None:
    """Write a model, of any network, as a model file of this program that names no folders.

    licence: of the model; "" is that of the model file. in_8_bits: round matrices to 8 bits.
    Raises UsageError for an output that must not be replaced or has another ending, NmtError for a
    model that cannot be read or has weights that are not finite.
    """
    check_output(output, [model], "OUTPUT", command=COMMAND)
    if output.suffix != ENDING:
        raise UsageError(f"OUTPUT {output}: the name of a model ends in {ENDING}; add that")
    file = find_model(model, "")
    content = read_model_file(file)
    check_finite(file, content.weights)
    content = replace(content, recipe=without_folders(content.recipe))
    save_model(output, content, COMMAND, licence or known_licence(file), in_8_bits=in_8_bits)


def check_finite(file: Path, weights: Weights) -> None:
    """Raise NmtError if a weight is NaN or infinite: quantised, it would be a plausible number."""
    for name, weight in weights.items():
        if not numpy.isfinite(weight).all():
            raise NmtError(
                f"{file} is not exported, because {name} has numbers that are not finite: its"
                " training diverged, or the file is damaged; name another model"
            )


def without_folders(recipe: Recipe) -> Recipe:
    """Return a recipe in which names of files outside the data folder have lost their folders.

    An exported model is published, so it must not name folders of its author's machine.
    """

    def file(name: str) -> str:
        path = PurePath(name)
        return path.name if path.is_absolute() or ".." in path.parts else name

    def text(files: TextFiles) -> TextFiles:
        names: dict[str, Any] = {field: file(getattr(files, field)) for field in FILE_FIELDS}
        return replace(files, **names, references=tuple(map(file, files.references)))

    data = replace(
        recipe.data,
        train=tuple(map(text, recipe.data.train)),
        dev=tuple(map(text, recipe.data.dev)),
        test={name: text(files) for name, files in recipe.data.test.items()},
    )
    train = replace(recipe.train, init_from=file(recipe.train.init_from))
    return replace(recipe, data=data, train=train)
