"""The page of `nmt check`: `nmt/studio/pages/check/` with the report of a corpus in it."""

from pathlib import Path

from nmt.corpora.report import Report, summary
from nmt.errors import printable
from nmt.studio.pages.page import FOLDER, render
from nmt.system.json_data import json_text, map_texts, parse_object


def render_check(report: Report) -> str:
    """Return the HTML of the page."""
    title = printable(
        report.recipe or " and ".join(Path(file).name for file in report.texts[0].files)
    )
    # Invisible characters are escapes, as the terminal shows them.
    data = map_texts(printable, parse_object(json_text(report), "the report"))
    texts = {"title": title, "summary": summary(report)}
    return render(FOLDER / "check", data, f"Check of {title}", texts)
