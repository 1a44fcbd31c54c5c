"""`nmt translate` with samples, and with minimum Bayes risk."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nmt.decoding.translator.translation import OutputOptions
from nmt.decoding.translator.translator import Translator
from nmt.runs.trained_model import load_model
from nmt.system.pools import ProcessPool
from tests.commands.conftest import translate
from tests.conftest import WORDS, Run


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """Return a file of 25 lines, two of them equal and one blank."""
    draw = random.Random(5)
    made = [" ".join(draw.choices(WORDS, k=draw.randint(1, 6))) for _ in range(23)]
    path = tmp_path / "in.src"
    path.write_text("".join(f"{line}\n" for line in [*made, "", made[3]]))
    return path


def candidates(out: str) -> list[list[dict[str, Any]]]:
    return [json.loads(line)["translations"] for line in out.splitlines()]


def texts(nmt: Run, run: Path, source: Path, *arguments: object) -> list[str]:
    """Return the translations of a file, with samples at a temperature that gives variety."""
    return translate(nmt, run, source, "--sample", "--temperature", 2, *arguments).out.splitlines()


def test_the_same_seed_draws_the_same(nmt: Run, skilled_run: Path, lines: Path) -> None:
    """Neither the batch nor the order of the lines matters; equal lines have equal samples."""
    found = texts(nmt, skilled_run, lines)
    assert texts(nmt, skilled_run, lines, "--seed", 1) == found
    assert texts(nmt, skilled_run, lines, "--batch-tokens", 1) == found
    assert texts(nmt, skilled_run, lines, "--batch-tokens", 30) == found
    assert texts(nmt, skilled_run, lines, "--seed", 2) != found
    assert len(found) == 25
    assert found[23] == ""
    assert found[24] == found[3]
    backward = lines.with_name("backward.src")
    backward.write_text("".join(f"{line}\n" for line in lines.read_text().splitlines()[::-1]))
    assert texts(nmt, skilled_run, backward) == found[::-1]


def test_processes_change_nothing(skilled_run: Path, lines: Path) -> None:
    model = load_model(skilled_run, "cpu")
    settings = replace(model.recipe.decode, method="sample", temperature=2.0, batch_tokens=20)
    for changed in (settings, replace(settings, mbr="chrf", candidates=6)):
        found = []
        for processes in (1, 2):
            pool = ProcessPool(processes)
            translator = Translator(model, changed, print, OutputOptions(5), pool=pool)
            given = [*translator.translate(lines.read_text().splitlines())]
            found.append([[each.text for each in one.candidates] for one in given])
        assert found[0] == found[1]


def test_samples_as_json(nmt: Run, skilled_run: Path, source: Path) -> None:
    """More than the beam size, best score first; low temperatures are greedy search."""
    out = translate(nmt, skilled_run, source, "--sample", "--n-best", 8, "--temperature", 2).out
    first, blank, last = candidates(out)
    assert blank == [{"text": "", "score": 0.0, "log_prob": 0.0}]
    for found in (first, last):
        assert len(found) == 8
        assert len({each["text"] for each in found}) > 1
        assert found == sorted(found, key=lambda each: -each["score"])
        assert all(set(each) == {"text", "score", "log_prob"} for each in found)
    greedy = translate(nmt, skilled_run, source, "--beam-size", 1).out
    for likeliest in (("--temperature", 0.001), ("--top-k", 1), ("--top-p", 0)):
        assert translate(nmt, skilled_run, source, "--sample", *likeliest).out == greedy


def test_samples_keep_prefixes_and_limits(nmt: Run, skilled_run: Path, lines: Path) -> None:
    found = texts(nmt, skilled_run, lines, "--min-length", 3, "--no-repeat-ngram", 3)
    assert len(found) == 25
    columns = lines.with_name("columns.tsv")
    given = [line for line in lines.read_text().splitlines() if line]
    columns.write_text("".join(f"{line}\tSUN\n" for line in given))
    assert all(
        line.startswith("SUN") for line in texts(nmt, skilled_run, columns, "--prefix-column")
    )


def test_minimum_bayes_risk_of_samples(nmt: Run, skilled_run: Path, lines: Path) -> None:
    """The n best by utility are distinct; the first is what is written as text."""
    options = ["--sample", "--mbr", "chrf", "--candidates", 12]
    out = translate(nmt, skilled_run, lines, *options, "--n-best", 3).out
    plain = translate(nmt, skilled_run, lines, *options).out.splitlines()
    assert [found[0]["text"] for found in candidates(out)] == plain
    for found in candidates(out)[:23]:
        utilities = [each["utility"] for each in found]
        assert utilities == sorted(utilities, reverse=True)
        assert all(0 <= each <= 100 for each in utilities)
        assert len({each["text"] for each in found}) == len(found) <= 3


@pytest.mark.parametrize("metric", ["chrf", "bleu"])
def test_minimum_bayes_risk_of_a_beam(
    nmt: Run, skilled_run: Path, source: Path, metric: str
) -> None:
    """The candidates are those of the beam, in another order."""
    beam = candidates(translate(nmt, skilled_run, source, "--n-best", 4).out)
    chosen = candidates(translate(nmt, skilled_run, source, "--mbr", metric, "--n-best", 4).out)
    for before, after in zip(beam, chosen, strict=True):
        assert {each["text"] for each in before} == {each["text"] for each in after}


def test_a_split_line_has_the_mean_utility(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    source = tmp_path / "long.src"
    source.write_text("sun moon star rain snow wind tree leaf\n")
    options = ["--mbr", "chrf", "--n-best", 1, "--set", "decode.max_segment_tokens=4"]
    ((found,),) = candidates(translate(nmt, skilled_run, source, *options).out)
    assert 0 < found["utility"] <= 100


def test_an_ensemble_is_sampled(nmt: Run, skilled_run: Path, tiny_run: Path, lines: Path) -> None:
    one = translate(nmt, skilled_run, lines, "--sample", "--seed", 3).out
    both = translate(nmt, skilled_run, lines, "--sample", "--seed", 3, "--model", tiny_run).out
    assert len(both.splitlines()) == 25
    assert one != both


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sample", "--beam-size", 4], "leave out --beam-size"),
        (["--temperature", 0.5], "(decode.temperature) is for samples; add --sample"),
        (["--top-k", 5], "--top-k (decode.top_k) is for samples; add --sample"),
        (["--top-p", 0.5], "(decode.top_p) is for samples; add --sample"),
        (["--seed", 2], "(decode.seed) is for samples; add --sample"),
        (["--set", "decode.top_k=5"], "(decode.top_k) is for samples; add --sample"),
        (["--candidates", 5], "is for minimum Bayes risk; add --mbr chrf"),
        (["--mbr", "chrf", "--candidates", 5], "decode.candidates is 5 but must be at most"),
        (["--mbr", "chrf", "--candidates", 2, "--n-best", 3], "to the number of candidates, 2"),
        (["--sample", "--n-best", 1001], "n-best is 1001 but must be from 1 to 1,000"),
        (["--sample", "--temperature", 0], "decode.temperature is 0.0 but must be at least 0.001"),
        (["--sample", "--top-p", 1.5], "decode.top_p is 1.5 but must be at most 1"),
        (["--sample", "--candidates", 5], "add --mbr chrf"),
    ],
)
def test_options_that_do_not_fit(
    nmt: Run, skilled_run: Path, source: Path, arguments: list[object], message: str
) -> None:
    result = nmt("translate", source, "--model", skilled_run, *arguments)
    assert result.code == 2
    assert message in result.err
    assert result.out == ""
