"""Catalogues of messages of GNU gettext: `.po`, and `.pot`, their templates.

Untranslated and fuzzy messages get translations, which are marked fuzzy: a person reads them before
the program shows them. All other bytes of the file stay. Plural forms follow the header's rule, or
the rule of the target language if the header has none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nmt.decoding.translator.marked import Edit, Marked
from nmt.documents.document import Document, Finding, Joined, Options, Segment
from nmt.documents.encoding import Encoding, decode
from nmt.documents.marks.never_text import with_placeholders
from nmt.documents.messages.bilingual import Slot, Slots, wrong_language
from nmt.documents.messages.plurals import FALLBACK, FormsOfOne, PluralRule, forms_of_one, rule_of
from nmt.documents.messages.po_syntax import (
    FLAGS,
    TEMPLATE_PLURALS,
    Entry,
    Header,
    columns_of,
    declared_charset,
    entries_of,
    new_header,
    written,
)
from nmt.errors import NmtError, shown

FUZZY = "fuzzy"
PREVIOUS = "#|"
NO_WRAP = "no-wrap"
TAGS = "tags"
PERCENT = frozenset({"python"})
UNSTATED = frozenset({"python", "brace"})
# Names of placeholders in `placeholders.SYNTAXES` by flag, without "-format".
SYNTAXES = {
    **dict.fromkeys(("c", "perl", "php", "lua", "go", "tcl", "awk", "javascript"), "printf"),
    **dict.fromkeys(("object-pascal", "librep", "elisp", "gcc-internal"), "printf"),
    **dict.fromkeys(("java-printf", "possible-c", "scheme", "lisp"), "printf"),
    **dict.fromkeys(("python-brace", "perl-brace", "csharp", "java", "rust"), "brace"),
    **dict.fromkeys(("qt", "qt-plural", "kde", "kde-kuit", "ycp", "smalltalk", "boost"), "qt"),
    **{"python": "python", "objc": "objc", "sh": "dollar", "ruby": "percent-brace"},
}


@dataclass
class Domain:
    """The messages under one header."""

    header: Header
    rule: PluralRule
    is_known: bool = True  # the rule is the header's or the language's
    places: dict[tuple[str | None, str], int] = field(default_factory=dict)  # lines of messages

    @property
    def place(self) -> str:
        """Return where the header is."""
        return f"line {self.header.entry.id.line}" if self.header.entry else "line 1"

    def one(self) -> FormsOfOne:
        """Return the form for the number 1; raises NmtError if the header's rule is none."""
        try:
            return forms_of_one(self.rule)
        except NmtError as error:
            raise NmtError(f"{self.place}: {error}; correct Plural-Forms") from error

    def findings(self, options: Options) -> list[Finding]:
        """Return what to say of the header if translations are written below it."""
        stated = self.header.fields.get("language", "")
        found = wrong_language(stated, options.target_language, self.place)
        if not self.is_known:
            rule = "the plural rule of the language is not known; check Plural-Forms"
            found.append(Finding(self.place, rule))
        return found


@dataclass
class Message:
    """A message to translate: the slot of each form, None for a form that stays."""

    entry: Entry
    domain: Domain
    slots: list[Slot | None]


@dataclass
class Catalogue:
    """A catalogue that was read."""

    text: str
    encoding: Encoding
    options: Options
    line_end: str
    columns: int  # at which strings are broken
    slots: Slots
    messages: list[Message] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def segments(self) -> Sequence[Segment]:
        """Lines and paragraphs of the messages to translate."""
        return self.slots.segments

    def join(self, translations: Sequence[Marked | None]) -> Joined:
        """Return the catalogue with translations; see `Document.join`."""
        edits, headers = list[Edit](), list[Edit]()
        domains: list[Domain] = []
        findings = list(self.findings)
        for message in self.messages:
            texts = [slot.filled(translations) if slot else None for slot in message.slots]
            if any(texts):
                edits += self.message_edits(message, texts)
                if message.domain not in domains:
                    domains.append(message.domain)
        for domain in domains:
            headers += self.header_edits(domain)
            findings += domain.findings(self.options)
        # At one place, a new header comes before the flag of the first message.
        ordered = sorted([*headers, *edits], key=lambda each: (each.begin, each.end))
        text = Marked(self.text).edited(ordered).text
        return Joined(self.encoding.encode(text), tuple(findings))

    def message_edits(self, message: Message, texts: Sequence[Marked | None]) -> Iterator[Edit]:
        """Yield the changes that write the translations of a message and mark it fuzzy."""
        entry = message.entry
        columns = 0 if NO_WRAP in entry.flags() else self.columns
        lines = []
        for form, text in enumerate(texts):
            keyword = "msgstr" if entry.plural is None else f"msgstr[{form}]"
            kept = entry.strings[form].text() if form < len(entry.strings) else ""
            source = (entry.plural or entry.id).text()
            shown = text.text if text else kept or source
            lines.append(written(keyword, shown, columns, self.line_end))
        last = len(entry.strings) - 1
        for form, string in enumerate(entry.strings):
            # Comments may stand between the statements. The last one is followed by new forms.
            own = lines[form:] if form == last else lines[form : form + 1]
            # If the target has fewer forms, comments before a surplus one go with it.
            begin = string.begin if own else entry.strings[form - 1].end
            yield Edit(begin, string.end, self.line_end.join(own))
        yield from self.comment_edits(entry)

    def comment_edits(self, entry: Entry) -> Iterator[Edit]:
        """Yield the changes that add the flag fuzzy and remove the message of before."""
        flags = [each for each in entry.comments if each.text.startswith(FLAGS[0])]
        for comment in entry.comments:
            if comment.text.startswith(PREVIOUS):
                yield Edit(comment.begin, comment.end, "")
        if FUZZY in entry.flags():
            return
        if flags:
            place = flags[0].begin + len(FLAGS[0])
            yield Edit(place, place, f" {FUZZY},")
            return
        line_begin = self.text.rfind("\n", 0, entry.begin) + 1
        is_first = not self.text[line_begin : entry.begin].strip()
        place = line_begin if is_first else entry.begin
        new_line = "" if is_first else self.line_end
        yield Edit(place, place, f"{new_line}{FLAGS[0]} {FUZZY}{self.line_end}")

    def header_edits(self, domain: Domain) -> Iterator[Edit]:
        """Yield the changes that fill in what the header of a template lacks."""
        new = domain.header.filled(self.options.target_language, domain.rule)
        entry = domain.header.entry
        if entry is not None:
            yield from domain.header.edits(new, self.line_end)
            yield from self.without_fuzzy(entry)
            return
        first = next(each.entry for each in self.messages if each.domain is domain)
        place = min((each.begin for each in first.comments), default=first.begin)
        yield Edit(place, place, new_header(new, self.line_end))

    def without_fuzzy(self, entry: Entry) -> Iterator[Edit]:
        """Yield the changes that remove the flag fuzzy of a template's header.

        A compiled catalogue would have no header with it.
        """
        for comment in entry.comments:
            if comment.text.startswith(FLAGS[0]) and FUZZY in comment.text:
                flags = [each.strip() for each in comment.text[len(FLAGS[0]) :].split(",")]
                kept = ", ".join(each for each in flags if each and each != FUZZY)
                line = f"{FLAGS[0]} {kept}{self.line_end}" if kept else ""
                yield Edit(comment.begin, comment.end, line)


