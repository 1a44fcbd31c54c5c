"""`nmt check --advise`: settings with reasons and the time, and the recipe that they make."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmt.corpora import trial
from nmt.corpora.report import Forecast
from nmt.errors import NmtError
from nmt.recipe.files import load_recipe, write_recipe
from nmt.recipe.settings import get_setting, with_settings
from tests.conftest import Run
from tests.corpora.corpora import corpus, write

pytestmark = pytest.mark.usefixtures("forecast")
PAIRS = corpus(400)
MEASURED = Forecast(
    seconds=5400.0,
    seconds_per_update=0.5,
    measured_updates=40,
    updates=10_000,
    seconds_per_validation=20.0,
    validations=20,
    processor_share=1.0,
    precision="bf16",
    device="CPU, 2 threads",
)


class Trials:
    """Stand in for trials: record the recipes, return a forecast or raise an error."""

    def __init__(self) -> None:
        self.recipes: list[Any] = []
        self.result: Forecast | NmtError = MEASURED

    def __call__(self, recipe: Any, text: Any, device: Any) -> Forecast:
        assert text.pairs
        assert text.dev
        self.recipes.append(recipe)
        if isinstance(self.result, NmtError):
            raise self.result
        return self.result


@pytest.fixture
def forecast(monkeypatch: pytest.MonkeyPatch) -> Trials:
    trials = Trials()
    monkeypatch.setattr(trial, "forecast", trials)
    return trials


def check(nmt: Run, *arguments: object, code: int = 0) -> dict[str, Any]:
    result = nmt("check", *arguments, "--json", "--limit", "language_sample=0")
    assert result.code == code, result.err
    report: dict[str, Any] = json.loads(result.out)
    return report


def test_advice_has_settings_reasons_and_the_time(
    nmt: Run, tmp_path: Path, forecast: Trials
) -> None:
    advice = check(nmt, *write(tmp_path, PAIRS), "--advise")["advice"]
    topics = {each["topic"]: each for each in advice["advised"]}
    assert [*topics] == ["vocabulary", "model", "dropout", "batch", "warm-up", "updates", "time"]
    assert all(each["advice"] and each["reason"] for each in advice["advised"])
    assert advice["pairs"] == 400
    assert topics["dropout"]["settings"] == {"model.dropout": 0.3}
    assert "400 pairs" in topics["model"]["reason"]
    assert topics["time"]["advice"] == "at most about 1.5 hours"
    assert "10,000 updates of 0.5 s" in topics["time"]["reason"]
    assert advice["forecast"]["seconds"] == 5400
    assert advice["differences"] == []
    assert "400 pairs are too few to learn to translate" in advice["notes"][0]
    (tried,) = forecast.recipes  # with these settings
    for each in advice["advised"]:
        for name, value in each["settings"].items():
            assert get_setting(tried, name) == value
    assert (tried.data.source_language, tried.data.target_language) == ("en", "de")


def test_the_table_and_the_page_show_it(nmt: Run, tmp_path: Path) -> None:
    files = write(tmp_path, PAIRS)
    options = ["--limit", "language_sample=0"]
    result = nmt("check", *files, *options)
    assert result.out.splitlines()[-1].startswith("--advise suggests settings")
    assert "advice:" not in result.out
    result = nmt("check", *files, *options, "--advise", "--html", "page.html")
    assert "time        at most about 1.5 hours" in result.out
    assert "--advise" not in result.out
    page = Path("page.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert found
    assert len(json.loads(found[1])["advice"]["advised"]) == 7


def test_a_busy_machine_is_told(nmt: Run, tmp_path: Path, forecast: Trials) -> None:
    forecast.result = replace(MEASURED, processor_share=0.5)
    advised = check(nmt, *write(tmp_path, PAIRS), "--advise")["advice"]["advised"]
    assert "other programs took 50 % of the processor" in advised[-1]["reason"]
    assert "about 45 minutes" in advised[-1]["reason"]


def test_a_trial_that_fails_is_no_error(nmt: Run, tmp_path: Path, forecast: Trials) -> None:
    forecast.result = NmtError("too little memory for a batch")
    advice = check(nmt, *write(tmp_path, PAIRS), "--advise")["advice"]
    assert advice["forecast"] is None
    assert advice["advised"][-1]["advice"] == "not measured"
    assert advice["advised"][-1]["reason"] == "too little memory for a batch"


def test_too_small_a_text_has_no_advice(nmt: Run, tmp_path: Path) -> None:
    report = check(nmt, *write(tmp_path, PAIRS[:2]), "--advise")
    assert report["advice"] is None
    assert [each["what"] for each in report["skipped"]][-1] == "advice"
    assert "too few" in report["skipped"][-1]["why"]


def test_the_recipe_is_that_of_init_with_the_time(nmt: Run, tmp_path: Path) -> None:
    files = write(tmp_path, PAIRS)
    result = nmt("check", *files, "--write-recipe", "mine.toml", "--limit", "language_sample=0")
    assert result.code == 0, result.err
    assert "nmt train mine.toml" in result.err
    written = Path("mine.toml").read_text(encoding="utf-8")
    sets = {path.name: path.read_text() for path in Path("data/mine").iterdir()}
    assert len(sets) == 7  # with their origin
    Path("mine.toml").unlink()
    for path in Path("data/mine").iterdir():
        path.unlink()
    assert nmt("init", *files).code == 0
    of_init = Path("mine.toml").read_text(encoding="utf-8")
    assert "# Training takes at most about 1.5 hours on" in written
    assert [line for line in written.splitlines() if line in of_init.splitlines()] == (
        of_init.splitlines()
    )
    assert {path.name: path.read_text() for path in Path("data/mine").iterdir()} == sets
    assert max(map(len, written.splitlines())) <= 100


def test_given_sets_are_those_of_the_recipe_and_left_out_of_the_facts(
    nmt: Run, tmp_path: Path
) -> None:
    files, dev = write(tmp_path, PAIRS), write(tmp_path, PAIRS[:30], "dev")
    options = ["--dev", *dev, "--write-recipe", "mine.toml"]
    assert check(nmt, *files, *options, code=1)["advice"]["pairs"] == 370  # they overlap
    assert load_recipe("mine.toml").data.dev[0].source == str(dev[0])
    assert len(Path("data/mine/train.en").read_text().splitlines()) < 370  # less the test set


@contextmanager
def piped(content: bytes) -> Iterator[None]:
    """Make stdin a pipe that gives some content once."""
    before = os.dup(0)
    reading, writing = os.pipe()
    os.write(writing, content)
    os.close(writing)
    os.dup2(reading, 0)
    os.close(reading)
    yield
    os.dup2(before, 0)
    os.close(before)


def test_a_recipe_is_compared_with_the_advice(nmt: Run, tmp_path: Path, forecast: Trials) -> None:
    assert nmt("init", *write(tmp_path, PAIRS)).code == 0
    own = check(nmt, "mine.toml", "--advise")["advice"]
    assert own["differences"] == []  # although some pairs are held out by now
    recipe = with_settings(load_recipe("mine.toml"), {"model.dropout": 0.1, "train.seed": 5})
    write_recipe(recipe, Path("theirs.toml"))
    report = check(nmt, "theirs.toml", "--advise")
    found = {each["name"]: each for each in report["advice"]["differences"]}
    assert found["model.dropout"] == {"name": "model.dropout", "recipe": 0.1, "advice": 0.3}
    assert "train.seed" not in found
    assert forecast.recipes[-1].data == recipe.data
    result = nmt("check", "theirs.toml", "--advise", "--limit", "language_sample=0")
    assert "differs: the recipe has model.dropout=0.1, not 0.3" in result.out
    with piped(Path("theirs.toml").read_bytes()):
        again = check(nmt, "-", "--advise")["advice"]
    assert again["differences"] == report["advice"]["differences"]


def test_a_corpus_with_errors_gets_no_recipe(nmt: Run, tmp_path: Path) -> None:
    source, target = write(tmp_path, PAIRS)
    target.write_text("".join(target.read_text().splitlines(keepends=True)[:-1]))
    options = ["--write-recipe", "mine.toml", "--limit", "language_sample=0"]
    result = nmt("check", source, target, *options)
    assert result.code == 1
    assert "mine.toml is not written, because the corpus has errors" in result.err
    assert "; correct the files as the report says, and repeat the command" in result.err
    assert "advice:" not in result.out
    assert not Path("mine.toml").exists()
    assert not Path("data").exists()


def test_lines_that_can_be_removed_get_the_command(nmt: Run, tmp_path: Path) -> None:
    source, target = write(tmp_path, PAIRS)
    source.write_bytes(source.read_bytes().replace(b"\n", b"\xff\n", 1))
    (source.parent / "clean.rejected.tsv").write_text("mine")
    options = ["--write-recipe", "mine.toml", "--limit", "language_sample=0"]
    result = nmt("check", source, target, *options)
    assert f"leave these lines out: `nmt clean {source} {target} -o clean" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pocket", "--write-recipe", "x.toml"], "pocket is a recipe already"),
        (["c.en", "c.de", "--write-recipe", "x.txt"], "--write-recipe x.txt must end in .toml"),
        (["c.en", "c.de", "--write-recipe", "c.toml"], "name another recipe with --write-recipe"),
        (["c.x1", "c.x2", "--write-recipe", "x.toml"], "codes of two languages"),
        (["c.en", "c.de", "--write-recipe", "x.toml", "--html", "x.toml"], "are the same file"),
    ],
    ids=["recipe", "ending", "exists", "languages", "page"],
)
def test_what_cannot_be_written_is_refused_at_once(
    nmt: Run, arguments: list[str], message: str
) -> None:
    for path in write(Path(), PAIRS[:5]):
        path.with_suffix(".x1" if path.suffix == ".en" else ".x2").write_bytes(path.read_bytes())
    Path("c.toml").write_text("")
    result = nmt("check", *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
