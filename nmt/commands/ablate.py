"""`nmt ablate`: what each setting is worth, by runs that differ in it alone."""

import os
import sys
from pathlib import Path

import click

from nmt.artifacts.run_folder import RUNS, RunFolder
from nmt.commands.options import (
    complete_setting,
    data_dir_option,
    device_option,
    flags_as_overrides,
    pick_device,
    recipe_argument,
    set_option,
)
from nmt.errors import UsageError
from nmt.recipe import load_recipe
from nmt.studio.ablation.axes import parse_axis
from nmt.studio.ablation.variants import parse_seeds, plan_variants, with_seed
from nmt.system.log import note

FOLDER = RUNS / "ablation"


@click.command("ablate")
@recipe_argument
@click.option(
    "--vary",
    "varied",
    multiple=True,
    shell_complete=complete_setting,
    metavar="'SECTION.KEY=VALUE,...'",
    help="A setting and its values, or several that change together; may be repeated.",
)
@click.option("--grid", is_flag=True, help="All combinations, not one --vary at a time.")
@click.option("--seeds", help="Seeds of each variant, as in 1,2,3.  [default: train.seed]")
@click.option("--max-updates", type=int, help="Optimiser updates of each run.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of runs, table and page.  [default: runs/ablation/RECIPE]",
)
@click.option("--dry-run", is_flag=True, help="Name the runs, train none.")
@data_dir_option
@device_option
@set_option
@click.pass_obj
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
    """Train RECIPE and variants of it, and set their dev figures side by side.

    The base is RECIPE with --set; each value of a --vary makes a variant that differs from it in
    that setting alone, as in the paper's table 3. Settings in one --vary, blanks between them,
    change together: the first values make the first variant, the second the second, and a single
    value goes with all. --grid crosses the --vary options instead. What equals the base is the
    base, which is trained once.

    Every variant is trained from every seed, in OUTPUT/VARIANT/seed-N, which are run folders as of
    `nmt train`. All settings are checked and all text is prepared before the first of them begins.
    The same command goes on where it was stopped, and skips what is finished; with more --vary, it
    trains what is new. A run that diverges is told of in the table and ends nothing.

    Prints the table, and leaves it in OUTPUT as ablation.md, all figures as ablation.json and
    curves as ablation.html, after each run anew.

    \b
    Examples:
      nmt ablate pocket --vary model.d_ff=128,1024 --vary model.heads=2,8 --seeds 1,2
      nmt ablate multi30k_en_de --vary model.norm=pre --max-updates 3000
      nmt ablate pocket --vary 'model.encoder_layers=6 model.decoder_layers=1'
      nmt ablate pocket --vary 'model.heads=1,2 model.d_k=128,64 model.d_v=128,64'
      nmt ablate pocket --grid --vary model.dropout=0,0.1 --vary train.label_smoothing=0,0.1
    """
    if int(os.environ.get("WORLD_SIZE") or 1) > 1:
        raise UsageError(
            "nmt ablate trains run after run in one process; start it without torchrun"
        )
    axes = [parse_axis(text) for text in varied]
    numbers = parse_seeds(seeds) if seeds is not None else None
    if not axes and len(numbers or []) < 2:
        raise UsageError("nothing varies: name settings with --vary, or several --seeds")
    flags = flags_as_overrides("train", max_updates=max_updates)
    base = load_recipe(recipe, [*overrides, *flags])
    numbers = numbers or [base.train.seed]
    variants = plan_variants(with_seed(base, numbers[0]), axes, grid=grid)
    for seed in numbers:
        with_seed(base, seed)
    folder = output_folder(output, base.name)
    if dry_run:
        for seed in numbers:
            for variant in variants:
                click.echo(f"{folder / variant.folder / f'seed-{seed}'}\t{variant.name}")
        return

    from nmt.studio.ablation.ablate import Ablation
    from nmt.text.corpus import DataFolder

    ablation = Ablation(variants, axes, numbers, folder, ["nmt", *arguments])
    ending = ablation.run(DataFolder(data_dir), pick_device(device))
    note(f"table: {ablation.table}, curves: {ablation.page}")
    if ending.stopped_by is not None:
        note("stopped, checkpoint saved; the same command goes on")
        sys.exit(128 + ending.stopped_by)
    click.echo(ablation.table.read_text(encoding="utf-8"), nl=False)
    if ending.failures:
        note(f"{len(ending.failures)} runs failed; the same command tries them again")
        sys.exit(1)


def output_folder(output: Path | None, name: str) -> Path:
    """The folder named, or the recipe's own; raises UsageError for one that is a run's."""
    folder = output or FOLDER / name
    if RunFolder(folder).recipe.is_file():
        raise UsageError(f"--output {folder} is a run folder; name another one")
    return folder
