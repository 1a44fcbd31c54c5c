"""The page to try the server: three files of this package, and a policy that allows no others."""

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
    """Return the routes of the page; its files are read once."""
    return [
        Route(path, partial(answer, (WEB / name).read_bytes(), kind))
        for path, (name, kind) in FILES.items()
    ]


async def answer(content: bytes, kind: str, request: Request) -> Response:
    """Answer with a file."""
    return Response(content, media_type=kind, headers=HEADERS)
