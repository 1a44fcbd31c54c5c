"""Every command line of the manual is parsed by the real parser; those that can are run.

Runs, models and texts that a line names are replaced by copies of the tests' tiny model and
corpus. A line that needs a corpus, hours or the network is parsed, and its recipe and settings are
checked.
"""

import re
import shutil
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import pytest

from nmt.commands import cli
from nmt.commands.train import find_files
from nmt.interop.opus.hub import model_name
from nmt.recipe.files import DEFAULT_RECIPE, load_recipe
from nmt.studio.experiments.variants import parse_axis, parse_numbers, plan_variants
from tests.conftest import Run, write_tiny_corpus
from tests.docs.markdown import ROOT, blocks, code_spans, pages, parts
from tests.docs.sandbox import create, provide
from tests.docs.shell import Command, commands, parse

COMMANDS = commands()
OWN = [command for command in COMMANDS if command.nmt is not None]
RUN = {"init", "translate", "score", "evaluate", "explain", "inspect", "report", "runs", "export"}
# Commands that are not ours: their arguments are not checked, their names are.
FOREIGN = {".", "cat", "cd", "comet-score", "curl", "cut", "echo", "eval", "export", "git", "grep"}
FOREIGN |= {"gzip", "head", "jq", "paste", "podman", "printf", "sacrebleu", "sbatch", "sed", "shuf"}
FOREIGN |= {"sort", "tail", "torchrun"}


def named(commands: Iterable[Command]) -> list[Any]:
    return [pytest.param(line, id=f"{line.place} {' '.join(line.words)}") for line in commands]


@pytest.mark.parametrize("command", named(OWN))
def test_our_commands_parse(command: Command, tmp_path: Path, tiny_run: Path) -> None:
    context = parse(command.nmt or ())
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
        assert parse_numbers(values["seeds"], "--seeds", int)


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


def test_other_commands_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for command in (command for command in COMMANDS if command.nmt is None):
        name, *arguments = command.words
        place = f"{command.place}: {command.words}"
        if name == "make":
            assert {*arguments} <= {*re.findall(r"^(\w\S*):", makefile, re.MULTILINE)}, place
        elif name in ("python", "python3"):
            assert (ROOT / arguments[0]).is_file(), place
        elif name in ("pip", ".venv/bin/pytest", "pytest"):
            extras = ",".join(re.findall(r"\[([\w,]+)\]", " ".join(arguments))).split(",")
            assert {*extras} <= {"", *project["optional-dependencies"]}, place
            paths = [word for word in arguments if "/" in word and not word.startswith("-")]
            assert all((ROOT / path.partition("::")[0]).exists() for path in paths), place
        else:
            files = [word for word in arguments if word.endswith((".sh", ".py"))]
            assert name in FOREIGN, place
            assert all((ROOT / path).is_file() for path in files), place


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
            known = {option for parameter in command.params for option in parameter.opts}
            asked = {word.partition("=")[0] for word in words if word.startswith("--")}
            assert asked <= known | {"--help"}, place


def runnable(command: Command) -> bool:
    """Return whether a command needs no network, no hours and no other machines."""
    name, *options = command.nmt or ("",)
    # A terminal, a good model, or one of several languages.
    needs_more = {"--test-set", "--interactive", "--strict", "--to", "--to-column"} & {*options}
    return (name in RUN and not needs_more) or (name == "ablate" and "--dry-run" in options)


def one_of_each_kind(lines: Iterable[Command]) -> list[Command]:
    """Return one of the lines with the same command, options and settings.

    The formats of documents are translated in `tests/documents`.
    """
    found = {}
    for line in lines:
        name, *words = line.nmt or ("",)
        options = {word for word in words if word.startswith("-") or "=" in word}
        found[name, bool(words), *sorted(options)] = line
    return list(found.values())


@pytest.mark.parametrize("command", named(one_of_each_kind(filter(runnable, OWN))))
def test_commands_run(
    command: Command, tiny_run: Path, tmp_path: Path, nmt: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = parse(command.nmt or ())
    if context is None:
        return
    monkeypatch.setenv("NMT_DATA_DIR", str(tmp_path))
    write_tiny_corpus(tmp_path)
    write_recipes(command.page, tmp_path, tiny_run)
    create(Path("runs/pocket"), tiny_run)
    provide(context, tiny_run)
    given = Path("stdin")
    given.write_text(command.stdin or "sun moon\tMOON SUN\n", encoding="utf-8")
    with given.open(encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        result = nmt(*(word for word in command.nmt or () if word != "--open"))
    assert result.code == 0, result.err
    outputs = context.params.get("output") or context.params.get("output_dir")
    assert result.out or outputs
