"""Export a model as a package that Argos Translate and LibreTranslate install.

A package is a zip file of one folder: a model of CTranslate2, one SentencePiece model for both
languages, metadata and a model card.
"""

import json
import tempfile
import zipfile
from dataclasses import asdict
from pathlib import Path

from nmt import __version__
from nmt.errors import NmtError
from nmt.interop.ctranslate2_export import JOINT, RECIPE
from nmt.interop.ctranslate2_export import write as write_ctranslate2
from nmt.runs.outputs import FILE_LIST, FolderManifest, files_in
from nmt.runs.trained_model import TrainedModel
from nmt.system.files import sha256_of
from nmt.system.json_data import json_text
from nmt.text.languages import english_name, is_language

FORMAT = "argos"
VERSION = "1.0"  # of the package
ARGOS_VERSION = "1.9"  # of Argos Translate, at least: byte pieces are decoded since then
FIRST_DAY = (1980, 1, 1, 0, 0, 0)  # of zip files: equal models give equal bytes
FILE_MODE = 0o644 << 16


def write(model: TrainedModel, path: Path, quantization: str, card: str = "") -> None:
    """Write the package; `card` is its README.md.

    Raises NmtError for a model that Argos Translate cannot use, naming the setting, or without
    CTranslate2's package.
    """
    check_model(model)
    data = model.recipe.data
    source, target = data.source_language, data.target_language
    metadata = {
        "package_version": VERSION,
        "argos_version": ARGOS_VERSION,
        "type": "translate",
        "from_code": source,
        "from_name": english_name(source),
        "to_code": target,
        "to_name": english_name(target),
    }
    texts = {"metadata.json": json.dumps(metadata, indent=1), "README.md": card}
    with tempfile.TemporaryDirectory(prefix="nmt-argos-") as temporary:
        folder = Path(temporary)
        inner = folder / "model"
        inner.mkdir()
        write_ctranslate2(model, inner, quantization)
        (inner / JOINT).rename(folder / "sentencepiece.model")
        (inner / RECIPE).rename(folder / RECIPE)
        write_texts(folder, texts)
        files = {str(file.relative_to(folder)): sha256_of(file) for file in files_in(folder)}
        details = {"format": FORMAT, "quantization": quantization}
        manifest = FolderManifest("export", __version__, details, files)
        write_texts(folder, {FILE_LIST: json_text(asdict(manifest), indent=1)})
        pack(folder, path, f"translate-{source}_{target}-{VERSION.replace('.', '_')}")


def write_texts(folder: Path, texts: dict[str, str]) -> None:
    """Write files whose texts end with a line feed."""
    for name, text in texts.items():
        (folder / name).write_text(text.rstrip("\n") + "\n", encoding="utf-8", newline="\n")


def pack(folder: Path, path: Path, name: str) -> None:
    """Write a zip file with the files of a folder below a name.

    The list of files comes first, so that `nmt.runs.outputs` recognises the file.
    """
    first = folder / FILE_LIST
    with zipfile.ZipFile(path, "w") as package:
        for file in [first, *(file for file in files_in(folder) if file != first)]:
            entry = zipfile.ZipInfo(f"{name}/{file.relative_to(folder)}", FIRST_DAY)
            entry.external_attr = FILE_MODE
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.file_size = file.stat().st_size
            with file.open("rb") as source, package.open(entry, "w") as target:
                while block := source.read(1 << 20):
                    target.write(block)


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
    for name in ("source_language", "target_language"):
        code = getattr(model.recipe.data, name)
        if not is_language(code):
            raise NmtError(
                f"Argos Translate needs the ISO 639 codes of the languages, but data.{name} is"
                f" {code!r}; correct it in the recipe of the run"
            )
