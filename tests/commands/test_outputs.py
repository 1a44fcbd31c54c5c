"""The rule for outputs on the command line: what is refused, before any work, and what is not."""

import os
import shutil
from pathlib import Path

import pytest

from tests.commands.conftest import leftovers
from tests.conftest import Run

# What no command may replace, and why; `tests/runs/test_outputs.py` has all other files.
PROTECTED = {"run/recipe.toml": "belongs to the run", "copy": "is a model"}
# Commands with an output; `{output}` is its place. None of them may read the model it names.
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


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def place(tiny: Path, tiny_run: Path, tmp_path: Path) -> Path:
    """Return a folder with a run, its corpus and files of other kinds."""
    shutil.copytree(tiny_run, tmp_path / "run")
    shutil.copy(tmp_path / "run/model.safetensors", tmp_path / "copy")
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_replaces_models_and_files_of_runs(nmt: Run, place: Path, name: str) -> None:
    """The output is a link to them."""
    command, _, ending = name.partition(".")
    output = place / "output"
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
        link.symlink_to(place / target)
        before = contents(place)
        result = nmt(*COMMANDS[name].format(output="output").split())
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1), result.err
        assert ("exists already" if command == "init" else reason) in result.err
        assert contents(place) == before
        assert leftovers(place) == []


# Commands that succeed, what they read, and the ending of what they write.
WORKING = {
    "translate dev.src --model run --output": (["dev.src"], ""),
    "average run --output": ([], ".safetensors"),
    "evaluate --hypotheses dev.src dev.tgt --card": (["dev.src", "dev.tgt"], ".json"),
    "explain sun --model run --output": ([], ".html"),
    "report run --output": ([], ".html"),
}


@pytest.mark.parametrize("words", WORKING)
def test_what_is_replaced_and_what_is_not(nmt: Run, place: Path, words: str) -> None:
    """Other files are; inputs, folders and impossible places are refused."""
    inputs, ending = WORKING[words]
    output = f"new/folder/output{ending}"
    os.symlink(output, f"link{ending}")
    for path in (output, f"link{ending}"):
        result = nmt(*words.split(), path)
        assert result.code == 0, result.err
    written = Path(output).read_bytes()
    if ending != ".safetensors":  # a model is replaced, but no other file that has its ending
        Path(output).write_text("notes\n")
        assert nmt(*words.split(), output).code == 0
        assert Path(output).read_bytes()[:9] == written[:9]
    Path(f"folder{ending}").mkdir()
    Path("file").touch()
    bad = {f"folder{ending}": "is a folder", f"file/x{ending}": "cannot be written"}
    for number, source in enumerate(inputs):
        os.link(source, f"hard{number}{ending}")
        bad[f"hard{number}{ending}"] = "is an input of this command"
    for path, reason in bad.items():
        result = nmt(*words.split(), path)
        assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
        assert reason in result.err
    assert leftovers(place) == []
