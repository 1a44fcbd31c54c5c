"""The formats by name: where they are read, and which files they are for by their names."""

import importlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from nmt.errors import NmtError, UsageError
from nmt.system.files import read_start
from nmt.text.reading.languages import unpacked_name
from nmt.text.reading.lines import STDIN

if TYPE_CHECKING:  # a mistake on the command line is reported without NumPy
    from nmt.documents.document import Document, Options
    from nmt.text.reading.corpus import Reader

Read: TypeAlias = "Callable[[bytes, Options], Document]"

LINES = "lines"  # each line of a plain text file is a segment, as for every other command


@dataclass(frozen=True)
class Format:
    """A format of files; a function of a module reads them."""

    name: str
    suffixes: tuple[str, ...]  # of its files' names, in lower case; without a dot: whole names
    module: str  # in `nmt.documents`, which has `reader`
    is_binary: bool = False  # no terminal can show it
    # What its files have near the beginning, if other files have the same suffix.
    sign: bytes = b""
    has_columns: bool = False  # the user says which ones are translated
    reader: str = "read"  # the function

    def read(self, content: bytes, options: "Options") -> "Document":
        """Return the document of a file's content.

        Raises:
            NmtError: if the content is not of this format, without the name of the file; or if the
                package is missing.
        """
        module = importlib.import_module(f"nmt.documents.{self.module}")
        read: Read = getattr(module, self.reader)
        return read(content, options)


@dataclass(frozen=True)
class Job:
    """A file to translate."""

    source: Path  # `-`: stdin
    output: Path  # `-`: stdout
    format: Format | None  # None: the file is copied
    is_stream: bool = False  # its lines are translated one by one, as they arrive


FORMATS = {
    file_format.name: file_format
    for file_format in (
        Format(LINES, (), "texts.text", reader="read_lines"),
        Format("text", (), "texts.text"),
        Format("markdown", (".md", ".markdown"), "pages.markdown"),
        Format("mdx", (".mdx",), "pages.markdown", reader="read_mdx"),
        Format("html", (".html", ".htm", ".xhtml"), "pages.html"),
        Format("docx", (".docx", ".docm", ".dotx"), "office.docx", is_binary=True),
        Format("odt", (".odt", ".ott", ".odp"), "office.odt", is_binary=True),
        Format("pptx", (".pptx", ".pptm", ".ppsx"), "office.pptx", is_binary=True),
        Format("epub", (".epub",), "office.epub", is_binary=True),
        Format("srt", (".srt",), "texts.subtitles"),
        Format("vtt", (".vtt",), "texts.subtitles"),
        Format("po", (".po", ".pot"), "messages.po"),
        Format("xliff", (".xlf", ".xliff"), "messages.xliff"),
        Format("qt", (".ts",), "messages.qt", sign=b"<TS"),
        Format("json", (".json", ".arb"), "data.json_messages"),
        Format("yaml", (".yaml", ".yml"), "data.yaml_messages"),
        Format("properties", (".properties",), "data.properties"),
        Format("strings", (".strings",), "messages.apple", reader="read_strings"),
        Format("stringsdict", (".stringsdict",), "messages.apple", reader="read_stringsdict"),
        Format("android", ("strings.xml", "plurals.xml", "arrays.xml"), "messages.android"),
        Format("csv", (".csv",), "data.tables", has_columns=True, reader="read_csv"),
        Format("tsv", (".tsv",), "data.tables", has_columns=True, reader="read_tsv"),
        Format("tmx", (".tmx",), "messages.tmx"),
    )
}


def bilingual_reader(ending: str) -> "Reader":
    """Return the reader of a kind of bilingual files, one of `languages.BILINGUAL`."""
    from nmt.documents.bitext import READERS

    return next(reader for name, reader in READERS.items() if ending in FORMATS[name].suffixes)


TABLES = (FORMATS["csv"], FORMATS["tsv"])
TEXTS = (FORMATS[LINES], FORMATS["text"])  # without a structure of their own

