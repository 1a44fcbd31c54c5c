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
from tests.commands.conftest import leftovers, write
from tests.commands.test_evaluate import sacrebleu
from tests.conftest import Run

WORDS = ["ein", "der", "Hund", "sieht", "das", "Haus-boot", "alten", "Park", ",", "und", "nicht"]


def lines(seed: int, count: int = 40) -> list[str]:
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


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Return the paths of references, of translations and of better translations."""
    reference = lines(1)
    return [
        write(tmp_path / "ref", *reference),
        write(tmp_path / "hyp", *with_errors(reference, 2, 0.4)),
        write(tmp_path / "better", *with_errors(reference, 3, 0.2)),
    ]


def card(nmt: Run, folder: Path, *arguments: object) -> dict[str, Any]:
    """Evaluate and return the content of the JSON card."""
    path = folder / "card.json"
    result = nmt("evaluate", *arguments, "--card", path)
    assert result.code == 0, result.err
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_intervals_and_p_values_equal_sacrebleus(nmt: Run, files: list[Path]) -> None:
    """The references are perfect translations; a system does not differ from itself."""
    reference, hypotheses, better = files
    given = ["--hypotheses", hypotheses, reference]
    given += ["--compare", better, "--compare", reference, "--compare", hypotheses]
    text = nmt("evaluate", *given, "--card", "card.json").out
    (scored,) = json.loads(Path("card.json").read_text(encoding="utf-8"))["results"]
    metrics = ["-m", "bleu", "chrf", "ter"]
    for theirs in sacrebleu(reference, "-i", hypotheses, *metrics, "--confidence"):
        ours = scored["scores"][theirs["name"]]
        assert ours["value"] == pytest.approx(theirs["score"], abs=1e-7)
        interval = ours["confidence_95"]
        assert interval["mean"] == pytest.approx(theirs["confidence_mean"], abs=1e-4)
        assert interval["radius"] == pytest.approx(theirs["confidence_var"], abs=1e-4)
        assert interval["radius"] > 0
    first, theirs = sacrebleu(reference, "-i", hypotheses, better, *metrics[:3], "--paired-ar")
    ours, _, itself = scored["compared"]
    assert ours["system"]["hypotheses"] == theirs["system"]
    for name in ("BLEU", "chrF2"):
        score = ours["scores"][name]
        assert score["p_value"] == pytest.approx(theirs[name]["p_value"])
        assert score["value"] == pytest.approx(theirs[name]["score"])
        difference = theirs[name]["score"] - first[name]["score"]
        assert score["difference"] == pytest.approx(difference)
        assert "|bs:1000|ar:nmt-10000|seed:12345|" in score["signature"]
    same = itself["scores"].values()
    assert all((score["difference"], score["p_value"]) == (0, 1) for score in same)
    test = "two-sided paired randomisation, 10,000 trials"
    assert f"  compared with {better} ({test})\n    BLEU  " in text
    bleu, interval = (scored["scores"]["BLEU"][name] for name in ("value", "confidence_95"))
    assert f" {bleu:6.2f} ({interval['mean']:.2f} ± {interval['radius']:.2f})  " in text


def test_a_card_identifies_models_test_set_recipe_and_versions(
    nmt: Run, tmp_path: Path, skilled_run: Path, tiny_run: Path
) -> None:
    folder = skilled_run.parent.parent
    model, other = skilled_run / "model.safetensors", tiny_run / "model.safetensors"
    arguments = ["--model", skilled_run, "--model", tiny_run, "--data-dir", folder]
    page = tmp_path / "card.md"
    found = card(nmt, tmp_path, *arguments, "--beam-size", 2, "--compare", model, "--card", page)
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (model, other)]
    assert (found["model"], found["sha256"]) == (str(model), hashes[0])
    (member,) = found["ensemble_with"]
    assert (member["model"], member["sha256"]) == (str(other), hashes[1])
    assert found["decode"]["beam_size"] == 2
    assert {"nmt", "python", "torch", "sentencepiece", "sacrebleu"} <= {*found["versions"]}
    recipe = dict(found["recipe"])
    assert recipe_from_tables(recipe, "x", "card") == RunFolder(skilled_run).load_recipe()
    (result,) = found["results"]
    assert result["test_set"] == "tiny"
    for kind, name in (("source", "dev.src"), ("references", "dev.tgt")):
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        assert digest in result["sha256"][kind]
    (compared,) = result["compared"]
    assert compared["system"]["sha256"] == hashes[0]
    text = page.read_text(encoding="utf-8")
    assert f"| ensemble with | `{other}`, recipe `tiny`, SHA-256 `{hashes[1]}` |" in text


def test_scores_by_length_equal_those_of_the_segments_alone(
    nmt: Run, tmp_path: Path, files: list[Path]
) -> None:
    """Words are split by spaces, because the 13a tokenizer splits these texts in the same way."""
    reference, hypotheses, _ = files
    (result,) = card(nmt, tmp_path, "--hypotheses", hypotheses, reference)["results"]
    buckets = result["by_length"]["buckets"]
    assert [(bucket["from"], bucket["to"]) for bucket in buckets] == [(0, 10), (11, 20), (21, 30)]
    both = [*zip(*(path.read_text().splitlines() for path in files[:2]), strict=True)]
    for bucket in buckets:
        pairs = [pair for pair in both if bucket["from"] <= len(pair[0].split()) <= bucket["to"]]
        assert len(pairs) == bucket["segments"]
        sides = zip("rh", zip(*pairs, strict=True), strict=True)
        one, other = (write(tmp_path / name, *side) for name, side in sides)
        alone = json.loads(nmt("evaluate", "--hypotheses", other, one, "--json").out)
        for name, score in alone["results"][0]["scores"].items():
            assert bucket["scores"][name] == pytest.approx(score["value"])


def test_both_cards_have_the_same_content_and_warnings(
    nmt: Run, tmp_path: Path, files: list[Path]
) -> None:
    reference, hypotheses, better = files
    page, given = tmp_path / "card.md", ["--hypotheses", hypotheses, reference]
    found = card(nmt, tmp_path, *given, "--compare", better, "--card", page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# Evaluation of `{hypotheses}`\n")
    (scored,) = found["results"]
    for name, score in scored["scores"].items():
        assert f"| `{name}` | {score['value']:.2f} | " in text
        assert score["signature"].replace("|", "\\|") in text
    parts = [found["sha256"], *scored["sha256"]["references"]]
    parts += [example["hypothesis"] for example in scored["examples"]["worst"]]
    assert all(f"`{part}`" in text for part in parts)
    assert f"### Compared with `{better}`" in text
    assert ("BLEU paper" in scored["scores"]) == ("not comparable with `BLEU`" in text)
    blank = write(tmp_path / "blank", "", " ", "")
    short = write(tmp_path / "short", *lines(1, count=3))
    path = tmp_path / "card.json"
    result = nmt("evaluate", "--hypotheses", short, blank, "--json", "--card", page, "--card", path)
    warnings = [
        f"every reference of {blank} is blank: the scores are meaningless",
        f"{blank}: 3 segments are few: the confidence intervals are too narrow",
    ]
    assert result.err.splitlines() == [f"warning: {warning}" for warning in warnings]
    for content in (result.out, path.read_text()):
        assert json.loads(content)["results"][0]["warnings"] == warnings
    assert all(f"Warning: `{warning}`" in page.read_text() for warning in warnings)


def test_a_card_has_the_papers_bleu_or_the_reason_why_not(
    nmt: Run, tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sacremoses")
    arguments = ["--hypotheses", files[1], files[0]]
    with_it = card(nmt, tmp_path, *arguments)
    assert ("BLEU paper" in with_it["results"][0]["scores"], with_it["left_out"]) == (True, [])
    monkeypatch.setitem(sys.modules, "sacremoses", None)
    without = card(nmt, tmp_path, *arguments)
    assert "BLEU paper" not in without["results"][0]["scores"]
    (reason,) = without["left_out"]
    assert reason.startswith("BLEU paper: ")
    assert "pip install 'attention-nmt[moses]'" in reason
    assert "'zh'" in card(nmt, tmp_path, *arguments, "--target-language", "zh")["left_out"][0]


def test_a_failed_evaluation_keeps_the_old_card(
    nmt: Run, tmp_path: Path, files: list[Path]
) -> None:
    """A card is kept if the scores cannot be printed. It is never written over an input."""
    path = tmp_path / "card.json"
    path.write_text(old := '{"evaluation_card": 1}')
    short = write(tmp_path / "short", *lines(1, count=3))
    failed = nmt("evaluate", "--hypotheses", short, files[0], "--card", path)
    assert (failed.code, failed.out, path.read_text()) == (1, "", old)
    assert leftovers(tmp_path) == []
    page = files[0].rename(tmp_path / "ref.md")
    refused = nmt("evaluate", "--hypotheses", page, page, "--card", page)
    assert (refused.code, refused.out, "is an input" in refused.err) == (2, "", True)
    if not Path("/dev/full").exists():
        return
    given = ["evaluate", "--hypotheses", files[1], page, "--card", path]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "nmt", *map(str, given)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (ended.returncode, "No space left" in ended.stderr) == (1, True)
    assert json.loads(path.read_text())["results"]
