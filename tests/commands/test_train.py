"""`nmt train` and `nmt prepare`: files, messages, resuming by recipe or folder, what is refused."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from nmt.recipe.files import load_recipe
from nmt.runs.history import read_metrics
from nmt.runs.model_file import read_model
from nmt.runs.run_folder import RunFolder
from nmt.training.files.progress import TrainingOutcome
from tests.commands.conftest import contents, paths_in
from tests.conftest import Run, write_tiny_corpus
from tests.training.conftest import assert_same, options

TINY = RunFolder(Path("runs/tiny"))


def test_train_writes_the_best_and_the_average_model(nmt: Run, tiny: Path) -> None:
    """A training that is done says what to raise, and writes nothing again."""
    data = paths_in(tiny.parent)
    first = nmt("train", tiny)
    assert (first.code, first.out) == (0, "")
    lines = first.err.splitlines()
    assert lines[:2] == [
        "learning 40 BPE tokens from 240 lines",
        "train.src + train.tgt: 120 pairs kept",
    ]
    assert sum(line.startswith("update ") and "dev loss" in line for line in lines) == 2
    assert lines[-4].startswith("average of 2 checkpoints: dev loss ")
    assert lines[-3].startswith("model: runs/tiny/model.safetensors, dev BLEU ")
    assert lines[-2].startswith("best: runs/tiny/best.safetensors, dev BLEU ")
    assert lines[-1] == "report: runs/tiny/report.html"
    checkpoints = [
        f"checkpoints/update-{update}.{ending}"
        for update in ("00000008", "00000012")
        for ending in ("json", "safetensors", "state.pt")
    ]
    prepared = [f"prepared/train-0.{ending}" for ending in ("ids", "lines", "offsets")]
    own = [".lock", "best.safetensors", "metrics.jsonl", "model.safetensors", "recipe.toml"]
    own += ["report.html", "run.json", "tokenizer.model", "prepared/manifest.json"]
    assert paths_in(TINY.path) == sorted([*own, *checkpoints, *prepared])
    assert [path for path in paths_in(tiny.parent) if not path.startswith("runs/")] == data
    before = TINY.model.read_bytes()
    again = nmt("train", tiny)
    done = "runs/tiny is done at update 12; train.max_updates={} asks for no more; raise it above"
    assert done.format(12) in again.err
    assert "learning" not in again.err
    assert done.format(5) in nmt("train", tiny, "--max-updates", 5).err
    assert TINY.model.read_bytes() == before


def test_a_model_contains_the_resolved_recipe(tiny_run: Path) -> None:
    """It has the permissions of other files."""
    content = read_model(tiny_run / "model.safetensors")
    assert content.recipe == load_recipe(str(tiny_run / "recipe.toml"))
    assert content.tokenizer == (tiny_run / "tokenizer.model").read_bytes()
    assert content.updates == (8, 12)
    assert len({path.stat().st_mode for path in tiny_run.glob("*.*")}) == 1


def test_a_training_that_patience_ended_says_what_to_raise(nmt: Run, tiny: Path) -> None:
    settings = ["train.patience=1", "train.learning_rate_scale=0", "train.validate_updates=2"]
    assert nmt("train", tiny, *options(*settings)).code == 0
    again = nmt("train", "runs/tiny", "--max-updates", 99)
    assert "runs/tiny is done at update 4; no better score on the dev set in 1 valid" in again.err
    assert "for example with --set train.patience=2\n" in again.err
    assert nmt("train", "runs/tiny", "--set", "train.patience=2").code == 0
    assert read_metrics(TINY.metrics)[-1]["update"] > 4


def test_the_source_vocabulary_can_be_larger_than_the_target_one(nmt: Run, tiny: Path) -> None:
    """The softmax has the width of the larger one; ids beyond the target's are never output."""
    for name in ("train.tgt", "dev.tgt"):
        text = Path(name).read_text()
        Path(name).write_text(re.sub("[A-Z]+", lambda word: word[0][0], text))  # 6 of 10 words
    settings = ["tokenizer.kind=word", "tokenizer.vocab_size=20", "tokenizer.joint=false"]
    words = options(*settings, "model.tied=none")
    assert "14 (source) and 10 (target) tokens" in nmt("prepare", tiny, *words).err
    trained = nmt("train", tiny, *words, "--max-updates", "1")
    assert trained.code == 0, trained.err
    for command, text in (("translate", "dev.src"), ("explain", "sun moon star")):
        done = nmt(command, text, "--beam-size", "13", "--set", "decode.max_extra_tokens=9")
        assert done.code == 0, done.err


def test_prepare_prints_the_sizes_and_train_uses_the_corpus(nmt: Run, tiny: Path) -> None:
    """--data-dir has precedence over the environment. Prepare takes a run, too."""
    Path("other").mkdir()
    for name in ("train.src", "train.tgt", "dev.src", "dev.tgt"):
        shutil.move(name, "other")
    assert nmt("prepare", tiny).code == 1
    last = nmt("prepare", tiny, "--data-dir", "other").err.splitlines()[-1]
    assert last.startswith("runs/tiny/prepared: 120 pairs, ")
    assert last.endswith(" tokens, a vocabulary of 40 tokens")
    os.environ["NMT_DATA_DIR"] = "other"  # the fixture `tiny` restores it
    assert nmt("prepare", tiny).err == last + "\n"
    shutil.rmtree(TINY.prepared)
    assert "120 pairs" in nmt("prepare", "runs/tiny").err.splitlines()[-1]
    assert "learning" not in nmt("train", tiny, "--max-updates", 1).err


