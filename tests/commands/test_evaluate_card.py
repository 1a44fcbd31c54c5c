"""`nmt evaluate --card` and `--compare`: evaluation cards, intervals and significance."""

import hashlib
import json
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nmt.recipe.toml import recipe_from_tables
from nmt.runs.run_folder import RunFolder
from tests.commands.conftest import leftovers
from tests.conftest import Run

WORDS = ["ein", "der", "Hund", "sieht", "das", "Haus-boot", "alten", "Park", ",", "und", "nicht"]


def lines(seed: int, count: int = 60) -> list[str]:
    """Return random sentences."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=draw.randint(3, 25))) for _ in range(count)]


def with_errors(text: Sequence[str], seed: int, share: float) -> list[str]:
    """Return the lines with a share of their words replaced."""
    draw = random.Random(seed)
    return [
        " ".join(draw.choice(WORDS) if draw.random() < share else word for word in line.split())
        for line in text
    ]


def write(path: Path, text: Sequence[str]) -> Path:
    """Write lines; return the path."""
    path.write_text("".join(f"{line}\n" for line in text), encoding="utf-8")
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Return the paths of references, of translations and of better translations."""
    reference = lines(1)
    return [
        write(tmp_path / "ref", reference),
        write(tmp_path / "hyp", with_errors(reference, 2, 0.4)),
        write(tmp_path / "better", with_errors(reference, 3, 0.2)),
    ]


