"""Catalogues of messages of GNU gettext: `.po`, and `.pot`, their templates.

Untranslated and fuzzy messages get translations, which are marked fuzzy: a person reads them before
the program shows them. All other bytes of the file stay. Plural forms follow the header's rule, or
the rule of the target language if the header has none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from nmt.decoding.translator.marked import Edit, Marked
from nmt.documents.document import Document, Finding, Options, Own, SourceDocument, decode
from nmt.documents.marks.never_text import with_placeholders
from nmt.documents.messages.bilingual import wrong_language
from nmt.documents.messages.message import Text
from nmt.documents.messages.po_syntax import (
    FLAGS,
    FUZZY,
    Entry,
    Header,
    declared_charset,
    find_columns,
    read_entries,
    written,
)
from nmt.documents.texts.wrapping import LINE

PREVIOUS = "#|"
NO_WRAP = "no-wrap"
TAGS = "tags"
PERCENT = frozenset({"python"})
UNSTATED = frozenset({"python", "brace"})
# Names of placeholders in `never_text.SYNTAXES` by flag, without "-format".
SYNTAXES = {
    **dict.fromkeys(("c", "perl", "php", "lua", "go", "tcl", "awk", "javascript"), "printf"),
    **dict.fromkeys(("object-pascal", "librep", "elisp", "gcc-internal"), "printf"),
    **dict.fromkeys(("java-printf", "possible-c", "scheme", "lisp"), "printf"),
    **dict.fromkeys(("python-brace", "perl-brace", "csharp", "java", "rust"), "brace"),
    **dict.fromkeys(("qt", "qt-plural", "kde", "kde-kuit", "ycp", "smalltalk", "boost"), "qt"),
    **{"python": "python", "objc": "objc", "sh": "dollar", "ruby": "percent-brace"},
}


@dataclass
class Catalogue(SourceDocument):
    """A catalogue that was read."""

    source: str
    options: Options = field(kw_only=True)
    line_end: str = field(kw_only=True)
    columns: int = field(kw_only=True)  # at which strings are broken


def read(content: bytes, options: Options) -> Document:
    """Return the document of a catalogue; its segments are lines and paragraphs of messages."""
    text, encoding = decode(content, declared_charset(content))
    entries = [*read_entries(found[0] for found in LINE.finditer(text))]
    strings = (
        [string.raw for string in statement.strings]
        for entry in entries
        if entry is not None and not entry.is_header()
        for statement in (entry.id, *entry.strings)
    )
    catalogue = Catalogue(
        content,
        text,
        encoding,
        is_bilingual=True,
        options=options,
        line_end="\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n",
        columns=find_columns(strings),
    )
    header: Entry | None = None
    messages: list[Entry] = []
    for entry in (*entries, None):
        if entry is not None and not entry.is_header():
            messages.append(entry)
            continue
        add_domain(catalogue, Header(header, options.target_language), messages)
        header, messages = entry, []
    return catalogue


def add_domain(catalogue: Catalogue, header: Header, entries: Sequence[Entry]) -> None:
    """Add the messages under a header, which is filled in if one of them is translated."""
    lines: dict[tuple[str | None, str], int] = {}  # of messages
    first = len(catalogue.segments)
    messages = []
    for entry in entries:
        key = (entry.context.text() if entry.context else None, entry.id.text())
        if key in lines:
            repeated = f"the message of line {lines[key]} is repeated here"
            catalogue.findings.append(Finding(f"line {entry.id.line}", repeated))
        lines.setdefault(key, entry.id.line)
        begin = len(catalogue.segments)
        texts = add_texts(catalogue, header, entry, key[0] or "")
        if texts:
            messages.append((entry, texts, range(begin, len(catalogue.segments))))
    segments = range(first, len(catalogue.segments))
    if not segments:
        return
    # At one position, a new header comes before the flag of the first message.
    for edit in header.edits(messages[0][0], catalogue.line_end):
        catalogue.change(*edit, segments)
    for message in messages:
        change(catalogue, *message)
    target, stated = catalogue.options.target_language, header.fields.get("language", "")
    catalogue.findings += wrong_language(stated, target, header.place)
    if not header.is_known:
        rule = "the plural rule of the language is not known; check Plural-Forms"
        catalogue.findings.append(Finding(header.place, rule))


def add_texts(
    catalogue: Catalogue, header: Header, entry: Entry, context: str
) -> list[Text | None]:
    """Return the text of each form of a message, None for one that stays; [] if all do."""
    flags, options = entry.flags(), catalogue.options
    is_new = options.translates_all or FUZZY in flags
    forms = range(header.rule.forms if entry.plural else 1)
    open_forms = [form for form in forms if is_new or not has_text(entry, form)]
    if not open_forms:
        return []
    syntax = stated_syntax(flags)
    sources = form_sources(entry, header, syntax)
    texts = {
        source: catalogue.add_text(
            Marked(source),
            f"line {entry.id.line}",
            context,
            syntax,
            accelerator_language=options.target_language,
        )
        for source in dict.fromkeys(sources[form] for form in open_forms)
    }
    return [texts[source] if form in open_forms else None for form, source in enumerate(sources)]


def has_text(entry: Entry, form: int) -> bool:
    """Return whether a form of a message is translated."""
    return form < len(entry.strings) and entry.strings[form].text() != ""


def change(
    catalogue: Catalogue, entry: Entry, texts: Sequence[Text | None], segments: range
) -> None:
    """Let the translations of a message be written and marked fuzzy."""
    strings, last = entry.strings, len(entry.strings) - 1
    for number, string in enumerate(strings):
        # Comments may stand between the statements. The last one is followed by new forms.
        forms = range(len(texts))[number : None if number == last else number + 1]
        # If the target has fewer forms, comments before a surplus one go with it.
        begin = string.begin if forms else strings[number - 1].end
        write = partial(write_forms, catalogue, entry, texts, forms)
        catalogue.change(begin, string.end, write, segments)
    for comment in entry.comments:
        if comment.raw.startswith(PREVIOUS):
            catalogue.change(comment.begin, comment.end, "", segments)
    if FUZZY not in entry.flags():
        catalogue.change(*fuzzy(catalogue, entry), segments)


def write_forms(
    catalogue: Catalogue, entry: Entry, texts: Sequence[Text | None], forms: range, own: Own
) -> str:
    """Return the statements of some forms; one without a translation is as before, or a source."""
    columns = 0 if NO_WRAP in entry.flags() else catalogue.columns
    lines = []
    for form in forms:
        text = texts[form]
        filled = text.filled(own) if text else None
        kept = entry.strings[form].text() if form < len(entry.strings) else ""
        shown = filled.text if filled else kept or (entry.plural or entry.id).text()
        keyword = "msgstr" if entry.plural is None else f"msgstr[{form}]"
        lines.append(written(keyword, shown, columns, catalogue.line_end))
    return catalogue.line_end.join(lines)


def fuzzy(catalogue: Catalogue, entry: Entry) -> Edit:
    """Return the change that adds the flag fuzzy."""
    for comment in entry.comments:
        if comment.raw.startswith(FLAGS[0]):
            position = comment.begin + len(FLAGS[0])
            return Edit(position, position, f" {FUZZY},")
    line_end = catalogue.line_end
    line_begin = catalogue.source.rfind("\n", 0, entry.begin) + 1
    if catalogue.source[line_begin : entry.begin].strip():
        return Edit(entry.begin, entry.begin, f"{line_end}{FLAGS[0]} {FUZZY}{line_end}")
    return Edit(line_begin, line_begin, f"{FLAGS[0]} {FUZZY}{line_end}")


def form_sources(entry: Entry, header: Header, syntax: frozenset[str]) -> list[str]:
    """Return the text that each form of a message is a translation of.

    The singular is that of the form for 1. If it has no number and its form stands for other
    numbers too, such as 21, the plural is.
    """
    singular = entry.id.text()
    if entry.plural is None:
        return [singular]
    plural = entry.plural.text()
    one = header.one()
    marks = with_placeholders(Marked(singular), syntax).marks
    uses_singular = one.is_exact or bool(marks)  # one of them is the number
    return [
        singular if form == one.form and uses_singular else plural
        for form in range(header.rule.forms)
    ]


def stated_syntax(flags: set[str]) -> frozenset[str]:
    """Return the names of the placeholders that flags such as c-format state.

    Without such a flag, a message may have those that programs often forget to state.
    """
    names = {flag.removesuffix("-format") for flag in flags if flag.endswith("-format")}
    stated = {SYNTAXES[name] for name in names if name in SYNTAXES}
    has_none = any(name.startswith("no-") for name in names)
    return frozenset({TAGS, *(stated or UNSTATED - (PERCENT if has_none else frozenset()))})
