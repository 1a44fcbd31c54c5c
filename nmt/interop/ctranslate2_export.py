"""Export a model to a folder that CTranslate2 loads, with its tokenizer and its recipe."""

from pathlib import Path

from nmt.errors import NmtError
from nmt.recipe.toml import to_toml
from nmt.runs.trained_model import TrainedModel
from nmt.system.files import is_present, read_bytes
from nmt.text.tokenizer import Tokenizer

RECIPE = "recipe.toml"
JOINT = "tokenizer.model"  # a SentencePiece model, if both languages have the same
PARTS = ("source.spm", "target.spm")  # SentencePiece models, if there are two
TOKENIZER = "tokenizer.bin"  # of nmt, if there are two


def write(model: TrainedModel, path: Path, quantization: str, /, *card: str) -> None:
    """Write CTranslate2's files, the SentencePiece models and the recipe into an empty folder.

    Equal models give equal bytes. quantization: a type of CTranslate2, "" for float32. Raises
    NmtError without the package.
    """
    require_ctranslate2()

    from nmt.interop.ctranslate2_spec import spec_of

    spec = spec_of(model)
    spec.optimize(quantization=quantization or None)
    spec.save(str(path))
    write_tokenizer(model.tokenizer, path)
    (path / RECIPE).write_text(to_toml(model.recipe), encoding="utf-8", newline="\n")


def require_ctranslate2() -> None:
    """Raise NmtError unless the package is installed."""
    try:
        import ctranslate2  # noqa: F401 (only whether it is here)
    except ImportError as error:
        raise NmtError(
            "CTranslate2 is not installed; in the checkout: pip install '.[ctranslate2]'"
        ) from error


def write_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write a tokenizer for other programs, and so that `read_tokenizer` returns it."""
    if tokenizer.source is tokenizer.target and tokenizer.source.sentencepiece == tokenizer.model:
        (folder / JOINT).write_bytes(tokenizer.model)
        return
    (folder / TOKENIZER).write_bytes(tokenizer.model)
    for name, side in zip(PARTS, tokenizer.sides, strict=True):
        (folder / name).write_bytes(side.sentencepiece)


def read_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer of a folder; raises NmtError if it is not usable."""
    own = folder / TOKENIZER
    path = own if is_present(own) else folder / JOINT
    content = read_bytes(path, "the tokenizer", "export the model again with `nmt export`")
    return Tokenizer(content, str(path))
