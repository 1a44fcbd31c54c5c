"""The Python interface: what `import nmt` offers."""

import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from typing import Any, cast

import pytest

import nmt
from nmt.training.updates import Updater
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


def test_tokens_have_scores(tiny_run: Path) -> None:
    (translation,) = nmt.load(tiny_run).translate(["sun moon"], n_best=2, token_scores=True)
    for candidate in translation.candidates:
        assert len(candidate.tokens) == candidate.length
        total = sum(token.log_prob for token in candidate.tokens)
        assert total == pytest.approx(candidate.log_prob, abs=1e-4)


def test_scores_are_those_of_the_translations(tiny_run: Path) -> None:
    model = nmt.load(tiny_run)
    segments = ["sun moon", "", "star"]
    candidates = [each.candidates[0] for each in model.translate(segments, token_scores=True)]
    found = model.score(segments, [each.text for each in candidates], token_scores=True)
    assert (found[1].log_prob, found[1].mean_log_prob, found[1].tokens) == (0, 0, ())
    for score, candidate in zip(found, candidates, strict=True):
        assert score.log_prob == pytest.approx(sum(token.log_prob for token in score.tokens))
        if [*map(itemgetter(0), score.tokens)] == [*map(itemgetter(0), candidate.tokens)]:
            assert score.log_prob == pytest.approx(candidate.log_prob, abs=1e-4)
            assert score.score == pytest.approx(candidate.score, abs=1e-4)
    with pytest.raises(nmt.UsageError, match="there are 3 sources and 1 targets"):
        model.score(segments, ["SUN"])
    with pytest.raises(TypeError, match="score takes a list"):
        model.score("sun", ["SUN"])


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
    with pytest.raises(nmt.UsageError, match="a setting twice"):
        model.translate(["sun"], settings={"beam_size": 1, "decode.beam_size": 2})
    for settings in ({"temperature": 0.5}, {"candidates": 5}, {"method": "sample", "beam_size": 2}):
        with pytest.raises(nmt.UsageError, match=r"for samples|Bayes risk|no beam"):
            model.translate(["sun"], settings=settings)
    with pytest.raises(nmt.UsageError, match=r"decode\.beam_size has no effect"):
        model.score(["sun"], ["SUN"], settings={"beam_size": 2})
    with pytest.raises(nmt.UsageError, match="model is an empty list"):
        nmt.load([])
    with pytest.raises(nmt.NmtError, match="missing"):
        nmt.load("missing")
    with pytest.raises(nmt.UsageError, match="is an empty path"):
        nmt.load("")
    with pytest.raises(nmt.UsageError, match=r"^columns is for tables"):
        model.translate_file("page.html", "new.html", columns=["a"])
    with pytest.raises(TypeError, match="must be a str"):
        model.translate([3])  # type: ignore[list-item] # the mistake that is tested
    with pytest.raises(nmt.UsageError, match="beam size"):
        model.translate(["sun"], n_best=99)
    with pytest.raises(nmt.UsageError, match="references"):
        nmt.evaluate(model, "source")


def test_no_settings_are_none_or_empty(tiny_run: Path) -> None:
    model = nmt.load(tiny_run)
    expected = [each.text for each in model.translate(["sun moon"])]
    given: tuple[dict[str, int] | None, ...] = (None, {})
    for settings in given:
        found = model.translate(["sun moon"], settings=settings)
        assert [each.text for each in found] == expected
        assert model.decode_settings(settings) == model.recipe.decode
        assert nmt.read_recipe("pocket", settings) == nmt.read_recipe("pocket")


