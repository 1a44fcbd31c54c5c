"""Create what the manual's lines name, in the folder in which they are run."""

import gzip
import shutil
from pathlib import Path

import click

from nmt.interop.export import export_model
from tests.documents.samples import SAMPLES

SOURCES = {".en", ".src", ".txt", ""}
PAIRS = {"pairs.tsv", "pieces.tsv"}  # have columns
OUTPUTS = {"output", "output_dir", "write_memory", "flags_file", "alignments", "cards"}
OUTPUTS |= {"data_dir", "run"}
SAMPLED = {".docx", ".html", ".json", ".po", ".srt", ".tmx"}  # formats with sample files
TEXTS = {
    ".md": "# sun\n\nmoon *star*\n",
    ".csv": "id,name,description\n1,sun,moon star\n",
    ".tsv": "sun\tMOON\nrain snow\tSTAR\n",
}


def provide(context: click.Context, model: Path) -> None:
    """Create what a command's arguments name and the current folder lacks; model: a run to copy."""
    values = context.params
    for name in {str(parameter.name) for parameter in context.command.params} - OUTPUTS:
        given = values.get(name)
        for value in given if isinstance(given, tuple) else (given,):
            if isinstance(value, Path) or str(value).startswith("runs/"):
                create(Path(value), model)
    if context.info_name == "init":
        values["output"].unlink(missing_ok=True)  # the page shows what the command writes


def create(path: Path, model: Path) -> None:
    """Create a model, a run folder or a text by what its name suggests; model: a run to copy."""
    if path.exists() or str(path) == "-":
        return
    if "*" in str(path) or (not path.suffix and path.name == "docs"):
        path = Path("docs", "index.md")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in SAMPLED:
        shutil.copy(next(SAMPLES.glob(f"*{path.suffix}")), path)
    elif path.suffix == ".safetensors":
        shutil.copy(model / "model.safetensors", path)
    elif path.parts[0] == "runs":
        shutil.copytree(model, path)
    elif path.name.startswith("ct2"):
        export_model(model, path, "ctranslate2")
    elif path.name in PAIRS:
        path.write_text(2 * "sun moon\tMOON SUN\tsun\n", encoding="utf-8")
    elif path.suffix in TEXTS:
        path.write_text(TEXTS[path.suffix], encoding="utf-8")
    else:
        packed = path.suffix == ".gz"
        is_source = (path.with_suffix("") if packed else path).suffix in SOURCES
        text = Path("dev.src" if is_source else "dev.tgt").read_bytes()
        path.write_bytes(gzip.compress(text) if packed else text)
