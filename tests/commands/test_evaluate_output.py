"""`nmt evaluate`: what the table, the warnings and the cards say of unusual texts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.conftest import OUTPUTS, REFERENCES, evaluation, write
from tests.conftest import Run


def test_odd_texts_are_told_once_and_stand_in_the_results(
    nmt: Run, tmp_path: Path, hypotheses: Path
) -> None:
    blank = write(tmp_path / "blank", "", " ", "")
    cards = [tmp_path / "card.md", tmp_path / "card.json"]
    result = nmt(
        *("evaluate", "--hypotheses", hypotheses, blank, "--json"),
        *(part for card in cards for part in ("--card", card)),
    )
    assert result.code == 0
    warnings = [
        f"every reference of {blank} is blank: the scores are meaningless",
        f"{blank}: 3 segments are few: the confidence intervals are too narrow",
    ]
    assert result.err.splitlines() == [f"warning: {each}" for each in warnings]
    assert json.loads(result.out)["results"][0]["warnings"] == warnings
    assert json.loads(cards[1].read_text())["results"][0]["warnings"] == warnings
    assert all(f"Warning: `{each}`" in cards[0].read_text() for each in warnings)


def test_one_segment_cannot_differ_significantly(nmt: Run, tmp_path: Path) -> None:
    reference = write(tmp_path / "ref", REFERENCES[0])
    outputs = write(tmp_path / "out", OUTPUTS[0])
    result = nmt("evaluate", "--hypotheses", outputs, reference, "--compare", reference)
    assert result.code == 0
    p_values = [line for line in result.out.splitlines() if ", p = " in line]
    assert len(p_values) == 3
    assert all(line.endswith(", p = 1.0000") for line in p_values)
    assert "(two-sided paired randomisation, exact)" in result.out
    assert " ± " not in result.out
    assert result.err.count("too few to compare them, because p cannot be below 1 (6 segments") == 1


def test_the_table_says_what_its_figures_are(nmt: Run, tmp_path: Path) -> None:
    lines = [f"{OUTPUTS[number % 3]} {number}" for number in range(12)]
    reference = write(tmp_path / "ref", *(line.replace("Haus", "Park") for line in lines))
    outputs = write(tmp_path / "out", *lines)
    plain = nmt("evaluate", "--hypotheses", outputs, reference).out.splitlines()
    assert plain[-1] == "lower is better: TER"
    compared = nmt("evaluate", "--hypotheses", outputs, reference, "--compare", reference)
    assert compared.err == ""
    assert compared.out.splitlines()[-4:] == [
        "lower is better: TER",
        "in brackets: mean and 95 % confidence interval of 1,000 bootstrap resamples",
        "with a sign: the difference from the first system",
        "p: probability of a difference at least this large between equally good systems",
    ]
    options = ["--metric", "error_rate", "--hypotheses", outputs, reference]
    rates = nmt("evaluate", *options).out.splitlines()
    assert rates[-1] == "lower is better: token error rate, sequence error rate"


def test_a_name_that_is_not_utf_8_leaves_the_output_valid(
    nmt: Run, tmp_path: Path, reference: Path
) -> None:
    name = write(tmp_path / os.fsdecode(b"\xff.txt"), *OUTPUTS)
    card = tmp_path / "card.json"
    found = evaluation(nmt, "--hypotheses", name, reference, "--card", card)
    assert found["hypotheses"] == f"{tmp_path}/\\xff.txt"
    assert json.loads(card.read_text(encoding="utf-8")) == found
    text = nmt("evaluate", "--hypotheses", name, reference, "--compare", name)
    assert text.code == 0
    assert f"compared with {tmp_path}/?.txt" in text.out


def test_output_is_utf_8_in_every_locale(nmt: Run, reference: Path, hypotheses: Path) -> None:
    assert hasattr(sys.stdout, "reconfigure")
    sys.stdout.reconfigure(encoding="ascii")
    result = nmt("evaluate", "--hypotheses", hypotheses, reference, "--compare", hypotheses)
    assert result.code == 0
    assert " ± " in result.out


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_card_is_kept_if_the_scores_cannot_be_printed(
    tmp_path: Path, reference: Path, hypotheses: Path
) -> None:
    card = tmp_path / "card.json"
    command = [sys.executable, "-m", "nmt", "evaluate", "--hypotheses", str(hypotheses)]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [*command, str(reference), "--card", str(card)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert "No space left" in ended.stderr
    assert json.loads(card.read_text())["results"]
