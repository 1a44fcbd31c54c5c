"""Write Markdown in which text from users stands in code spans, where it is no markup."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nmt.config import Recipe
from nmt.recipe.toml import to_toml


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; bars within cells are escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def code(value: Any) -> str:
    """Return a value in a code span, with runs of white space made one space."""
    text = " ".join(str(value).split())
    fence = ticks(text)
    space = " " if not text or text[0] == "`" or text[-1] == "`" else ""
    return f"{fence}{space}{text}{space}{fence}"


def listed(values: Mapping[str, object]) -> str:
    """Return named values on one line."""
    return ", ".join(f"{name} {code(value)}" for name, value in values.items())


def recipe_block(recipe: Recipe) -> str:
    """Return a recipe's settings as a fenced block of TOML."""
    text = to_toml(recipe).partition("\n\n")[2].rstrip()
    fence = ticks(text, at_least=3)
    return f"{fence}toml\n{text}\n{fence}"


def ticks(text: str, at_least: int = 1) -> str:
    """Return a run of backticks that is longer than any run in the text."""
    return "`" * max(at_least, 1 + max(map(len, re.findall("`+", text)), default=0))
