"""The sentences with marks, and what counts as kept."""

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from nmt.recipe import knows_marks, load_recipe


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """Return the script as a module."""
    return import_module("augment")


def test_marks_are_put_in_the_same_way_each_time(script: ModuleType) -> None:
    sentences = [f"A dog number {each} runs." for each in range(40)]
    marked = script.with_marks(sentences)
    assert marked == script.with_marks(sentences)
    for sentence, (text, marks) in zip(sentences, marked, strict=True):
        assert script.is_kept(marks, text)
        assert not script.is_kept(marks, sentence)
        without = text
        for mark in marks:
            without = without.replace(mark, "", 1)
        assert without.split() == sentence.split()


def test_a_tag_is_kept_if_its_end_follows_once(script: ModuleType) -> None:
    marks = ["<b>", "</b>"]
    assert script.is_kept(marks, "ein <b>Hund</b>")
    assert not script.is_kept(marks, "ein </b>Hund<b>")
    assert not script.is_kept(marks, "ein <b>Hund</b></b>")


def test_the_recipes_differ_in_the_changes_alone(script: ModuleType, tmp_path: Path) -> None:
    trial = script.Trial(tmp_path, tmp_path, 1000, 1)
    plain, augmented = (load_recipe(str(trial.recipe(name))) for name in script.ROWS)
    assert knows_marks(augmented)
    assert not knows_marks(plain)
    assert augmented.train.augment_typos == script.SHARES["typos"]
    assert augmented.train.max_updates == plain.train.max_updates == 1000


def test_what_is_not_measured_yet_is_written_so(script: ModuleType, tmp_path: Path) -> None:
    trial = script.Trial(tmp_path, tmp_path, 4000, 1)
    script.save(tmp_path / "x.toml", trial, [script.Cell("without changes", "x", 1.5, "BLEU")])
    assert (tmp_path / "x.toml").read_text("utf-8").count("not measured") == 1


@pytest.mark.slow
def test_a_small_model_learns_to_copy_marks(script: ModuleType, tmp_path: Path) -> None:
    """After 700 updates it keeps those of 27 of 60 sentences, though its German is still poor."""
    run, schedule = tmp_path / "run", {"warmup_updates": 200, "validate_updates": 700}
    shares = {"augment_placeholders": 0.3, "augment_tags": 0.3}
    shape = {"d_model": 64, "d_ff": 128, "norm": "pre", "positions": "rotary"}
    settings = [f"train.{key}={value}" for key, value in {**schedule, **shares}.items()]
    settings += [f"model.{key}={value}" for key, value in shape.items()]
    options = [word for each in settings for word in ("--set", each)]
    script.nmt("train", "pocket", "--run", run, "--max-updates", 700, *options)
    sentences = (Path(__file__).parents[2] / "data/pocket/test.en").read_text("utf-8").splitlines()
    marked = script.with_marks(sentences[:60])
    source = tmp_path / "marked.en"
    source.write_text("".join(f"{text}\n" for text, _ in marked), encoding="utf-8")
    best = run / "best.safetensors"
    lines = script.nmt("translate", source, "--model", best, *script.AS_IS).splitlines()
    kept = [script.is_kept(marks, line) for (_, marks), line in zip(marked, lines, strict=True)]
    assert sum(kept[0::2]) >= 5  # tags
    assert sum(kept[1::2]) >= 5  # placeholders
