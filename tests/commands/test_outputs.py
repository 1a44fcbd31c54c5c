"""The rule for outputs on the command line: what is refused, before any work, and what is not."""

import os
import select
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.commands.conftest import leftovers
from tests.conftest import Run

# What no command may replace, and why.
PROTECTED = {
    "run/model.safetensors": "belongs to the run",
    "run/best.safetensors": "belongs to the run",
    "run/checkpoints/update-00000012.safetensors": "belongs to the run",
    "run/checkpoints/update-00000012.json": "belongs to the run",
    "run/prepared/train-0.ids": "belongs to the run",
    "run/prepared/manifest.json": "belongs to the run",
    "run/recipe.toml": "belongs to the run",
    "run/tokenizer.model": "belongs to the run",
    "run/metrics.jsonl": "belongs to the run",
    "mine.safetensors": "is a model",
    "copy": "is a model",
    "update-00000012.json": "is a checkpoint",
}
# The commands with an output; `{output}` is its place. None of them may read the model it names.
COMMANDS = {
    "translate": "translate dev.src --model nowhere --output {output}",
    "average": "average run --output {output}",
    "evaluate": "evaluate --hypotheses dev.src dev.tgt --card {output}.json",
    "evaluate.md": "evaluate --hypotheses dev.src dev.tgt --card {output}.md",
    "explain": "explain sun --model nowhere --output {output}",
    "report": "report run --output {output}",
    "ablate.json": "ablate tiny.toml --vary model.d_ff=64 --output {output}",
    "ablate.md": "ablate tiny.toml --vary model.d_ff=64 --output {output}",
    "ablate.html": "ablate tiny.toml --vary model.d_ff=64 --output {output}",
    "init": "init train.src train.tgt --output {output}.toml",
}


