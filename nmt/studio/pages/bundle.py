"""Join JavaScript modules into one script, since a page opened from disk cannot import modules.

Each module becomes a function that is called once and returns its exports, after the modules that
it imports. A module may import names from relative paths, and may export functions, classes and
constants where they are declared.
"""

import re
from pathlib import Path

IMPORT = re.compile(r'^import (\{[^}]*\}) from "(\.[^"]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export ((?:async )?function|class|const) (\w+)", re.MULTILINE)
LEFT_OVER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def bundle(entry: Path) -> str:
    """Return one script with a module and all modules that it imports, each once.

    Raises ValueError for an import or export of another form, and for a circular import.
    """
    joined: dict[Path, str] = {}
    add(entry.resolve(), joined, ())
    return '(() => {\n"use strict";\n' + "".join(joined.values()) + "})();\n"


def add(path: Path, joined: dict[Path, str], importing: tuple[Path, ...]) -> None:
    """Add a module to `joined` after the modules that it imports."""
    if path in importing:
        raise ValueError(f"{path.name} imports itself in a circle")
    if path in joined:
        return
    text = path.read_text(encoding="utf-8")
    for match in IMPORT.finditer(text):
        add((path.parent / match[2]).resolve(), joined, (*importing, path))
    names = list(joined)

    def taken(match: re.Match[str]) -> str:
        place = names.index((path.parent / match[2]).resolve())
        return f"const {match[1]} = module{place};\n"

    exports = ", ".join(match[2] for match in EXPORT.finditer(text))
    text = EXPORT.sub(r"\1 \2", IMPORT.sub(taken, text))
    if left := LEFT_OVER.search(text):
        raise ValueError(f"{path.name}: cannot join {left[0]!r}")
    joined[path] = f"const module{len(names)} = (() => {{\n{text}return {{ {exports} }};\n}})();\n"