# Files with a structure that no format reads: as plain lines, they would be damaged. Some programs
# save them in another format.
UNREAD = {
    **dict.fromkeys((".adoc", ".ipynb", ".latex", ".rst", ".tex", ".toml", ".xml"), ""),
    **dict.fromkeys((".doc", ".pages", ".pdf", ".rtf"), ".docx"),
    **dict.fromkeys((".key", ".ppt"), ".pptx"),
    **dict.fromkeys((".numbers", ".ods", ".xls", ".xlsx"), ".csv"),
    ".fodt": ".odt",
}
# Templates of pages: as plain lines, their code would be damaged, which `--format html` keeps.
TEMPLATES = {
    *(".ejs", ".erb", ".hbs", ".j2", ".jinja", ".jinja2", ".liquid", ".mustache", ".njk"),
    *(".php", ".twig"),
}
ARCHIVES = (".tar", ".tgz", ".zip")
# How files begin that plain lines would damage: what they are, and their format or suffix.
BEGINNINGS = (
    (
        r"(?i)\s*<(?:!doctype\s+html\b|html(?:>(?:\S|\s*[<\n])|\s[^<>]*=[^<>]*>))",
        "an HTML page",
        "html",
    ),
    (r"\s*<(?:\?xml|xliff)\s[^<>]*=[^<>]*>", "an XML file", "xliff"),
    (r"WEBVTT(?:\n|[ \t][^\n]*\n(?:\n|[\w-]+:|\d+:))", "a file of subtitles", "vtt"),
    (r"\d+\s*\n\d+:\d\d:\d\d[.,]\d+ *--> *\d+:\d", "a file of subtitles", "srt"),
    (r'(?:#.*\n|\n)*msg(?:id|ctxt) "', "a catalogue of messages", "po"),
    (r"PK\x03\x04", "a Word file or another zip archive", "docx"),
    (r"\{\\rtf", "an RTF file", ".rtf"),
    (r"%PDF-", "a PDF file", ".pdf"),
)
PROSE = ".txt"  # in folders, such files are prose, not lines of a corpus
START = 4096  # bytes that tell what a file is
FEWEST_BROKEN, FULL_SHARE = 3, 0.8  # of the lines of a text show that it is wrapped


def find_format(path: Path, name: str | None) -> Format | None:
    """Return the format of a file: the one with this name, else by the path; None if there is none.

    Raises UsageError for an unknown name.
    """
    if name is not None:
        if name not in FORMATS:
            known = ", ".join(FORMATS)
            raise UsageError(f"there is no format {name!r}; the formats are: {known}")
        return FORMATS[name]
    # The longest suffix counts. One without a dot is a whole name: page.strings.xml is not what
    # strings.xml is.
    lowered = path.name.lower()
    found = {
        len(suffix): file_format
        for file_format in FORMATS.values()
        for suffix in file_format.suffixes
        if (lowered.endswith(suffix) if suffix.startswith(".") else lowered == suffix)
    }
    return found[max(found)] if found else None


def format_in_folder(path: Path, name: str | None, *, has_columns: bool) -> Format | None:
    """Return the format of a file in a folder, whose files need not all be for a translator.

    Text files hold prose, unless `name` is given. A table without columns to translate, and a file
    whose beginning shows that it only shares a suffix, have no format.
    """
    found = find_format(path, name)
    if name is not None:
        return found
    if path.suffix.lower() == PROSE:
        return FORMATS["text"]
    if found is None or (found.has_columns and not has_columns):
        return None
    if found.sign and path.is_file():  # a dangling link is reported when it is read
        try:
            return found if found.sign in read_start(path, START, "the file") else None
        except NmtError:  # likewise
            pass
    return found


def check_supported(file: Path, suffix: str) -> None:
    """Raise UsageError if no format reads files with a suffix, whatever its name."""
    if saved := UNREAD.get(suffix):
        raise UsageError(
            f"{file}: {suffix} files are not supported; save it as {saved} in the program that"
            " wrote it, and translate that file"
        )


