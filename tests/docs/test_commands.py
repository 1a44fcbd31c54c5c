"""Every command line of the manual is parsed by the real parser; those that can are run.

Runs, models and texts that a line names are replaced by copies of the tests' tiny model and
corpus. A line that needs a corpus, hours or the network is parsed, and its recipe and settings are
checked.
"""

import io
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import pytest

from nmt.commands import cli
from nmt.commands.train import find_files
from nmt.errors import NmtError
from nmt.interop.opus_hub import model_name
from nmt.recipe.files import DEFAULT_RECIPE, load_recipe
from nmt.studio.ablation.axes import parse_axis
from nmt.studio.ablation.variants import parse_seeds, plan_variants
from tests.conftest import Run, write_tiny_corpus
from tests.docs.markdown import ROOT, Block, blocks, code_spans, pages, parts
from tests.docs.sandbox import Sandbox
from tests.docs.shell import FOREIGN, Command, commands, commands_of, extras, make_targets, parse

COMMANDS = commands()
OWN = [each for each in COMMANDS if each.nmt is not None]
RUN = {
    "init",
    "translate",
    "score",
    "evaluate",
    "explain",
    "inspect",
    "report",
    "average",
    "runs",
    "export",
}
UPDATES = 4  # of the trainings that are run


def named(commands: Sequence[Command]) -> list[Any]:
    return [pytest.param(each, id=f"{each.place} {' '.join(each.words)}") for each in commands]


def argument_list(command: Command) -> tuple[str, ...]:
    arguments = command.nmt
    assert arguments is not None
    return arguments


def test_pages_show_command_lines() -> None:
    assert {"train", "translate", "evaluate"} <= {argument_list(each)[0] for each in OWN}


@pytest.mark.parametrize("command", named(OWN))
def test_our_commands_parse(command: Command, tmp_path: Path, tiny_run: Path) -> None:
    context = parse(argument_list(command))
    values = {} if context is None else context.params
    name = values.get("recipe", values.get("name"))  # `nmt fetch` takes models too
    if context is not None and context.info_name == "train" and len(values["names"]) < 2:
        name = (*values["names"], DEFAULT_RECIPE)[0]
        if find_files([name]):
            return
    if name is None or model_name(name):
        return
    write_recipes(command.page, tmp_path, tiny_run)
    recipe = load_recipe(name.removeprefix("runs/"), values.get("overrides", ()))
    axes = [parse_axis(text) for text in values.get("varied", ())]
    assert plan_variants(recipe, axes, grid=bool(values.get("grid")))
    if values.get("seeds"):
        assert parse_seeds(values["seeds"])


def write_recipes(page: Path, folder: Path, run: Path) -> list[Path]:
    """Write the `toml` blocks of a page under the names in their first lines; return the files.

    run: of the model that stands in for a model file that they extend.
    """
    paths = []
    for block in blocks("toml"):
        if block.page == page:
            name = re.match(r"# (\S+\.toml)$", block.text.splitlines()[0])
            paths.append(folder / (name[1] if name else f"line-{block.line}.toml"))
            paths[-1].write_text(block.text, encoding="utf-8")
            if model := re.search(r'^extends = "(\S+\.safetensors)"$', block.text, re.MULTILINE):
                shutil.copy(run / "model.safetensors", folder / model[1])
    return paths


@pytest.mark.parametrize("page", sorted({block.page for block in blocks("toml")}))
def test_recipes_are_valid(page: Path, tmp_path: Path, tiny_run: Path) -> None:
    for path in write_recipes(page, tmp_path, tiny_run):
        load_recipe(str(path))


@pytest.mark.parametrize("command", named([each for each in COMMANDS if each.nmt is None]))
def test_other_commands_exist(command: Command) -> None:
    name, *arguments = command.words
    if name == "make":
        assert set(arguments) <= make_targets()
    elif name in ("python", "python3"):
        assert (ROOT / arguments[0]).is_file(), f"{arguments[0]} does not exist"
    elif name in ("pip", ".venv/bin/pytest", "pytest"):
        asked = re.findall(r"\[([\w,]+)\]", " ".join(arguments))
        assert {each for extra in asked for each in extra.split(",")} <= extras()
        paths = [each for each in arguments if "/" in each and not each.startswith("-")]
        assert all((ROOT / each.partition("::")[0]).exists() for each in paths)
    else:
        assert name in FOREIGN, f"{command.place}: unknown command {name}"
        assert all((ROOT / each).is_file() for each in arguments if each.endswith((".sh", ".py")))


