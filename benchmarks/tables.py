"""Write the tables of the results pages from the data files in benchmarks/results.

    python benchmarks/tables.py            # rewrite the marked regions of the pages
    python benchmarks/tables.py --check    # exit with 1 if a page is out of date

A page marks a region with two comments, and this script replaces the lines between them:

    <!-- table: train-tiny-bf16 train-base-bf16 -->
    <!-- end -->

- `table: FILES` is a table of the figures, curves or ablation in these data files.
- `reached: FILES | SCORES` is a table of the minutes in which each curve first reaches a score.

benchmarks/README.md describes the format of the data files.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path

import click
from results import (  # type: ignore[import-not-found] # a script in this folder
    NOT_MEASURED,
    Curve,
    Figure,
    Measurement,
    Number,
    Value,
    read_measurement,
)

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "benchmarks" / "results"
PAGES = sorted((ROOT / "docs" / "results").glob("*.md"))
REGION = re.compile(r"(<!-- (\w+): ([^|>]+?)(?: \| ([^>]+?))? -->\n).*?(<!-- end -->)", re.DOTALL)

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


def figure_table(measurements: Sequence[Measurement]) -> str:
    """Make a table of figures; goals, if there are any, are its last column."""
    given = [figure for measurement in measurements for figure in shown_figures(measurement)]
    missing = unmeasured_rows(given)
    found = [figure for figure in given if figure.row not in missing]
    rows = list(dict.fromkeys(figure.row for figure in found))
    columns = list(dict.fromkeys(figure.column for figure in found))
    column_units = [shared_unit(f for f in found if f.column == name) for name in columns]
    row_units = [shared_unit(f for f in found if f.row == name) for name in rows]
    is_plain = shared_unit(found) is not None  # the data file's `rows` says the unit
    by_column = not is_plain and None not in column_units
    by_row = not is_plain and not by_column and None not in row_units
    by_cell = not (is_plain or by_column or by_row)
    body = []
    for name, unit in zip(rows, row_units, strict=True):
        own = [figure for figure in found if figure.row == name]
        cells = [label(name, unit if by_row else None)]
        for column in columns:
            chosen = (figure for figure in own if figure.column == column)
            cells.append("; ".join(cell(figure, with_unit=by_cell) for figure in chosen))
        body.append([*cells, "; ".join(figure.goal for figure in own if figure.goal)])
    units = column_units if by_column else [None] * len(columns)
    heading = [measurements[0].rows, *map(label, columns, units), "goal"]
    width = len(heading) if any(row[-1] for row in body) else len(heading) - 1
    made = markdown(heading[:width], [row[:width] for row in body]) if body else ""
    return "\n".join(filter(None, (made, not_measured(given, missing))))


def shown_figures(measurement: Measurement) -> list[Figure]:
    """Return the figures that a page shows; a row that has none is left out."""
    rows, columns = measurement.shown_rows, measurement.shown_columns
    return [
        figure
        for figure in measurement.figures
        if (not rows or figure.row in rows) and (not columns or figure.column in columns)
    ]


def unmeasured_rows(figures: Iterable[Figure]) -> list[str]:
    """Return the rows in which no figure has a value."""
    measured: dict[str, bool] = {}
    for figure in figures:
        measured[figure.row] = measured.get(figure.row, False) or figure.value != NOT_MEASURED
    return [row for row, is_measured in measured.items() if not is_measured]


def not_measured(figures: Iterable[Figure], rows: Sequence[str]) -> str:
    """Make a sentence of the rows that a table leaves out, and list the goals that some have."""
    goals = [f"- {f.row}: {f.goal}" for f in figures if f.goal and f.row in rows]
    end = "\n".join([", with the goals:\n", *goals]) if goals else "."
    return f"Not measured yet: {len(rows)} rows{end}\n" if rows else ""


def curve_table(curves: Sequence[Curve]) -> str:
    """Make a table of dev scores, and minutes where they are known, by update."""
    updates = sorted({p.updates for curve in curves for p in curve.points if p.updates})
    heading, columns = ["updates"], [[show_number(update) for update in updates]]
    for curve in curves:
        by_update = {point.updates: point for point in curve.points}
        points = [by_update.get(update) for update in updates]
        if any(point and point.minutes for point in points):
            heading.append(f"{curve.name}: minutes")
            columns.append([show_number(p.minutes) if p and p.minutes else "" for p in points])
        heading.append(f"{curve.name}: dev BLEU")
        columns.append([show_number(point.bleu) if point else "" for point in points])
    return markdown(heading, zip(*columns, strict=True))


def reached_table(measurements: Sequence[Measurement], scores: Sequence[str]) -> str:
    """Make a table of the minutes at the first validation that has at least each score."""
    curves = [curve for measurement in measurements for curve in measurement.curves]
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


def table(measurements: Sequence[Measurement], _: Sequence[str]) -> str:
    """Make a table of what the data files hold."""
    if measurements[0].ablation:
        return ablation_table(measurements[0])
    if curves := [curve for measurement in measurements for curve in measurement.curves]:
        return curve_table(curves)
    return figure_table(measurements)


MAKERS: dict[str, Callable[[Sequence[Measurement], Sequence[str]], str]] = {
    "table": table,
    "reached": reached_table,
}


def fill(page: str, data: Path = DATA) -> str:
    """Return a page with its regions written from the data files."""

    def replace(match: re.Match[str]) -> str:
        measurements = [read_measurement(data / f"{name}.toml") for name in match[3].split()]
        scores = [score.strip() for score in (match[4] or "").split(",")]
        return f"{match[1]}\n{MAKERS[match[2]](measurements, scores).rstrip()}\n\n{match[5]}"

    return REGION.sub(replace, page)


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 if a page is out of date.")
def command(check: bool) -> None:
    """Write the tables of docs/results from benchmarks/results."""
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
