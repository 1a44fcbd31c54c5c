"""A folder in which the manual's lines are run, with what they name."""

import gzip
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import click

from nmt.interop.export import export_model
from nmt.training.checkpoints import read_manifest, write_manifest
from tests.docs.document_samples import sample

SOURCES = {".en", ".src", ".txt", ""}
PAIRS = {"pairs.tsv", "pieces.tsv"}  # have columns


@dataclass(frozen=True)
class Sandbox:
    """A folder in which the manual's lines are run."""

    folder: Path
    model: Path  # a run folder to copy

    def provide(self, context: click.Context) -> None:
        """Create what a command's arguments name and the folder lacks."""
        values = context.params
        for parameter in context.command.params:
            given = values.get(str(parameter.name))
            several = given if isinstance(given, tuple) else (given,)
            if parameter.name not in (
                "output",
                "output_dir",
                "write_memory",
                "flags_file",
                "alignments",
                "cards",
                "data_dir",
                "run",
            ):
                for each in several:
                    if isinstance(each, Path) or str(each).startswith("runs/"):
                        self.create(Path(each))
        if context.info_name == "init":
            values["output"].unlink(missing_ok=True)  # the page shows what the command writes
        if context.info_name == "average":
            self.add_checkpoints(values["run"], values.get("updates"), values.get("last"))

    def create(self, path: Path) -> None:
        """Create a model, a run folder or a text, by what a path's name suggests."""
        if path.exists() or str(path) == "-":
            return
        if "*" in str(path) or (not path.suffix and path.name == "docs"):
            path = Path("docs", "index.md")
        path.parent.mkdir(parents=True, exist_ok=True)
        if (content := sample(path)) is not None:
            path.write_bytes(content)
        elif path.suffix == ".safetensors":
            shutil.copy(self.model / "model.safetensors", path)
        elif path.parts[0] == "runs":
            shutil.copytree(self.model, path)
        elif path.name.startswith("ct2"):
            export_model(self.model, path, "ctranslate2")
        elif path.name in PAIRS:
            path.write_text(2 * "sun moon\tMOON SUN\tsun\n", encoding="utf-8")
        elif path.suffix == ".tsv":
            path.write_text("sun\tMOON\nrain snow\tSTAR\n")
        else:
            packed = path.suffix == ".gz"
            is_source = (path.with_suffix("") if packed else path).suffix in SOURCES
            text = (self.folder / ("dev.src" if is_source else "dev.tgt")).read_bytes()
            path.write_bytes(gzip.compress(text) if packed else text)

    def add_checkpoints(self, run: Path, updates: str | None, last: int | None) -> None:
        """Give a run the checkpoints that are to be averaged."""
        self.create(run)
        numbers = map(int, updates.split(",")) if updates else range(100, 100 + (last or 0))
        (first, *_) = sorted((run / "checkpoints").glob("*.json"))
        known = read_manifest(first, int(first.stem.removeprefix("update-")))
        for number in numbers:
            path = first.with_name(f"update-{number:08}.json")
            for ending in known.sha256:
                shutil.copy(first.with_suffix(f".{ending}"), path.with_suffix(f".{ending}"))
            write_manifest(path, replace(known, progress=replace(known.progress, update=number)))
