"""Resolve `train.precision = "auto"` once, when a run begins."""

from dataclasses import replace

import torch

from nmt.config import Recipe
from nmt.run import RunFolder


def resolve_precision(recipe: Recipe, run: RunFolder, device: torch.device) -> Recipe:
    """The recipe with "auto" replaced: by what the run began with, else by what the device has."""
    if recipe.train.precision != "auto":
        return recipe
    if run.is_begun() and run.recipe.is_file():
        precision = run.load_recipe().train.precision
    else:
        precision = "bf16" if has_bf16(device) else "float32"
    return replace(recipe, train=replace(recipe.train, precision=precision))


def has_bf16(device: torch.device) -> bool:
    """Whether the device has units for bf16 products, which are then faster than float32's."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        # torch offers no public question for this; where these are missing, float32 is safe.
        names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, name, lambda: False)() for name in names)
    return False
