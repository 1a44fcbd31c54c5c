"""Files of other programs are recognised by their first bytes."""

import gzip
import io
import lzma
import pickle

import pytest
import torch

from nmt.system.file_kinds import START_BYTES, kind_of


def saved(new: bool) -> bytes:
    """Return what `torch.save` writes, now or years ago."""
    stream = io.BytesIO()
    torch.save({"a": torch.zeros(2)}, stream, _use_new_zipfile_serialization=new)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "empty"),
        (saved(True), "a zip archive, such as a PyTorch file"),
        (saved(False), "a Python pickle, such as an old PyTorch file"),
        *((pickle.dumps([1], version), "a Python pickle") for version in range(2, 6)),
        (gzip.compress(b"a"), "a gzip file"),
        (lzma.compress(b"a"), "an xz file"),
        (b"\n <!doctype HTML>", "an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"one two\n\tthree\r\n", "a text file"),
        (b'{"a": 1}', "a text file"),
        (b"x" + "\u00e9".encode() * START_BYTES, "a text file"),  # the last character is cut
    ],
)
def test_known_files(content: bytes, kind: str) -> None:
    assert kind_of(content).startswith(kind)
    assert kind_of(content[: max(START_BYTES, 1)]).startswith(kind)


@pytest.mark.parametrize(
    "content", [bytes(9), b"\xff" * 9, b"\x08\x00\x00\x00\x00\x00\x00\x00{}", b"a\x00b" * 9]
)
def test_others_are_unknown(content: bytes) -> None:
    assert kind_of(content) == ""
