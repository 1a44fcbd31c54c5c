"""Hold chosen settings with their reasons, and write them as a recipe."""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nmt.config import DECLARED
from nmt.recipe.corpus_size import StartingPoint
from nmt.recipe.toml import toml_value

LONGEST_LINE = 100  # of a recipe; a comment that is too long stands above its setting


@dataclass(frozen=True)
class Choice:
    """Hold a setting, its value, and the reason for it as a comment."""

    name: str  # section.key
    value: Any
    reason: str = ""


@dataclass(frozen=True)
class ChosenSettings:
    """Hold the settings that differ from the defaults, in the order of a recipe."""

    start: StartingPoint | None  # the nearest tuned recipe; None: a model
    choices: tuple[Choice, ...]
    notes: tuple[str, ...] = ()  # notes about the whole recipe
    considered: tuple[Choice, ...] = ()  # the choices with those that equal the defaults

    def value(self, name: str) -> Any:
        """Return a setting's value, its default if it was not chosen."""
        chosen = {each.name: each.value for each in self.choices}
        return chosen.get(name, DECLARED[name].metadata["default"])

    def reason(self, name: str) -> str:
        """Return the reason for a setting, also for one that equals its default."""
        return next((each.reason for each in self.considered if each.name == name), "")


def commented_recipe(
    heading: Sequence[str], data: Iterable[Choice], settings: ChosenSettings, extends: str = ""
) -> str:
    """Return a recipe as TOML with a comment beside or above each setting that has a reason.

    heading: the first lines, as sentences. data: the [data] settings; a name may have a third part,
    as in `data.test.mine`. extends: what the recipe extends, or "".
    """
    lines = [f"# {part}" for line in heading for part in wrapped(line)]
    if extends:
        lines += ["", f"extends = {toml_value(extends)}"]
    section = ""
    for each in (*data, *settings.choices):
        name, _, key = each.name.partition(".")
        if name != section:
            lines += ["", f"[{name}]"]
            section = name
        line = f"{key} = {toml_value(each.value)}"
        beside = f"{line} # {each.reason}" if each.reason else line
        if len(beside) <= LONGEST_LINE:
            lines.append(beside)
        else:
            lines += [*(f"# {part}" for part in wrapped(each.reason)), line]
    return "\n".join(lines) + "\n"


def wrapped(comment: str) -> list[str]:
    """Return a comment in lines that fit into a recipe; a long name is never broken."""
    return textwrap.wrap(
        comment, LONGEST_LINE - len("# "), break_long_words=False, break_on_hyphens=False
    )