def check_lines(file: Path) -> None:
    """Raise UsageError if a file without a format would be damaged as plain lines, by its name."""
    name, suffix = unpacked_name(file)
    if suffix in ARCHIVES or find_format(Path(name), None):
        raise UsageError(
            f"{file} is packed, and of packed files only plain lines are translated; unpack it, and"
            " translate what is in it"
        )
    check_supported(file, suffix)
    if suffix in TEMPLATES:
        raise UsageError(
            f"{file}: {suffix} files are templates, whose code plain lines would damage; keep the"
            " code with --format html (or another format of what they make), or translate their"
            " lines as they are: --format lines"
        )
    if suffix in UNREAD:
        raise UsageError(
            f"{file}: no format reads {suffix} files of this name; name its format (--format),"
            " convert it, for example to HTML or to text, or translate its lines as they are:"
            " --format lines"
        )


def check_beginning(lines: Iterable[str], name: str) -> Iterator[str]:
    """Yield plain lines; raise UsageError once they show another format, which would be damaged.

    No line waits for the next one, because a person may write them. name: of the file.
    """
    beginning = ""
    for line in lines:
        if len(beginning) < START:
            beginning += f"{line[:START]}\n"
            for pattern, kind, wanted in BEGINNINGS:
                if re.match(pattern, beginning):
                    check_supported(Path(name), wanted)
                    raise UsageError(
                        f"{name} begins like {kind}, which plain lines would damage; name its"
                        f" format, such as --format {wanted}, or translate its lines as they are:"
                        " --format lines"
                    )
        yield line


def is_wrapped(path: Path) -> bool:
    """Return whether a file is prose whose lines are broken at a width, so that sentences go on.

    Then hardly a line has room for the first word of the next one.
    """
    if path.suffix.lower() != PROSE or not path.is_file():
        return False
    try:
        text = read_start(path, START, "the file").decode("utf-8", "replace")
    except NmtError:  # it is reported when it is read
        return False
    lines = [line.strip() for line in text.split("\n")[:-1]]
    width = max(map(len, lines), default=0)
    pairs = [(first, second) for first, second in pairwise(lines) if first and second]
    full = sum(len(first) + 1 + len(second.split()[0]) > width for first, second in pairs)
    going_on = sum(second[0].islower() for _, second in pairs)
    return min(full, going_on) >= FEWEST_BROKEN and full >= FULL_SHARE * len(pairs)


def check_job(job: Job, columns: Sequence[str]) -> None:
    """Raise UsageError if a file does not go with columns of a table, or with its output.

    A terminal cannot show every format, and a name may promise another one. Raises NmtError if
    stdout is closed.
    """
    file_format, suffix = job.format, job.output.suffix.lower()
    if file_format is None:
        return
    if columns and not file_format.has_columns:
        raise UsageError(
            f"--columns is for tables, but {job.source} is translated as {file_format.name};"
            " leave it out"
        )
    if job.output == STDIN:
        if sys.stdout is None:
            raise NmtError("stdout is closed; name a file with --output")
        if file_format.is_binary and sys.stdout.isatty():
            raise UsageError(
                f"the translation of {job.source} is not text; name a file for it with --output"
            )
    own = (job.source.suffix.lower(), *file_format.suffixes)
    others = {*UNREAD, *TEMPLATES} if file_format in TEXTS else {*UNREAD, *TEMPLATES, PROSE}
    is_other = suffix in others and not any(name.endswith(suffix) for name in own)
    known = (None, file_format, find_format(job.source, None))
    if is_other or find_format(job.output, None) not in known:
        raise UsageError(
            f"{job.output}: the translation of {job.source} is a file of the format"
            f" {file_format.name}, because no format is converted; name an output with its suffix"
        )


def missing(purpose: str, package: str) -> NmtError:
    """Return the error for a package of the extra `files` that is not installed.

    purpose: what needs it, such as "Markdown". package: its name for pip.
    """
    return NmtError(f"{purpose} needs the package {package}: pip install 'attention-nmt[files]'")
