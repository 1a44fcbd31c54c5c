"""`nmt report`: write the HTML page of one or several runs."""

import os
from pathlib import Path

import click

from nmt.commands import options
from nmt.commands.completion import complete_run
from nmt.commands.options import FILE, PATH
from nmt.errors import UsageError
from nmt.runs.outputs import check_output
from nmt.runs.run_folder import RunFolder
from nmt.runs.runs import newest_run
from nmt.system.atomic import write_text

MOST_RUNS = 6  # more curves cannot be told apart by colour


@click.command("report")
@click.argument("runs", nargs=-1, type=PATH, metavar="[RUN]...", shell_complete=complete_run)
@click.option(
    "-o",
    "--output",
    type=FILE,
    help="HTML file to write.  [default: report.html, in RUN or, for several, the current folder]",
)
@options.opens
def command(runs: tuple[Path, ...], output: Path | None, opens: bool) -> None:
    """Write an HTML report of a run.

    RUN is a run folder; the default is the run last trained under runs/. Several runs are compared
    on one page. `nmt train` writes the report of its run when it ends.

    The report shows what went wrong in the training and what to do, the curves of the training, how
    translations of some dev segments improve, the recipe compared with the paper, the corpus and
    the evaluation cards in the run folder. It is one file that needs no network.

    \b
    Examples:
      nmt report
      nmt report runs/multi30k_en_de --open
      nmt report runs/first runs/second --output both.html
    """
    if len(runs) > MOST_RUNS:
        raise UsageError(f"{len(runs)} runs are too many for one report; name at most {MOST_RUNS}")
    if len({os.path.realpath(run) for run in runs}) < len(runs):
        raise UsageError("a run is named twice; name each run once")
    folders = [RunFolder(run) for run in runs] or [newest_run()]
    for folder in folders:
        folder.check_is_run()
    path = output or (folders[0].report if len(folders) == 1 else Path("report.html"))
    cards = [card for folder in folders for card in folder.path.glob("*.json")]
    check_output(path, cards)

    from nmt.studio.pages.page import show
    from nmt.studio.report import render_report

    write_text(path, render_report(folders))
    click.echo(path)
    if opens:
        show(path)
