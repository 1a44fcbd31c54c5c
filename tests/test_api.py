"""The Python interface: what `import nmt` offers, and that it gives what the commands give."""

import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import nmt
from nmt.decoding.files.output_formats import json_line
from nmt.decoding.files.score import json_line as score_line
from nmt.training.updates import Updater
from tests.commands.conftest import write
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


def test_mistakes_are_named(tiny_run: Path) -> None:
    model = nmt.load(tiny_run)
    given: dict[str, dict[str, Any]] = {
        r"decode\.beam_sise": {"beam_sise": 2},
        "a setting twice": {"beam_size": 1, "decode.beam_size": 2},
    }
    for message, settings in given.items():
        with pytest.raises(nmt.UsageError, match=message):
            model.translate(["sun"], settings=settings)
    with pytest.raises(nmt.UsageError, match=r"decode\.beam_size has no effect"):
        model.score(["sun"], ["SUN"], settings={"beam_size": 2})
    with pytest.raises(nmt.UsageError, match="model is an empty list"):
        nmt.load([])
    with pytest.raises(nmt.UsageError, match="is an empty path"):
        nmt.load("")
    with pytest.raises(nmt.UsageError, match=r"^columns is for tables"):
        model.translate_file("page.html", "new.html", columns=["a"])
    with pytest.raises(nmt.UsageError, match="references"):
        nmt.evaluate(model, "source")


