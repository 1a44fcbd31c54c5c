"""Dates, durations and paths are masked in what two checkouts write, and nothing else is."""

from importlib import import_module
from pathlib import Path


def test_what_is_volatile_is_masked() -> None:
    script = import_module("two_checkouts")
    checkout = script.Checkout(Path("/code/old"), Path("/tmp/a/one"))  # noqa: S108
    text = (
        b"/tmp/a/two/x.src of /code/old, 2026-11-29 14:42:05: loss 3.1, 1,200 tokens/s, 0:00:09;"
        b' "seconds": 0.25, "loss": 2.5, "updates": 12'
    )
    masked = b'FOLDER/x.src of ROOT,#: loss 3.1,#,#; #, "loss": 2.5, "updates": 12'
    assert checkout.mask(text) == masked
    subtitle = b"00:00:01,000 --> 00:00:03,500"
    assert checkout.mask(subtitle) == subtitle
    assert checkout.mask(b"\xff 12 s") == b"\xff 12 s"
