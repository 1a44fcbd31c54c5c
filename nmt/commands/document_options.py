"""Options of `nmt translate` for files with a format, such as pages and catalogues."""

from dataclasses import dataclass
from pathlib import Path

import click

from nmt.commands.ranges import Range


@dataclass(frozen=True)
class DocumentRequest:
    """Options for files with a format."""

    format_name: str | None
    output_dir: Path | None
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    others: str
    columns: tuple[str, ...]
    translates_all: bool
    memory: tuple[Path, ...]
    memory_threshold: float
    write_memory: Path | None


OPTIONS = (
    click.option(
        "--format",
        "format_name",
        metavar="NAME",
        help="Format of FILE, such as html or po; lines: plain lines. An unknown name lists all."
        "  [default: by the name of FILE; lines for other names]",
    ),
    click.option(
        "--output-dir",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder for the translations of files, folders and patterns such as `docs/**/*.md`."
        " If the command was stopped, the same command continues (but not with --write-memory).",
    ),
    click.option(
        "--include",
        multiple=True,
        metavar="PATTERN",
        help="Translate only the files of folders that match PATTERN. A pattern with a slash is"
        " matched with the path, another one with the name.",
    ),
    click.option(
        "--exclude", multiple=True, metavar="PATTERN", help="Leave out files that match PATTERN."
    ),
    click.option(
        "--others",
        type=click.Choice(("copy", "list")),
        default="copy",
        show_default=True,
        help="Copy the files of a folder that have no known format, or only list them.",
    ),
    click.option(
        "--columns",
        metavar="NAMES",
        callback=lambda context, option, value: tuple(filter(None, (value or "").split(","))),
        help="Columns of a .csv or .tsv file to translate, separated by commas: names in the first"
        " row, or numbers from 1.",
    ),
    click.option(
        "--all",
        "translates_all",
        is_flag=True,
        help="Also translate messages and units that are translated already.",
    ),
    click.option(
        "--memory",
        multiple=True,
        type=click.Path(path_type=Path),
        help="Translation memory (.tmx) to use; repeat for several.",
    ),
    click.option(
        "--memory-threshold",
        type=Range(0.5, 1),
        default=0.95,  # one word of ten would be 0.9, and may turn the meaning
        show_default=True,
        help="Use segments of the memory with at least this similarity; 1: equal segments only.",
    ),
    click.option(
        "--write-memory",
        type=click.Path(path_type=Path),
        help="File (.tmx) for the translated segments and their translations.",
    ),
)
