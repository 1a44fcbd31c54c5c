"""A folder in which the manual's lines are run, with what they name."""

import gzip
import shutil
from dataclasses import dataclass
from pathlib import Path

import click

from nmt.interop.export import export_model
from tests.documents.formats import CONTENTS, PACKAGES

SOURCES = {".en", ".src", ".txt", ""}
PAIRS = {"pairs.tsv", "pieces.tsv"}  # have columns
OUTPUTS = {"output", "output_dir", "write_memory", "flags_file", "alignments", "cards"}
OUTPUTS |= {"data_dir", "run"}
SUBTITLE = "00:00:01{}000 --> 00:00:03{}000\nsun <i>moon</i>\n"
MESSAGES = (
    'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "sun"\nmsgstr ""\n'
)
XML = '<?xml version="1.0"?>'
# A small file of each format that is text, by the ending of its name.
TEXTS = {
    ".md": "# sun\n\nmoon *star*\n",
    ".html": "<html lang=en><p>sun <b>moon</b></p></html>\n",
    ".srt": "1\n" + SUBTITLE.format(",", ","),
    ".vtt": "WEBVTT\n\n" + SUBTITLE.format(".", "."),
    ".po": MESSAGES,
    ".pot": MESSAGES,
    ".tmx": f'{XML}<tmx version="1.4"><header srclang="src" datatype="plaintext" segtype="sentence"'
    ' adminlang="en" creationtool="x" creationtoolversion="1" o-tmf="x"/><body><tu>'
    '<tuv xml:lang="src"><seg>sun</seg></tuv><tuv xml:lang="tgt"><seg>SUN</seg></tuv></tu>'
    "</body></tmx>",
    ".xlf": f'{XML}<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2"><file'
    ' original="a" source-language="en" target-language="de" datatype="plaintext"><body>'
    '<trans-unit id="1"><source>sun</source></trans-unit></body></file></xliff>',
    ".ts": f'{XML}<!DOCTYPE TS><TS version="2.1" language="de"><context><name>A</name><message>'
    '<source>sun</source><translation type="unfinished"></translation></message></context></TS>',
    ".json": '{"menu": {"open": "sun moon"}}\n',
    ".yml": "en:\n  open: sun moon\n",
    ".properties": "open=sun moon\n",
    ".xml": '<resources><string name="open">sun moon</string></resources>\n',
    ".stringsdict": f'{XML}<plist version="1.0"><dict><key>suns</key><dict>'
    "<key>NSStringLocalizedFormatKey</key><string>sun moon</string></dict></dict></plist>",
    ".strings": '"open" = "sun moon";\n',
    ".csv": "id,name,description\n1,sun,moon star\n",
}


@dataclass(frozen=True)
class Sandbox:
    """A folder in which the manual's lines are run."""

    folder: Path
    model: Path  # a run folder to copy

    def provide(self, context: click.Context) -> None:
        """Create what a command's arguments name and the folder lacks."""
        values = context.params
        for name in {str(parameter.name) for parameter in context.command.params} - OUTPUTS:
            given = values.get(name)
            for value in given if isinstance(given, tuple) else (given,):
                if isinstance(value, Path) or str(value).startswith("runs/"):
                    self.create(Path(value))
        if context.info_name == "init":
            values["output"].unlink(missing_ok=True)  # the page shows what the command writes

    def create(self, path: Path) -> None:
        """Create a model, a run folder or a text, by what a path's name suggests."""
        if path.exists() or str(path) == "-":
            return
        if "*" in str(path) or (not path.suffix and path.name == "docs"):
            path = Path("docs", "index.md")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix[1:] in PACKAGES:
            path.write_bytes(CONTENTS[path.suffix[1:]][0])
        elif path.suffix in TEXTS:
            path.write_text(TEXTS[path.suffix], encoding="utf-8")
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
