"""`nmt evaluate`: scores equal to sacreBLEU's, for test sets, files and given translations."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run

REFERENCES = [
    "Der alte Mann liest einen Brief.",
    "Zwei Hunde laufen über die Wiese, nicht wahr?",
    "",
    "Sie sagte: „Das ist gut!“",
    "3,5 % der Häuser sind blau.",
    "Ein   Kind  schläft .",
]
HYPOTHESES = [
    "Der alte Mann las einen Brief.",
    "zwei Hunde laufen über eine Wiese, nicht?",
    "Ja.",
    "Sie sagte: „Das ist gut!“",
    "3,5 % der Häuser waren blau.",
    "",
]


def write(path: Path, lines: list[str]) -> Path:
    """Write lines; return the path."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    return write(tmp_path / "ref.de", REFERENCES)


@pytest.fixture
def hypotheses(tmp_path: Path) -> Path:
    return write(tmp_path / "hyp.de", HYPOTHESES)


def scores(nmt: Run, *arguments: object) -> dict[str, Any]:
    """Return what `nmt evaluate --json` prints."""
    result = nmt("evaluate", *arguments, "--json")
    assert result.code == 0, result.err
    evaluation: dict[str, Any] = json.loads(result.out)
    return evaluation


def sacrebleu(
    reference: Path, hypotheses: Path, *options: str, more: Sequence[Path] = ()
) -> list[dict[str, Any]]:
    """Return what the sacrebleu command prints."""
    references = map(str, [reference, *more])
    completed = subprocess.run(
        [
            *(sys.executable, "-m", "sacrebleu", *references, "-i", str(hypotheses)),
            *("-m", "bleu", "chrf", "ter", "-w", "8", *options),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[dict[str, Any]] = json.loads(completed.stdout)
    return found


def test_scores_and_signatures_equal_sacrebleus(
    nmt: Run, reference: Path, hypotheses: Path
) -> None:
    (result,) = scores(nmt, "--hypotheses", hypotheses, reference)["results"]
    expected = sacrebleu(reference, hypotheses)
    assert [*result["scores"]] == ["BLEU", "chrF2", "TER"] == [each["name"] for each in expected]
    for ours, theirs in zip(result["scores"].values(), expected, strict=True):
        assert ours["value"] == pytest.approx(theirs["score"], abs=1e-7)
        assert ours["signature"] == theirs["signature"]
    assert 20 < result["scores"]["BLEU"]["value"] < 80
    assert "tok:13a" in result["scores"]["BLEU"]["signature"]
    assert "case:mixed" in result["scores"]["BLEU"]["signature"]


def test_languages_without_spaces_have_their_own_tokenizer(nmt: Run, tmp_path: Path) -> None:
    reference = write(tmp_path / "r", ["今天天气很好。"])
    hypotheses = write(tmp_path / "h", ["今天天气不好。"])
    options = ["--hypotheses", hypotheses, reference, "--target-language", "zh"]
    (result,) = scores(nmt, *options)["results"]
    assert "tok:zh" in result["scores"]["BLEU"]["signature"]
    (theirs, *_) = sacrebleu(reference, hypotheses, "--tokenize", "zh")
    assert result["scores"]["BLEU"]["value"] == pytest.approx(theirs["score"], abs=1e-7)


def test_a_perfect_translation_has_perfect_scores(nmt: Run, reference: Path) -> None:
    (result,) = scores(nmt, "--hypotheses", reference, reference)["results"]
    values = [each["value"] for each in result["scores"].values()]
    assert values == pytest.approx([100, 100, 0])
    assert result["segments"] == 6


def test_the_table_has_the_scores_of_the_json(nmt: Run, reference: Path, hypotheses: Path) -> None:
    (result,) = scores(nmt, "--hypotheses", hypotheses, reference)["results"]
    text = nmt("evaluate", "--hypotheses", hypotheses, reference).out
    assert f"{reference} (6 segments)\n" in text
    for name, each in result["scores"].items():
        (line,) = (line for line in text.splitlines() if line.strip().startswith(name))
        assert line.split() == [name, f"{each['value']:.2f}", each["signature"]]


def test_another_bleu_is_added_to_the_default_scores(
    nmt: Run, reference: Path, hypotheses: Path
) -> None:
    options = ["--hypotheses", hypotheses, reference]
    (default,) = scores(nmt, *options)["results"]
    (result,) = scores(nmt, *options, "--tokenize", "intl", "--lowercase")["results"]
    assert [*result["scores"]] == ["BLEU", "chrF2", "TER", "BLEU intl lc"]
    added = result["scores"].pop("BLEU intl lc")
    assert result == default
    (theirs, *_) = sacrebleu(reference, hypotheses, "--tokenize", "intl", "-lc")
    assert added["value"] == pytest.approx(theirs["score"], abs=1e-7)
    assert added["signature"] == theirs["signature"]


def test_multi_bleu_of_moses_tokens_by_hand(nmt: Run, tmp_path: Path) -> None:
    """The tokens are: the cat 's big hat , blue . Only "blue" is wrong.

    So 7 of 8 tokens are right, 5 of 7 bigrams, 4 of 6 trigrams and 3 of 5 four-grams.
    """
    pytest.importorskip("sacremoses")
    reference = write(tmp_path / "r", ["The cat's big hat, RED."])
    hypotheses = write(tmp_path / "h", ["the Cat's big hat, blue."])
    options = ["--hypotheses", hypotheses, reference, "--target-language", "en"]
    (result,) = scores(nmt, *options, "--tokenize", "moses", "--lowercase")["results"]
    found = result["scores"]["BLEU moses lc"]
    by_hand = 100 * (7 / 8 * 5 / 7 * 4 / 6 * 3 / 5) ** 0.25
    assert found["value"] == pytest.approx(by_hand)
    assert "tok:moses-sacremoses-" in found["signature"]
    assert "case:lc" in found["signature"]


def test_a_missing_moses_package_is_reported(
    nmt: Run, reference: Path, hypotheses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sacremoses", None)
    refused = nmt("evaluate", "--hypotheses", hypotheses, reference, "--tokenize", "moses")
    assert refused.code == 1
    assert "pip install '.[moses]'" in refused.err


def test_the_papers_bleu_by_hand(nmt: Run, tmp_path: Path) -> None:
    """The tokens are: the rich ##AT##-##AT## text form . Only "form" is wrong.

    So 5 of 6 tokens are right, 3 of 5 bigrams, 2 of 4 trigrams and 1 of 3 four-grams.
    """
    pytest.importorskip("sacremoses")
    reference = write(tmp_path / "r", ["The rich-text format."])
    hypotheses = write(tmp_path / "h", ["The rich-text form."])
    options = ["--hypotheses", hypotheses, reference, "--target-language", "en"]
    (result,) = scores(nmt, *options, "--tokenize", "paper")["results"]
    found = result["scores"]["BLEU paper"]
    assert found["value"] == pytest.approx(100 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25)
    assert "tok:moses-sacremoses-" in found["signature"]
    assert "-compounds-split|smooth:none" in found["signature"]
    (moses,) = scores(nmt, *options, "--tokenize", "moses")["results"]
    assert moses["scores"]["BLEU moses"]["value"] == 0  # three of four tokens: no four-gram


def test_scores_with_several_references_equal_sacrebleus(
    nmt: Run, tmp_path: Path, reference: Path, hypotheses: Path
) -> None:
    second = write(tmp_path / "second", [*HYPOTHESES[2:], *HYPOTHESES[:2]])
    (result,) = scores(nmt, "--hypotheses", hypotheses, reference, second)["results"]
    assert result["references"] == 2
    expected = sacrebleu(reference, hypotheses, more=[second])
    for ours, theirs in zip(result["scores"].values(), expected, strict=True):
        assert ours["value"] == pytest.approx(theirs["score"], abs=1e-7)
        assert ours["signature"] == theirs["signature"]
        assert ours["signature"].startswith("nrefs:2|")
    assert (
        "(6 segments, up to 2 references)"
        in nmt("evaluate", "--hypotheses", hypotheses, reference, second).out
    )


def test_two_files_are_translated_and_scored(nmt: Run, skilled_run: Path, tmp_path: Path) -> None:
    folder = skilled_run.parent.parent
    files = [folder / "train.src", folder / "train.tgt"]
    evaluation = scores(nmt, *files, "--model", skilled_run)
    output = tmp_path / "out"
    assert nmt("translate", files[0], "--model", skilled_run, "--output", output).code == 0
    alone = scores(nmt, "--hypotheses", output, files[1])
    assert evaluation["results"][0]["scores"] == alone["results"][0]["scores"]
    assert evaluation["results"][0]["scores"]["BLEU"]["value"] > 1
    assert evaluation["model"] == str(skilled_run / "model.safetensors")
    assert evaluation["decode"]["beam_size"] == 4


def test_defaults_are_the_newest_model_and_its_test_sets(
    nmt: Run, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_run.parent.parent
    monkeypatch.chdir(folder)
    result = nmt("evaluate", "--data-dir", folder)
    assert result.code == 0
    name = "runs/tiny/model.safetensors"
    blank = f"warning: tiny: every translation of {name} is blank\n"  # it has learnt nothing yet
    assert result.err == f"model: {name} (tiny)\n{blank}"
    assert result.out.startswith("beam 4, length penalty 0.6 (GNMT), at most 4 tokens more")
    assert "tiny (10 segments)\n" in result.out
    greedy = nmt("evaluate", "--data-dir", folder, "--beam-size", 1, "--length-penalty", 0)
    assert greedy.out.startswith("beam 1, length penalty 0 (GNMT)")
    drawn = ["--set", "decode.method=sample", "--set", "decode.max_length=3"]
    samples = nmt("evaluate", "--data-dir", folder, *drawn)
    assert samples.out.startswith("samples of temperature 1, top_k 0, top_p 1, seed 1, at most 3 t")
    chosen = nmt("evaluate", "--data-dir", folder, "--set", "decode.mbr=chrf")
    assert chosen.out.startswith("minimum Bayes risk by chrf, candidates by beam 4")


def test_exact_matches_by_label_by_hand(nmt: Run, tiny: Path) -> None:
    """The references are what `nmt translate` writes, six of them with a word added."""
    labels = ["case verb", "case", "", "verb", "case", "", "", "verb case", "", "case"]
    write(Path("dev.labels"), labels)
    text = tiny.read_text().replace(
        'test.tiny = { source = "dev.src", target = "dev.tgt" }',
        'test.tiny = { source = "dev.src", target = "right.tgt", labels = "dev.labels" }',
    )
    tiny.write_text(text)
    assert nmt("train", tiny).code == 0
    written = nmt("translate", "dev.src").out.splitlines()
    right = [index in (0, 1, 2, 3) for index in range(10)]
    references = [t if yes else t + " x" for t, yes in zip(written, right, strict=True)]
    write(Path("right.tgt"), references)
    (result,) = scores(nmt)["results"]
    assert result["exact_match"] == {
        "all": {"right": 4, "segments": 10},
        "case": {"right": 2, "segments": 5},
        "verb": {"right": 2, "segments": 3},
    }
    out = nmt("evaluate").out
    assert "exact match by phenomenon" in out
    assert "    verb                  66.7 %  (2 of 3)" in out
    write(Path("dev.labels"), labels[:-1])
    refused = nmt("evaluate")
    assert (refused.code, refused.out) == (1, "")
    assert "dev.labels has 9 lines" in refused.err
    assert "10" in refused.err


def test_misaligned_files_are_reported_with_both_counts(
    nmt: Run, tmp_path: Path, reference: Path
) -> None:
    short = write(tmp_path / "short", HYPOTHESES[:4])
    result = nmt("evaluate", "--hypotheses", short, reference)
    assert (result.code, result.out) == (1, "")
    assert f"nmt: {short} has 4 lines but {reference} has 6" in result.err
    other = nmt("evaluate", "--hypotheses", reference, reference, "--compare", short)
    assert (other.code, other.out, other.err) == (1, "", result.err)
    two = nmt("evaluate", "--hypotheses", reference, reference, short)
    assert (two.code, two.out) == (1, "")
    assert f"{short} ends after line 4 while {reference} goes on" in two.err


def test_empty_and_missing_files_are_named(nmt: Run, tmp_path: Path, reference: Path) -> None:
    empty = write(tmp_path / "empty", [])
    result = nmt("evaluate", "--hypotheses", empty, empty)
    assert (result.code, result.out) == (1, "")
    assert f"nmt: {empty} is empty" in result.err
    result = nmt("evaluate", "--hypotheses", tmp_path / "none", reference)
    assert (result.code, result.out) == (1, "")
    assert f"nmt: the text file {tmp_path / 'none'} does not exist\n" in result.err


def test_a_missing_test_set_is_named(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    result = nmt("evaluate", "--model", tiny_run, "--data-dir", tmp_path)
    assert (result.code, result.out) == (1, "")
    assert f"{tmp_path / 'dev.src'} does not exist; " in result.err


def test_a_recipe_without_test_sets_is_named(nmt: Run, tiny: Path) -> None:
    assert nmt("train", tiny, "--max-updates", 1, "--set", "data.test={}").code == 0
    result = nmt("evaluate")
    assert result.code == 1
    message = result.err.splitlines()[-1]
    assert all(fact in message for fact in ("nmt: ", "recipe tiny", "SOURCE and REFERENCE"))


def test_only_decode_settings_can_be_changed(nmt: Run, tiny_run: Path) -> None:
    result = nmt("evaluate", "--model", tiny_run, "--set", "data.max_length=3")
    assert (result.code, result.out) == (2, "")
    assert "data.max_length" in result.err
    assert "[decode]" in result.err
