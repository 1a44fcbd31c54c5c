"""Build a page: one HTML file with its styles, scripts and data, safe to open.

Text is escaped, and the data is JSON that cannot end its script element. The page's
Content-Security-Policy allows only the scripts and styles in the file, and no network.

A page opened from disk cannot import JavaScript modules, so they are joined into one script. Each
module becomes a function that is called once and returns its exports, after the modules that it
imports. A module may import names from relative paths, and may export functions, classes and
constants where they are declared.
"""

import base64
import hashlib
import html
import json
import re
import webbrowser
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

from nmt import __version__
from nmt.system.files import in_utf_8
from nmt.system.log import note

FOLDER = Path(__file__).resolve().parent
IMPORT = re.compile(r'^import (\{[^}]*\}) from "(\.[^"]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export ((?:async )?function|class|const) (\w+)", re.MULTILINE)
LEFT_OVER = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


def render(
    folder: Path,
    data: Mapping[str, Any],
    title: str,
    texts: Mapping[str, str],
    *styles: str,
    library: str = "",
    worker: Path | None = None,
) -> str:
    """Return the page of `nmt FOLDER`, whose own parts are in a folder with the command's name.

    texts: replace the $names in `page.html`, escaped; $nmt is the version. styles: names of shared
    style sheets that the page needs besides `base.css`. library: a script that runs before the
    page's own. worker: the module that the page runs in the background, from the text of its
    element `worker`. Raises ValueError if the data holds NaN or infinity, which JSON does not have.
    """
    sheets = [*(FOLDER / name for name in ("base.css", *styles)), *sorted(folder.rglob("*.css"))]
    style_texts = [read(path).rstrip() for path in sheets]
    script_texts = [text.rstrip() for text in (library, bundle(folder / "main.js")) if text]
    policy = (
        f"default-src 'none'; script-src {hashes(script_texts)}; style-src {hashes(style_texts)};"
        f" img-src data:;{' worker-src blob:;' if worker else ''} base-uri 'none';"
        " form-action 'none'"
    )
    escaped = {name: html.escape(text) for name, text in texts.items()}
    page = Template(read(FOLDER / "frame.html")).substitute(
        generator=f'<meta name="generator" content="nmt {folder.name}">',
        policy=html.escape(policy, quote=False),
        title=html.escape(title),
        styles="\n".join(f"<style>{text}</style>" for text in style_texts),
        body=Template(read(folder / "page.html")).substitute(escaped, nmt=__version__).rstrip(),
        data=f'<script type="application/json" id="data">{as_json(data)}</script>',
        worker=f'<script type="text/plain" id="worker">{bundle(worker)}</script>' if worker else "",
        scripts="\n".join(f"<script>{text}</script>" for text in script_texts),
    )
    return in_utf_8(page)


def render_charts(
    command: str, data: Mapping[str, Any], title: str, texts: Mapping[str, str]
) -> str:
    """Return the page of a command, with charts; see `render`."""
    styles, library = ("vendor/uPlot.min.css", "charts.css"), vendored("uPlot.iife.min.js")
    return render(FOLDER / command, data, title, texts, *styles, library=library)


def read(path: Path) -> str:
    """Return the text of a file of the program."""
    return path.read_text(encoding="utf-8")


def vendored(name: str, variable: str = "") -> str:
    """Return a library of `vendor/` after its licence, which must accompany every copy.

    variable: the global variable that gets the exports of a CommonJS module.
    """
    licence = read(FOLDER / "vendor" / f"{name.partition('.')[0]}.LICENSE")
    text = read(FOLDER / "vendor" / name)
    if variable:
        text = f"globalThis.{variable} = ((exports) => {{\n{text}\nreturn exports;\n}})({{}});\n"
    return f"/*!\n{licence}*/\n{text}"


def as_json(data: Mapping[str, Any]) -> str:
    """Return JSON that cannot end a script element, whatever texts it contains."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def hashes(contents: Sequence[str]) -> str:
    """Return the names of inline scripts or styles in a Content-Security-Policy."""
    digests = (hashlib.sha256(content.encode()).digest() for content in contents)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode('ascii')}'" for digest in digests)


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
    text = read(path)
    for match in IMPORT.finditer(text):
        add((path.parent / match[2]).resolve(), joined, (*importing, path))
    names = list(joined)

    def taken(match: re.Match[str]) -> str:
        index = names.index((path.parent / match[2]).resolve())
        return f"const {match[1]} = module{index};\n"

    exports = ", ".join(match[2] for match in EXPORT.finditer(text))
    text = EXPORT.sub(r"\1 \2", IMPORT.sub(taken, text))
    if left := LEFT_OVER.search(text):
        raise ValueError(f"{path.name}: cannot join {left[0]!r}")
    joined[path] = f"const module{len(names)} = (() => {{\n{text}return {{ {exports} }};\n}})();\n"


def show(path: Path) -> None:
    """Open a page in the user's browser; print a note if no browser is found."""
    if not webbrowser.open(path.resolve().as_uri()):
        note(f"no browser was found to open {path}")
