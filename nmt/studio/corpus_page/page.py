"""Render the HTML page of a corpus check: `nmt/studio/corpus_page/web/` with the report in it."""

from pathlib import Path

from nmt.corpora.report import Report, printable, summary
from nmt.studio.pages import shell
from nmt.studio.pages.bundle import bundle
from nmt.system.json_data import json_text, parse_object

FOLDER = Path(__file__).resolve().parent / "web"


def render_check(report: Report) -> str:
    """Return the HTML of the page."""
    styles = (shell.FOLDER / "base.css", FOLDER / "check.css")
    parts = shell.Parts(
        command="check",
        template=FOLDER / "check.html",
        styles=[path.read_text(encoding="utf-8") for path in styles],
        scripts=[bundle(FOLDER / "main.js")],
    )
    title = report.recipe or " and ".join(Path(file).name for file in report.texts[0].files)
    data = {
        key: visible(value) for key, value in parse_object(json_text(report), "the report").items()
    }
    return shell.render(parts, data, {"title": printable(title), "summary": summary(report)})


def visible(value: object) -> object:
    """Return data in which invisible characters are escapes, as the terminal shows them."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [visible(entry) for entry in value]
    if isinstance(value, dict):
        return {key: visible(entry) for key, entry in value.items()}
    return value