def test_a_wrong_type_is_one_sentence_that_names_the_argument(tiny_run: Path) -> None:
    model = nmt.load(tiny_run)
    anything: Any = nmt  # mypy would find these mistakes
    for call, name in (
        (lambda: anything.load(3), "model"),
        (lambda: anything.load([3]), "model"),
        (lambda: anything.load(tiny_run, device=3), "device"),
        (lambda: anything.train(None), "recipe"),
        (lambda: anything.train("pocket", run=3), "run"),
        (lambda: anything.train("pocket", data_dir=3), "data_dir"),
        (lambda: anything.train("pocket", device=None), "device"),
        (lambda: anything.train("pocket", on_end=3), "on_end"),
        (lambda: anything.load(tiny_run, notify=None), "notify"),
        (lambda: anything.evaluate("runs/pocket"), "model"),
        (lambda: anything.evaluate(model, 3, 4), "references"),
        (lambda: anything.evaluate(model, 3, ["a"]), "source"),
        (lambda: anything.evaluate(model, settings=3), "settings"),
        (lambda: model.translate(["sun"], n_best=cast("int", "2")), "n_best"),
        (lambda: model.translate(cast("list[str]", None)), "list of segments"),
        (lambda: model.translate(["sun"], settings=cast("dict[str, int]", [1])), "settings"),
        (lambda: model.translate(["sun"], token_scores=cast("bool", 2)), "token_scores"),
        (lambda: model.translate(["sun"], alignments=cast("bool", "out")), "alignments"),
        (lambda: model.translate(["sun"], prefixes="SUN"), "list of prefixes"),
        (lambda: model.translate(["sun"], prefixes=cast("list[str]", [3])), "each of prefixes"),
        (lambda: model.translate(["sun"], glossary=cast("str", 3)), "glossary"),
        (lambda: anything.load(tiny_run).translate(["sun"], glossary={3: "SUN"}), "glossary"),
        (lambda: anything.load(tiny_run).translate(["sun"], glossary={"sun": None}), "'sun'"),
        (lambda: anything.load(tiny_run).translate(["sun"], glossary={"sun": [3]}), "'sun'"),
        (lambda: model.score(["sun"], ["SUN"], pieces=cast("bool", 1)), "pieces"),
    ):
        with pytest.raises(TypeError, match=name) as error:
            call()
        assert str(error.value).count("\n") == 0
        assert "--" not in str(error.value)
    assert not Path("runs").exists()


def test_a_run_is_resumed_and_evaluated_by_its_folder(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run remembers its recipe and its data folder."""
    assert nmt.train(nmt.read_recipe(tiny, {"train.max_updates": 4}), data_dir=tiny.parent)
    Path("elsewhere").mkdir()
    run = Path("runs/tiny").resolve()
    monkeypatch.chdir("elsewhere")
    assert nmt.train(run).updates == 4
    assert nmt.evaluate(nmt.load(run)).test_sets[0].name == "tiny"
    with pytest.raises(nmt.UsageError, match="is a run folder but another is given"):
        nmt.train(run, run="other")


def test_messages_do_not_name_flags_alone(tiny: Path, tmp_path: Path) -> None:
    """Arguments are named where the command line names options; commands stay as they are."""
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/letter").touch()
    with pytest.raises(nmt.NmtError, match=r"under runs/.*\(model\)"):
        nmt.load()
    with pytest.raises(nmt.NmtError, match=r"none does not exist; name another with model$"):
        nmt.load(tmp_path / "none")
    with pytest.raises(nmt.UsageError, match="is not a run folder but holds letter"):
        nmt.train(tiny, run=tmp_path / "foreign")
    with pytest.raises(nmt.UsageError, match=r"the run folder .* \(run\) is a file"):
        nmt.train(tiny, run=tiny)
    with pytest.raises(nmt.UsageError, match=r"the run folder 'x.* \(run\) cannot be made"):
        nmt.train(tiny, run="x" * 300)


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


def test_an_interrupt_ends_a_loop_of_trainings(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The training saves a checkpoint first."""
    ends: list[nmt.TrainingOutcome] = []
    start, sent = Updater.start, list[bool]()

    def interrupted(self: Updater, *given: Any) -> Any:
        if not sent:
            sent.append(True)
            signal.raise_signal(signal.SIGINT)
        return start(self, *given)

    monkeypatch.setattr(Updater, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        nmt.train(tiny, run="one", data_dir=tiny.parent, on_end=ends.append)
    (outcome,) = ends
    assert (outcome.stopped_by, outcome.checkpoint) == (signal.SIGINT, outcome.updates)


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


def test_a_file_is_translated_as_by_the_command(
    run_nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    page, output = tmp_path / "page.html", tmp_path / "new.html"
    page.write_text("<html><p>sun <b>moon</b></p><p>12</p></html>")
    found = nmt.load(skilled_run).translate_file(page, output)
    assert [each.segment.source.text for each in found] == ["sun <b>moon</b>"]
    assert found[0].text.mark_texts() == ["<b>", "</b>"]
    assert run_nmt("translate", page, "--model", skilled_run).out == output.read_text()
    with pytest.raises(TypeError, match="translate_file takes a list of columns"):
        nmt.load(skilled_run).translate_file(page, output, columns="text")
    with pytest.raises(nmt.UsageError, match="has no known format"):
        nmt.load(skilled_run).translate_file(tmp_path / "page.none", output)
    with pytest.raises(nmt.UsageError, match=r"save it as \.csv"):
        nmt.load(skilled_run).translate_file(tmp_path / "page.xlsx", output)
    with pytest.raises(nmt.UsageError, match="is an input"):
        nmt.load(skilled_run).translate_file(page, page)
