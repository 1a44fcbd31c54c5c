"""Sphinx extension: tables of settings from `nmt.config`, commands as typed, fields of dataclasses.

The directive `nmt-settings SECTION` makes a table of a section of a recipe, or of the keys of
`TextFiles` or `Download`. Nothing is written twice: the declarations are the only source.
"""

import inspect
import re
from collections.abc import Iterator
from dataclasses import Field, dataclass, fields, is_dataclass
from typing import Any, get_type_hints

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import stringify_annotation

from nmt.config import SECTIONS, Download, TextFiles
from nmt.recipe.toml import toml_value

TABLES: dict[str, type[Any]] = {**SECTIONS, "TextFiles": TextFiles, "Download": Download}
HEADINGS = ("setting", "default", "meaning", "values")
WIDTHS = (26, 14, 42, 18)
CODE = re.compile(r"`([^`]+)`")
FIELD = re.compile(r"^    (\w+): [^#\n]+?  # (.+)$", re.MULTILINE)
PYTHON_TEXT = re.compile(r"(PosixPath\()?'([^']*)'\)?")


@dataclass(frozen=True)
class SettingRow:
    """A setting as the table shows it."""

    name: str  # section.key, or the key alone in a table that is no section
    default: str  # in TOML
    meaning: str
    values: str  # which are allowed


def setting_rows(table: str) -> list[SettingRow]:
    """Return the rows of a section, or of the keys of `TextFiles` or `Download`."""
    prefix = f"{table}." if table in SECTIONS else ""
    return [
        SettingRow(
            f"{prefix}{declared.name}",
            shown_default(declared),
            declared.metadata["meaning"],
            allowed(declared),
        )
        for declared in fields(TABLES[table])
    ]


def shown_default(declared: "Field[Any]") -> str:
    """Return the default in TOML."""
    default = declared.metadata["default"]
    return toml_value(default) if default != {} else "{}"


def allowed(declared: "Field[Any]") -> str:
    """Return the allowed values, and whether a resumed run may change them."""
    limits = declared.metadata
    low, high = limits["minimum"], limits["maximum"]
    parts = []
    if limits["choices"]:
        parts.append(", ".join(f"`{choice}`" for choice in limits["choices"]))
    elif isinstance(limits["default"], bool):
        parts.append("`true`, `false`")
    elif low is not None and high is not None:
        parts.append(f"{low:,} to {high:,}")
    elif low is not None:
        parts.append(f"at least {low:,}")
    if limits["may_change"]:
        parts.append("may change")
    return "; ".join(parts)


class SettingsTable(SphinxDirective):
    """A table of settings."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the table, with an anchor for each setting."""
        name = self.arguments[0]
        if name not in TABLES:
            raise self.error(f"no settings '{name}'; known: {', '.join(TABLES)}")
        group = nodes.tgroup(cols=len(HEADINGS))
        group += [nodes.colspec(colwidth=width) for width in WIDTHS]
        head = nodes.thead()
        head += row([nodes.Text(heading)] for heading in HEADINGS)
        body = nodes.tbody()
        for each in setting_rows(name):
            line = row(
                (
                    [nodes.literal(text=each.name)],
                    [nodes.literal(text=each.default)],
                    inline(each.meaning),
                    inline(each.values),
                )
            )
            line["ids"].append(nodes.make_id(f"setting-{each.name}"))
            body += line
        group += [head, body]
        return [nodes.table("", group)]


def row(cells: Any) -> nodes.row:
    """Return a table row of cells, each a list of nodes."""
    line = nodes.row()
    for cell in cells:
        entry = nodes.entry()
        entry += nodes.paragraph("", "", *cell)
        line += entry
    return line


def inline(text: str) -> list[nodes.Node]:
    """Return a text as nodes, with what is between backquotes as code."""
    return list(inline_nodes(text))


def inline_nodes(text: str) -> Iterator[nodes.Node]:
    """Yield the parts of a text that may hold code between backquotes."""
    for number, part in enumerate(CODE.split(text)):
        if part:
            yield nodes.literal(text=part) if number % 2 else nodes.Text(part)


def format_help(app: Sphinx, context: click.Context, lines: list[str]) -> None:
    """Make a command's help reStructuredText: examples are shown as they are typed.

    sphinx-click marks the lines of an example by a bar. Elsewhere a bar, as in |Y|, is escaped,
    because it would name a substitution.
    """
    formatted: list[str] = []
    in_example = False
    for line in lines:
        if line.startswith("| ") and not in_example:
            formatted += [f"**{line[2:]}**", "", ".. code-block:: shell", ""]
            in_example = True
        elif line.startswith("| "):
            formatted.append(f"   {line[2:].strip()}")
        else:
            in_example = False
            formatted.append(line.replace("|", r"\|"))
    lines[:] = formatted


def format_default(app: Sphinx, context: click.Context, lines: list[str]) -> None:
    """Show defaults as they are typed: sphinx-click writes them as Python values."""
    for number, line in enumerate(lines):
        if ":default:" in line:
            lines[number] = PYTHON_TEXT.sub(r"\2", line)
        elif not line.lstrip().startswith((".. option::", ":")):
            lines[number] = line.replace("|", r"\|")


def hide_signature(
    app: Sphinx, what: str, name: str, item: object, options: object, signature: str, result: str
) -> tuple[str, str] | None:
    """Leave out the arguments of classes: their fields are listed below, or users make none."""
    return ("", "") if what == "class" else None


def describe_fields(
    app: Sphinx, what: str, name: str, item: object, options: object, lines: list[str]
) -> None:
    """List the fields of a dataclass, described by the comments behind them in the source."""
    if what != "class" or not is_dataclass(item):
        return
    comments = {match[1]: match[2] for match in FIELD.finditer(inspect.getsource(item))}
    types = get_type_hints(item)
    for field in fields(item):
        comment = comments.get(field.name, "")
        lines += [
            f".. py:attribute:: {field.name}",
            f"   :type: {stringify_annotation(types[field.name], 'smart')}",
            "",
            f"   {comment}",
            "",
        ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive and the hooks."""
    app.add_directive("nmt-settings", SettingsTable)
    for part in ("description", "epilog"):
        app.connect(f"sphinx-click-process-{part}", format_help)
    app.connect("sphinx-click-process-options", format_default)
    app.connect("autodoc-process-signature", hide_signature)
    app.connect("autodoc-process-docstring", describe_fields)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
