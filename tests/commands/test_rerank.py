"""`nmt rerank`: choose from n-best lists by other models, with weights that it tunes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from nmt.commands import main
from tests.commands.conftest import give_stdin, leftovers
from tests.conftest import Run, reverse_recipe, write_tiny_corpus
from tests.docs.test_formats import documented


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny corpus."""
    path = tmp_path_factory.mktemp("rerank")
    write_tiny_corpus(path)
    return path


@pytest.fixture(scope="module")
def reverse_run(folder: Path) -> Path:
    """A model from the target language to the source language."""
    recipe = reverse_recipe(folder)
    run = folder / "runs" / "reverse"
    with pytest.raises(SystemExit) as end:
        main(["train", str(recipe), "--data-dir", str(folder), "--run", str(run)])
    assert not end.value.code
    return run


@pytest.fixture
def source(folder: Path, tmp_path: Path) -> Path:
    """The dev set with a blank line and unknown characters."""
    path = tmp_path / "in.src"
    path.write_text((folder / "dev.src").read_text() + "\nsun ♥ moon\n")
    return path


@pytest.fixture
def nbest(nmt: Run, skilled_run: Path, source: Path, tmp_path: Path) -> Path:
    path = tmp_path / "lists.jsonl"
    options = ["--n-best", 4, "--model", skilled_run, "--output", path]
    options += ["--set", "decode.odd_input=as_is"]  # otherwise what loops is searched again
    assert nmt("translate", source, *options).code == 0
    return path


def lists_of(text: str) -> list[list[dict[str, Any]]]:
    return [json.loads(line)["translations"] for line in text.splitlines()]


def rerank(nmt: Run, *arguments: object) -> str:
    result = nmt("rerank", *arguments)
    assert result.code == 0, result.err
    return result.out


def test_a_line_for_each_list(
    nmt: Run, nbest: Path, source: Path, right_to_left_run: Path, reverse_run: Path
) -> None:
    """The text is that of the greatest sum; equal weights are the default."""
    options = [nbest, "--source", source, "--model", right_to_left_run]
    options += ["--reverse-model", reverse_run]
    lines = rerank(nmt, *options).split("\n")[:-1]
    before = lists_of(nbest.read_text())
    after = lists_of(rerank(nmt, *options, "--n-best", 3))
    assert len(lines) == len(before) == len(after) == 12
    assert lines[10] == ""
    assert lines != [each[0]["text"] for each in before]
    for line, found, given in zip(lines, after, before, strict=True):
        assert line == found[0]["text"]
        assert len(found) == min(3, len(given))
        totals = [each["rerank_score"] for each in found]
        assert totals == sorted(totals, reverse=True)
        for each in found:
            features = each["features"]
            assert [*features] == ["score", "right_to_left", "target_to_source", "length"]
            assert features["length"] == len(each["text"])
            scores = sum(value for name, value in features.items() if name != "length")
            assert each["rerank_score"] == pytest.approx(scores)
            same_text = [one["score"] for one in given if one["text"] == each["text"]]
            assert each["score"] in same_text


def test_the_model_that_translated_gives_its_own_scores(
    nmt: Run, nbest: Path, source: Path, skilled_run: Path
) -> None:
    options = ["--n-best", 9, "--set", "decode.odd_input=as_is"]  # as the lists were made
    out = rerank(nmt, nbest, "--source", source, "--model", skilled_run, *options)
    found = [each["features"] for candidates in lists_of(out) for each in candidates]
    differences = [abs(each["left_to_right"] - each["score"]) for each in found]
    # The search may spell a text with other tokens than the tokenizer does; that is rare.
    assert sum(each < 1e-4 for each in differences) >= 0.9 * len(found)


