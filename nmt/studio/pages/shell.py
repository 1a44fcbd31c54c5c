"""Build a page: one HTML file with its styles, scripts and data, safe to open.

Text is escaped, and the data is JSON that cannot end its script element. The page's
Content-Security-Policy allows only the scripts and styles in the file, and no network.
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

FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Parts:
    """The parts of a page."""

    command: str  # the command that writes the page, such as "report"
    template: Path  # HTML with $generator, $policy, $styles, $data, $scripts and its own $names
    styles: Sequence[str]
    scripts: Sequence[str]  # run in this order, after the data


def render(parts: Parts, data: Mapping[str, Any], texts: Mapping[str, str]) -> str:
    """Return the page; `texts` replace the template's own $names, escaped.

    Raises ValueError if the data holds NaN or infinity, which JSON does not have.
    """
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
        generator=f'<meta name="generator" content="nmt {parts.command}">',
        policy=html.escape(policy, quote=False),
        styles="\n".join(f"<style>{each}</style>" for each in styles),
        data=f'<script type="application/json" id="data">{as_json(data)}</script>',
        scripts="\n".join(f"<script>{each}</script>" for each in scripts),
    )


def as_json(data: Mapping[str, Any]) -> str:
    """Return JSON that cannot end a script element, whatever texts it contains."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def hash_source(content: str) -> str:
    """Return the name of an inline script or style in a Content-Security-Policy."""
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def show(path: Path) -> bool:
    """Open a page in the user's browser; return False if no browser is found."""
    return webbrowser.open(path.resolve().as_uri())
