"""`nmt check`: what is wrong with a corpus, and with --advise settings for it and the time."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmt.corpora import advice
from nmt.corpora.faults.report import Forecast
from nmt.errors import NmtError
from nmt.recipe.files import load_recipe, write_recipe
from nmt.recipe.settings import get_setting, with_settings
from tests.commands.conftest import json_of, paths_in
from tests.commands.test_report import read_data
from tests.conftest import Run
from tests.corpora.corpora import Pairs, corpus, write

CLEAN = corpus(400)
QUICK = ["--limit", "language_sample=0"]


def check(nmt: Run, *arguments: object, code: int = 0) -> dict[str, Any]:
    report: dict[str, Any] = json_of(nmt, "check", *arguments, *QUICK, code=code)
    return report


def findings(report: dict[str, Any], text: int = 0) -> dict[str, dict[str, Any]]:
    return {finding["kind"]: finding for finding in report["texts"][text]["findings"]}


def with_faults(pairs: Pairs) -> Pairs:
    damaged = [*pairs]
    damaged[10] = ("", pairs[10][1])
    damaged[20] = (pairs[20][0], pairs[20][0])
    damaged[30] = (pairs[30][0], f"{pairs[30][1][:-9]}\u200bschÃ¶n\x07")
    damaged[40] = damaged[5]
    return damaged


def test_faults_have_counts_lines_and_fixes(nmt: Run, tmp_path: Path) -> None:
    """In the report, on a terminal and in a page, whose text has no markup of the corpus."""
    pairs = with_faults(CLEAN)
    pairs[20] = ("</script><b>bold</b> \u202e", "</script><b>bold</b> \u202e")
    files = write(tmp_path, pairs)
    report = check(nmt, *files, "--html", "page.html")
    assert (report["recipe"], report["corpus_check"]) == ("", 1)
    (text,) = report["texts"]
    assert (text["pairs"], text["lines"], sum(text["histogram"]["source"])) == (400, [400] * 2, 400)
    found = findings(report)
    lines = {kind: [example["line"] for example in f["examples"]] for kind, f in found.items()}
    expected = {"empty": [11], "copied": [21], "invisible": [21, 31], "mojibake": [31]}
    expected |= {"control": [31], "duplicates": [41]}
    assert expected.items() <= lines.items()
    counts = {(finding["count"], finding["of"]) for finding in found.values()}
    assert counts <= {(1, 400), (1, 399), (2, 400)}
    example = found["duplicates"]["examples"][0]
    assert (example["detail"], example["source"]) == ("as in line 6", CLEAN[5][0])
    table = nmt("check", *files, *QUICK)
    assert table.code == 0
    for word in ("400 pairs", "line 31", "U+200B", r"\u200b", r"\x07", "fix: ", " warnings"):
        assert word in table.out
    page = Path("page.html").read_text(encoding="utf-8")
    assert not {"\u202e", "\u200b", "\x07"} & {*table.out, *page}
    assert "<b>bold" not in page
    assert "c.en and c.de" in page
    kinds = [finding["kind"] for finding in read_data(Path("page.html"))["texts"][0]["findings"]]
    assert kinds == [*found]
    result = nmt("check", *files, "--html", files[0])
    assert (result.code, result.out, "is an input" in result.err) == (2, "", True)


def test_errors_exit_with_1(nmt: Run, tmp_path: Path) -> None:
    source, target = write(tmp_path, corpus(600))
    lines = target.read_bytes().split(b"\n")
    lines[19] = b"gr\xfcn"
    del lines[300]
    target.write_bytes(b"\n".join(lines))
    found = findings(check(nmt, source, target, code=1))
    errors = {kind for kind, finding in found.items() if finding["severity"] == "error"}
    assert errors == {"encoding", "line_counts", "slip"}
    assert "line 20: not valid UTF-8" in found["encoding"]["examples"][0]["detail"]
    assert abs(found["slip"]["examples"][0]["line"] - 301) <= 20
    assert found["line_counts"]["count"] == 1


def test_a_text_that_is_useless_as_a_whole_is_an_error(nmt: Run, tmp_path: Path) -> None:
    sources = random.Random(1).sample([source for source, _ in CLEAN], len(CLEAN))
    useless: dict[str, Pairs] = {
        "unrelated": [(source, pair[1]) for source, pair in zip(sources, CLEAN, strict=True)],
        "duplicates": CLEAN[:2] * 200,
        "no_pairs": [],
    }
    for kind, pairs in useless.items():
        found = findings(check(nmt, *write(tmp_path, pairs), code=1))
        assert [name for name, finding in found.items() if finding["severity"] == "error"] == [kind]
    source, target = write(tmp_path, [(first, f"\u00e4 {second}") for first, second in CLEAN])
    target.write_bytes(target.read_text(encoding="utf-8").encode("cp1252"))
    encoding = findings(check(nmt, source, target, code=1))["encoding"]
    assert (encoding["count"], "iconv" in encoding["fix"]) == (400, True)


def test_a_recipe_is_checked_with_its_sets(nmt: Run, tmp_path: Path) -> None:
    """And with the vocabulary of its run, if there is one."""
    write(tmp_path, CLEAN, "train")
    again = (CLEAN[7][0].upper(), CLEAN[7][1])
    more = [CLEAN[3], again, ("the \u00fc man", "der mann")]
    write(tmp_path, [*corpus(50, seed=2)[:20], *more], "dev")
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        '[data]\ntrain = [{source = "train.en", target = "train.de"}]\n'
        'dev = [{source = "dev.en", target = "dev.de"}]\n'
        'test.held = {source = "dev.en", target = "dev.de"}\n[tokenizer]\nvocab_size = 90\n'
    )
    report = check(nmt, recipe, "--data-dir", tmp_path)
    assert [text["name"] for text in report["texts"]] == ["train", "dev", "test held"]
    for text in (1, 2):
        found = findings(report, text)
        assert found["overlap"]["examples"][0]["detail"] == "its source is in line 4 of train"
        assert [example["line"] for example in found["near_overlap"]["examples"]] == [22]
    assert "`nmt prepare` with this recipe" in " ".join(part["why"] for part in report["skipped"])
    assert nmt("prepare", recipe, "--data-dir", tmp_path).code == 0
    report = check(nmt, recipe, "--data-dir", tmp_path)
    assert report["texts"][0]["coverage"]["pieces_per_word"][0] > 1
    unknown = findings(report, 1)["unknown_characters"]
    assert (unknown["count"], unknown["severity"]) == (2, "warning")
    assert unknown["examples"][-1]["detail"] == "\u00fc in the source"


def test_corpora_of_several_directions_are_named_and_compared_by_language(
    nmt: Run, tmp_path: Path
) -> None:
    write(tmp_path, CLEAN, "train")
    write(tmp_path, [*corpus(50, seed=2)[:20], CLEAN[3]], "dev")
    Path("mine.toml").write_text(
        '[data]\ntrain = [{source = "train.en", target = "train.de"}, {source = "train.de",'
        ' target = "train.en", source_language = "fr", target_language = "en"}]\n'
        'dev = [{source = "dev.de", target = "dev.en", source_language = "de",'
        ' target_language = "en"}]\n'
    )
    text = nmt("check", "mine.toml", "--data-dir", tmp_path).out
    assert "train 1 (en to de): " in text
    assert "train 2 (fr to en): " in text
    assert "dev (de to en): " in text
    assert "its source is in line 4 of train 1" in text  # in its targets


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
    """Put recorded trials in place of trainings."""
    trials = Trials()
    monkeypatch.setattr(advice, "forecast", trials)
    return trials


def test_advice_has_settings_reasons_and_the_time(
    nmt: Run, tmp_path: Path, forecast: Trials
) -> None:
    """In the report, on a terminal and in a page."""
    files = write(tmp_path, CLEAN)
    advice = check(nmt, *files, "--advise")["advice"]
    topics = {topic["topic"]: topic for topic in advice["advised"]}
    model = ["vocabulary", "model", "dropout"]
    assert [*topics] == [*model, "optimizer", "batch", "warm-up", "updates", "time"]
    assert topics["optimizer"]["advice"] == "Muon, weight decay 0.3"
    assert topics["dropout"]["settings"] == {"model.dropout": 0.3}
    assert topics["time"]["advice"] == "about 1.5 hours"
    assert "10,000 updates of 0.5 s" in topics["time"]["reason"]
    assert advice["forecast"]["seconds"] == 5400
    assert "400 pairs are too few to learn to translate" in advice["notes"][0]
    (tried,) = forecast.recipes  # with these settings
    for topic in advice["advised"]:
        for name, value in topic["settings"].items():
            assert get_setting(tried, name) == value
    plain = nmt("check", *files, *QUICK).out
    assert plain.splitlines()[-1].startswith("--advise suggests settings")
    table = nmt("check", *files, *QUICK, "--advise", "--html", "page.html").out
    assert "time        about 1.5 hours" in table
    assert len(read_data(Path("page.html"))["advice"]["advised"]) == 8


def test_a_trial_may_be_disturbed_fail_or_be_impossible(
    nmt: Run, tmp_path: Path, forecast: Trials
) -> None:
    files = write(tmp_path, CLEAN)
    forecast.result = replace(MEASURED, processor_share=0.5)
    last = check(nmt, *files, "--advise")["advice"]["advised"][-1]
    assert "other programs took 50 % of the processor" in last["reason"]
    assert "about 45 minutes" in last["reason"]
    forecast.result = NmtError("too little memory for a batch")
    advice = check(nmt, *files, "--advise")["advice"]
    assert advice["forecast"] is None
    last = advice["advised"][-1]
    assert (last["advice"], last["reason"]) == ("not measured", "too little memory for a batch")
    report = check(nmt, *write(tmp_path, CLEAN[:2]), "--advise")
    assert report["advice"] is None
    assert "too few" in report["skipped"][-1]["why"]


@pytest.mark.usefixtures("forecast")
def test_the_recipe_is_that_of_init_with_the_time(nmt: Run, tmp_path: Path) -> None:
    """Given sets are those of the recipe and left out of the facts."""
    files = write(tmp_path, CLEAN)
    result = nmt("check", *files, "--write-recipe", "mine.toml", *QUICK)
    assert result.code == 0, result.err
    assert "nmt train mine.toml" in result.err
    written = Path("mine.toml").read_text(encoding="utf-8")
    sets = {path.name: path.read_text() for path in Path("data/mine").iterdir()}
    assert len(sets) == 7  # with their origin
    Path("mine.toml").unlink()
    for path in Path("data/mine").iterdir():
        path.unlink()
    assert nmt("init", *files).code == 0
    of_init = Path("mine.toml").read_text(encoding="utf-8").splitlines()
    assert "# Training takes about 1.5 hours on" in written
    assert [line for line in written.splitlines() if line in of_init] == of_init
    assert {path.name: path.read_text() for path in Path("data/mine").iterdir()} == sets
    dev = write(tmp_path, CLEAN[:30], "dev")
    options = ["--dev", *dev, "--write-recipe", "other.toml"]
    assert check(nmt, *files, *options, code=1)["advice"]["pairs"] == 370  # they overlap
    assert load_recipe("other.toml").data.dev[0].source == str(dev[0])
    assert len(Path("data/other/train.en").read_text().splitlines()) < 370  # less the test set


def test_a_recipe_is_compared_with_the_advice(nmt: Run, tmp_path: Path, forecast: Trials) -> None:
    assert nmt("init", *write(tmp_path, CLEAN)).code == 0
    assert check(nmt, "mine.toml", "--advise")["advice"]["differences"] == []
    changes = {"model.dropout": 0.1, "train.seed": 5}
    patient = {"train.cooldown_updates": 0, "train.patience": 5}  # one excludes the other
    recipe = with_settings(load_recipe("mine.toml"), changes | patient)
    write_recipe(recipe, Path("theirs.toml"))
    report = check(nmt, "theirs.toml", "--advise")
    found = {difference["name"]: difference for difference in report["advice"]["differences"]}
    assert found["model.dropout"] == {"name": "model.dropout", "recipe": 0.1, "advice": 0.3}
    assert patient.keys() < found.keys()
    assert "train.seed" not in found
    assert forecast.recipes[-1].data == recipe.data
    result = nmt("check", "theirs.toml", "--advise", *QUICK)
    assert "differs: the recipe has model.dropout=0.1, not 0.3" in result.out


def test_a_corpus_with_errors_gets_no_recipe(nmt: Run, tmp_path: Path) -> None:
    """Lines that can be removed get the command."""
    source, target = write(tmp_path, CLEAN)
    whole = target.read_bytes()
    target.write_bytes(whole[: whole.rindex(b"\n", 0, -1) + 1])
    given = [source, target, "--write-recipe", "mine.toml", *QUICK]
    result = nmt("check", *given)
    assert result.code == 1
    assert "mine.toml is not written, because the corpus has errors" in result.err
    assert "; correct the files as the report says, and repeat the command" in result.err
    assert paths_in(tmp_path) == ["c.de", "c.en"]
    target.write_bytes(whole.replace(b"\n", b"\xff\n", 1))
    result = nmt("check", *given)
    assert f"leave these lines out: `nmt clean {source} {target} -o clean" in result.err
