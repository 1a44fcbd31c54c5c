"""Notice that a run folder is not where it was: files would go elsewhere, without a word."""

from pathlib import Path

from nmt.errors import NmtError
from nmt.system.files import identity


class SameFolder:
    """A folder that must stay at its path."""

    def __init__(self, path: Path) -> None:
        """Remember which folder is there now."""
        self._path = path
        self._folder = identity(path)

    def check(self, update: int) -> None:
        """Raise NmtError, which names the current update, if another folder or none is there."""
        if identity(self._path) != self._folder:
            raise NmtError(
                f"{self._path} was moved or removed during the training, which stopped at update"
                f" {update:,} and could not save it; put the folder back, then the same command"
                " resumes from the last checkpoint"
            )
