"""The files of this package that the server sends: the page to try it, and its description.

A policy allows the page no other files.
"""

from functools import partial
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

WEB = Path(__file__).resolve().parent / "web"
FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/spec": ("spec.json", "application/json"),
}
POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def routes() -> list[Route]:
    """Return the routes of the files, which are read once."""
    return [
        Route(path, partial(answer, (WEB / name).read_bytes(), kind))
        for path, (name, kind) in FILES.items()
    ]


async def answer(content: bytes, kind: str, request: Request) -> Response:
    """Answer with a file."""
    return Response(content, media_type=kind, headers=HEADERS)
