"""`nmt runs`: list runs with score, updates, size and age."""

import time
from contextlib import suppress
from pathlib import Path

import click

from nmt.commands import options
from nmt.commands.options import PATH
from nmt.errors import NmtError, hide_controls
from nmt.runs.run_folder import RUNS
from nmt.runs.runs import choose_model
from nmt.system.files import is_present
from nmt.system.log import note


@click.command("runs")
@click.argument("folder", type=PATH, required=False)
@options.as_json
def command(folder: Path | None, as_json: bool) -> None:
    """List the runs below FOLDER, the newest first.

    FOLDER is a folder of run folders, or a run folder; the default is runs. The list shows each
    run's score on the dev set, its updates, whether it is finished, its size on disk and the time
    since it was last changed. An asterisk marks the run whose model `nmt translate` uses by
    default. A run that is damaged or cannot be read is listed with the reason.

    \b
    Examples:
      nmt runs
      nmt runs runs/ablation --json
    """
    from nmt.studio.run_list import list_runs, render_list

    chosen = None
    with suppress(NmtError):  # the list shows what cannot be read
        chosen = choose_model()
    missing = folder is None and not is_present(RUNS)
    runs = [] if missing else list_runs(folder or RUNS, chosen.path if chosen else None)
    if as_json:
        options.print_json([run.data for run in runs])
    elif not runs:
        note(f"no run below {folder or RUNS}; `nmt train` starts one")
    else:
        click.echo(render_list(runs, time.time()))
        if chosen and any(run.is_default for run in runs):
            why = f", {chosen.reason}" if chosen.reason else ""
            click.echo(hide_controls(f"* `nmt translate` uses {chosen.path}{why}"))
