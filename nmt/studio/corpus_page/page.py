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
    title = report.recipe or " and ".join(Path(each).name for each in report.texts[0].files)
    data = parse_object(json_text(report), "the report")
    return shell.render(
        parts, visible(data), {"title": printable(title), "summary": summary(report)}
    )


def visible(data: dict[str, object]) -> dict[str, object]:
    """Return data whose examples show invisible characters as escapes, as the terminal does."""

    def shown(value: object) -> object:
        if isinstance(value, str):
            return printable(value)
        if isinstance(value, list):
            return [shown(each) for each in value]
        if isinstance(value, dict):
            return {key: shown(each) for key, each in value.items()}
        return value

    return {key: shown(value) for key, value in data.items()}
