"""The formats by name: which files they are for, and where they are read."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nmt.documents.document import Document, Options
from nmt.errors import NmtError, UsageError
from nmt.text.corpus import Reader

Read = Callable[[bytes, Options], Document]

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

    def read(self, content: bytes, options: Options) -> Document:
        """Return the document of a file's content.

        Raises:
            NmtError: if the content is not of this format, without the name of the file; or if the
                package is missing.
        """
        module = importlib.import_module(f"nmt.documents.{self.module}")
        read: Read = getattr(module, self.reader)
        return read(content, options)


FORMATS = {
    each.name: each
    for each in (
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


def bilingual_reader(ending: str) -> Reader:
    """Return the reader of a kind of bilingual files, one of `nmt.text.languages.BILINGUAL`."""
    from nmt.documents.bitext import READERS

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


def missing(purpose: str, package: str) -> NmtError:
    """Return the error for a package of the extra `files` that is not installed.

    purpose: what needs it, such as "Markdown". package: its name for pip.
    """
    return NmtError(
        f"{purpose} needs the package {package}; in the checkout: pip install '.[files]'"
    )
