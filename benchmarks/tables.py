"""Write the tables of the results pages from the data files in benchmarks/results.

    python benchmarks/tables.py            # rewrite the marked regions of the pages
    python benchmarks/tables.py --check    # exit with 1 if a page is out of date

A page marks a region with two comments, and this script replaces the lines between them:

    <!-- table: train-tiny-bf16 train-base-bf16 -->
    <!-- end -->

- `table: FILES | COLUMNS` is a table of the figures, curves or ablation in these data files;
  `| COLUMNS`, separated by commas, keeps only these columns.
- `reached: FILES | SCORES` is a table of the minutes in which each curve first reaches a score.
- `sources: FILES` gives the command, machine, versions, date, peer, notes and names of the files.

benchmarks/README.md describes the format of the data files.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from textwrap import fill as fill_lines

import click
from measurements import (  # type: ignore[import-not-found] # a script in this folder
    Curve,
    Figure,
    Measurement,
    Number,
    Value,
    read_measurement,
)

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "benchmarks" / "results"
PAGES = (*sorted((ROOT / "docs" / "results").glob("*.md")), ROOT / "recipes" / "README.md")
REGION = re.compile(r"(<!-- (\w+): ([^|>]+?)(?: \| ([^>]+?))? -->\n).*?(<!-- end -->)", re.DOTALL)

WIDTH = 118  # columns of a paragraph
NOT_MEASURED = "not measured"  # the value of a cell; a row of such cells is folded into a sentence
SMALL = Decimal("0.001")  # smaller numbers are written with an exponent


def show_number(value: Number) -> str:
    """Write a number as recorded: thousands separated, tiny ones with an exponent."""
    return f"{value:e}" if 0 < abs(Decimal(value)) < SMALL else f"{value:,}"


def show_value(value: Value) -> str:
    """Write a value, or several values joined by "and"."""
    if isinstance(value, str):
        return value
    return " and ".join(map(show_number, value if isinstance(value, list) else [value]))


def cell(figure: Figure, *, with_unit: bool) -> str:
    """Write a figure as a table's cell: "2.69 (2.57 to 2.84, 3 rounds)"."""
    text = f"{figure.qualifier} {show_value(figure.value)}".strip()
    if with_unit and figure.unit != "ratio" and not isinstance(figure.value, str):
        text += f" {figure.unit}"
    brackets = [" to ".join(map(show_number, figure.range))] if figure.range else []
    if figure.rounds:
        brackets.append(f"{figure.rounds} rounds")
    if figure.detail:
        brackets.append(figure.detail)
    return f"{text} ({', '.join(brackets)})" if brackets else text


def shared_unit(figures: Iterable[Figure]) -> str | None:
    """Return the unit of all the figures, or None if they have several."""
    units = {figure.unit for figure in figures}
    return units.pop() if len(units) == 1 else None


def label(name: str, unit: str | None) -> str:
    """Add a unit to the name of a row or column that does not say it."""
    return name if unit is None or unit in ("ratio", *name.split()) else f"{name}, {unit}"


def markdown(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "".join(f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in row)}|\n" for row in lines)


def figure_table(measurements: Sequence[Measurement], only: Sequence[str]) -> str:
    """Make a table of figures; goals, if there are any, are its last column."""
    found = [each for one in measurements for each in one.figures]
    found = [each for each in found if not only or each.column in only]
    rows = list(dict.fromkeys(each.row for each in found))
    columns = only or list(dict.fromkeys(each.column for each in found))
    column_units = [shared_unit(e for e in found if e.column == name) for name in columns]
    row_units = [shared_unit(e for e in found if e.row == name) for name in rows]
    is_plain = shared_unit(found) is not None  # the data file's `rows` says the unit
    by_column = not is_plain and None not in column_units
    by_row = not is_plain and not by_column and None not in row_units
    by_cell = not (is_plain or by_column or by_row)
    missing = [name for name in rows if is_unmeasured(each for each in found if each.row == name)]
    body = []
    for name, unit in zip(rows, row_units, strict=True):
        if name in missing:
            continue
        cells = [label(name, unit if by_row else None)]
        for column in columns:
            chosen = [each for each in found if (each.row, each.column) == (name, column)]
            cells.append("; ".join(cell(each, with_unit=by_cell) for each in chosen))
        goals = [each.goal for each in found if each.row == name and each.goal]
        body.append([*cells, "; ".join(goals)])
    units = column_units if by_column else [None] * len(columns)
    heading = [measurements[0].rows, *map(label, columns, units), "goal"]
    width = len(heading) if any(row[-1] for row in body) else len(heading) - 1
    made = markdown(heading[:width], [row[:width] for row in body]) if body else ""
    return "\n".join(filter(None, (made, not_measured(missing, found))))


def is_unmeasured(figures: Iterable[Figure]) -> bool:
    """Return whether no figure has a value."""
    return all(each.value == NOT_MEASURED for each in figures)


def not_measured(rows: Sequence[str], found: Iterable[Figure]) -> str:
    """Make a paragraph of the rows that a table leaves out, with their goals."""
    goals = {each.row: f" (goal: {each.goal})" for each in found if each.goal}
    names = "; ".join(f"{name}{goals.get(name, '')}" for name in rows)
    return wrapped(f"Not measured yet: {names}.") if rows else ""


