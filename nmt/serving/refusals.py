"""Answers that refuse a request: a status and one sentence for the client.

Where LibreTranslate has a sentence for the same, it is that one, because clients compare it.
"""

import re
from collections.abc import Mapping
from typing import Any

# How errors of formats end that name an option, which a client does not have.
OPTION_HINT = re.compile(r"(?:; name the right format with| and) --format")


class RefusedError(Exception):
    """A request that is refused with a status and a sentence."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        """Take the HTTP status, a sentence and the headers of the answer."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})

    def __reduce__(self) -> tuple[Any, ...]:
        """Let a process send it to another one."""
        return type(self), (self.status, self.message, self.headers)


def bad_request(message: str) -> RefusedError:
    """Return the refusal of an invalid request: 400."""
    return RefusedError(400, message)


def bad_file(error: Exception) -> RefusedError:
    """Return the refusal of a file that cannot be read: 400."""
    return bad_request(f"Invalid request: {OPTION_HINT.sub('', str(error))}")


def missing(name: str) -> RefusedError:
    """Return the refusal of a request without a field that it must have: 400."""
    return bad_request(f"Invalid request: missing {name} parameter")


def too_large(message: str) -> RefusedError:
    """Return the refusal of a body over a limit: 413."""
    return RefusedError(413, message)


def too_long(characters: int, most: int) -> RefusedError:
    """Return the refusal of a text over the limit: 413."""
    return too_large(f"Invalid request: request ({characters}) exceeds text limit ({most})")


def too_busy(seconds: float) -> RefusedError:
    """Return the refusal when too many requests wait: 429, to be tried again after some seconds."""
    return RefusedError(
        429,
        "Slowdown: too many requests are waiting; try again in a moment",
        {"Retry-After": str(max(1, round(seconds)))},
    )


def too_late(seconds: float) -> RefusedError:
    """Return the refusal of a request that waited too long: 503."""
    return RefusedError(
        503,
        f"no translation within {seconds:g} seconds, because the server is busy; try again, or send"
        " less text",
        {"Retry-After": "1"},
    )


def stopping() -> RefusedError:
    """Return the refusal of a request that a stopping server cannot finish: 503."""
    return RefusedError(503, "the server is stopping; try again later", {"Retry-After": "5"})
