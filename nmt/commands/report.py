"""`nmt report`: a page of a run, or of several side by side."""

from pathlib import Path

import click

from nmt.artifacts.run_folder import RunFolder, newest_run
from nmt.commands.options import FILE
from nmt.errors import UsageError
from nmt.system.log import note

MOST_RUNS = 6  # whose curves can still be told apart


@click.command("report")
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path), metavar="[RUN]...")
@click.option(
    "--output",
    type=FILE,
    help="HTML file to write; a file that is no page is not written over."
    "  [default: report.html, of one run in its folder]",
)
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
def command(runs: tuple[Path, ...], output: Path | None, opens: bool) -> None:
    """Write a page of RUN, a run folder; without one, of the run last trained under runs/.

    Loss, perplexity, BLEU, learning rate and tokens/s over updates, translations of fixed dev
    segments as they improve, the recipe beside the paper's, the corpus and evaluation cards (.json)
    that lie in the folder. Several runs are shown side by side. The page is one HTML file that
    needs no network; `nmt train` writes it at its end.

    \b
    Examples:
      nmt report
      nmt report runs/multi30k_en_de --open
      nmt report runs/first runs/second --output both.html
    """
    if len(runs) > MOST_RUNS:
        raise UsageError(f"{len(runs)} runs are too many for a page; name at most {MOST_RUNS}")
    if len({run.resolve() for run in runs}) < len(runs):
        raise UsageError("a run stands beside itself; name each once")
    folders = [RunFolder(run) for run in runs] or [newest_run()]

    from nmt.studio.pages.shell import show
    from nmt.studio.report.page import write_report

    path = output or (folders[0].report if len(folders) == 1 else Path("report.html"))
    write_report(folders, path)
    click.echo(path)
    if opens and not show(path):
        note(f"no browser was found to open {path} with")
