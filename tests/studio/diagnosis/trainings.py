"""Texts and settings of trainings of a small model, some of them with a fault."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.conftest import RECIPE

# A model of width 32 that learns to translate one or two words within some 60 updates.
LEARNS = {
    "tokenizer.kind": "word",
    "model.d_model": 32,
    "model.d_ff": 64,
    "model.d_k": 16,
    "model.d_v": 16,
    "model.dropout": 0,
    "train.max_updates": 120,
    "train.warmup_updates": 30,
    "train.learning_rate_scale": 0.5,
    "train.batch_source_tokens": 300,
    "train.batch_target_tokens": 300,
    "train.report_updates": 5,
    "train.validate_updates": 20,
    "train.checkpoint_updates": 60,
    "train.average_checkpoints": 1,
}


def write_text(
    folder: Path, train: Sequence[tuple[str, str]], dev: Sequence[tuple[str, str]]
) -> Path:
    """Write a training and a dev set with a recipe, and return the recipe's path."""
    for name, pairs in (("train", train), ("dev", dev)):
        for ending, side in zip(("src", "tgt"), zip(*pairs, strict=True), strict=True):
            text = "".join(f"{line}\n" for line in side)
            (folder / f"{name}.{ending}").write_text(text, encoding="utf-8")
    recipe = folder / "fault.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    return recipe


def arguments(recipe: Path, run: Path, changes: Mapping[str, object]) -> list[object]:
    """Return the arguments of `nmt train` with the settings of `LEARNS` and some changes."""
    settings = LEARNS | dict(changes)
    overrides = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    return ["train", recipe, "--data-dir", recipe.parent, "--run", run, *overrides]
