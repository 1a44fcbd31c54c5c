"""The answers of a server are checked before a file is read."""

import pytest
import requests

from nmt.errors import NmtError
from nmt.text.download import Advice, check_answer, stated_sha256


def redirect(url: str, target: str) -> requests.Response:
    """Return an answer that sends the client elsewhere."""
    response = requests.Response()
    response.status_code, response.url = 302, url
    response.headers["Location"] = target
    return response


@pytest.mark.parametrize(
    ("url", "target", "is_safe"),
    [
        ("https://a/x", "https://b/y", True),
        ("https://a/x", "/y", True),
        ("http://a/x", "https://b/y", True),
        ("http://a/x", "http://b/y", True),
        ("https://a/x", "http://a/x", False),
        ("https://a/x", "HTTP://a/x", False),
        ("https://a/x", "file:///x", False),
    ],
)
def test_encryption_is_not_given_up(url: str, target: str, is_safe: bool) -> None:
    answer = redirect(url, target)
    if is_safe:
        check_answer(answer, url=url, sha256="", advice=Advice())
        return
    with pytest.raises(NmtError, match="is not safe"):
        check_answer(answer, url=url, sha256="", advice=Advice())


@pytest.mark.parametrize(
    ("header", "stated"),
    [("a" * 64, "a" * 64), (f'"{"b" * 64}"', "b" * 64), ("", ""), ('W/"x"', ""), ("c" * 40, "")],
    ids=["plain", "quoted", "empty", "weak", "sha1"],
)
def test_only_a_sha256_counts_as_stated(header: str, stated: str) -> None:
    """A hub states the SHA-1 of small files in the same way."""
    response = requests.Response()
    response.headers["X-Linked-Etag"] = header
    assert stated_sha256(response) == stated
