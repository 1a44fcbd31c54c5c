"""`nmt evaluate`: texts that cannot be read or are not what was meant, and the data folder."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from nmt.runs.model_file import read_model, save_model
from nmt.runs.run_folder import RunFolder
from tests.commands.conftest import OUTPUTS, write
from tests.conftest import Run

FAULTS = {
    "missing": "does not exist",
    "folder": "is a folder, not a file",
    "through a file": "does not exist",
    "loop": "Too many levels of symbolic links",
    "empty": "is empty",
    "empty.gz": "is empty (0 bytes), not a .gz file",
    "/proc/self/mem": "Input/output error",
}

ROLES = ["--hypotheses", "REFERENCE", "second REFERENCE", "--compare"]


def bad_path(folder: Path, fault: str) -> Path:
    """Return a path that cannot be read."""
    path = folder / fault  # "/proc/self/mem" stays as it is
    match fault:
        case "folder":
            path.mkdir()
        case "through a file":
            path = write(path, "x") / "file"
        case "loop":
            path.symlink_to(path)
        case "empty" | "empty.gz":
            path.touch()
    return path


def test_a_source_is_not_taken_for_a_reference(nmt: Run, tmp_path: Path, hypotheses: Path) -> None:
    text = [write(tmp_path / f"test.{language}", *OUTPUTS) for language in ("en", "de")]
    refused = nmt("evaluate", "--hypotheses", hypotheses, *text)
    assert (refused.code, refused.out) == (2, "")
    assert "is not in the language of the other references" in refused.err
    both = [write(tmp_path / f"{name}.de", *OUTPUTS) for name in ("one", "two")]
    assert nmt("evaluate", "--hypotheses", hypotheses, *both).code == 0


def test_exchanged_files_are_refused(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    source, target = (write(tmp_path / f"test.{name}", "sun moon") for name in ("en", "de"))
    refused = nmt("evaluate", target, source, "--model", skilled_run)
    assert (refused.code, refused.out) == (2, "")
    assert "are exchanged: the model translates en to de; name the source first" in refused.err
    assert nmt("evaluate", source, target, "--model", skilled_run).code == 0


def test_another_search_of_a_compared_model_is_named(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    files = [write(tmp_path / f"test.{name}", *["sun moon"] * 3) for name in ("en", "de")]
    given = ["--model", skilled_run, "--compare", skilled_run]
    same = nmt("evaluate", *files, *given)
    assert same.out.count("beam ") == 1
    assert "with a sign: the difference from the first system" in same.out
    content = read_model(RunFolder(skilled_run).model)
    greedy = replace(content.recipe, decode=replace(content.recipe.decode, beam_size=1))
    path = tmp_path / "other.safetensors"
    save_model(path, content.weights, content.tokenizer, greedy, content.updates)
    other = nmt("evaluate", *files, "--model", skilled_run, "--compare", path)
    assert "\n    beam 1, length penalty " in other.out


@pytest.mark.parametrize(
    ("role", "fault"),
    # A folder to compare with is a model.
    [
        (role, fault)
        for role in ROLES
        for fault in FAULTS
        if (role, fault) != ("--compare", "folder")
    ],
)
def test_a_text_that_cannot_be_read_is_said_as_it_is(
    nmt: Run, reference: Path, hypotheses: Path, role: str, fault: str
) -> None:
    path = bad_path(reference.parent, fault)
    given = {"--hypotheses": hypotheses, "REFERENCE": reference, "second REFERENCE": reference}
    given = {**given, "--compare": hypotheses, role: path}
    refused = nmt(
        *("evaluate", "--hypotheses", given["--hypotheses"], "--compare", given["--compare"]),
        *(given["REFERENCE"], given["second REFERENCE"]),
    )
    assert (refused.code, refused.out) == (1, "")
    (line,) = refused.err.splitlines()
    assert str(path) in line
    assert FAULTS[fault] in line


def test_a_missing_source_is_named_before_the_model_is_loaded(
    nmt: Run, tiny_run: Path, reference: Path
) -> None:
    refused = nmt("evaluate", reference.parent / "none", reference, "--model", tiny_run)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == f"nmt: the text file {reference.parent / 'none'} does not exist\n"


def test_a_count_of_lines_that_does_not_fit(nmt: Run, reference: Path) -> None:
    long = write(reference.parent / "long", *OUTPUTS, "noch ein Satz")
    refused = nmt("evaluate", "--hypotheses", long, reference)
    assert (refused.code, refused.out) == (1, "")
    assert f"nmt: {long} has 4 lines but {reference} has 3 lines" in refused.err
    assert "look for a missing or an added line" in refused.err


@pytest.mark.parametrize("seed", ["abc", "-1", "1.5", ""])
def test_a_bad_seed_is_named_before_the_work(
    nmt: Run, reference: Path, hypotheses: Path, monkeypatch: pytest.MonkeyPatch, seed: str
) -> None:
    monkeypatch.setenv("SACREBLEU_SEED", seed)
    given = ["--hypotheses", hypotheses, reference]
    assert nmt("evaluate", *given).code == 0  # needs no seed
    refused = nmt("evaluate", *given, "--compare", reference)
    assert (refused.code, refused.out) == (2, "")
    fault = f"nmt: SACREBLEU_SEED must be a number or none, not '{seed}'; unset it\n"
    assert refused.err == fault


def test_the_data_folder_of_the_training_is_remembered(nmt: Run, tiny_run: Path) -> None:
    folder = RunFolder(tiny_run).data_dir()
    assert folder == tiny_run.parent.parent
    result = nmt("evaluate", "--model", tiny_run)
    assert result.code == 0, result.err
    assert f"data: {folder} (the model was trained with it); --data-dir names" in result.err
    given = nmt("evaluate", "--model", tiny_run, "--data-dir", folder)
    assert given.out == result.out
    assert "data: " not in given.err


def test_a_copied_model_remembers_no_data_folder(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    copy = shutil.copy(tiny_run / "model.safetensors", tmp_path / "copy.safetensors")
    result = nmt("evaluate", "--model", copy)
    assert (result.code, result.out) == (1, "")
    assert "data/dev.src does not exist; put it there, or name another data folder" in result.err
    assert "(--data-dir)" in result.err
