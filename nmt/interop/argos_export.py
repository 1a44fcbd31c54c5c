"""Export a model as a package that Argos Translate and LibreTranslate install.

A package is a zip file of one folder: a model of CTranslate2, one SentencePiece model for both
languages, metadata and a model card.
"""

import json
import shutil
import zipfile
from pathlib import Path

from nmt.config import DataSettings
from nmt.errors import NmtError
from nmt.interop.ctranslate2_export import JOINT, RECIPE
from nmt.interop.ctranslate2_export import write as write_ctranslate2
from nmt.runs.outputs import FILE_LIST, files_in
from nmt.runs.trained_model import TrainedModel
from nmt.text.reading.languages import english_name, is_language

VERSION = "1.0"  # of the package
ARGOS_VERSION = "1.9"  # of Argos Translate, at least: byte pieces are decoded since then
FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # of zip files: equal models give equal bytes
FILE_MODE = 0o644 << 16


def write(model: TrainedModel, path: Path, quantization: str) -> None:
    """Write the files of a package into an empty folder.

    Raises NmtError for a model that Argos Translate cannot use, naming the setting, or without
    CTranslate2's package.
    """
    check_model(model)
    source, target = model.recipe.data.known_directions[0]
    inner = path / "model"
    inner.mkdir()
    write_ctranslate2(model, inner, quantization)
    (inner / JOINT).rename(path / "sentencepiece.model")
    (inner / RECIPE).rename(path / RECIPE)
    metadata = {
        "package_version": VERSION,
        "argos_version": ARGOS_VERSION,
        "type": "translate",
        "from_code": source,
        "from_name": english_name(source),
        "to_code": target,
        "to_name": english_name(target),
    }
    text = json.dumps(metadata, indent=1)
    (path / "metadata.json").write_text(f"{text}\n", encoding="utf-8", newline="\n")


def pack(folder: Path, path: Path, data: DataSettings) -> None:
    """Write a zip file with the files of a package's folder.

    The list of files comes first, so that `nmt.runs.outputs` recognises the file.
    """
    version = VERSION.replace(".", "_")
    name = f"translate-{'_'.join(data.known_directions[0])}-{version}"
    first = folder / FILE_LIST
    with zipfile.ZipFile(path, "w") as package:
        for file in [first, *(file for file in files_in(folder) if file != first)]:
            entry = zipfile.ZipInfo(f"{name}/{file.relative_to(folder)}", FIRST_DAY)
            entry.external_attr = FILE_MODE
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.file_size = file.stat().st_size
            with file.open("rb") as source, package.open(entry, "w") as target:
                shutil.copyfileobj(source, target)


def check_model(model: TrainedModel) -> None:
    """Raise NmtError for a model that Argos Translate cannot use."""
    if model.recipe.model.is_right_to_left:
        raise NmtError(
            "Argos Translate cannot turn around the outputs of model.target_order=right_to_left;"
            " export another model"
        )
    tokenizer = model.tokenizer
    if not (tokenizer.is_joint and tokenizer.source.sentencepiece == tokenizer.model):
        raise NmtError(
            "Argos Translate needs one SentencePiece model for both languages, but this model has"
            " two (tokenizer.joint=false, or an imported model); export a model with a joint one"
        )
    if tokenizer.source.language_tokens:
        raise NmtError(
            "Argos Translate cannot tell this model which of its languages to write; export a model"
            " of one target language, or use --to ctranslate2"
        )
    codes = model.recipe.data.known_directions[0]
    for name, code in zip(("source_language", "target_language"), codes, strict=True):
        if not is_language(code):
            raise NmtError(
                f"Argos Translate needs the ISO 639 codes of the languages, but data.{name} is"
                f" {code!r}; correct it in the recipe of the run"
            )
