"""Answers that refuse a request: a status and one sentence for the client."""

from collections.abc import Mapping


class RefusedError(Exception):
    """A request that is refused with a status and a sentence."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        """Take the HTTP status, a sentence and the headers of the answer."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


def bad_request(message: str) -> RefusedError:
    """Return the refusal of an invalid request: 400."""
    return RefusedError(400, message)


def too_large(message: str) -> RefusedError:
    """Return the refusal of a text or a body over a limit: 413."""
    return RefusedError(413, message)


def too_busy(seconds: float) -> RefusedError:
    """Return the refusal when too many requests wait: 429, to be tried again after some seconds."""
    return RefusedError(
        429,
        "too many requests are waiting; try again in a moment",
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
