"""Arguments and options that several commands share, and what they resolve to."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from nmt.artifacts.run_folder import RUNS, RunFolder, newest_model
from nmt.config import SECTIONS, DecodeSettings, Recipe, declared_settings
from nmt.errors import UsageError
from nmt.recipe import DEFAULT_RECIPE, load_recipe, override, shipped_recipes, toml_value

if TYPE_CHECKING:
    import torch

    from nmt.artifacts.model_file import TrainedModel

Function = TypeVar("Function", bound=Callable[..., Any])


def complete_recipe(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Shipped recipes for the shell to offer, and files."""
    names = [name for name in shipped_recipes() if name.startswith(incomplete)]
    return [*map(CompletionItem, names), CompletionItem(incomplete, type="file")]


def complete_setting(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names of settings for the shell to offer."""
    names = (f"{name}=" for name, _ in declared_settings())
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


# An unreadable file is told by whoever opens it, with exit code 1: it is no mistake of usage.
FILE = click.Path(path_type=Path, allow_dash=True, readable=False)

recipe_argument = click.argument("recipe", default=DEFAULT_RECIPE, shell_complete=complete_recipe)
data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data"),
    envvar="NMT_DATA_DIR",
    show_default=True,
    show_envvar=True,
    help="Folder that recipes' file names are relative to.",
)
run_option = click.option(
    "--run",
    type=click.Path(path_type=Path, file_okay=False),
    help="Run folder.  [default: runs/RECIPE]",
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    shell_complete=complete_setting,
    metavar="SECTION.KEY=VALUE",
    help="Change any setting of the recipe; may be repeated.",
)
device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    help="cpu, cuda, cuda:1, mps; auto takes a CUDA GPU if there is one.",
)
models_option = click.option(
    "--model",
    "models",
    multiple=True,
    type=FILE,
    help="Run folder or .safetensors file.  [default: that of the run last trained under runs/]",
)


def beam_options(function: Function) -> Function:
    """Beam search's flags; each stands for a `decode` setting of the model's recipe."""
    for option in (
        click.option("--length-penalty", type=float, help="GNMT alpha of ((5 + |Y|) / 6)^alpha."),
        click.option("--beam-size", type=int, help="Hypotheses kept; 1 is greedy."),
    ):
        function = option(function)
    return function


def decoding_options(function: Function) -> Function:
    """Those, and how much is translated at once."""
    batch = click.option("--batch-tokens", type=int, help="Source tokens translated at once.")
    return beam_options(batch(function))


def flags_as_overrides(section: str, **flags: object) -> list[str]:
    """Flags that were given, as `--set` texts."""
    return [
        f"{section}.{key}={toml_value(value)}" for key, value in flags.items() if value is not None
    ]


def decode_settings(recipe: Recipe, overrides: Iterable[str]) -> DecodeSettings:
    """How to translate with a trained model; raises UsageError for settings of other sections."""
    overrides = list(overrides)
    settled = override(recipe, overrides)
    for text in overrides:
        if not text.strip().startswith("decode."):
            raise UsageError(f"--set {text}: only [decode] can be changed once a model is trained")
    return settled.decode


def run_folder(run: Path | None, recipe: Recipe) -> RunFolder:
    """The run folder named, or the recipe's own; raises UsageError for an empty name."""
    if run is not None and not run.name:
        raise UsageError(f"--run {run} names no folder of its own; give it a name")
    return RunFolder(run or RUNS / recipe.name)


def recipe_and_run(
    name: str, run: Path | None, overrides: Iterable[str]
) -> tuple[Recipe, RunFolder]:
    """A recipe as resolved, and where it is trained."""
    recipe = load_recipe(name, overrides)
    return recipe, run_folder(run, recipe)


def load_models(
    models: Sequence[Path], device: str, overrides: Iterable[str]
) -> "tuple[TrainedModel, DecodeSettings]":
    """The models named, as one, or the newest, and how to translate; each is told."""
    paths = models or [newest_model()]

    from nmt.artifacts.model_file import load_ensemble
    from nmt.system.log import note

    trained = load_ensemble(paths, pick_device(device))
    settings = decode_settings(trained.recipe, overrides)
    names = [f"{each.path} ({each.recipe.name})" for each in (trained, *trained.ensemble)]
    note(f"{'ensemble' if trained.ensemble else 'model'}: {' + '.join(names)}")
    return trained, settings


def pick_device(name: str) -> "torch.device":
    """The device of that name; raises UsageError if there is none."""
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
        if device.type == "meta":
            raise RuntimeError("it holds no data")
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"--device {name} cannot be used here: {reason}") from error
    return device


def settings_help(*sections: str) -> str:
    """A table of the settings of these sections for a command's --help."""
    lines = ["\b", "Settings (--set SECTION.KEY=VALUE), with the paper's defaults:"]
    for name, declared in declared_settings():
        if name.split(".")[0] in (sections or tuple(SECTIONS)):
            default = declared.default
            shown = toml_value(default) if isinstance(default, (int, float, str)) else ""
            lines.append(f"  {name}{'=' + shown if shown else ''}")
            lines.append(f"      {declared.metadata['meaning']}")
    return "\n".join(lines)
