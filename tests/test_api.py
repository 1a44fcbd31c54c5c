"""The Python interface: what `import nmt` offers."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

import nmt
from tests.conftest import Run


@pytest.fixture(name="run_nmt")
def _run_nmt(nmt: Run) -> Run:
    """Return the fixture that runs a command, under a name that does not hide the package."""
    return nmt


def test_importing_nmt_imports_no_heavy_package() -> None:
    """Reading a recipe needs no PyTorch either."""
    code = (
        "import sys, nmt; nmt.read_recipe('pocket'); nmt.NmtError;"
        "sys.exit(bool({'torch', 'numpy', 'sacrebleu'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_exists_and_is_documented() -> None:
    assert set(dir(nmt)) == set(nmt.__all__)
    for name in set(nmt.__all__) - {"__version__"}:
        assert getattr(nmt, name).__doc__, name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'translat'"):
        _ = nmt.translat


def test_translating_gives_what_the_command_gives(
    tiny_run: Path, tmp_path: Path, run_nmt: Run
) -> None:
    segments = ["sun moon", "", "star rain seed"]
    (tmp_path / "in").write_text("".join(f"{each}\n" for each in segments))
    ended = run_nmt("translate", tmp_path / "in", "--model", tiny_run)
    found = nmt.load(tiny_run).translate(segments)
    assert [each.text for each in found] == ended.out.splitlines()


def test_n_best_has_scores_in_order(tiny_run: Path) -> None:
    model = nmt.load(tiny_run)
    (translation,) = model.translate(["sun moon"], n_best=2)
    first, second = translation.candidates
    assert translation.text == first.text
    assert first.score >= second.score
    assert first.log_prob < 0
    (greedy,) = model.translate(["sun moon"], settings={"beam_size": 1})
    assert len(greedy.candidates) == 1


def test_several_models_are_an_ensemble(tiny_run: Path) -> None:
    files = [tiny_run / "model.safetensors", tiny_run / "best.safetensors"]
    model = nmt.load(files)
    assert model.paths == tuple(files)
    assert model.translate(["sun"])[0].text is not None


def test_mistakes_are_named(tiny_run: Path) -> None:
    model = nmt.load(tiny_run)
    with pytest.raises(TypeError, match="list of segments"):
        model.translate("sun moon")
    with pytest.raises(nmt.UsageError, match=r"decode\.beam_sise"):
        model.translate(["sun"], settings={"beam_sise": 2})
    with pytest.raises(nmt.NmtError, match="missing"):
        nmt.load("missing")
    with pytest.raises(TypeError, match="must be a str"):
        model.translate([3])  # type: ignore[list-item] # the mistake that is tested
    with pytest.raises(nmt.UsageError, match="beam size"):
        model.translate(["sun"], n_best=99)
    with pytest.raises(nmt.UsageError, match="references"):
        nmt.evaluate(model, "source")


def test_a_recipe_built_in_python_is_checked(tiny: Path) -> None:
    """It is refused before anything is written."""
    recipe = nmt.read_recipe(tiny)
    wrong = replace(recipe, train=replace(recipe.train, max_updates=-1))
    with pytest.raises(nmt.UsageError, match=r"train\.max_updates is -1"):
        nmt.train(wrong, run="here", data_dir=tiny.parent)
    with pytest.raises(nmt.UsageError, match=r"train\.max_updates is -1"):
        nmt.write_recipe(wrong, "wrong.toml")
    assert not Path("here").exists()
    assert not Path("wrong.toml").exists()


def test_training_outside_the_main_thread(tiny: Path) -> None:
    """Signals are not handled there, and nothing else differs."""
    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(nmt.train, tiny, run="here", data_dir=tiny.parent).result()
    assert outcome.averaged_score is not None


def test_a_recipe_is_trained_and_evaluated(tiny: Path) -> None:
    recipe = nmt.read_recipe(tiny, {"train.max_updates": 4})
    nmt.write_recipe(recipe, "mine.toml")
    assert nmt.read_recipe("mine.toml") == recipe
    ends: list[nmt.TrainingOutcome] = []
    outcome = nmt.train(recipe, run="here", data_dir=tiny.parent, on_end=ends.append)
    assert ends == [outcome]
    assert outcome.updates == 4
    assert Path("here/report.html").is_file()
    result = nmt.evaluate(nmt.load("here"), data_dir=tiny.parent)
    one_file = nmt.evaluate(nmt.load("here"), tiny.parent / "dev.src", tiny.parent / "dev.tgt")
    assert one_file.test_sets[0].segments
    score = result.test_sets[0].systems[0].scores[0]
    assert score.name == "BLEU"
    assert score.signature
