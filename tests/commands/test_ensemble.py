"""Ensembles by repeated `--model`: translations, cards, and models that do not fit together."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import give_stdin, leftovers
from tests.commands.test_models import Metadata, Tensors, rewrite
from tests.conftest import Run


def models(*runs: Path) -> list[object]:
    """Return the --model options of some models."""
    return [part for run in runs for part in ("--model", run)]


def test_two_models_translate_together_in_any_order(
    nmt: Run, tiny_run: Path, skilled_run: Path, source: Path
) -> None:
    result = nmt("translate", source, *models(skilled_run, tiny_run))
    assert result.code == 0
    assert len(result.out.split("\n")) == 4
    assert result.out.split("\n")[1] == ""
    first, second = (run / "model.safetensors" for run in (skilled_run, tiny_run))
    assert result.err == f"ensemble: {first} (tiny) + {second} (tiny)\n"
    other_way = nmt("translate", source, *models(tiny_run, skilled_run))
    assert other_way.out == result.out


def test_n_best_of_an_ensemble_from_stdin(
    nmt: Run, tiny_run: Path, skilled_run: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_stdin(monkeypatch, source)
    result = nmt("translate", *models(skilled_run, tiny_run), "--n-best", 2)
    assert result.code == 0
    found = [json.loads(line)["translations"] for line in result.out.splitlines()]
    assert [len(each) for each in found] == [2, 1, 2]
    assert all(each[0]["score"] >= each[-1]["score"] for each in found)


@pytest.mark.parametrize("command", ["translate", "evaluate"])
def test_a_model_named_twice_is_refused(
    nmt: Run, tiny_run: Path, source: Path, command: str
) -> None:
    """A run folder and its file are the same model."""
    files = [source] if command == "translate" else [source, source]
    file = tiny_run / "model.safetensors"
    result = nmt(command, *files, *models(tiny_run, file))
    assert (result.code, result.out) == (2, "")
    assert f"--model {file} is named twice" in result.err


def test_a_missing_second_model_is_named(nmt: Run, tiny_run: Path, source: Path) -> None:
    result = nmt("translate", source, *models(tiny_run, Path("nowhere.safetensors")))
    assert (result.code, result.out) == (1, "")
    assert "nowhere.safetensors does not exist" in result.err


def test_explain_refuses_two_models(nmt: Run, tiny_run: Path, skilled_run: Path) -> None:
    result = nmt("explain", "sun", *models(tiny_run, skilled_run))
    assert (result.code, result.out) == (2, "")
    assert "one --model" in result.err


def test_hypotheses_refuse_a_model(nmt: Run, tiny_run: Path, source: Path) -> None:
    result = nmt("evaluate", "--hypotheses", source, source, *models(tiny_run))
    assert (result.code, result.out) == (2, "")
    assert "leave out --model" in result.err


def make_nan(tensors: Tensors, metadata: Metadata) -> None:
    """Make the embeddings NaN, as in a training that diverged."""
    tensors["embeddings.weight"].fill_(math.nan)


def change_language(tensors: Tensors, metadata: Metadata) -> None:
    """Change the target language but not the vocabulary."""
    metadata["recipe"] = metadata["recipe"].replace(
        'target_language = "de"', 'target_language = "nl"'
    )


def change_metric(tensors: Tensors, metadata: Metadata) -> None:
    """Change the metric."""
    metadata["recipe"] = metadata["recipe"].replace('metric = "bleu"', 'metric = "error_rate"')


@pytest.mark.parametrize(
    ("change", "facts"),
    [
        (make_nan, ["ensemble", "are not numbers"]),
        (change_language, ["{other}", "{first}", "en-nl (bleu)", "en-de (bleu)"]),
        (change_metric, ["{other}", "{first}", "en-de (error_rate)", "en-de (bleu)"]),
    ],
)
def test_a_second_model_that_does_not_fit_is_refused(
    nmt: Run,
    tiny_run: Path,
    source: Path,
    tmp_path: Path,
    change: Callable[[Tensors, Metadata], object],
    facts: list[str],
) -> None:
    first = tiny_run / "model.safetensors"
    other = rewrite(first, tmp_path / "other.safetensors", change)
    result = nmt("translate", source, *models(tiny_run, other), "--output", tmp_path / "out")
    assert (result.code, result.out) == (1, "")
    message = result.err.splitlines()[-1]
    assert message.startswith("nmt: ")
    assert all(fact.format(other=other, first=first) in message for fact in facts)
    assert not (tmp_path / "out").exists()
    assert leftovers(tmp_path) == []


def test_the_same_vocabulary_learned_on_another_machine_is_accepted(
    nmt: Run, tiny: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A SentencePiece model contains the number of threads, so its bytes differ."""
    monkeypatch.setattr("nmt.text.learning.processor_count", lambda: 61)
    trained = nmt("train", tiny, "--max-updates", 1)
    assert trained.code == 0, trained.err
    ours, theirs = (run / "tokenizer.model" for run in (Path("runs/tiny"), tiny_run))
    assert ours.read_bytes() != theirs.read_bytes()
    result = nmt("translate", "dev.src", *models(tiny_run, Path("runs/tiny")))
    assert result.code == 0, result.err


