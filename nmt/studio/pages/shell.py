"""Put a page together: one HTML file with its styles, scripts and data inside, safe to open.

Text is escaped, data is JSON that no script tag can end, and the page's own policy lets the browser
run the scripts and styles that are in it and nothing else, from no network.
"""

import base64
import hashlib
import html
import json
import webbrowser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

from nmt.errors import NmtError
from nmt.system.atomic import write_text

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Parts:
    """What a page is made of."""

    template: Path  # HTML with $policy, $styles, $data, $scripts and the page's own $names
    styles: Sequence[str]
    scripts: Sequence[str]  # run in this order, after the data is there


def render(parts: Parts, data: Mapping[str, Any], texts: Mapping[str, str]) -> str:
    """The page; `texts` go into the template's own places, escaped."""
    styles, scripts = ([each.rstrip() for each in kind] for kind in (parts.styles, parts.scripts))
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(map(hash_source, scripts))}",
            f"style-src {' '.join(map(hash_source, styles))}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    return Template(parts.template.read_text(encoding="utf-8")).substitute(
        {name: html.escape(text) for name, text in texts.items()},
        policy=html.escape(policy, quote=False),
        styles="\n".join(f"<style>{each}</style>" for each in styles),
        data=f'<script type="application/json" id="data">{as_json(data)}</script>',
        scripts="\n".join(f"<script>{each}</script>" for each in scripts),
    )


def as_json(data: Mapping[str, Any]) -> str:
    """JSON that stays inside a script element, whatever texts it holds."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def hash_source(content: str) -> str:
    """How a Content-Security-Policy names an inline script or style."""
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def write_page(path: Path, page: str) -> None:
    """Write it whole or not at all; raises NmtError if the disk refuses.

    So it does for a file that is no page already, which may be a model, a recipe or a corpus.
    """
    if path.is_file() and not may_be_page(path):
        raise NmtError(f"{path} is there and is no HTML page; name another file with --output")
    write_text(path, page)


def may_be_page(path: Path) -> bool:
    """Whether a file is empty or begins as an HTML page does."""
    try:
        with path.open("rb") as stream:
            begin = stream.read(64).lstrip().lower()
    except OSError:
        return False
    return not begin or begin.startswith((b"<!doctype html", b"<html"))


def show(path: Path) -> bool:
    """Open a page in the user's browser; False if there is none."""
    return webbrowser.open(path.resolve().as_uri())