def test_odd_lines_are_scored_as_the_model_read_and_wrote_them(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    """The same model gives its own scores: capitals, symbols, and lines that are copied."""
    source, lists = tmp_path / "odd.src", tmp_path / "odd.jsonl"
    source.write_text("sun \u2665 moon\n12:30\nSUN MOON STAR\nsun moon \u2665 \u263a.\n")
    options = ["--model", skilled_run, "--n-best", 3, "--output", lists]
    assert nmt("translate", source, *options).code == 0
    out = rerank(nmt, lists, "--source", source, "--model", skilled_run, "--n-best", 3)
    found = [each["features"] for candidates in lists_of(out) for each in candidates]
    differences = [abs(each["left_to_right"] - each["score"]) for each in found]
    assert sum(each < 1e-4 for each in differences) >= 0.8 * len(found)
    firsts = [candidates[0]["text"] for candidates in lists_of(lists.read_text())]
    assert "\u2665" in firsts[0]
    assert firsts[1] == "12:30"
    assert firsts[2].isupper()


def test_lists_from_a_pipe_in_both_formats(
    nmt: Run,
    nbest: Path,
    source: Path,
    skilled_run: Path,
    right_to_left_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models = ["--source", source, "--model", right_to_left_run, "--model", skilled_run]
    expected = rerank(nmt, nbest, *models)
    give_stdin(monkeypatch, nbest)
    assert rerank(nmt, *models) == expected
    moses = tmp_path / "lists.moses"
    moses.write_text(
        "".join(
            f"{index} ||| {each['text']} ||| F= 1 ||| {each['score']}\n"
            for index, candidates in enumerate(lists_of(nbest.read_text()))
            for each in candidates
        )
    )
    # A text ends where white space does, in this format.
    assert rerank(nmt, moses, *models).split("\n") == [
        each.strip() for each in expected.split("\n")
    ]


@pytest.mark.parametrize("metric", ["bleu", "chrf"])
def test_tuning_reports_what_its_weights_reach(
    nmt: Run,
    nbest: Path,
    source: Path,
    folder: Path,
    right_to_left_run: Path,
    tmp_path: Path,
    metric: str,
) -> None:
    reference, weights = tmp_path / "dev.tgt", tmp_path / "weights.json"
    # A reference of four words at least: BLEU counts sequences of four.
    reference.write_text(
        "".join(f"{line} END OF LINE\n" for line in (folder / "dev.tgt").read_text().splitlines())
        + "\nMOON SUN\n"
    )
    options = [nbest, "--source", source, "--model", right_to_left_run, "--weights", weights]
    out = rerank(nmt, *options, "--tune", reference, "--metric", metric)
    content = json.loads(weights.read_text())
    assert {*content} <= documented("rerank-weights.md")
    assert [*content["weights"]] == ["score", "right_to_left", "length"]
    assert content["models"] == {"right_to_left": str(right_to_left_run / "model.safetensors")}
    assert content["first"] <= content["tuned"] <= content["oracle"]
    assert f"tuned weights      {content['tuned']:6.2f}" in out
    chosen = rerank(nmt, *options).split("\n")[:-1]
    scorer = BLEU() if metric == "bleu" else CHRF()
    known = [reference.read_text().split("\n")[:-1]]

    def score(texts: Sequence[str]) -> float:
        return float(scorer.corpus_score(texts, known).score)

    assert score(chosen) == pytest.approx(content["tuned"])
    first = [each[0]["text"] for each in lists_of(nbest.read_text())]
    assert score(first) == pytest.approx(content["first"])
    again = rerank(nmt, *options, "--tune", reference, "--metric", metric)
    assert (again, json.loads(weights.read_text())) == (out, content)


def test_an_output_appears_whole(
    nmt: Run, nbest: Path, source: Path, right_to_left_run: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    options = ["--source", source, "--model", right_to_left_run]
    expected = rerank(nmt, nbest, *options)
    assert rerank(nmt, nbest, *options, "--output", output) == ""
    assert output.read_text() == expected
    nbest.write_text(nbest.read_text() + "nothing\n")
    source.write_text(source.read_text() + "sun\n")
    result = nmt("rerank", nbest, *options, "--output", output)
    assert (result.code, output.read_text()) == (1, expected)
    assert f"{nbest}, list 13 is not an n-best list" in result.err
    assert leftovers(tmp_path) == []


def test_files_that_do_not_align(
    nmt: Run, nbest: Path, source: Path, right_to_left_run: Path, tmp_path: Path
) -> None:
    lines = source.read_text().split("\n")[:-1]
    options = ["--source", source, "--model", right_to_left_run]
    source.write_text("\n".join(lines[:-1]) + "\n")
    result = nmt("rerank", nbest, *options)
    assert result.code == 1
    assert f"{nbest} has more lists than {source} has lines, 11; each line needs" in result.err
    source.write_text("\n".join([*lines, "sun"]) + "\n")
    result = nmt("rerank", nbest, *options)
    assert result.code == 1
    assert f"{nbest} has 12 lists but {source} has more lines" in result.err
    source.write_text("\n".join(lines) + "\n")
    reference, weights = tmp_path / "reference", tmp_path / "weights.json"
    reference.write_text("A\n")
    result = nmt("rerank", nbest, *options, "--tune", reference, "--weights", weights)
    assert result.code == 1
    assert f"{reference} has 1 lines but {nbest} has 12 lists" in result.err
    assert not weights.exists()


def test_lists_of_one_candidate_cannot_be_tuned_on(
    nmt: Run, source: Path, right_to_left_run: Path, tmp_path: Path
) -> None:
    nbest = tmp_path / "one.jsonl"
    nbest.write_text(12 * '{"translations": [{"text": "SUN", "score": -1}]}\n')
    options = ["--source", source, "--model", right_to_left_run]
    options += ["--tune", source, "--weights", tmp_path / "weights.json"]
    result = nmt("rerank", nbest, *options)
    assert result.code == 1
    assert "no list of two candidates or more" in result.err


def test_weights_for_other_models_are_refused(
    nmt: Run, nbest: Path, source: Path, right_to_left_run: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.json"
    weights.write_text('{"rerank_weights": 1, "weights": {"score": 1, "length": 0}}')
    options = ["--source", source, "--model", right_to_left_run, "--weights", weights]
    result = nmt("rerank", nbest, *options)
    assert result.code == 1
    assert (
        f"{weights} has weights for score, length, but the features are score, right" in result.err
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a --model or a --reverse-model"),
        (["--model", "RUN", "--model", "RUN"], "is named twice"),
        (["--model", "RUN", "--tune", "in.src"], "--tune needs --weights"),
        (["--model", "RUN", "--metric", "chrf"], "--metric and --seed need --tune"),
        (["--model", "RUN", "--seed", "2"], "--metric and --seed need --tune"),
        (
            ["--model", "RUN", "--tune", "in.src", "--weights", "w.json", "--n-best", "2"],
            "--tune writes weights only",
        ),
        (["--model", "RUN", "--tune", "-", "--weights", "w.json"], "stdin (-) is named twice"),
        (["--model", "RUN", "--output", "in.src"], "is an input of this command"),
    ],
)
def test_options_that_do_not_fit(
    nmt: Run,
    right_to_left_run: Path,
    source: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(source.parent)
    given = [str(right_to_left_run) if each == "RUN" else each for each in arguments]
    result = nmt("rerank", "-", "--source", "in.src", *given)
    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_a_model_for_another_language_than_the_text_is_refused(
    nmt: Run, nbest: Path, source: Path, skilled_run: Path
) -> None:
    text = source.with_suffix(".en")
    text.write_bytes(source.read_bytes())
    result = nmt("rerank", nbest, "--source", text, "--reverse-model", skilled_run)
    assert (result.code, result.out) == (1, "")
    assert "translates en-de, but the source text is named as en" in result.err


def test_a_reverse_model_of_the_same_direction_is_refused(
    nmt: Run, nbest: Path, source: Path, skilled_run: Path, right_to_left_run: Path
) -> None:
    options = ["--source", source, "--model", right_to_left_run, "--reverse-model", skilled_run]
    result = nmt("rerank", nbest, *options)
    assert (result.code, result.out) == (1, "")
    assert "translates en-de but" in result.err
