"""The files that an ablation writes besides its runs."""

from dataclasses import dataclass
from pathlib import Path

from nmt.runs.outputs import check_output
from nmt.system.atomic import write_text
from nmt.system.files import in_utf_8

COMMAND = "ablate"


@dataclass(frozen=True)
class AblationFiles:
    """The result files in an ablation's folder."""

    folder: Path

    @property
    def data(self) -> Path:
        """Path of all figures, as JSON."""
        return self.folder / "ablation.json"

    @property
    def table(self) -> Path:
        """Path of the table, as Markdown."""
        return self.folder / "ablation.md"

    @property
    def page(self) -> Path:
        """Path of the curves, as HTML."""
        return self.folder / "ablation.html"

    def check(self) -> None:
        """Raise UsageError if a file is in the way; see `check_output`."""
        for path in (self.data, self.table, self.page):
            check_output(path)

    def write(self, data: str, table: str, page: str) -> None:
        """Write all files; raises NmtError if the disk refuses."""
        texts = {self.data: data, self.table: table, self.page: page}
        for path, text in texts.items():
            write_text(path, in_utf_8(text))
