"""`--model` repeated: an ensemble, told, recorded, and refused where models do not go together."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import give_stdin, leftovers
from tests.commands.test_models import Metadata, Tensors, rewrite
from tests.conftest import Run


def models(*runs: Path) -> list[object]:
    return [part for run in runs for part in ("--model", run)]


def test_two_models_translate_as_one(
    nmt: Run, tiny_run: Path, skilled_run: Path, source: Path
) -> None:
    """A line out for each line in; both models are named; the order of the two is immaterial."""
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
def test_one_model_named_twice_is_refused(
    nmt: Run, tiny_run: Path, source: Path, command: str
) -> None:
    """By its folder and by its file."""
    files = [source] if command == "translate" else [source, source]
    file = tiny_run / "model.safetensors"
    result = nmt(command, *files, *models(tiny_run, file))
    assert (result.code, result.out) == (2, "")
    assert f"--model {file} is named twice; name each model of an ensemble once" in result.err


def test_a_second_model_that_is_not_there(nmt: Run, tiny_run: Path, source: Path) -> None:
    result = nmt("translate", source, *models(tiny_run, Path("nowhere.safetensors")))
    assert (result.code, result.out) == (1, "")
    assert result.err == "nmt: the model nowhere.safetensors does not exist\n"


def test_explain_shows_one_model(nmt: Run, tiny_run: Path, skilled_run: Path) -> None:
    result = nmt("explain", "sun", *models(tiny_run, skilled_run))
    assert (result.code, result.out) == (2, "")
    assert "explain shows one model at a time; give one --model" in result.err


def test_given_translations_need_no_model(nmt: Run, tiny_run: Path, source: Path) -> None:
    result = nmt("evaluate", "--hypotheses", source, source, *models(tiny_run))
    assert (result.code, result.out) == (2, "")
    assert "leave out --model" in result.err


def diverged(tensors: Tensors, metadata: Metadata) -> None:
    tensors["embedding"].fill_(math.nan)


def apply_rotary(tensors: Tensors, metadata: Metadata) -> None:
    """Another target language, the pieces being the same."""
    metadata["recipe"] = metadata["recipe"].replace(
        'target_language = "de"', 'target_language = "nl"'
    )


def rescored(tensors: Tensors, metadata: Metadata) -> None:
    """Scored by another metric."""
    metadata["recipe"] = metadata["recipe"].replace('metric = "bleu"', 'metric = "error_rate"')


TASKS = "{other} is of {task} but {first} of en-de (bleu); name only models of one task for an"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            diverged,
            "the outputs of a model of the ensemble are not numbers: try each of them alone, and"
            " leave out the one that diverged or train it anew",
        ),
        (apply_rotary, TASKS.replace("{task}", "en-nl (bleu)") + " ensemble"),
        (rescored, TASKS.replace("{task}", "en-de (error_rate)") + " ensemble"),
    ],
)
def test_a_second_model_that_does_not_serve(
    nmt: Run,
    tiny_run: Path,
    source: Path,
    tmp_path: Path,
    change: Callable[[Tensors, Metadata], object],
    said: str,
) -> None:
    """It is told, not averaged, and nothing is written."""
    first = tiny_run / "model.safetensors"
    other = rewrite(first, tmp_path / "other.safetensors", change)
    result = nmt("translate", source, *models(tiny_run, other), "--output", tmp_path / "out")
    assert (result.code, result.out) == (1, "")
    assert result.err.endswith(f"nmt: {said.format(other=other, first=first)}\n")
    assert not (tmp_path / "out").exists()
    assert leftovers(tmp_path) == []


def test_where_pieces_were_learned_is_immaterial(
    nmt: Run, tiny: Path, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SentencePiece's bytes hold the number of threads; the pieces are the same."""
    monkeypatch.setattr("nmt.text.tokenizer.cpu_count", lambda: 61)
    trained = nmt("train", tiny, "--max-updates", 1)
    assert trained.code == 0, trained.err
    ours, theirs = (run / "tokenizer.model" for run in (Path("runs/tiny"), tiny_run))
    assert ours.read_bytes() != theirs.read_bytes()
    result = nmt("translate", "dev.src", *models(tiny_run, Path("runs/tiny")))
    assert result.code == 0, result.err


def test_a_card_names_all_models(
    nmt: Run, tiny_run: Path, skilled_run: Path, tmp_path: Path
) -> None:
    """Each with its hash; and what is scored is what the ensemble translates."""
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
    """Ids that mean other pieces cannot be averaged."""
    trained = nmt("train", tiny, "--set", "tokenizer.vocab_size=38", "--max-updates", 1)
    assert trained.code == 0, trained.err
    files = ["dev.src"] if command == "translate" else ["dev.src", "dev.tgt"]
    result = nmt(command, *files, *models(tiny_run, Path("runs/tiny")))
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        f"nmt: runs/tiny/model.safetensors has another vocabulary than"
        f" {tiny_run / 'model.safetensors'}; models of an ensemble need the same: train them on"
        " one corpus with the same [tokenizer], or one from the other with --init-from\n"
    )


def test_the_model_of_fewest_positions_says_how_long_a_piece_may_be(
    nmt: Run, tiny: Path, tiny_run: Path
) -> None:
    """Whichever is named first."""
    changes = ["model.positions=learned", "model.max_positions=24", "data.max_length=23"]
    overrides = [part for change in changes for part in ("--set", change)]
    trained = nmt("train", tiny, *overrides, "--max-updates", 1)
    assert trained.code == 0, trained.err
    Path("long").write_text("sun moon " * 30 + "\n")
    short = Path("runs/tiny")
    for order in ([tiny_run, short], [short, tiny_run]):
        result = nmt("translate", "long", *models(*order))
        assert result.code == 0
        assert "more than the 20 that 24 learned positions hold" in result.err
