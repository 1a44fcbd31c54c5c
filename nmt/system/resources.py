"""Find the files that ship with the program: recipes and the embedded corpus."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def shipped(name: str) -> Path:
    """Path of a shipped file or folder such as `recipes/pocket.toml`.

    An installed wheel carries it as package data; a checkout has it beside the package.
    """
    packaged = PACKAGE / "shipped" / name
    return packaged if packaged.exists() else PACKAGE.parent / name