def test_a_card_names_all_models(
    nmt: Run, tiny_run: Path, skilled_run: Path, tmp_path: Path
) -> None:
    """Each model has its hash, and the scores are those of the ensemble's translations."""
    folder = tiny_run.parent.parent
    files = [folder / "dev.src", folder / "dev.tgt"]
    cards = [tmp_path / "card.json", tmp_path / "card.md"]
    asked = [part for path in cards for part in ("--card", path)]
    result = nmt("evaluate", *files, *models(skilled_run, tiny_run), *asked)
    assert result.code == 0, result.err
    card = json.loads(cards[0].read_text(encoding="utf-8"))
    assert card["model"] == str(skilled_run / "model.safetensors")
    (other,) = card["ensemble_with"]
    assert other["model"] == str(tiny_run / "model.safetensors")
    assert len(other["sha256"]) == 64
    page = cards[1].read_text(encoding="utf-8")
    assert page.startswith(f"# Evaluation of the ensemble `{card['model']}` + `{other['model']}`\n")
    facts = f"`{other['model']}`, recipe `tiny`, SHA-256 `{other['sha256']}`"
    assert f"| ensemble with | {facts} |" in page
    assert "## Recipe of the first model\n" in page
    assert result.out.startswith(f"ensemble: {card['model']} + {other['model']}\n")
    outputs = tmp_path / "out"
    translated = nmt("translate", files[0], *models(skilled_run, tiny_run), "--output", outputs)
    assert translated.code == 0
    scored = nmt("evaluate", "--hypotheses", outputs, files[1], "--json")
    (found,) = json.loads(scored.out)["results"]
    assert found["scores"]["BLEU"]["value"] == card["results"][0]["scores"]["BLEU"]["value"]
    alone = nmt("evaluate", *files, *models(skilled_run), "--json")
    assert "ensemble_with" not in json.loads(alone.out)


@pytest.mark.parametrize("command", ["translate", "evaluate"])
def test_another_vocabulary_is_refused(nmt: Run, tiny: Path, tiny_run: Path, command: str) -> None:
    """Probabilities of different tokens cannot be averaged."""
    trained = nmt("train", tiny, "--set", "tokenizer.vocab_size=38", "--max-updates", 1)
    assert trained.code == 0, trained.err
    files = ["dev.src"] if command == "translate" else ["dev.src", "dev.tgt"]
    result = nmt(command, *files, *models(tiny_run, Path("runs/tiny")))
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(
        f"nmt: runs/tiny/model.safetensors has another vocabulary than"
        f" {tiny_run / 'model.safetensors'}; "
    )
    assert "[tokenizer]" in result.err
    assert "--init-from" in result.err


def test_the_model_with_the_fewest_positions_limits_the_length(
    nmt: Run, tiny: Path, tiny_run: Path
) -> None:
    """The order of the models makes no difference."""
    changes = ["model.positions=learned", "model.max_positions=24", "data.max_length=23"]
    overrides = [part for change in changes for part in ("--set", change)]
    trained = nmt("train", tiny, *overrides, "--max-updates", 1)
    assert trained.code == 0, trained.err
    Path("long").write_text("sun moon " * 30 + "\n")
    short = Path("runs/tiny")
    for order in ([tiny_run, short], [short, tiny_run]):
        result = nmt("translate", "long", *models(*order))
        assert result.code == 0
        assert "20" in result.err
        assert "24 learned positions" in result.err
