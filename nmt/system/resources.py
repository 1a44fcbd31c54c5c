"""Find the files that ship with the program: recipes and the embedded corpus."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def shipped(name: str) -> Path:
    """Return the path of a shipped file or folder, such as `recipes/pocket.toml`.

    An installed wheel has it as package data; a checkout has it next to the package.
    """
    packaged = PACKAGE / "shipped" / name
    return packaged if packaged.exists() else PACKAGE.parent / name
