"""`nmt clean` with two models that score pairs."""

import json
from pathlib import Path

import pytest

from tests.conftest import Run, train_reverse_skilled
from tests.corpora.corpora import Pairs, write


@pytest.fixture(scope="module")
def reverse_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small model that translates back what `skilled_run` translates."""
    return train_reverse_skilled(tmp_path_factory.mktemp("reverse"))


@pytest.fixture
def pairs(skilled_run: Path) -> Pairs:
    """Return the dev set of the models, and then sources with the targets of others."""
    folder = skilled_run.parents[1]
    source, target = (
        (folder / f"train.{side}").read_text().splitlines() for side in ("src", "tgt")
    )
    good = [*dict.fromkeys(zip(source, target, strict=True))][:60]
    turned = [(source, good[place - 7][1]) for place, (source, _) in enumerate(good)]
    return [*good, *turned]


def test_pairs_that_do_not_belong_together_have_lower_scores(
    nmt: Run, tmp_path: Path, pairs: Pairs, skilled_run: Path, reverse_run: Path
) -> None:
    options = ["--only", "", "--model", skilled_run, "--reverse-model", reverse_run, "--json"]
    files = write(tmp_path, pairs)
    result = nmt("clean", *files, "-o", tmp_path / "out", *options, "--keep-share", 0.5, "--scores")
    assert result.code == 0, result.err
    report = json.loads(result.out)
    assert (report["kept"], report["scored"]) == (60, 120)
    assert report["removed"]["cross_entropy"] == 60
    assert "60  cross_entropy  pairs that two models" in result.err
    rows = [line.split("\t") for line in (tmp_path / "out.scores.tsv").read_text().splitlines()]
    scores = [float(row[1]) for row in rows[1:]]
    assert [int(row[0]) for row in rows[1:]] == [*range(1, 121)]
    better = sum(good > bad for good, bad in zip(scores[:60], scores[60:], strict=True))
    assert better >= 50
    kept = (tmp_path / "out.en").read_text().splitlines()
    assert sum(line in kept for line in (source for source, _ in pairs[:60])) >= 50
    rejected = (tmp_path / "out.rejected.tsv").read_text().splitlines()
    assert rejected[1].split("\t")[1] == "cross_entropy"
    assert "nats per target token" in rejected[1]
    # A threshold at the lowest score that was kept keeps the same pairs, in one reading.
    least = report["lowest_score"] - 1e-6
    assert nmt("clean", *files, "-o", tmp_path / "x", *options, "--least-score", least).code == 0
    assert (tmp_path / "x.en").read_text().splitlines() == kept


def test_models_of_other_languages_and_thresholds_above_all_scores_are_refused(
    nmt: Run, tmp_path: Path, pairs: Pairs, skilled_run: Path, reverse_run: Path
) -> None:
    files = write(tmp_path, pairs)
    wish = ["-o", tmp_path / "out", "--keep-share", 0.5]
    result = nmt("clean", *files, *wish, "--model", skilled_run, "--reverse-model", skilled_run)
    assert result.code == 1
    assert "translates en-de, but --reverse-model must translate de-en" in result.err
    result = nmt("clean", *files, *wish, "--model", reverse_run, "--reverse-model", skilled_run)
    assert result.code == 1
    assert "translates de-en, but --model must translate en-de" in result.err
    wish = ["-o", tmp_path / "out", "--least-score", 1]
    result = nmt("clean", *files, *wish, "--model", skilled_run, "--reverse-model", reverse_run)
    assert result.code == 1
    assert "is left; give another --least-score" in result.err
    assert not [*tmp_path.glob("out*")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--keep-share", "0.5"], "need --model and --reverse-model"),
        (["--device", "cuda"], "need --model and --reverse-model"),
        (["--model", "x", "--keep-share", "0.5"], "two models"),
        (["--model", "x", "--reverse-model", "y"], "--keep-share 0.8"),
        (["--keep-share", "0"], "0<x<=1"),
        (["--keep-share", "nan"], "'nan' is not a number"),
        (["--also", "nonsense"], "no filter 'nonsense'; known: "),
    ],
    ids=[
        "no-models",
        "device",
        "one-model",
        "no-wish",
        "nothing-to-keep",
        "not-a-number",
        "no-filter",
    ],
)
def test_half_of_the_options_is_explained(
    nmt: Run, tmp_path: Path, options: list[str], message: str
) -> None:
    result = nmt("clean", *write(tmp_path, [("a", "b")]), "-o", tmp_path / "out", *options)
    assert (result.code, message in result.err) == (2, True)