def test_a_wrong_type_is_one_sentence_that_names_the_argument(tiny_run: Path) -> None:
    anything: Any = nmt  # mypy would find these mistakes
    model = anything.load(tiny_run)
    call: Callable[[], object]
    for call, name in (
        (lambda: anything.load([3]), "model"),
        (lambda: anything.load(tiny_run, device=3), "device"),
        (lambda: anything.train(None), "recipe"),
        (lambda: anything.train("pocket", run=3), "run"),
        (lambda: anything.train("pocket", on_end=3), "on_end"),
        (lambda: anything.load(tiny_run, notify=None), "notify"),
        (lambda: anything.evaluate("runs/pocket"), "model"),
        (lambda: anything.evaluate(model, 3, ["a"]), "source"),
        (lambda: model.translate("sun moon"), "list of segments"),
        (lambda: model.translate(None), "list of segments"),
        (lambda: model.translate([3]), "must be a str"),
        (lambda: model.translate(["sun"], n_best="2"), "n_best"),
        (lambda: model.translate(["sun"], settings=[1]), "settings"),
        (lambda: model.translate(["sun"], token_scores=2), "token_scores"),
        (lambda: model.translate(["sun"], prefixes=[3]), "each of prefixes"),
        (lambda: model.translate(["sun"], glossary=3), "glossary"),
        (lambda: model.translate(["sun"], glossary={"sun": [3]}), "'sun'"),
        (lambda: model.score("sun", ["SUN"]), "score takes a list"),
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
    notes: list[str] = []
    nmt.load(notify=notes.append)
    assert notes[0].endswith("; model names another")
    with pytest.raises(nmt.NmtError, match=r"none does not exist; name another with model$"):
        nmt.load(tmp_path / "none")
    with pytest.raises(nmt.UsageError, match="is not a run folder but holds letter"):
        nmt.train(tiny, run=tmp_path / "foreign")
    with pytest.raises(nmt.UsageError, match=r"the run folder .* \(run\) is a file"):
        nmt.train(tiny, run=tiny)
    wrong = replace(nmt.read_recipe(tiny), model=replace(nmt.read_recipe(tiny).model, heads=0))
    with pytest.raises(nmt.UsageError, match=r"model\.heads is 0"):
        nmt.train(wrong, run="here", data_dir=tiny.parent)
    with pytest.raises(nmt.UsageError, match=r"model\.heads is 0"):
        nmt.write_recipe(wrong, "wrong.toml")
    assert not Path("here").exists()
    with pytest.raises(nmt.UsageError, match=r"the run folder 'x.* \(run\) cannot be made"):
        nmt.train(tiny, run="x" * 300)


def test_an_interrupt_ends_a_loop_of_trainings(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The training saves a checkpoint first; outside the main thread, no signal is handled."""
    ends: list[nmt.TrainingOutcome] = []
    start, sent = Updater.start, list[bool]()

    def interrupted(self: Updater, *given: Any) -> Any:
        if not sent:
            sent.append(True)
            signal.raise_signal(signal.SIGINT)
        return start(self, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Updater, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            nmt.train(tiny, run="one", data_dir=tiny.parent, on_end=ends.append)
    (outcome,) = ends
    assert (outcome.stopped_by, outcome.checkpoint) == (signal.SIGINT, outcome.updates)
    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(nmt.train, tiny, run="one", data_dir=tiny.parent).result()
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


SEGMENTS = ["sun moon", "", "star rain snow seed", "Sun"]


PREFIXES = [" TREE", "", "SNOW ", ""]


TERMS = {"moon": ["TREE LEAF", "WIND ROOT"], " rain  snow": "MOON"}


GLOSSARY = ["# the same terms", "moon\tTREE LEAF|WIND ROOT", "rain snow\tMOON"]


@pytest.mark.parametrize(
    ("models", "asked", "flags"),
    [
        (1, {}, []),
        (1, {"glossary": TERMS}, ["--glossary", "terms"]),
        (2, {"prefixes": PREFIXES}, ["--prefix", "prefixes"]),
        (1, {"settings": {"method": "sample", "mbr": "chrf"}}, ["--sample", "--mbr", "chrf"]),
        (
            2,
            {"glossary": "terms", "prefixes": PREFIXES, "n_best": 3, "token_scores": True},
            ["--glossary", "terms", "--prefix", "prefixes", "--n-best", 3, "--token-scores"],
        ),
    ],
)
def test_what_is_asked_is_what_the_command_gives(
    skilled_run: Path, tiny: Path, run_nmt: Run, models: int, asked: Any, flags: list[Any]
) -> None:
    """Texts, scores, tokens and alignments are the same, with one model and with two."""
    source = write(tiny.with_name("in"), *SEGMENTS)
    write(tiny.with_name("prefixes"), *PREFIXES)
    write(tiny.with_name("terms"), *GLOSSARY)
    files = [skilled_run / name for name in ("model.safetensors", "best.safetensors")[:models]]
    chosen = [each for model in files for each in ("--model", model)]
    flags = [*flags, "--output-format", "json", "--set", "decode.max_extra_tokens=20"]
    ended = run_nmt("translate", source, *chosen, *flags, "--alignments", "aligned")
    asked = {**asked, "settings": {"max_extra_tokens": 20, **asked.get("settings", {})}}
    model = nmt.load(files)
    assert model.paths == tuple(files)
    found = model.translate(SEGMENTS, **asked, alignments=True)
    format_of = partial(json_line, with_tokens=asked.get("token_scores", False))
    assert "".join(format_of(each, 1) for each in found) == ended.out
    links = [[f"{source}-{target}" for source, target in each.links] for each in found]
    assert links == [line.split() for line in Path("aligned").read_text().split("\n")[:-1]]
    assert any(links)


@pytest.mark.parametrize("pieces", [False, True])
def test_scoring_gives_what_the_command_gives(
    tiny_run: Path, tmp_path: Path, run_nmt: Run, *, pieces: bool
) -> None:
    """Targets are texts, or the tokens that the search found."""
    model = nmt.load(tiny_run)
    candidates = [each.candidates[0] for each in model.translate(SEGMENTS, token_scores=True)]
    targets = [
        " ".join(token.piece for token in each.tokens[:-1]) if pieces else each.text
        for each in candidates
    ]
    files = [write(tmp_path / "in", *SEGMENTS), write(tmp_path / "out", *targets)]
    flags = ["--tokens", *(["--pieces"] if pieces else [])]
    ended = run_nmt("score", *files, "--model", tiny_run, *flags)
    found = model.score(SEGMENTS, targets, token_scores=True, pieces=pieces)
    assert "".join(f"{score_line(each, with_tokens=True)}\n" for each in found) == ended.out
    assert (found[1].log_prob, found[1].mean_log_prob, found[1].tokens) == (0, 0, ())
    with pytest.raises(nmt.UsageError, match="there are 4 sources and 1 targets"):
        model.score(SEGMENTS, ["SUN"])


def test_the_next_call_does_not_keep_what_this_one_asks(skilled_run: Path) -> None:
    """A file of terms that has changed is read again."""
    model = nmt.load(skilled_run)
    before = model.translate(["moon"])
    assert model.translate(["moon"], glossary={}, prefixes=[""]) == before
    for target in ("SEED", "TREE"):
        write(Path("terms"), f"moon\t{target}")
        (found,) = model.translate(["moon"], glossary="terms", settings={"max_extra_tokens": 20})
        assert target in found.text.split()
    (aligned,) = model.translate(["moon"], alignments=True)
    assert (aligned.candidates, bool(aligned.links)) == (before[0].candidates, True)
    assert model.translate(iter(["moon"])) == before


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"glossary": {"moon": "M\u2603N"}},
            r"glossary\['moon'\]: the target term M\u2603N has ch",
        ),
        ({"glossary": {"moon": ["SUN", " "]}}, r"glossary\['moon'\]: a term is empty"),
        ({"glossary": {"": "SUN"}}, r"glossary\[''\]: a term is empty"),
        ({"glossary": {"a b": "SUN", "a  b": "RAIN"}}, r"\['a  b'\]: .* than in glossary\['a b'\]"),
        ({"glossary": {"moon": "S\ud83d"}}, r"glossary\['moon'\]: character 2 is half"),
        ({"glossary": "nowhere"}, "nowhere does not exist"),
        (
            {"glossary": {"moon": "SUN"}, "settings": {"method": "sample"}},
            r"\(glossary\), or do not sample \(method=sample in settings\)",
        ),
        ({"prefixes": ["SUN", "MOON"]}, "prefixes, but there are 1 segments and 2 pref"),
        ({"prefixes": ["S\ud83d"]}, "prefix 1: character 2 is half"),
        ({"prefixes": ["\u2603"]}, "line 1: the prefix has characters that are not in the vocab"),
        ({"prefixes": ["SUN " * 20]}, "line 1: the prefix has .* tokens"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    tiny_run: Path, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(nmt.NmtError, match=message) as error:
        nmt.load(tiny_run).translate(["sun"], **asked)
    assert str(error.value).count("\n") == 0


def test_a_prefix_is_one_line(skilled_run: Path) -> None:
    """Line separators in it are spaces, as in a segment."""
    model = nmt.load(skilled_run)
    one, other = (
        model.translate(["sun moon star"], prefixes=[f"TREE{each}SUN"]) for each in " \u2028"
    )
    assert one == other
    assert one[0].text.startswith("TREE SUN")
