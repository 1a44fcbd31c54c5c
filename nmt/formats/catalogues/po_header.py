"""The header of a catalogue: its fields, and those that a translation fills in."""

import re

from nmt.decoding.marks.marked import Edit
from nmt.formats.catalogues.plural_rules import PluralRule, parsed
from nmt.formats.catalogues.po_strings import unescaped, written
from nmt.formats.catalogues.po_syntax import Entry

CHARSET = re.compile(
    rb"^(?!#)[^\n]{0,1000}?Content-Type:[^\"\n]{0,80}?charset=([\w.:-]{1,40})(?![\w.:-])",
    re.IGNORECASE | re.MULTILINE,
)
TEMPLATE_CHARSET = "CHARSET"  # what xgettext writes if the messages are ASCII
TEMPLATE_PLURALS = re.compile(r"INTEGER|EXPRESSION")  # as xgettext writes them
NEW_HEADER = (
    "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n"
)


def declared_charset(content: bytes) -> str:
    """Return the encoding that a catalogue declares; "" if it declares none."""
    found = CHARSET.search(content)
    name = found[1].decode("ascii", "replace") if found else ""
    return "" if name == TEMPLATE_CHARSET else name


class Header:
    """The header of a catalogue, or of a domain in it."""

    def __init__(self, entry: Entry | None) -> None:
        """Read the fields of a header; None: there is none."""
        self.entry = entry
        self.text = entry.strings[0].text() if entry else ""
        lines = [each.partition(":") for each in self.text.split("\n")]
        self.fields = {name.strip().lower(): value.strip() for name, _, value in lines}

    def rule(self) -> PluralRule | None:
        """Return the plural rule of the header, None if it has none."""
        return parsed(self.fields.get("plural-forms", ""))

    def filled(self, language: str, rule: PluralRule | None) -> dict[str, str]:
        """Return the fields that are empty or those of a template, with their new values."""
        new = {}
        if language and not self.fields.get("language"):
            new["Language"] = language
        if rule is not None and self.rule() is None:
            new["Plural-Forms"] = rule.header()
        content_type = self.fields.get("content-type", "")
        if content_type.endswith(f"charset={TEMPLATE_CHARSET}"):
            new["Content-Type"] = content_type.replace(TEMPLATE_CHARSET, "UTF-8")
        return new

    def edits(self, new: dict[str, str], line_end: str) -> list[Edit]:
        """Return the changes of the text that write new values of fields."""
        if self.entry is None or not new:
            return []
        statement = self.entry.strings[0]
        missing = dict(new)
        edits = []
        for string in statement.strings:
            line = unescaped(string.raw)
            name = next((each for each in missing if names(line, each)), None)
            if name is not None and line.count("\n") == 1 and line.endswith("\n"):
                value = missing.pop(name)
                edits.append(Edit(string.begin, string.end, f'"{name}: {value}\\n"'))
        if any(names(line, name) for line in self.text.split("\n") for name in missing):
            return [Edit(statement.begin, statement.end, self.whole(new, line_end))]
        added = "".join(f'{line_end}"{name}: {value}\\n"' for name, value in missing.items())
        if added and statement.text() and not statement.text().endswith("\n"):
            return [Edit(statement.begin, statement.end, self.whole(new, line_end))]
        return [*edits, Edit(statement.end, statement.end, added)] if added else edits

    def whole(self, new: dict[str, str], line_end: str) -> str:
        """Return the header's text, written again with new values of fields."""
        return written("msgstr", with_fields(self.text, new), 0, line_end)


def new_header(new: dict[str, str], line_end: str) -> str:
    """Return a header for a catalogue that has none, with a blank line after it."""
    text = written("msgstr", with_fields(NEW_HEADER, new), 0, line_end)
    return f'msgid ""{line_end}{text}{line_end}{line_end}'


def names(line: str, name: str) -> bool:
    """Return whether a line of a header is the field with a name."""
    return line.lower().startswith(f"{name.lower()}:")


def with_fields(text: str, new: dict[str, str]) -> str:
    """Return the text of a header with new values of fields, each on its line."""
    lines = [each for each in text.split("\n") if each]
    for name, value in new.items():
        field = f"{name}: {value}"
        if any(names(each, name) for each in lines):
            lines = [field if names(each, name) else each for each in lines]
        else:
            lines.append(field)
    return "".join(f"{each}\n" for each in lines)
