"""`nmt ablate`: train variants of a recipe and compare them."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nmt.commands import options
from nmt.commands.completion import complete_varied
from nmt.commands.options import FOLDER
from nmt.errors import UsageError
from nmt.recipe.files import load_recipe
from nmt.runs.run_folder import RUNS
from nmt.studio.experiments.variants import parse_axis, parse_numbers, plan_variants, with_seed
from nmt.system.devices import pick_device
from nmt.system.log import note
from nmt.system.processes import worker_count
from nmt.text.reading.corpus import DataFolder

if TYPE_CHECKING:
    from nmt.studio.experiments.runs import Experiment


def experiment_options(kind: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the options that experiments share; kind: the folder of their results in runs/."""
    output = click.option(
        "-o",
        "--output",
        type=FOLDER,
        metavar="FOLDER",
        help=f"Folder to write to.  [default: runs/{kind}/RECIPE]",
    )
    dry_run = click.option("--dry-run", is_flag=True, help="List the runs, and write nothing.")

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        device = options.device(options.set_any(click.pass_obj(function)))
        return output(dry_run(options.data_dir()(device)))

    return add


@click.command("ablate")
@options.recipe
@options.repeated(
    "--vary",
    "varied",
    "Setting to vary, with its values.",
    metavar="'SECTION.KEY=A,B'",
    complete=complete_varied,
)
@click.option("--grid", is_flag=True, help="Train all combinations of the --vary options.")
@click.option(
    "--seeds", metavar="N,N,...", help="Train each variant with each seed.  [default: train.seed]"
)
@options.max_updates
@experiment_options("ablation")
def command(
    arguments: list[str],
    recipe: str,
    varied: tuple[str, ...],
    grid: bool,
    seeds: str | None,
    max_updates: int | None,
    output: Path | None,
    dry_run: bool,
    data_dir: Path,
    device: str,
    overrides: tuple[str, ...],
) -> None:
    """Train RECIPE and variants of it, and compare their scores on the dev set.

    RECIPE is the name of a shipped recipe or the path of a TOML file; the default is "pocket". The
    base is RECIPE with the --set options. Each value of a --vary option makes a variant that
    differs from the base only in that setting, as in table 3 of the paper.

    If one --vary option holds several settings, they change together: the first values make the
    first variant, the second values the second. Each variant is trained with each seed in the run
    folder OUTPUT/VARIANT/seed-N. If the command is stopped, the same command resumes it.

    The command prints a table, and writes it (ablation.md), all figures (ablation.json) and the
    curves (ablation.html) into OUTPUT.

    \b
    Examples:
      nmt ablate pocket --vary model.heads=2,8 --vary model.d_ff=128,1024
      nmt ablate pocket --vary model.dropout=0,0.1 --seeds 1,2,3
      nmt ablate multi30k_en_de --vary model.norm=post --max-updates 3000
      nmt ablate pocket --vary 'model.encoder_layers=6 model.decoder_layers=1'
      nmt ablate pocket --grid --vary model.dropout=0,0.1 --vary model.heads=2,8
    """
    axes = [parse_axis(text) for text in varied]
    numbers = parse_numbers(seeds, "--seeds", int)
    if not axes and len(numbers) < 2:
        raise UsageError("nothing varies: name settings with --vary, or several --seeds")
    flags = options.flags_as_overrides("train", max_updates=max_updates)
    base = load_recipe(recipe, [*overrides, *flags])
    numbers = numbers or [base.train.seed]
    variants = plan_variants(with_seed(base, numbers[0]), axes, grid=grid)
    varied_names = [name for axis in axes for name in axis.settings if name.startswith("decode.")]
    if varied_names:
        note(
            f"{varied_names[0]} does not change what a training learns, but each value is trained;"
            f" to try values on one model: nmt evaluate SOURCE REFERENCE --set"
            f" {varied_names[0]}=VALUE"
        )

    from nmt.studio.experiments.ablation import Ablation

    folder = output or RUNS / "ablation" / base.name
    ablation = Ablation(folder, ["nmt", *arguments], variants, axes, numbers)
    run_experiment(ablation, data_dir, device, dry_run=dry_run)


def run_experiment(experiment: "Experiment", data_dir: Path, device: str, *, dry_run: bool) -> None:
    """Run an experiment, or list its runs, and print its tables.

    It ends with an exit code if it was stopped, or if runs failed.
    """
    if worker_count() > 1:
        name = f"nmt {experiment.page}"
        raise UsageError(f"{name} trains its runs one after another; start it without torchrun")
    from nmt.documents.registry import bilingual_reader

    data, chosen = DataFolder(data_dir, bilingual_reader), pick_device(device)
    if dry_run:
        click.echo(experiment.describe(experiment.check(data, chosen)), nl=False)
        return
    outcome = experiment.run(data, chosen)
    table = experiment.file("md")
    note(f"table: {table}, curves: {experiment.file('html')}")
    if outcome.stopped_by is not None:
        note("stopped, checkpoint saved; the same command resumes it")
        sys.exit(128 + outcome.stopped_by)
    click.echo(table.read_text(encoding="utf-8"), nl=False)
    if outcome.failures:
        note(f"failed runs: {len(outcome.failures)}; the same command tries them again")
        sys.exit(1)