def card(nmt: Run, folder: Path, *arguments: object) -> dict[str, Any]:
    """Evaluate and return the content of the JSON card."""
    path = folder / "card.json"
    result = nmt("evaluate", *arguments, "--card", path)
    assert result.code == 0, result.err
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def sacrebleu(*arguments: object) -> list[dict[str, Any]]:
    """Return what the sacrebleu command prints as JSON."""
    command = [sys.executable, "-m", "sacrebleu", *map(str, arguments), "-f", "json", "-w", "8"]
    completed = subprocess.run(command, capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(completed.stdout)
    return found


def test_confidence_intervals_equal_sacrebleus(nmt: Run, tmp_path: Path, files: list[Path]) -> None:
    reference, hypotheses, _ = files
    (result,) = card(nmt, tmp_path, "--hypotheses", hypotheses, reference)["results"]
    theirs = sacrebleu(reference, "-i", hypotheses, "-m", "bleu", "chrf", "ter", "--confidence")
    for each in theirs:
        ours = result["scores"][each["name"]]
        assert ours["value"] == pytest.approx(each["score"], abs=1e-7)
        assert ours["signature"] == each["signature"]
        assert ours["confidence_95"]["mean"] == pytest.approx(each["confidence_mean"], abs=1e-4)
        assert ours["confidence_95"]["radius"] == pytest.approx(each["confidence_var"], abs=1e-4)
        assert ours["confidence_95"]["radius"] > 0


def test_p_values_equal_sacrebleus(nmt: Run, files: list[Path]) -> None:
    reference, hypotheses, better = files
    compare = [
        "--compare",
        better,
        "--compare",
        reference,
    ]  # the references are perfect translations
    result = nmt("evaluate", "--hypotheses", hypotheses, reference, *compare, "--json")
    (scored,) = json.loads(result.out)["results"]
    first, *others = sacrebleu(
        *(reference, "-i", hypotheses, better, reference),
        *("-m", "bleu", "chrf", "ter", "--paired-ar"),
    )
    assert [each["system"] for each in others] == [str(better), str(reference)]
    for ours, theirs in zip(scored["compared"], others, strict=True):
        assert ours["system"]["hypotheses"] == theirs["system"]
        for name, each in ours["scores"].items():
            assert each["p_value"] == pytest.approx(theirs[name]["p_value"])
            assert each["value"] == pytest.approx(theirs[name]["score"])
            difference = theirs[name]["score"] - first[name]["score"]
            assert each["difference"] == pytest.approx(difference)
            assert "|bs:1000|ar:nmt-10000|seed:12345|" in each["signature"]
    assert scored["compared"][0]["scores"]["BLEU"]["p_value"] < 0.01
    text = nmt("evaluate", "--hypotheses", hypotheses, reference, *compare).out
    test = "two-sided paired randomisation, 10,000 trials"
    assert f"  compared with {better} ({test})\n    BLEU  " in text
    assert ", p = 0.0001" in text
    bleu = scored["scores"]["BLEU"]
    mean, radius = (bleu["confidence_95"][each] for each in ("mean", "radius"))
    assert f"  BLEU  {bleu['value']:6.2f} ({mean:.2f} ± {radius:.2f})  " in text


def test_a_system_does_not_differ_from_itself(nmt: Run, files: list[Path]) -> None:
    reference, hypotheses, _ = files
    compare = ["--compare", hypotheses, "--json"]
    result = nmt("evaluate", "--hypotheses", hypotheses, reference, *compare)
    (scored,) = json.loads(result.out)["results"]
    for each in scored["compared"][0]["scores"].values():
        assert each["difference"] == 0
        assert each["p_value"] == 1


def test_a_card_identifies_model_test_set_recipe_and_versions(
    nmt: Run, tmp_path: Path, skilled_run: Path
) -> None:
    folder = skilled_run.parent.parent
    model = skilled_run / "model.safetensors"
    arguments = ["--model", skilled_run, "--data-dir", folder, "--beam-size", "2"]
    found = card(nmt, tmp_path, *arguments, "--compare", model)
    assert found["model"] == str(model)
    assert found["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert found["command"][:3] == ["nmt", "evaluate", "--model"]
    assert found["decode"]["beam_size"] == 2
    assert {"nmt", "python", "torch", "sentencepiece", "sacrebleu"} <= {*found["versions"]}
    recipe = found["recipe"]
    assert recipe_from_tables(dict(recipe), "x", "card") == RunFolder(skilled_run).load_recipe()
    (result,) = found["results"]
    assert result["test_set"] == "tiny"
    for kind, name in (("source", "dev.src"), ("references", "dev.tgt")):
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert digest in result["sha256"][kind]
    (other,) = result["compared"]
    assert other["system"]["sha256"] == found["sha256"]
    assert other["scores"]["BLEU"]["difference"] == 0


def test_scores_by_length_equal_those_of_the_segments_alone(
    nmt: Run, tmp_path: Path, files: list[Path]
) -> None:
    """Words are split by spaces, because the 13a tokenizer splits these texts in the same way."""
    reference, hypotheses, _ = files
    (result,) = card(nmt, tmp_path, "--hypotheses", hypotheses, reference)["results"]
    buckets = result["by_length"]["buckets"]
    assert [(each["from"], each["to"]) for each in buckets] == [(0, 10), (11, 20), (21, 30)]
    assert sum(each["segments"] for each in buckets) == 60
    sides = [path.read_text().splitlines() for path in (reference, hypotheses)]
    both = list(zip(*sides, strict=True))
    for bucket in buckets:
        pairs = [pair for pair in both if bucket["from"] <= len(pair[0].split()) <= bucket["to"]]
        assert len(pairs) == bucket["segments"]
        alone = [
            write(tmp_path / name, side)
            for name, side in zip("rh", zip(*pairs, strict=True), strict=True)
        ]
        result = nmt("evaluate", "--hypotheses", alone[1], alone[0], "--json")
        for name, each in json.loads(result.out)["results"][0]["scores"].items():
            assert bucket["scores"][name] == pytest.approx(each["value"])


def test_examples_are_the_worst_and_the_best_segments(nmt: Run, tmp_path: Path) -> None:
    reference = lines(5, count=12)
    hypotheses = [*reference]
    hypotheses[3] = "völlig anderes"
    hypotheses[7] = hypotheses[7].rpartition(" ")[0]
    files = [write(tmp_path / "h", hypotheses), write(tmp_path / "r", reference)]
    found = card(nmt, tmp_path, "--hypotheses", *files)["results"][0]["examples"]
    assert found["ranked_by"] == "chrF2"
    assert [each["line"] for each in found["worst"][:2]] == [4, 8]
    assert found["worst"][0]["hypothesis"] == "völlig anderes"
    assert found["worst"][0]["references"] == [reference[3]]
    assert [each["score"] for each in found["best"]] == pytest.approx([100] * 5)
    shown = [each["line"] for each in (*found["worst"], *found["best"])]
    assert len({*shown}) == len(shown) == 10


def test_the_markdown_card_has_the_content_of_the_json_card(
    nmt: Run, tmp_path: Path, files: list[Path]
) -> None:
    reference, hypotheses, better = files
    paths = [tmp_path / "card.md", tmp_path / "card.json"]
    options = [part for path in paths for part in ("--card", path)]
    result = nmt(
        *("evaluate", "--hypotheses", hypotheses, reference, "--compare", better, *options)
    )
    assert result.code == 0, result.err
    text = paths[0].read_text(encoding="utf-8")
    found = json.loads(paths[1].read_text(encoding="utf-8"))
    assert text.startswith(f"# Evaluation of `{hypotheses}`\n")
    (scored,) = found["results"]
    for name, each in scored["scores"].items():
        assert f"| `{name}` | {each['value']:.2f} | " in text
        assert each["signature"].replace("|", "\\|") in text
    for digest in (found["sha256"], *scored["sha256"]["references"]):
        assert f"`{digest}`" in text
    for each in scored["examples"]["worst"]:
        assert f"`{each['hypothesis']}`" in text
    assert f"### Compared with `{better}`" in text
    assert "| 11-20 | " in text
    assert ("BLEU paper" in scored["scores"]) == ("not comparable with `BLEU`" in text)


def test_a_card_has_the_papers_bleu_or_the_reason_why_not(
    nmt: Run, tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sacremoses")
    arguments = ["--hypotheses", files[1], files[0]]
    with_it = card(nmt, tmp_path, *arguments)
    assert "BLEU paper" in with_it["results"][0]["scores"]
    assert with_it["left_out"] == []
    monkeypatch.setitem(sys.modules, "sacremoses", None)
    without = card(nmt, tmp_path, *arguments)
    assert "BLEU paper" not in without["results"][0]["scores"]
    (reason,) = without["left_out"]
    assert reason.startswith("BLEU paper: ")
    assert "pip install '.[moses]'" in reason
    chinese = card(nmt, tmp_path, *arguments, "--target-language", "zh")
    assert "BLEU paper" not in chinese["results"][0]["scores"]
    assert "'zh'" in chinese["left_out"][0]


def test_a_test_set_of_a_recipe_can_have_several_references(
    nmt: Run, tiny: Path, tmp_path: Path
) -> None:
    text = tiny.read_text().replace(
        'target = "dev.tgt" }\n\n', 'target = "dev.tgt", references = ["more.tgt"] }\n\n'
    )
    assert text != tiny.read_text()
    tiny.write_text(text)
    write(Path("more.tgt"), ["x"] * 10)
    assert nmt("train", tiny, "--max-updates", 1).code == 0
    (result,) = card(nmt, tmp_path)["results"]
    assert result["references"] == 2
    assert result["scores"]["BLEU"]["signature"].startswith("nrefs:2|")
    assert len(result["sha256"]["references"]) == 2
    write(Path("more.tgt"), ["x"] * 9)
    short = nmt("evaluate")
    assert (short.code, short.out) == (1, "")
    assert "more.tgt has 9 lines" in short.err
    assert "10" in short.err


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("card.txt", ".json or .md"),
        ("card", ".json or .md"),
        ("ref.md", "is an input"),
    ],
)
def test_a_bad_path_of_a_card_is_refused(nmt: Run, tmp_path: Path, name: str, fact: str) -> None:
    reference = write(tmp_path / "ref.md", lines(1))
    card = tmp_path / name
    refused = nmt("evaluate", "--hypotheses", reference, reference, "--card", card)
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith(f"nmt: --card {card} ")
    assert fact in refused.err
    assert reference.read_text().splitlines() == lines(1)


def test_a_failed_evaluation_keeps_the_old_card(
    nmt: Run, tmp_path: Path, files: list[Path]
) -> None:
    path = tmp_path / "card.json"
    path.write_text(old := '{"evaluation_card": 1}')
    short = write(tmp_path / "short", lines(1, count=3))
    failed = nmt("evaluate", "--hypotheses", short, files[0], "--card", path)
    assert (failed.code, failed.out) == (1, "")
    assert path.read_text() == old
    assert leftovers(tmp_path) == []
    nowhere = nmt("evaluate", "--hypotheses", files[1], files[0], "--card", files[0] / "c.md")
    assert (nowhere.code, nowhere.out) == (2, "")
    assert "cannot be written" in nowhere.err


def test_comparing_a_model_needs_sources(nmt: Run, files: list[Path], tiny_run: Path) -> None:
    refused = nmt("evaluate", "--hypotheses", files[1], files[0], "--compare", tiny_run)
    assert (refused.code, refused.out) == (2, "")
    assert "needs sources to translate" in refused.err
