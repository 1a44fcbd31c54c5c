"""Create what the manual's lines name, in the folder in which they are run."""

import gzip
import shutil
from pathlib import Path

import click
import docx

from nmt.interop.export import export_model

SOURCES = {".en", ".src", ".txt", ""}
PAIRS = {"pairs.tsv", "pieces.tsv"}  # have columns
OUTPUTS = {"output", "output_dir", "write_memory", "flags_file", "alignments", "cards"}
OUTPUTS |= {"data_dir", "run"}
# A small file of each format that a runnable line names, by the ending of its name.
TEXTS = {
    ".md": "# sun\n\nmoon *star*\n",
    ".html": "<html lang=en><p>sun <b>moon</b></p></html>\n",
    ".srt": "1\n00:00:01,000 --> 00:00:03,500\nsun <i>moon</i>\n",
    ".po": 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8"\n\nmsgid "sun"\nmsgstr ""\n',
    ".tmx": '<?xml version="1.0"?><tmx version="1.4"><header srclang="src" datatype="plaintext"'
    ' segtype="sentence" adminlang="en" creationtool="x" creationtoolversion="1" o-tmf="x"/><body>'
    '<tu><tuv xml:lang="src"><seg>sun</seg></tuv><tuv xml:lang="tgt"><seg>SUN</seg></tuv></tu>'
    "</body></tmx>",
    ".json": '{"menu": {"open": "sun moon"}}\n',
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
    if path.suffix == ".docx":
        document = docx.Document()
        document.add_paragraph("sun moon")
        document.save(str(path))
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