@pytest.mark.parametrize("page", [pytest.param(p, id=str(p.relative_to(ROOT))) for p in pages()])
def test_commands_within_text_exist(page: Path) -> None:
    """Text names commands without all their arguments: the names and the options are checked."""
    for number, line in parts(page)[1]:
        for span in code_spans(line):
            if not re.match(r"nmt [-a-z]", span):
                continue
            name, *words = span.split()[1:]
            place = f"{page}, line {number}: {span}"
            if name.startswith("-"):
                assert parse([name]) is None, place
                continue
            command = cli.get_command(click.Context(cli), name)
            assert command is not None, place
            known = {option for each in command.params for option in each.opts}
            asked = {word.partition("=")[0] for word in words if word.startswith("--")}
            assert asked <= known | {"--help"}, place


def test_torchrun_takes_its_options() -> None:
    from torch.distributed.run import get_args_parser

    lines = [each for each in OWN if each.words[0] == "torchrun"]
    assert lines
    for command in lines:
        options = get_args_parser().parse_args(list(command.words[1:]))
        assert options.training_script == "cli.py", command.place


@pytest.fixture
def sandbox(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A fresh current folder with the tiny corpus and a trained run."""
    monkeypatch.setenv("NMT_DATA_DIR", str(tmp_path))
    write_tiny_corpus(tmp_path)
    box = Sandbox(tmp_path, tiny_run)
    box.create(Path("runs/pocket"))
    return box


@pytest.fixture(autouse=True)
def _stdin() -> Iterator[None]:
    """Put stdin back and close what stood in for it."""
    before = sys.stdin
    yield
    if sys.stdin is not before:
        sys.stdin.close()
        sys.stdin = before


def runnable(command: Command) -> bool:
    """Return whether a command needs no network, no hours and no other machines."""
    arguments = argument_list(command)
    is_dry = arguments[0] == "ablate" and "--dry-run" in arguments
    # A terminal, a good model, or one of several languages.
    needs_more = {"--test-set", "--interactive", "--strict", "--target-token"}
    return (arguments[0] in RUN and not needs_more & {*arguments}) or is_dry


def one_of_each_kind(lines: Iterable[Command]) -> list[Command]:
    """Return one of the lines with the same command, options and endings of files."""
    found = {}
    for line in lines:
        name, *arguments = argument_list(line)
        options = {each.partition("=")[0] for each in arguments if each.startswith("-")}
        endings = {Path(each).suffix for each in arguments if not each.startswith("-")}
        found[name, *sorted(options), *sorted(endings)] = line
    return list(found.values())


@pytest.mark.parametrize("command", named(one_of_each_kind(filter(runnable, OWN))))
def test_commands_run(
    command: Command, sandbox: Sandbox, nmt: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = parse(argument_list(command))
    if context is None:
        return
    write_recipes(command.page, sandbox.folder, sandbox.model)
    sandbox.provide(context)
    given = Path("stdin")
    given.write_text(command.stdin or "sun moon\tMOON SUN\n", encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(given.open("rb"), encoding="utf-8"))
    result = nmt(*(each for each in argument_list(command) if each != "--open"))
    assert result.code == 0, result.err
    outputs = context.params.get("output") or context.params.get("output_dir")
    assert result.out or outputs or context.info_name == "average"


def trainings() -> list[Command]:
    """Return the trainings of one process, one of each kind."""
    found = {}
    for command in OWN:
        name, *arguments = argument_list(command)
        if name == "train" and command.words[0] != "torchrun":
            found[" ".join(each for each in arguments if each.startswith("--"))] = command
    return list(found.values())


@pytest.mark.parametrize("command", named(trainings()))
def test_trainings_run(command: Command, sandbox: Sandbox, nmt: Run) -> None:
    """The tiny recipe takes the place of the line's own, with the line's settings and run."""
    context = parse(argument_list(command))
    if context is None:
        return
    values = context.params
    if values["init_from"]:
        sandbox.create(Path(values["init_from"]))
    run = values["run"] or Path("runs") / "new"
    settings = [*values["overrides"], f"train.validate_updates={UPDATES}"]
    given = [part for each in settings for part in ("--set", each)]
    if values["init_from"]:
        given += ["--init-from", values["init_from"]]
    result = nmt("train", "tiny.toml", "--run", run, *given, "--max-updates", UPDATES)
    assert result.code == 0, result.err
    assert (run / "model.safetensors").is_file()


def test_a_mistake_in_a_line_is_found(tmp_path: Path) -> None:
    """The checks above fail on an unknown command, option, recipe and setting."""
    block = Block(
        ROOT / "README.md", 1, "sh", "nmt trian\nnmt train --sed 1 # so\nFOO=1 nmt x | y\n"
    )
    first, second, third, fourth = commands_of(block)
    for wrong in (first, second):
        with pytest.raises(click.UsageError):
            parse(argument_list(wrong))
    assert (third.words, fourth.words) == (("nmt", "x"), ("y",))
    for recipe, settings in (("pokcet", ()), ("pocket", ("model.width=3",))):
        with pytest.raises(NmtError):
            load_recipe(recipe, settings)
