"""`nmt train RUN` resumes a run by its folder; folders that are no runs are refused before work."""

import json
import os
import shutil
from pathlib import Path

import pytest

from nmt.runs.model_file import read_model
from nmt.runs.run_folder import RunFolder
from nmt.training.progress import TrainingOutcome
from tests.conftest import Run, write_tiny_corpus
from tests.training.conftest import assert_same

TINY = RunFolder(Path("runs/tiny"))
SETTINGS = ("--set", "model.d_ff=48", "--set", "train.label_smoothing=0.2", "--seed", 3)


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the recipe of a tiny corpus in another folder than the current one."""
    (tmp_path / "corpora").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return write_tiny_corpus(tmp_path / "corpora")


def test_a_run_is_resumed_with_its_settings_and_its_data(nmt: Run, corpus: Path) -> None:
    """No setting and no data folder is named again; the result is that of one long training."""
    data = ("--data-dir", "../corpora")
    assert nmt("train", corpus, *data, *SETTINGS, "--max-updates", 8).code == 0
    result = nmt("train", "runs/tiny", "--max-updates", 12)
    assert result.code == 0, result.err
    assert "resumed at update 8 of 12" in result.err
    assert nmt("train", corpus, *data, *SETTINGS, "--run", "runs/whole").code == 0
    assert_same(TINY.model, Path("runs/whole/model.safetensors"))
    again = nmt("train", "runs/tiny")
    assert "runs/tiny is done at update 12" in again.err
    assert json.loads(TINY.memory.read_text()) == {"data_dir": str(corpus.parent)}
    assert b"corpora" not in TINY.model.read_bytes()


def test_prepare_takes_a_run_too(nmt: Run, corpus: Path) -> None:
    assert nmt("prepare", corpus, "--data-dir", "../corpora").code == 0
    shutil.rmtree(TINY.prepared)
    result = nmt("prepare", "runs/tiny")
    assert result.code == 0, result.err
    assert "120 pairs" in result.err.splitlines()[-1]
    assert nmt("train", corpus, "--max-updates", 1).code == 0  # remembers the data folder as well


def test_a_run_keeps_the_settings_that_must_not_change(nmt: Run, tiny: Path) -> None:
    assert nmt("train", tiny, "--max-updates", 4).code == 0
    refused = nmt("train", "runs/tiny", "--set", "model.d_ff=16")
    assert refused.code == 1
    assert "started with other settings: model.d_ff (32 -> 16)" in refused.err
    other = nmt("train", "runs/tiny", "--run", "runs/other")
    assert other.code == 2
    assert "runs/tiny is a run folder but another is given, runs/other" in other.err
    same = nmt("train", "runs/tiny", "--run", TINY.path.resolve())
    assert same.code == 0, same.err


def test_a_recipe_wins_over_a_folder_of_its_name(nmt: Run, tiny: Path, tiny_run: Path) -> None:
    shutil.copytree(tiny_run, "pocket")
    by_name = nmt("train", "pocket", "--set", "data.dev=[]")
    assert "recipe pocket" in by_name.err
    by_path = nmt("train", "./pocket")
    assert "pocket is done at update 12" in by_path.err


def test_a_run_is_resumed_from_within_its_folder(
    nmt: Run, tiny: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_run, TINY.path)
    monkeypatch.chdir(TINY.path)
    result = nmt("train", ".")
    assert result.code == 0, result.err
    assert ". is done at update 12" in result.err


def test_what_is_no_run_folder_is_refused_before_work(nmt: Run, tiny: Path) -> None:
    Path("notes.txt").write_text("mine")
    Path("home").mkdir()
    Path("home/letter").write_text("mine")
    for arguments, code, fact in (
        (("train", "runs/none"), 2, "there is no run folder runs/none"),
        (("train", "home"), 1, "home is not a run folder: it has no recipe.toml"),
        (("train", "best.safetensors"), 2, "best.safetensors is a model, not a recipe"),
        (("train", tiny, "--run", "home"), 2, "home (--run) is not a run folder but holds letter"),
        (
            ("prepare", tiny, "--run", "home"),
            2,
            "home (--run) is not a run folder but holds letter",
        ),
        (("train", tiny, "--run", tiny.parent), 2, "is not a run folder but holds"),
        (("train", tiny, "--run", "notes.txt"), 2, "notes.txt (--run) is a file"),
        (("train", tiny, "--run", "/"), 2, "has no name"),
        (("train", tiny, "--run", ""), 2, "has no name"),
        (("train", ""), 2, "no recipe ''"),
    ):
        result = nmt(*arguments)
        assert (result.code, result.out) == (code, ""), arguments
        assert fact in result.err
        assert result.err.count("\n") == 1
    assert not Path("runs").exists()
    assert [path.name for path in Path("home").iterdir()] == ["letter"]


def test_a_recipe_in_its_own_run_folder_is_not_replaced(nmt: Run, tiny: Path) -> None:
    Path("mine").mkdir()
    own = Path("mine/recipe.toml")
    own.write_text(f"# by hand\n{tiny.read_text()}")
    result = nmt("train", own, "--run", "mine")
    assert result.code == 2
    assert own.read_text().startswith("# by hand")
    assert [*Path("mine").iterdir()] == [own]


def test_what_lies_beside_the_files_of_a_run_is_kept(nmt: Run, tiny: Path) -> None:
    assert nmt("train", tiny, "--max-updates", 4).code == 0
    for name in ("notes.md", "card.json", ".hidden"):
        (TINY.path / name).write_text("mine")
    assert nmt("train", tiny, "--max-updates", 6).code == 0
    assert {(TINY.path / name).read_text() for name in ("notes.md", ".hidden")} == {"mine"}


@pytest.fixture(params=["kept", "gone"])
def checkpoints(request: pytest.FixtureRequest, tiny: Path, tiny_run: Path) -> str:
    """Put a finished run into the current folder; return whether its checkpoints are there."""
    shutil.copytree(tiny_run, TINY.path)
    if request.param == "gone":
        shutil.rmtree(TINY.checkpoints)
    return str(request.param)


def test_the_languages_of_a_finished_run_can_be_corrected(
    nmt: Run, tiny_run: Path, checkpoints: str
) -> None:
    """Recipe and models have the new pair, weights and times are those of before."""
    times = {path: path.stat().st_mtime_ns for path in (TINY.model, TINY.best)}
    languages = ("--set", "data.source_language=nl", "--set", "data.target_language=fr")
    result = nmt("train", "runs/tiny", *languages)
    assert result.code == 0, result.err
    for path, before in times.items():
        assert f"{path}: languages en-de corrected to nl-fr" in result.err
        stored = read_model(path)
        data = stored.recipe.data
        assert (data.source_language, data.target_language) == ("nl", "fr")
        assert stored.updates == read_model(tiny_run / path.name).updates
        assert_same(path, tiny_run / path.name)
        assert path.stat().st_mtime_ns == before
    assert TINY.load_recipe().data.target_language == "fr"
    if checkpoints == "kept":
        assert nmt("average", "runs/tiny", "--output", "mean.safetensors").code == 0
        assert read_model(Path("mean.safetensors")).recipe.data.target_language == "fr"
    again = nmt("train", "runs/tiny")
    assert "corrected" not in again.err
    assert "is done at update 12" in again.err


@pytest.mark.usefixtures("checkpoints")
def test_a_target_language_with_another_bleu_is_refused(nmt: Run, tiny: Path) -> None:
    """The scores of the dev set could not be compared; the message's fix works."""
    before = TINY.recipe.read_bytes(), TINY.best.read_bytes()
    refused = nmt("train", "runs/tiny", "--set", "data.target_language=zh")
    assert refused.code == 1
    assert "data.target_language cannot change from de to zh" in refused.err
    assert before == (TINY.recipe.read_bytes(), TINY.best.read_bytes())
    new = ("--run", "new", "--init-from", "runs/tiny", "--set", "data.target_language=zh")
    assert nmt("train", tiny, *new).code == 0


