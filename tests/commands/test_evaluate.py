"""`nmt evaluate`: sacreBLEU's own figures, on test sets, on files and without a model."""

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
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    return write(tmp_path / "ref.de", REFERENCES)


@pytest.fixture
def hypotheses(tmp_path: Path) -> Path:
    return write(tmp_path / "hyp.de", HYPOTHESES)


def scores(nmt: Run, *arguments: object) -> dict[str, Any]:
    result = nmt("evaluate", *arguments, "--json")
    assert result.code == 0, result.err
    report: dict[str, Any] = json.loads(result.out)
    return report


def sacrebleu(
    reference: Path, hypotheses: Path, *options: str, more: Sequence[Path] = ()
) -> list[dict[str, Any]]:
    """What sacreBLEU's own command line says."""
    references = map(str, [reference, *more])
    said = subprocess.run(
        [
            *(sys.executable, "-m", "sacrebleu", *references, "-i", str(hypotheses)),
            *("-m", "bleu", "chrf", "ter", "-w", "8", *options),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[dict[str, Any]] = json.loads(said.stdout)
    return found


def test_scores_and_signatures_are_sacrebleus_own(
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


def test_languages_without_spaces_get_their_own_tokens(nmt: Run, tmp_path: Path) -> None:
    reference = write(tmp_path / "r", ["今天天气很好。"])
    hypotheses = write(tmp_path / "h", ["今天天气不好。"])
    options = ["--hypotheses", hypotheses, reference, "--target-language", "zh"]
    (result,) = scores(nmt, *options)["results"]
    assert "tok:zh" in result["scores"]["BLEU"]["signature"]
    (theirs, *_) = sacrebleu(reference, hypotheses, "--tokenize", "zh")
    assert result["scores"]["BLEU"]["value"] == pytest.approx(theirs["score"], abs=1e-7)


def test_a_perfect_translation(nmt: Run, reference: Path) -> None:
    (result,) = scores(nmt, "--hypotheses", reference, reference)["results"]
    values = [each["value"] for each in result["scores"].values()]
    assert values == pytest.approx([100, 100, 0])
    assert result["segments"] == 6


def test_the_table_shows_what_the_json_holds(nmt: Run, reference: Path, hypotheses: Path) -> None:
    (result,) = scores(nmt, "--hypotheses", hypotheses, reference)["results"]
    text = nmt("evaluate", "--hypotheses", hypotheses, reference).out
    assert f"{reference} (6 segments)\n" in text
    for name, each in result["scores"].items():
        (line,) = (line for line in text.splitlines() if line.strip().startswith(name))
        assert line.split() == [name, f"{each['value']:.2f}", each["signature"]]


def test_a_further_bleu_stands_beside_the_usual_ones(
    nmt: Run, reference: Path, hypotheses: Path
) -> None:
    options = ["--hypotheses", hypotheses, reference]
    (usual,) = scores(nmt, *options)["results"]
    (result,) = scores(nmt, *options, "--tokenize", "intl", "--lowercase")["results"]
    assert [*result["scores"]] == ["BLEU", "chrF2", "TER", "BLEU intl lc"]
    further = result["scores"].pop("BLEU intl lc")
    assert result == usual
    (theirs, *_) = sacrebleu(reference, hypotheses, "--tokenize", "intl", "-lc")
    assert further["value"] == pytest.approx(theirs["score"], abs=1e-7)
    assert further["signature"] == theirs["signature"]


def test_mosess_tokens_and_multi_bleu_by_hand(nmt: Run, tmp_path: Path) -> None:
    """Eight tokens, the cat 's big hat , blue . , of which the last but one is wrong.

    Hence 7 of 8 tokens are right, 5 of 7 bigrams, 4 of 6 trigrams and 3 of 5 four-grams.
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


def test_moses_without_its_package_is_told_first(
    nmt: Run, reference: Path, hypotheses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sacremoses", None)
    refused = nmt("evaluate", "--hypotheses", hypotheses, reference, "--tokenize", "moses")
    assert refused.code == 1
    assert "pip install 'nmt[moses]'" in refused.err


def test_the_papers_bleu_by_hand(nmt: Run, tmp_path: Path) -> None:
    """Tokens: the rich ##AT##-##AT## text form . against the rich ##AT##-##AT## text format .

    Hence 5 of 6 tokens are right, 3 of 5 bigrams, 2 of 4 trigrams and 1 of 3 four-grams.
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


def test_several_references_are_sacrebleus_own(
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
    report = scores(nmt, *files, "--model", skilled_run)
    output = tmp_path / "out"
    assert nmt("translate", files[0], "--model", skilled_run, "--output", output).code == 0
    alone = scores(nmt, "--hypotheses", output, files[1])
    assert report["results"][0]["scores"] == alone["results"][0]["scores"]
    assert report["results"][0]["scores"]["BLEU"]["value"] > 1
    assert report["model"] == str(skilled_run / "model.safetensors")
    assert report["decode"]["beam_size"] == 4


def test_the_recipes_test_sets_with_the_newest_model(
    nmt: Run, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_run.parent.parent
    monkeypatch.chdir(folder)
    result = nmt("evaluate", "--data-dir", folder)
    assert result.code == 0
    assert result.err == "model: runs/tiny/model.safetensors (tiny)\n"
    assert result.out.startswith("beam 4, length penalty 0.6 (GNMT), at most 4 tokens more")
    assert "tiny (10 segments)\n" in result.out
    greedy = nmt("evaluate", "--data-dir", folder, "--beam-size", 1, "--length-penalty", 0)
    assert greedy.out.startswith("beam 1, length penalty 0 (GNMT)")


def test_exact_match_by_label(nmt: Run, tiny: Path) -> None:
    """Labels are counted by hand against what `nmt translate` writes."""
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
    result_without = nmt("evaluate")
    assert (result_without.code, result_without.out) == (1, "")
    assert "dev.labels has 9 lines but its test set 10" in result_without.err


def test_misaligned_files_are_told(nmt: Run, tmp_path: Path, reference: Path) -> None:
    short = write(tmp_path / "short", HYPOTHESES[:4])
    result = nmt("evaluate", "--hypotheses", short, reference)
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        f"nmt: {short} has 4 lines but {reference} has 6; parallel files must align line by line\n"
    )
    other = nmt("evaluate", "--hypotheses", reference, reference, "--compare", short)
    assert (other.code, other.out, other.err) == (1, "", result.err)
    two = nmt("evaluate", "--hypotheses", reference, reference, short)
    assert (two.code, two.out) == (1, "")
    assert f"{short} ends after line 4 while {reference} goes on" in two.err


def test_empty_and_missing_files_are_told(nmt: Run, tmp_path: Path, reference: Path) -> None:
    empty = write(tmp_path / "empty", [])
    result = nmt("evaluate", "--hypotheses", empty, empty)
    assert (result.code, result.out) == (1, "")
    assert result.err == f"nmt: {empty} is empty: there is nothing to score\n"
    result = nmt("evaluate", "--hypotheses", tmp_path / "none", reference)
    assert (result.code, result.out) == (1, "")
    assert result.err == f"nmt: cannot read {tmp_path / 'none'}: No such file or directory\n"


def test_a_missing_test_set_is_told(nmt: Run, tiny_run: Path, tmp_path: Path) -> None:
    result = nmt("evaluate", "--model", tiny_run, "--data-dir", tmp_path)
    assert (result.code, result.out) == (1, "")
    assert f"{tmp_path / 'dev.src'} does not exist; " in result.err


def test_a_recipe_without_test_sets_is_told(nmt: Run, tiny: Path) -> None:
    assert nmt("train", tiny, "--max-updates", 1, "--set", "data.test={}").code == 0
    result = nmt("evaluate")
    assert result.code == 1
    assert result.err.splitlines()[-1] == (
        "nmt: recipe tiny names no test set; give SOURCE and REFERENCE files"
    )


def test_only_decoding_can_be_set(nmt: Run, tiny_run: Path) -> None:
    result = nmt("evaluate", "--model", tiny_run, "--set", "data.max_length=3")
    assert (result.code, result.out) == (2, "")
    assert "only [decode] can be changed" in result.err
