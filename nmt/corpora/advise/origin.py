"""Remember the files that a corpus was divided from, so that no other training takes its place."""

import os
from dataclasses import dataclass
from pathlib import Path

from nmt.recipe.fine_tuning import TrainedModel
from nmt.system.atomic import write_text
from nmt.system.files import is_present, read_text, sha256_of
from nmt.system.json_data import json_text, parse_json
from nmt.text.corpus import GivenText
from nmt.text.opening import TEXT

NAME = "origin.json"  # in the folder of the sets
LARGEST = 1_000_000  # bytes; it has two paths and hashes


@dataclass(frozen=True)
class Origin:
    """Name the files that sets were made of."""

    files: tuple[str, ...]  # absolute paths
    sha256: tuple[str, ...]  # of each file
    init_from: str = ""  # absolute path of the model that the recipe fine-tunes

    @classmethod
    def of(cls, text: GivenText, start: TrainedModel | None) -> "Origin":
        """Return the origin of sets that are made now; raises NmtError for an unreadable file."""
        return cls(
            tuple(os.path.realpath(path) for path in text.paths),
            tuple(sha256_of(path, TEXT) for path in text.paths),
            os.path.realpath(start.path) if start else "",
        )

    @classmethod
    def read(cls, folder: Path) -> "Origin | None":
        """Return the origin of the sets in a folder; None if it does not say.

        Raises NmtError for a damaged file.
        """
        path = folder / NAME
        if not is_present(path):
            return None
        return parse_json(read_text(path, "the file", most=LARGEST), cls, str(path))

    def write(self, folder: Path) -> None:
        """Write the origin into the folder of the sets."""
        write_text(folder / NAME, json_text(self, indent=1) + "\n")

    def changed(self, now: "Origin") -> list[str]:
        """Return which of the files have another content now; all if they are other files."""
        if len(self.sha256) != len(now.sha256):
            return [*now.files]
        both = zip(now.files, self.sha256, now.sha256, strict=True)
        return [path for path, old, new in both if old != new]