def test_codes_of_languages_are_checked_before_a_training(nmt: Run, tiny: Path) -> None:
    refused = nmt("train", tiny, "--set", "data.target_language=Chinese")
    assert refused.code == 1
    assert "data.target_language is 'Chinese', which is no ISO 639 code" in refused.err
    assert not TINY.recipe.exists()
    assert nmt("train", tiny, "--max-updates", 4).code == 0
    assert nmt("train", "runs/tiny", "--set", "data.target_language=Dutch").code == 1
    assert TINY.load_recipe().data.target_language == "de"


def test_a_limit_below_the_progress_ends_the_run_where_it_is(nmt: Run, tiny: Path) -> None:
    assert nmt("train", tiny).code == 0
    again = nmt("train", "runs/tiny", "--max-updates", 4)
    assert again.code == 0
    assert "is done at update 12" in again.err
    assert TINY.load_recipe().train.max_updates == 12


def test_the_end_says_which_model_is_used_and_which_is_better(
    nmt: Run, tiny: Path, tiny_run: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from nmt.commands.train import print_outcome

    shutil.copytree(tiny_run, TINY.path)
    os.utime(TINY.model)
    recipe = TINY.load_recipe()
    print_outcome(TrainingOutcome(12, "BLEU", 20.5, 6, 20.4, None, 12), recipe, TINY)
    assert capfd.readouterr().err.splitlines() == [
        "model: runs/tiny/model.safetensors, dev BLEU 20.40; `nmt translate` uses it",
        "best: runs/tiny/best.safetensors, dev BLEU 20.50 at update 6; its dev score is better"
        " than that of the average, maybe by chance; to use it, give --model"
        " runs/tiny/best.safetensors",
    ]
    print_outcome(TrainingOutcome(12, "BLEU", 20.4, 6, 20.4, None, 12), recipe, TINY)
    assert "better" not in capfd.readouterr().err
    elsewhere = RunFolder(Path("mine"))
    shutil.copytree(tiny_run, elsewhere.path)
    print_outcome(TrainingOutcome(12, "BLEU", 20.4, 6, 20.4, None, 12), recipe, elsewhere)
    assert "`nmt translate --model mine` uses it" in capfd.readouterr().err
