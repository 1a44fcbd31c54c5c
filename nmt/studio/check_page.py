"""The page of `nmt check`: `nmt/studio/pages/check/` with the report of a corpus in it."""

from pathlib import Path

from nmt.corpora.report import Report, printable, summary
from nmt.studio.pages.page import FOLDER, render
from nmt.system.json_data import json_text, parse_object


def render_check(report: Report) -> str:
    """Return the HTML of the page."""
    title = printable(
        report.recipe or " and ".join(Path(file).name for file in report.texts[0].files)
    )
    found = parse_object(json_text(report), "the report")
    data = {key: visible(value) for key, value in found.items()}
    texts = {"title": title, "summary": summary(report)}
    return render(FOLDER / "check", data, f"Check of {title}", texts)


def visible(value: object) -> object:
    """Return data in which invisible characters are escapes, as the terminal shows them."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [visible(entry) for entry in value]
    if isinstance(value, dict):
        return {key: visible(entry) for key, entry in value.items()}
    return value
