"""Write the HTML report of one or several runs: `nmt/studio/report/web/` with their data in it."""

import os
from collections.abc import Sequence
from pathlib import Path

from nmt import __version__
from nmt.errors import NmtError, reason_of
from nmt.runs.outputs import check_output
from nmt.runs.run_folder import RunFolder
from nmt.studio.pages import shell
from nmt.studio.pages.bundle import bundle
from nmt.studio.report.data import run_data
from nmt.system.atomic import write_text
from nmt.system.files import in_utf_8
from nmt.system.log import note

FOLDER = Path(__file__).resolve().parent


def write_report(runs: Sequence[RunFolder], path: Path) -> None:
    """Write the report of some runs to an HTML file.

    Raises NmtError if a folder is not a run folder or has no metrics yet, or if the file cannot be
    written.
    """
    write_text(path, in_utf_8(render_report(runs)))


def try_write_report(run: RunFolder) -> None:
    """Write a run's report into its folder; if that fails, print a note instead of raising.

    The training that calls this has succeeded, whatever its report runs into.
    """
    try:
        check_output(run.report, option="the page")
        write_report([run], run.report)
    except NmtError as error:
        note(f"no report was written: {error}")
    except Exception as error:
        reason = f"{type(error).__name__}: {reason_of(error)}"
        note(f"no report was written because of a bug in this program: {reason}")
    else:
        note(f"report: {run.report}")


def render_report(runs: Sequence[RunFolder]) -> str:
    """Return the HTML of the report; raises NmtError as `write_report` does."""
    parts = shell.Parts(
        command="report",
        template=FOLDER / "web" / "report.html",
        styles=[path.read_text(encoding="utf-8") for path in style_sheets()],
        scripts=[chart_library(), bundle(FOLDER / "web" / "main.js")],
    )
    names = distinct_names([run.path for run in runs])
    data = [run_data(run, name) for run, name in zip(runs, names, strict=True)]
    title = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    kicker = "Report of the run" if len(runs) == 1 else f"Report of {len(runs)} runs"
    return shell.render(
        parts, {"nmt": __version__, "runs": data}, {"title": title, "kicker": kicker}
    )


def style_sheets() -> list[Path]:
    """Return the style sheets of a page with charts, in the order in which they apply."""
    return [
        FOLDER / "vendor" / "uPlot.min.css",
        shell.FOLDER / "base.css",
        FOLDER / "web" / "report.css",
    ]


def chart_library() -> str:
    """Return the script of uPlot with its licence, which must accompany every copy."""
    licence, script = (
        (FOLDER / "vendor" / name).read_text(encoding="utf-8")
        for name in ("uPlot.LICENSE", "uPlot.iife.min.js")
    )
    return f"/*!\n{licence}*/\n{script}"


def distinct_names(folders: Sequence[Path]) -> list[str]:
    """Return the folders' names, with as many parent folders as make different folders differ."""
    parts = [Path(os.path.realpath(folder)).parts for folder in folders]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-length:]) for each in parts]
        if len(set(names)) == len(set(parts)):
            break
    return names
