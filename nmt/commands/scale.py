"""`nmt scale`: train a ladder of sizes and shares of a corpus, and fit a law to it."""

from fractions import Fraction
from pathlib import Path

import click

from nmt.commands import options
from nmt.commands.ablate import experiment_options, run_experiment
from nmt.commands.options import number
from nmt.errors import UsageError
from nmt.runs.run_folder import RUNS
from nmt.studio.experiments.variants import parse_numbers


@click.command("scale")
@options.recipe
@click.option(
    "--sizes",
    metavar="N,N,...",
    help="Values of d_model of the Transformers.  [default: 1/4 to 3 times the recipe's]",
)
@click.option(
    "--shares",
    default="1/8,1/4,1/2",
    show_default=True,
    metavar="X,X,...",
    help="Shares of the corpus to train two sizes on; 1: all of it.",
)
@click.option(
    "--against",
    multiple=True,
    metavar="RECIPE | SECTION.KEY=VALUE",
    help="Recipe or setting to compare with. May be repeated.  [default: RECIPE_recurrent]",
)
@click.option("--alone", is_flag=True, help="Compare with nothing.")
@click.option(
    "--seeds", metavar="N,N,...", help="Seeds for the recipe's own size.  [default: train.seed]"
)
@number(
    "--budget",
    options.Range(min=1),
    "Upper limit of a run's operations.  [default: those of the recipe's updates]",
    metavar="OPERATIONS",
)
@number("--check", int, "Size to predict.  [default: one step above the others]")
@experiment_options("scale")
def command(
    arguments: list[str],
    recipe: str,
    sizes: str | None,
    shares: str,
    against: tuple[str, ...],
    alone: bool,
    seeds: str | None,
    budget: float | None,
    check: int | None,
    output: Path | None,
    dry_run: bool,
    data_dir: Path,
    device: str,
    overrides: tuple[str, ...],
) -> None:
    """Train RECIPE in several sizes, predict a larger one, and train that.

    All sizes are trained on the whole corpus, and two of them also on shares of it. The recipe's
    own size is trained with each seed. For each recipe, the law E + A / N^a + B / D^b is fitted to
    the dev losses; N is the number of parameters, D that of training pairs. It predicts the loss
    of the size --check, which is trained last. docs/howto/scale.md says how runs are made
    comparable.

    The folder of --output has a run folder for each run, the tables that the command prints
    (scale.md), all figures (scale.json) and a page with charts (scale.html). If the command is
    stopped, the same command continues.

    \b
    Examples:
      nmt scale pocket --dry-run
      nmt scale pocket --seeds 1,2,3
      nmt scale pocket --against model.positions=none --sizes 128 --shares 1
      nmt scale multi30k_en_de_paper --against multi30k_en_de_recurrent
    """
    if alone and against:
        raise UsageError("--alone compares with nothing; leave out --against or --alone")
    numbers = parse_numbers(seeds, "--seeds", int)
    widths = parse_numbers(sizes, "--sizes", int)
    parts = [float(share) for share in parse_numbers(shares, "--shares", Fraction)]

    from nmt.studio.experiments.ladder import compared_recipes, plan
    from nmt.studio.experiments.scale import Scale

    recipes = compared_recipes(recipe, () if alone else against or None, overrides)
    ladder = plan(recipes, widths, parts, numbers, budget, check)
    folder = output or RUNS / "scale" / ladder.recipe.name
    run_experiment(Scale(folder, ["nmt", *arguments], ladder), data_dir, device, dry_run=dry_run)