def curve_table(curves: Sequence[Curve]) -> str:
    """Make a table of dev scores, and minutes where they are known, by update."""
    updates = sorted({p.updates for curve in curves for p in curve.points if p.updates})
    heading, columns = ["updates"], [[show_number(each) for each in updates]]
    for curve in curves:
        by_update = {point.updates: point for point in curve.points}
        points = [by_update.get(each) for each in updates]
        if any(point and point.minutes for point in points):
            heading.append(f"{curve.name}: minutes")
            columns.append([show_number(p.minutes) if p and p.minutes else "" for p in points])
        heading.append(f"{curve.name}: dev BLEU")
        columns.append([show_number(point.bleu) if point else "" for point in points])
    return markdown(heading, zip(*columns, strict=True))


def reached_table(measurements: Sequence[Measurement], scores: Sequence[str]) -> str:
    """Make a table of the minutes at the first validation that has at least each score."""
    curves = [curve for each in measurements for curve in each.curves]
    rows = []
    for score in scores:
        row = [f"dev BLEU {score}"]
        for curve in curves:
            timed = [point for point in curve.points if point.minutes]
            first = next((point for point in timed if point.bleu >= int(score)), None)
            shown = first or timed[-1]
            text = f"{shown.minutes} (BLEU {shown.bleu})"
            row.append(text if first else f"not by {text}")
        rows.append(row)
    return markdown(["minutes to", *(curve.name for curve in curves)], rows)


def ablation_table(measurement: Measurement) -> str:
    """Make a table of the variants in an ablation.json."""
    variants = json.loads((DATA / measurement.ablation).read_text(encoding="utf-8"))["variants"]
    base = variants[0]["summary"]["score"]
    rows = []
    for variant in variants:
        perplexity, score = (variant["summary"][key] for key in ("perplexity", "score"))
        overlap = score["lowest"] <= base["highest"] and base["lowest"] <= score["highest"]
        change = f"{score['mean'] - base['mean']:+.1f}{' ≈' if overlap else ''}"
        rows.append(
            [
                variant["name"] if variant is variants[0] else f"`{variant['name']}`",
                "{mean:.2f} ({lowest:.2f} to {highest:.2f})".format(**perplexity),
                "{mean:.1f} ({lowest:.1f} to {highest:.1f})".format(**score),
                "" if variant is variants[0] else change,
            ]
        )
    return markdown([measurement.rows, "dev perplexity", "dev BLEU", "BLEU - base"], rows)


def table(measurements: Sequence[Measurement], options: Sequence[str]) -> str:
    """Make a table of what the data files hold."""
    if measurements[0].ablation:
        return ablation_table(measurements[0])
    if curves := [curve for each in measurements for curve in each.curves]:
        return curve_table(curves)
    return figure_table(measurements, options)


def sources(measurements: Sequence[Measurement], _: Sequence[str]) -> str:
    """Make a paragraph for each group of data files that one command made on one machine."""
    parts = []
    for given, group in groupby(measurements, key=PROVENANCE):
        command, machine, versions, date, peer = given
        members = list(group)
        shown = f"```sh\n{command}\n```\n\n" if command != "not recorded" else ""
        known = [f"Machine: {machine}", f"Versions: {versions}", f"Date: {date}"]
        known += [f"Peer: {peer}"] * (peer != "none")
        known += ["Command: not recorded"] * (not shown)
        files = ", ".join(f"`{each.name}.toml`" for each in members)
        noted = [each for each in members if each.note]
        notes = "".join(wrapped(f"- {each.what}: {each.note}", "  ") for each in noted)
        if len(noted) == 1:
            notes = wrapped(noted[0].note)
        provenance = wrapped(f"{'. '.join(known)}. Data: {files}.")
        parts.append(f"{shown}{provenance}\n{notes}")
    return "\n".join(parts)


def wrapped(text: str, indent: str = "") -> str:
    """Wrap paragraphs, which blank lines separate, at the width of the manual's pages."""
    paragraphs = text.split("\n\n")
    fill = partial(fill_lines, width=WIDTH, subsequent_indent=indent, break_on_hyphens=False)
    return "\n\n".join(map(fill, paragraphs)) + "\n"


PROVENANCE = attrgetter("command", "machine", "versions", "date", "peer")
MAKERS: dict[str, Callable[[Sequence[Measurement], Sequence[str]], str]] = {
    "table": table,
    "reached": reached_table,
    "sources": sources,
}


def fill(page: str, data: Path = DATA) -> str:
    """Return a page with its regions written from the data files."""

    def replace(match: re.Match[str]) -> str:
        measurements = [read_measurement(data / f"{name}.toml") for name in match[3].split()]
        options = [each.strip() for each in (match[4] or "").split(",") if each.strip()]
        return f"{match[1]}\n{MAKERS[match[2]](measurements, options).rstrip()}\n\n{match[5]}"

    return REGION.sub(replace, page)


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 if a page is out of date.")
def command(check: bool) -> None:
    """Write the tables of docs/results and recipes/README.md from benchmarks/results."""
    for path in PAGES:
        page = path.read_text(encoding="utf-8")
        filled = fill(page)
        if filled == page:
            continue
        if check:
            sys.exit(f"{path} is out of date: run python benchmarks/tables.py")
        path.write_text(filled, encoding="utf-8")
        click.echo(f"{path}: rewritten")


if __name__ == "__main__":
    command()
