"""Recognise files of other programs by their first bytes, to say what a wrong file is."""

KINDS = (
    (b"version https://git-lfs.github.com/spec/", "a pointer of Git LFS (run `git lfs pull`)"),
    (b"PK\x03\x04", "a zip archive, such as a PyTorch file"),
    *(
        (bytes([0x80, version]), "a Python pickle, such as an old PyTorch file")
        for version in range(2, 6)
    ),
    (b"\x1f\x8b", "a gzip file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"GGUF", "a GGUF file"),
    (b"\x89PNG", "an image"),
    (b"%PDF", "a PDF file"),
)
START_BYTES = 512  # enough to recognise a file


def kind_of(start: bytes) -> str:
    """Return what a file is by its first bytes, as a phrase such as "an HTML page"; "" if unknown.

    start: the first `START_BYTES` bytes, or more.
    """
    if not start:
        return "empty"
    for signature, kind in KINDS:
        if start.startswith(signature):
            return kind
    text = start[:START_BYTES].lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "an HTML page, such as an error that was downloaded"
    # A character may be cut at the end.
    printable = start[:START_BYTES].decode("utf-8", errors="ignore").replace("\n", " ")
    printable = printable.replace("\t", " ").replace("\r", " ")
    is_text = printable.isprintable() and len(printable.encode()) >= len(start[:START_BYTES]) - 3
    return "a text file" if is_text else ""