def read(content: bytes, options: Options) -> Document:
    """Return the document of a catalogue; its segments are lines and paragraphs of messages."""
    text, encoding = decode(content, declared_charset(content))
    entries = list(entries_of(text))
    strings = [
        statement.lines()
        for entry in entries
        if entry is not None and not entry.is_header()
        for statement in (entry.id, *entry.strings)
    ]
    line_end = "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
    catalogue = Catalogue(text, encoding, options, line_end, columns_of(strings), Slots(options))
    domain: Domain | None = None
    for entry in entries:
        if entry is None:
            domain = None
        elif entry.is_header():
            domain = domain_of(Header(entry), options)
        else:
            domain = domain or domain_of(Header(None), options)
            add(catalogue, entry, domain)
    return catalogue


def domain_of(header: Header, options: Options) -> Domain:
    """Return a domain with its plural rule; raises NmtError if the header's rule is none."""
    rule = header.rule() or rule_of(options.target_language)
    domain = Domain(header, rule or FALLBACK, rule is not None)
    stated = header.fields.get("plural-forms", "")
    if stated and header.rule() is None and not TEMPLATE_PLURALS.search(stated):
        raise NmtError(
            f"{domain.place}: Plural-Forms {shown(stated)} is no plural rule; correct it, or remove"
            " the line to get the rule of the language"
        )
    return domain


def add(catalogue: Catalogue, entry: Entry, domain: Domain) -> None:
    """Add the segments of a message, if it needs a translation."""
    place = f"line {entry.id.line}"
    context = entry.context.text() if entry.context else None
    key = (context, entry.id.text())
    if key in domain.places:
        catalogue.findings.append(
            Finding(place, f"the message of line {domain.places[key]} is repeated here")
        )
    domain.places.setdefault(key, entry.id.line)
    flags = entry.flags()
    is_new = catalogue.options.translates_all or FUZZY in flags
    forms = domain.rule.forms if entry.plural else 1
    empty = [form >= len(entry.strings) or not entry.strings[form].text() for form in range(forms)]
    if not is_new and not any(empty):
        return
    syntax = syntax_of(flags)
    sources = sources_of(entry, domain, syntax)
    added = {
        source: catalogue.slots.add(Marked(source), place, context or "", syntax)
        for source in dict.fromkeys(
            source for source, is_empty in zip(sources, empty, strict=True) if is_new or is_empty
        )
    }
    slots = [
        added[source] if is_new or is_empty else None
        for source, is_empty in zip(sources, empty, strict=True)
    ]
    catalogue.messages.append(Message(entry, domain, slots))


def sources_of(entry: Entry, domain: Domain, syntax: frozenset[str]) -> list[str]:
    """Return the text that each form of a message is a translation of.

    The singular is that of the form for 1. If it has no number and its form stands for other
    numbers too, such as 21, the plural is.
    """
    singular = entry.id.text()
    if entry.plural is None:
        return [singular]
    plural = entry.plural.text()
    one = domain.one()
    has_number = any(each.is_text for each in with_placeholders(Marked(singular), syntax).marks)
    uses_singular = one.is_exact or has_number
    return [
        singular if form == one.form and uses_singular else plural
        for form in range(domain.rule.forms)
    ]


def syntax_of(flags: set[str]) -> frozenset[str]:
    """Return the names of the placeholders that flags such as c-format state.

    Without such a flag, a message may have those that programs often forget to state.
    """
    names = {each.removesuffix("-format") for each in flags if each.endswith("-format")}
    stated = {SYNTAXES[each] for each in names if each in SYNTAXES}
    has_none = any(each.startswith("no-") for each in names)
    return frozenset({TAGS, *(stated or UNSTATED - (PERCENT if has_none else frozenset()))})
