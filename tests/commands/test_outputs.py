"""Each command keeps to the rule for outputs of `tests/runs/test_outputs.py`, before any work."""

import shutil
from pathlib import Path

import pytest

from tests.commands.conftest import contents, leftovers
from tests.conftest import Run

# What no command may replace, and why.
PROTECTED = {"run/recipe.toml": "belongs to the run", "copy": "is a model"}
# Commands with an output; `{output}` is its path. None of them may read the model it names.
COMMANDS = {
    "translate": "translate dev.src --model nowhere --output {output}",
    "average": "average run --output {output}",
    "evaluate.json": "evaluate --hypotheses dev.src dev.tgt --card {output}.json",
    "evaluate.md": "evaluate --hypotheses dev.src dev.tgt --card {output}.md",
    "explain": "explain sun --model nowhere --output {output}",
    "report": "report run --output {output}",
    "ablate.json": "ablate tiny.toml --vary model.d_ff=64 --output {output}",
    "ablate.html": "ablate tiny.toml --vary model.d_ff=64 --output {output}",
    "scale.html": "scale tiny.toml --output {output}",
    "init.toml": "init train.src train.tgt --output {output}.toml",
}


@pytest.fixture
def work_folder(tiny: Path, tiny_run: Path, tmp_path: Path) -> Path:
    """Return a folder with a run, its corpus and files of other kinds."""
    shutil.copytree(tiny_run, tmp_path / "run")
    shutil.copy(tmp_path / "run/model.safetensors", tmp_path / "copy")
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_replaces_models_and_files_of_runs(
    nmt: Run, work_folder: Path, name: str
) -> None:
    """The output is a link to them."""
    command, _, ending = name.partition(".")
    output = work_folder / "output"
    folders = {"ablate": "ablation", "scale": "scale"}  # with the names of their files
    if command in folders:
        output.mkdir()
    link = (
        output / f"{folders[command]}.{ending}"
        if command in folders
        else output.with_suffix(f".{ending}" if ending else "")
    )
    for target, reason in PROTECTED.items():
        link.unlink(missing_ok=True)
        link.symlink_to(work_folder / target)
        before = contents(work_folder)
        result = nmt(*COMMANDS[name].format(output="output").split())
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1), result.err
        assert ("exists already" if command == "init" else reason) in result.err
        assert contents(work_folder) == before
        assert leftovers(work_folder) == []
