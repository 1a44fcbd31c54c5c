"""The formats by name: which files they are for, and where they are read."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nmt.errors import UsageError
from nmt.formats.document import Document, Options
from nmt.text.corpus import Reader

Read = Callable[[bytes, Options], Document]

LINES = "lines"  # each line of a plain text file is a segment, as for every other command


@dataclass(frozen=True)
class Format:
    """A format of files; its module in `kinds` has `read`."""

    name: str
    suffixes: tuple[str, ...]  # of its files' names, in lower case; without a dot: whole names
    module: str = ""  # in `nmt.formats.kinds`; "": as the name
    is_binary: bool = False  # no terminal can show it
    # What its files have near the beginning, if other files have the same suffix.
    sign: bytes = b""
    has_columns: bool = False  # the user says which ones are translated

    def read(self, content: bytes, options: Options) -> Document:
        """Return the document of a file's content.

        Raises:
            NmtError: if the content is not of this format, without the name of the file; or if the
                package is missing.
        """
        module = importlib.import_module(f"nmt.formats.kinds.{self.module or self.name}")
        read: Read = module.read
        return read(content, options)


FORMATS = {
    each.name: each
    for each in (
        Format(LINES, ()),
        Format("text", ()),
        Format("markdown", (".md", ".markdown")),
        Format("mdx", (".mdx",)),
        Format("html", (".html", ".htm", ".xhtml")),
        Format("docx", (".docx", ".docm", ".dotx"), is_binary=True),
        Format("odt", (".odt", ".ott", ".odp"), is_binary=True),
        Format("pptx", (".pptx", ".pptm", ".ppsx"), is_binary=True),
        Format("epub", (".epub",), is_binary=True),
        Format("srt", (".srt",), module="subtitles"),
        Format("vtt", (".vtt",), module="subtitles"),
        Format("po", (".po", ".pot")),
        Format("xliff", (".xlf", ".xliff")),
        Format("qt", (".ts",), sign=b"<TS"),
        Format("json", (".json", ".arb"), module="json_messages"),
        Format("yaml", (".yaml", ".yml"), module="yaml_messages"),
        Format("properties", (".properties",)),
        Format("strings", (".strings",), module="apple_strings"),
        Format("stringsdict", (".stringsdict",)),
        Format("android", ("strings.xml", "plurals.xml", "arrays.xml")),
        Format("csv", (".csv",), module="csv_table", has_columns=True),
        Format("tsv", (".tsv",), has_columns=True),
        Format("tmx", (".tmx",)),
    )
}


def bilingual_reader(ending: str) -> Reader:
    """Return the reader of a kind of bilingual files, one of `nmt.text.languages.BILINGUAL`."""
    from nmt.formats.bitext import READERS

    return READERS[ending]


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
TEMPLATES = frozenset(
    (
        *(".ejs", ".erb", ".hbs", ".j2", ".jinja", ".jinja2", ".liquid", ".mustache", ".njk"),
        *(".php", ".twig"),
    )
)
PROSE = ".txt"  # in folders, such files are prose, not lines of a corpus


def format_of(path: Path, name: str | None) -> Format | None:
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
    found = [
        (len(suffix), each)
        for each in FORMATS.values()
        for suffix in each.suffixes
        if (lowered.endswith(suffix) if suffix.startswith(".") else lowered == suffix)
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def check_supported(file: Path, suffix: str) -> None:
    """Raise UsageError if no format reads files with a suffix, whatever its name."""
    if saved := UNREAD.get(suffix):
        raise UsageError(
            f"{file}: {suffix} files are not supported; save it as {saved} in the program that"
            " wrote it, and translate that file"
        )


def check_suffix(source: Path, output: Path, form: Format | None) -> None:
    """Raise UsageError if the name of a translation promises another format than its source has."""
    named = format_of(output, None)
    suffix = output.suffix.lower()
    is_own = suffix == source.suffix.lower() or (
        form is not None and any(each.endswith(suffix) for each in form.suffixes)
    )
    others = {*UNREAD, *TEMPLATES} if form in TEXTS else {*UNREAD, *TEMPLATES, PROSE}
    is_other = suffix in others and not is_own
    if form and (is_other or named not in (None, form, format_of(source, None))):
        raise UsageError(
            f"{output}: the translation of {source} is a file of the format {form.name}, because no"
            " format is converted; name an output with its suffix"
        )
