"""Train shipped recipes for fewer updates, with commands of this project."""

import subprocess
import sys

import click

from nmt.config import Recipe
from nmt.recipe.files import load_recipe
from nmt.recipe.toml import toml_value


def short_schedule(name: str, updates: int) -> list[str]:
    """Return the [train] section that gives a recipe's schedule in so many updates.

    The learning rate rises to the same peak. Weights are averaged over the same share of the
    training. The precision is fixed, because "auto" could choose differently for two variants.
    """
    base: Recipe = load_recipe(name)
    train, ratio = base.train, updates / base.train.max_updates
    settings = {
        "max_updates": updates,
        "warmup_updates": max(1, round(ratio * train.warmup_updates)),
        "learning_rate_scale": round(train.learning_rate_scale * ratio**0.5, 4),
        "checkpoint_updates": max(1, round(ratio * train.checkpoint_updates)),
        "validate_updates": updates,
        "precision": "bf16",
    }
    return ["[train]", *(f"{key} = {toml_value(value)}" for key, value in settings.items())]


def nmt(command: str, *arguments: object) -> str:
    """Run a command of this project and return what it prints on stdout."""
    words = [sys.executable, "-m", "nmt", command, *map(str, arguments)]
    click.echo(f"$ nmt {command} {' '.join(map(str, arguments))}", err=True)
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
