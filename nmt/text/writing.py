"""Write text files, compressed ones too."""

import gzip
import lzma
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO

XZ_PRESET = 1  # higher presets save little space and take many times as long


@contextmanager
def text_file(path: Path, ending: str = "") -> Iterator[IO[str]]:
    """Open a UTF-8 file to write; equal texts become equal bytes.

    ending: .gz and .xz compress the file. [default: the ending of its name]
    """
    match ending or path.suffix:
        case ".gz":
            with (
                path.open("wb") as raw,
                gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
                TextIOWrapper(packed, "utf-8", newline="\n") as stream,
            ):
                yield stream
        case ".xz":
            with lzma.open(path, "wt", preset=XZ_PRESET, encoding="utf-8", newline="\n") as stream:
                yield stream
        case _:
            with path.open("w", encoding="utf-8", newline="\n") as stream:
                yield stream
