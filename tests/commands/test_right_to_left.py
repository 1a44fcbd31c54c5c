"""Commands with a model that writes from right to left: texts are in natural order all the same."""

import json
from pathlib import Path

import pytest

from tests.commands.conftest import translate
from tests.conftest import Run

SETTING = "model.target_order=right_to_left"


def test_its_translations_are_in_natural_order(
    nmt: Run, right_to_left_run: Path, source: Path
) -> None:
    """The toy language reverses the words of the source."""
    out = translate(nmt, right_to_left_run, source).out
    assert out.split("\n")[0] == "MOON SUN"
    lines = translate(nmt, right_to_left_run, source, "--n-best", 2).out.splitlines()
    assert json.loads(lines[0])["translations"][0]["text"] == "MOON SUN"


def test_its_translations_have_their_scores(
    nmt: Run, right_to_left_run: Path, source: Path, tmp_path: Path
) -> None:
    """`nmt score` gives the same numbers; the tokens are in natural order too."""
    out = translate(nmt, right_to_left_run, source, "--n-best", 3, "--token-scores").out
    lines = source.read_text().splitlines()
    every = [
        (line, candidate)
        for line, found in zip(lines, map(json.loads, out.splitlines()), strict=True)
        for candidate in found["translations"]
    ]
    pairs = tmp_path / "pieces.tsv"
    with pairs.open("w") as stream:
        for line, candidate in every:
            pieces = " ".join(token["piece"] for token in candidate["tokens"])
            stream.write(f"{line}\t{pieces}\n")
    scored = nmt("score", pairs, "--pieces", "--tokens", "--model", right_to_left_run)
    assert scored.code == 0, scored.err
    for (_, expected), found in zip(every, map(json.loads, scored.out.splitlines()), strict=True):
        assert found["log_prob"] == pytest.approx(expected["log_prob"], abs=1e-4)
        assert found["score"] == pytest.approx(expected["score"], abs=1e-4)
        for one, other in zip(found["tokens"], expected["tokens"], strict=True):
            assert one["piece"] == other["piece"]
            assert one["log_prob"] == pytest.approx(other["log_prob"], abs=1e-4)
        text = "".join(token["piece"] for token in expected["tokens"][:-1])
        assert text.replace("\u2581", " ").strip() == expected["text"]


def test_a_page_shows_the_translation_in_natural_order(
    nmt: Run, right_to_left_run: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    result = nmt("explain", "sun moon", "--model", right_to_left_run, "--output", page)
    assert result.code == 0, result.err
    assert "MOON SUN" in result.out + result.err


def test_a_prefix_is_refused(
    nmt: Run, right_to_left_run: Path, source: Path, tmp_path: Path
) -> None:
    prefixes = tmp_path / "prefixes"
    prefixes.write_text("\n\nSNOW\n")
    result = nmt("translate", source, "--model", right_to_left_run, "--prefix", prefixes)
    assert (result.code, result.out) == (2, "")
    assert "right-to-left model cannot begin a translation with a prefix" in result.err


@pytest.mark.parametrize("command", ["translate", "evaluate"])
def test_an_ensemble_of_both_orders_is_refused(
    nmt: Run, skilled_run: Path, right_to_left_run: Path, source: Path, command: str
) -> None:
    files = [source] if command == "translate" else [source, source]
    result = nmt(command, *files, "--model", skilled_run, "--model", right_to_left_run)
    assert (result.code, result.out) == (1, "")
    assert f"has {SETTING} but" in result.err
    assert "models of an ensemble write in one order" in result.err


def test_a_resumed_run_keeps_its_order(nmt: Run, right_to_left_run: Path) -> None:
    result = nmt("train", right_to_left_run, "--set", "model.target_order=left_to_right")
    assert result.code == 1
    assert "model.target_order" in result.err


def test_a_model_starts_from_one_of_its_order(
    nmt: Run, right_to_left_run: Path, tiny: Path
) -> None:
    model = right_to_left_run / "model.safetensors"
    result = nmt("train", tiny, "--init-from", model, "--max-updates", 1)
    assert result.code == 1
    assert SETTING in result.err


def test_it_is_a_deviation_from_the_paper(nmt: Run, right_to_left_run: Path) -> None:
    result = nmt("inspect", "pocket", "--set", SETTING)
    assert f"{SETTING.replace('=', ' = ')}, paper: left_to_right, section 3" in result.out
