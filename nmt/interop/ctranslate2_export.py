"""Export a model to a folder that CTranslate2 loads, with its tokenizer and its recipe."""

from pathlib import Path

from nmt.artifacts.trained_model import TrainedModel
from nmt.errors import NmtError
from nmt.recipe import to_toml

RECIPE = "recipe.toml"
TOKENIZER = "tokenizer.model"  # of nmt: one SentencePiece model, or more with a header
PAIR = ("source.spm", "target.spm")  # SentencePiece models, if there are two


def write(model: TrainedModel, path: Path, quantization: str) -> None:
    """Write CTranslate2's files, the SentencePiece models and the recipe into an empty folder.

    Equal models give equal bytes. quantization: a type of CTranslate2, "" for float32. Raises
    NmtError for a model that CTranslate2 cannot run, or without the package.
    """
    try:
        import ctranslate2  # noqa: F401
    except ImportError as error:
        raise NmtError(
            "exporting to CTranslate2 needs its package; run pip install 'nmt[ctranslate2]'"
        ) from error
    from nmt.interop.ctranslate2_spec import spec_of

    spec = spec_of(model)
    spec.optimize(quantization=quantization or None)
    spec.save(str(path))
    (path / TOKENIZER).write_bytes(model.tokenizer.model)
    if not model.tokenizer.is_joint:
        for name, side in zip(PAIR, model.tokenizer.sides, strict=True):
            (path / name).write_bytes(side.model)
    (path / RECIPE).write_text(to_toml(model.recipe), encoding="utf-8", newline="\n")
