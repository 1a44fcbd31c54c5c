"""`nmt rerank`: choose from n-best lists by other models, with weights that it tunes."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sacrebleu.metrics.chrf import CHRF

from nmt.runs.model_file import read_model, save_model
from tests.commands.conftest import Model, give_stdin, leftovers
from tests.conftest import CommandResult, Run
from tests.docs.test_formats import documented

AS_IS = ["--set", "decode.odd_input=as_is"]  # otherwise what loops is searched again


def read_lists(text: str) -> list[list[dict[str, Any]]]:
    return [json.loads(line)["translations"] for line in text.splitlines()]


@pytest.fixture
def source(skilled_run: Path, tmp_path: Path) -> Path:
    """Return the dev set with a blank line and unknown characters."""
    path = tmp_path / "in.src"
    path.write_text((skilled_run.parents[1] / "dev.src").read_text() + "\nsun ♥ moon\n")
    return path


@pytest.fixture
def nbest(skilled: Model, source: Path, tmp_path: Path) -> Path:
    path = tmp_path / "lists.jsonl"
    skilled.translate(source, "--n-best", 4, "--output", path, *AS_IS)
    return path


@pytest.fixture
def right_to_left(skilled_run: Path, tmp_path: Path) -> Path:
    """Return a model that writes the last token first, and was trained in the other order."""
    path, content = (
        tmp_path / "backwards.safetensors",
        read_model(skilled_run / "model.safetensors"),
    )
    backwards = replace(content.recipe.model, target_order="right_to_left")
    recipe = replace(content.recipe, model=backwards)
    save_model(path, replace(content, recipe=recipe))
    return path


@pytest.fixture
def attempt(
    nmt: Run, nbest: Path, source: Path, right_to_left: Path
) -> Callable[..., CommandResult]:
    """Return a function that reranks the lists by another model."""
    given = [nbest, "--source", source, "--model", right_to_left]
    return lambda *arguments: nmt("rerank", *given, *arguments)


@pytest.fixture
def rerank(attempt: Callable[..., CommandResult]) -> Callable[..., str]:
    """Return a function that reranks the lists, which must succeed, and returns the output."""

    def run(*arguments: object) -> str:
        result = attempt(*arguments)
        assert result.code == 0, result.err
        return result.out

    return run


def test_a_line_for_each_list(nbest: Path, rerank: Callable[..., str], reverse: Path) -> None:
    """The text is that of the greatest sum; equal weights are the default."""
    lines = rerank("--reverse-model", reverse).split("\n")[:-1]
    before = read_lists(nbest.read_text())
    after = read_lists(rerank("--reverse-model", reverse, "--n-best", 3))
    assert len(lines) == len(before) == len(after) == 12
    assert lines[10] == ""
    assert lines != [candidates[0]["text"] for candidates in before]
    for line, found, given in zip(lines, after, before, strict=True):
        assert line == found[0]["text"]
        assert len(found) == min(3, len(given))
        totals = [candidate["rerank_score"] for candidate in found]
        assert totals == sorted(totals, reverse=True)
        for candidate in found:
            features = candidate["features"]
            assert [*features] == ["score", "right_to_left", "target_to_source", "length"]
            assert features["length"] == len(candidate["text"])
            scores = sum(value for name, value in features.items() if name != "length")
            assert candidate["rerank_score"] == pytest.approx(scores)
            same_text = [one["score"] for one in given if one["text"] == candidate["text"]]
            assert candidate["score"] in same_text


def test_the_model_that_translated_gives_its_own_scores(
    nmt: Run, skilled: Model, nbest: Path, source: Path, tmp_path: Path
) -> None:
    """Also of odd lines, as it read and wrote them: capitals, symbols, lines that are copied."""
    odd, lists = tmp_path / "odd.src", tmp_path / "odd.jsonl"
    odd.write_text("sun \u2665 moon\n12:30\nSUN MOON STAR\nsun moon \u2665 \u263a.\n")
    skilled.translate(odd, "--n-best", 3, "--output", lists)
    firsts = [candidates[0]["text"] for candidates in read_lists(lists.read_text())]
    assert ("\u2665" in firsts[0], firsts[1], firsts[2].isupper()) == (True, "12:30", True)
    for given, text, share, more in ((nbest, source, 0.9, AS_IS), (lists, odd, 0.8, [])):
        asked = [given, "--source", text, "--model", skilled.run, "--n-best", 9, *more]
        out = read_lists(nmt("rerank", *asked).out)
        features = [candidate["features"] for found in out for candidate in found]
        near = [
            abs(candidate["left_to_right"] - candidate["score"]) < 1e-4 for candidate in features
        ]
        # The search may spell a text with other tokens than the tokenizer does; that is rare.
        assert sum(near) >= share * len(near) > 0


def test_lists_from_a_pipe(
    nmt: Run, nbest: Path, source: Path, skilled_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = ["--source", source, "--model", skilled_run / "best.safetensors"]
    expected = nmt("rerank", nbest, *models).out
    give_stdin(monkeypatch, nbest)
    assert nmt("rerank", *models).out == expected != ""


def test_tuning_reports_what_its_weights_reach(
    nbest: Path, rerank: Callable[..., str], skilled_run: Path, right_to_left: Path
) -> None:
    reference, weights = Path("dev.tgt"), Path("weights.json")
    known = [*(skilled_run.parents[1] / "dev.tgt").read_text().splitlines(), "", "MOON SUN"]
    reference.write_text("".join(f"{line}\n" for line in known))
    tuning = ["--weights", weights, "--tune", reference, "--metric", "chrf"]
    out = rerank(*tuning)
    content = json.loads(weights.read_text())
    assert {*content} <= documented("rerank-weights.md")
    assert [*content["weights"]] == ["score", "right_to_left", "length"]
    assert content["models"] == {"right_to_left": str(right_to_left)}
    assert content["first"] <= content["tuned"] <= content["oracle"]
    assert f"tuned weights      {content['tuned']:6.2f}" in out
    firsts = [candidates[0]["text"] for candidates in read_lists(nbest.read_text())]
    chosen = rerank("--weights", weights).split("\n")[:-1]
    for texts, name in ((chosen, "tuned"), (firsts, "first")):
        assert CHRF().corpus_score(texts, [known]).score == pytest.approx(content[name])
    assert (rerank(*tuning), json.loads(weights.read_text())) == (out, content)


def test_an_output_appears_whole(
    nbest: Path, source: Path, attempt: Callable[..., CommandResult], rerank: Callable[..., str]
) -> None:
    expected = rerank()
    assert rerank("--output", "out") == ""
    assert Path("out").read_text() == expected
    nbest.write_text(nbest.read_text() + "nothing\n")
    source.write_text(source.read_text() + "sun\n")
    result = attempt("--output", "out")
    assert (result.code, Path("out").read_text()) == (1, expected)
    assert f"{nbest}, list 13 is not an n-best list" in result.err
    assert leftovers(source.parent) == []


def test_what_does_not_align_or_fit_the_models_is_refused(
    nbest: Path, source: Path, attempt: Callable[..., CommandResult], skilled_run: Path
) -> None:
    """Lists of one candidate cannot be tuned on; a model may be of another direction."""
    given = source.read_text()
    weights = source.with_name("weights")
    weights.write_text('{"rerank_weights": 1, "weights": {"score": 1, "length": 0}}')
    reverse = ["--reverse-model", skilled_run]
    for lines, arguments, message in (
        (given[: given.rindex("sun")], [], f"more lists than {source} has lines, 11; each line"),
        (f"{given}sun\n", [], f"{nbest} has 12 lists but {source} has more lines"),
        (given, reverse, "translates en-de but"),
        (given, ["--tune", weights, "--weights", "w"], "has 1 lines but"),
        (given, ["--weights", weights], "has weights for score, length, but the features are sc"),
    ):
        source.write_text(lines)
        result = attempt(*arguments)
        assert (result.code, message in result.err) == (1, True), result.err
    nbest.write_text(12 * '{"translations": [{"text": "SUN", "score": -1}]}\n')
    result = attempt("--tune", source, "--weights", "w")
    assert (result.code, "no list of two candidates or more" in result.err) == (1, True)
    assert not Path("w").exists()