def test_a_run_is_resumed_with_its_settings_and_its_data(
    nmt: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No setting and no data folder is named again; the result is that of one long training.

    What lies beside the files of a run is kept, and a run is resumed from within its folder.
    """
    (tmp_path / "corpora").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    recipe = write_tiny_corpus(tmp_path / "corpora")
    given = [recipe, "--data-dir", "../corpora", "--set", "model.d_ff=48", "--seed", 3]
    assert nmt("train", *given, "--max-updates", 8).code == 0
    own = [TINY.path / name for name in ("notes.md", "out.de.partial", ".hidden")]
    for path in own:
        path.write_text("mine")
    TINY.report.write_text("old page\n")
    with monkeypatch.context() as patch:
        patch.chdir(TINY.path)
        result = nmt("train", ".", "--max-updates", 12)
    assert result.code == 0, result.err
    assert "resumed at update 8 of 12" in result.err
    assert {path.read_text() for path in own} == {"mine"}
    assert "old page" not in TINY.report.read_text()
    assert nmt("train", *given, "--run", "runs/whole").code == 0
    assert_same(TINY.model, Path("runs/whole/model.safetensors"))
    assert "runs/tiny is done at update 12" in nmt("train", recipe, *given[3:]).err
    assert json.loads(TINY.memory.read_text()) == {"data_dir": str(recipe.parent)}
    assert b"corpora" not in TINY.model.read_bytes()


def test_a_recipe_wins_over_a_folder_of_its_name(nmt: Run, tiny: Path, tiny_run: Path) -> None:
    shutil.copytree(tiny_run, "pocket")
    assert "recipe pocket" in nmt("train", "pocket", "--set", "data.dev=[]").err
    assert "pocket is done at update 12" in nmt("train", "./pocket").err


def test_a_recipe_by_hand_and_another_language_are_refused(
    nmt: Run, tiny: Path, tiny_run: Path
) -> None:
    """A refused command leaves every recipe and every folder as it was."""
    Path("mine").mkdir()
    Path("mine/recipe.toml").write_text(f"# by hand\n{tiny.read_text()}")
    shutil.copytree(tiny_run, "run")
    before = contents()
    language = ("--set", "data.target_language=zh")
    for arguments, code, fact in (
        (("mine/recipe.toml", "--run", "mine"), 2, "recipe.toml"),
        (("run", *language), 1, "cannot change from de to zh"),
    ):
        result = nmt("train", *arguments)
        assert (result.code, result.out, result.err.count("\n")) == (code, "", 1), arguments
        assert fact in result.err, result.err
    assert contents() == before
    new = ("--run", "new", "--init-from", "run", *language)
    assert nmt("train", tiny, *new, "--max-updates", 1).code == 0  # as the message says


def test_the_languages_of_a_finished_run_can_be_corrected(
    nmt: Run, tiny: Path, tiny_run: Path
) -> None:
    """Recipe and models have the new pair, weights and times are those of before."""
    shutil.copytree(tiny_run, TINY.path)
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
    assert nmt("average", "runs/tiny", "--output", "mean.safetensors").code == 0
    assert read_model(Path("mean.safetensors")).recipe.data.target_language == "fr"
    assert "corrected" not in nmt("train", "runs/tiny").err


def test_the_end_says_which_model_is_used_and_which_is_better(
    tiny: Path, tiny_run: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from nmt.commands.train import print_outcome

    shutil.copytree(tiny_run, TINY.path)
    os.utime(TINY.model)
    recipe = TINY.load_recipe()
    print_outcome(TrainingOutcome(12, "BLEU", 20.5, 6, 20.4, None, 12), recipe, TINY)
    assert capfd.readouterr().err.splitlines() == [
        "model: runs/tiny/model.safetensors, dev BLEU 20.40; `nmt translate` uses it",
        "best: runs/tiny/best.safetensors, dev BLEU 20.50 at update 6; its dev score is better"
        " than that of the final model, maybe by chance; to use it, give --model"
        " runs/tiny/best.safetensors",
    ]
    print_outcome(TrainingOutcome(12, "BLEU", 14.0, 9, 5.7, None, 12), recipe, TINY)
    assert (
        "of the average, which includes early checkpoints; train longer" in capfd.readouterr().err
    )
    print_outcome(TrainingOutcome(12, "BLEU", 14.0, 6, 5.7, None, 12), recipe, TINY)
    assert "maybe by chance" in capfd.readouterr().err
    print_outcome(TrainingOutcome(12, "BLEU", 20.4, 6, 20.4, None, 12), recipe, TINY)
    assert "better" not in capfd.readouterr().err