def contents(folder: Path) -> dict[str, bytes]:
    """Return the content of every file below a folder."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def read_some(descriptor: int) -> bytes:
    """Wait for the writer of a pipe, and return some bytes; b"" at its end."""
    select.select([descriptor], [], [])
    return os.read(descriptor, 1 << 16)


@dataclass(frozen=True)
class Place:
    """A folder with a run, its corpus and files of other kinds, and the command to run there."""

    folder: Path
    nmt: Run

    def refuse(self, name: str, target: str) -> str:
        """Run a command whose output leads to a file; it must be refused and change nothing."""
        command, _, ending = name.partition(".")
        output = self.folder / "output"
        link = output
        if command == "ablate":
            output.mkdir()
            link = output / f"ablation.{ending}"
        elif command in ("evaluate", "init"):
            link = output.with_suffix("." + (ending or {"evaluate": "json"}.get(command, "toml")))
        link.symlink_to(self.folder / target)
        before = contents(self.folder)
        result = self.nmt(*COMMANDS[name].format(output="output").split())
        assert (result.code, result.out) == (2, ""), result.err
        assert result.err.count("\n") == 1
        assert contents(self.folder) == before
        assert leftovers(self.folder) == []
        return result.err


@pytest.fixture
def place(
    nmt: Run, tiny: Path, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Place:
    shutil.copytree(tiny_run, tmp_path / "run")
    for name in ("mine.safetensors", "copy"):
        shutil.copy(tmp_path / "run/model.safetensors", tmp_path / name)
    shutil.copy(tmp_path / "run/checkpoints/update-00000012.json", tmp_path)
    return Place(tmp_path, nmt)


@pytest.mark.parametrize("target", PROTECTED)
@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_replaces_models_and_files_of_runs(place: Place, name: str, target: str) -> None:
    if (name, target) == ("average", "run/model.safetensors"):
        return  # the average of a run is what this command is for
    message = place.refuse(name, target)
    assert ("exists already" if name == "init" else PROTECTED[target]) in message


# Commands that succeed, and what they read.
WORKING = {
    "translate": ("translate dev.src --model run --output", ["dev.src"]),
    "average": ("average run --output", []),
    "evaluate": ("evaluate --hypotheses dev.src dev.tgt --card", ["dev.src", "dev.tgt"]),
    "explain": ("explain sun --model run --output", []),
    "report": ("report run --output", []),
}
ENDINGS = {"average": ".safetensors", "evaluate": ".json", "explain": ".html", "report": ".html"}


@pytest.mark.parametrize("name", WORKING)
def test_other_files_are_replaced(place: Place, name: str) -> None:
    words, _ = WORKING[name]
    output = f"new/folder/output{ENDINGS.get(name, '')}"
    os.symlink(output, f"link{ENDINGS.get(name, '')}")
    for path in (output, output, f"link{ENDINGS.get(name, '')}"):
        result = place.nmt(*words.split(), path)
        assert result.code == 0, result.err
    written = Path(output).read_bytes()
    if name == "average":
        return  # a model is replaced, but no other file that has its ending
    Path(output).write_text("notes\n")
    assert place.nmt(*words.split(), output).code == 0
    assert Path(output).read_bytes()[:9] == written[:9]
    assert leftovers(place.folder) == []


@pytest.mark.parametrize("name", WORKING)
def test_inputs_folders_and_impossible_places_are_refused(place: Place, name: str) -> None:
    words, inputs = WORKING[name]
    ending = ENDINGS.get(name, "")
    Path(f"folder{ending}").mkdir()
    Path("file").touch()
    Path(f"self{ending}").symlink_to(f"self{ending}")
    bad = {f"folder{ending}": "is a folder", f"file/x{ending}": "cannot be written"}
    bad |= {f"self{ending}": "cannot be written", f"/proc/nowhere/x{ending}": "cannot be written"}
    for number, source in enumerate(inputs):
        os.link(source, f"hard{number}{ending}")
        bad[f"hard{number}{ending}"] = "is an input of this command"
    for path, reason in bad.items():
        result = place.nmt(*words.split(), path)
        assert (result.code, result.out) == (2, "")
        assert reason in result.err
        assert result.err.count("\n") == 1
    assert leftovers(place.folder) == []


@pytest.mark.parametrize("name", WORKING)
def test_devices_and_pipes_are_written_to(place: Place, name: str) -> None:
    words, _ = WORKING[name]
    ending = ENDINGS.get(name, "")
    os.symlink("/dev/null", f"null{ending}")
    os.mkfifo(f"pipe{ending}")
    assert place.nmt(*words.split(), f"null{ending}").code == 0
    reader = os.open(f"pipe{ending}", os.O_RDONLY | os.O_NONBLOCK)
    read: list[bytes] = []
    thread = threading.Thread(target=lambda: read.extend(iter(lambda: read_some(reader), b"")))
    thread.start()
    try:
        result = place.nmt(*words.split(), f"pipe{ending}")
    finally:
        thread.join()
        os.close(reader)
    assert result.code == 0, result.err
    assert read
    assert Path("/dev/null").is_char_device()
    assert Path(f"pipe{ending}").is_fifo()
    assert leftovers(place.folder) == []


def test_an_ablation_replaces_its_files(nmt: Run, ablation: Path, tmp_path: Path) -> None:
    output = shutil.copytree(ablation, tmp_path / "out")
    data = ablation.parent
    command = ["ablate", data / "tiny.toml", "--data-dir", data, "--output", output]
    command += ["--vary", "model.d_ff=32,64", "--vary", "train.label_smoothing=0.2"]
    command += ["--seeds", "1,2"]
    for name in ("ablation.json", "ablation.md", "ablation.html"):
        with (output / name).open("a") as stream:
            stream.write("my note\n")
    assert nmt(*command).code == 0
    for name in ("ablation.json", "ablation.md", "ablation.html"):
        assert "my note" not in (output / name).read_text()
        (output / name).unlink()
        (output / name).mkdir()
        before = contents(tmp_path)
        for options in ([], ["--dry-run"]):
            result = nmt(*command, *options)
            assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
            assert f"{output / name} is a folder" in result.err
        assert contents(tmp_path) == before
        (output / name).rmdir()


def test_training_keeps_what_is_not_its_own(place: Place) -> None:
    """What a translation kept is no file of a run; its report is replaced."""
    Path("run/report.html").write_text("old page\n")
    Path("run/out.de.partial").write_text("kept\n")
    result = place.nmt("train", "tiny.toml", "--run", "run", "--max-updates", 14)
    assert result.code == 0
    assert "report: run/report.html" in result.err
    assert "old page" not in Path("run/report.html").read_text()
    assert Path("run/out.de.partial").read_text() == "kept\n"


def test_a_run_can_be_named_from_inside(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.folder / "run" / "prepared")
    for name in ("average", "report"):
        assert place.nmt(name, "..").code == 0
    monkeypatch.chdir(place.folder / "run")
    for name in ("average", "report"):
        assert place.nmt(name, ".").code == 0


def test_a_refusal_loads_no_torch(tiny_run: Path, tmp_path: Path) -> None:
    for name in ("mine.safetensors", "mine.md"):
        shutil.copy(tiny_run / "model.safetensors", tmp_path / name)
    shutil.copy(tiny_run / "recipe.toml", tmp_path)
    code = (
        "import sys; from nmt.commands import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: print(end.code, 'torch' in sys.modules)"
    )
    for words in (
        "translate /dev/null --output mine.safetensors",
        "explain sun --output mine.safetensors",
        "report . --output mine.safetensors",
        "average . --output mine.safetensors",
        "evaluate --hypotheses recipe.toml recipe.toml --card mine.md",
    ):
        command = [sys.executable, "-c", code, *words.split()]
        ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert ended.stdout == "2 False\n", ended.stderr
