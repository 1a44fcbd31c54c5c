"""`nmt augment`: pairs made by models, what is left out, and the recipe that trains with them."""

import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nmt.corpora.augment import Made, made_pairs
from nmt.recipe.files import load_recipe
from nmt.runs.run_folder import RunFolder
from nmt.text.tokenizer import load_tokenizer
from tests.commands.augmentations import LINES, augment, in_languages
from tests.commands.conftest import leftovers, translate
from tests.conftest import Run


def pairs(prefix: Path) -> list[tuple[str, str]]:
    sides = [Path(f"{prefix}.{side}").read_text("utf-8").splitlines() for side in ("en", "de")]
    return [*zip(*sides, strict=True)]


def rejected(prefix: Path) -> list[list[str]]:
    first, *rows = Path(f"{prefix}.rejected.tsv").read_text("utf-8").splitlines()
    assert first.split("\t") == ["line", "model", "reason", "detail", "source", "target"]
    return [row.split("\t") for row in rows]


def read_lines(path: str) -> list[str]:
    return Path(path).read_text("utf-8").splitlines()


@pytest.mark.parametrize("method", ["back-translation", "self-training"])
def test_pairs_are_the_text_and_its_translations(
    nmt: Run, method: str, reverse: Path, mono: Path, tmp_path: Path
) -> None:
    report = augment(nmt, method, mono, "--model", reverse, "-o", tmp_path / "out")
    whole = mono.read_bytes()
    mono.write_bytes(whole[: whole.index(b"\xff")])
    lines = mono.read_text().splitlines()
    outputs = translate(nmt, reverse, mono).out.splitlines()
    swapped = method == "back-translation"
    expected = [pair[::-1] if swapped else pair for pair in zip(lines, outputs, strict=True)]
    bad = rejected(tmp_path / "out")
    places = {int(row[0]) - 1 for row in bad}
    kept = [pair for place, pair in enumerate(expected) if place not in places]
    endings = ["en", "de"] if swapped else ["de", "en"]
    sides = [Path(f"{tmp_path}/out.{each}").read_text().splitlines() for each in endings]
    assert [*zip(*sides, strict=True)] == kept
    assert report["removed"] == Counter(row[2] for row in bad)
    reasons = {int(row[0]): row[2] for row in bad}
    assert (reasons[5], reasons[91], reasons[92]) == ("empty", "empty", "duplicates")
    assert reasons[LINES + 1] == "unreadable"
    assert all(row[1] == "1" and row[3] for row in bad)
    assert leftovers(tmp_path) == []


def test_diversification_keeps_the_pairs_and_adds_each_models(
    nmt: Run, skilled_run: Path, reverse: Path, tiny_run: Path, tmp_path: Path
) -> None:
    """The second forward model is a copy of the first, so that all of its pairs are repeats."""
    forward = in_languages(skilled_run, tmp_path / "forward.safetensors", "en", "de")
    again = in_languages(skilled_run, tmp_path / "again.safetensors", "en", "de")
    texts = [tiny_run.parent.parent / f"dev.{each}" for each in ("src", "tgt")]
    given = [*zip(*(text.read_text().splitlines() for text in texts), strict=True)]
    report = augment(
        nmt,
        *("diversification", *texts, "--model", forward, "--model", again),
        *("--reverse-model", reverse, "-o", tmp_path / "out"),
    )
    found = pairs(tmp_path / "out")
    assert len(found) == len({*found})
    assert found[: report["given"]] == [*dict.fromkeys(given)]
    first, second, backward = (each["kept"] for each in report["models"])
    assert second == 0
    sources, targets = zip(*given, strict=True)
    middle = found[report["given"] :]
    outputs = translate(nmt, forward, texts[0]).out.splitlines()
    assert {*middle[:first]} <= {*zip(sources, outputs, strict=True)}
    outputs = translate(nmt, reverse, texts[1]).out.splitlines()
    assert {*middle[first:]} <= {*zip(outputs, targets, strict=True)}
    assert len(middle) == first + backward


def test_packed_text_makes_packed_pairs_and_may_be_a_tsv_file(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    forward = in_languages(skilled_run, tmp_path / "forward.safetensors", "en", "de")
    text = tmp_path / "pairs.en-de.tsv.gz"
    text.write_bytes(gzip.compress(b"sun moon\tMOON SUN\tmore\nno tab\nstar\t\n"))
    report = augment(nmt, "diversification", text, "--model", forward, "-o", tmp_path / "new")
    assert (report["lines"], report["given"]) == (3, 1)
    assert gzip.decompress((tmp_path / "new.de.gz").read_bytes()).startswith(b"MOON SUN\n")
    assert {row[0] for row in rejected(tmp_path / "new") if row[2] == "unreadable"} == {"2"}


def test_a_text_that_does_not_align_is_refused_before_it_is_translated(
    nmt: Run, skilled_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "a").write_text("sun\nmoon\n")
    (tmp_path / "b").write_text("SUN\n")
    texts = tmp_path / "a", tmp_path / "b"
    result = nmt("augment", "diversification", *texts, "--model", skilled_run, "-o", tmp_path / "c")
    assert result.code == 1
    assert "a has 2 lines but" in result.err
    assert leftovers(tmp_path) == []


def test_if_no_translation_is_good_nothing_is_written(
    nmt: Run, reverse: Path, tmp_path: Path
) -> None:
    text = tmp_path / "blank.de"
    text.write_text("\n \n")
    result = nmt("augment", "back-translation", text, "--model", reverse, "-o", f"{tmp_path}/new/")
    assert result.code == 1
    assert result.err.endswith("most are left out for empty: lines with an empty side\n")
    assert [*(tmp_path / "new").iterdir()] == []


def test_a_model_of_the_wrong_direction_is_refused(
    nmt: Run, skilled_run: Path, reverse: Path, mono: Path, tmp_path: Path
) -> None:
    forward = in_languages(skilled_run, tmp_path / "forward.safetensors", "en", "de")
    wrong = nmt("augment", "back-translation", mono, "--model", forward, "-o", tmp_path / "out")
    assert wrong.code == 2
    assert "mono.de is de by its name, so back-translation needs a model that reads de" in wrong.err
    both = ("--model", reverse, "--model", forward)
    mixed = nmt("augment", "self-training", mono, *both, "-o", tmp_path / "out")
    assert mixed.code == 2
    assert "one makes pairs de to en, the other en to de" in mixed.err
    french = mono.rename(tmp_path / "mono.fr")
    odd = nmt("augment", "back-translation", french, "--model", reverse, "-o", tmp_path / "out")
    assert odd.code == 0
    assert "mono.fr is fr by its name, but the model reads de" in odd.err


def test_the_recipe_trains_as_it_is_with_the_tag(
    nmt: Run, tiny: Path, tiny_run: Path, reverse: Path, mono: Path, tmp_path: Path
) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "more").symlink_to("real/deep")  # `..` leads to another folder than its name says
    new = tmp_path / "more" / "tagged.toml"
    made = augment(
        nmt,
        *("back-translation", mono, "--model", reverse, "-o", f"{tmp_path}/bt/"),
        *("--recipe", tiny, "--write-recipe", new),
    )
    assert made["tag"] == "<BT>"
    dev = {line.casefold() for name in ("src", "tgt") for line in read_lines(f"dev.{name}")}
    assert dev.isdisjoint(line.casefold() for line in read_lines("bt/de"))
    assert made["removed"]["held_out"] > 0
    base, recipe = load_recipe(str(tiny)), load_recipe(str(new))
    assert recipe.data.train[:-1] == base.data.train
    assert recipe.data.train[-1].names == ("bt/en", "bt/de")
    assert (recipe.data.train[-1].tag, recipe.train) == ("<BT>", base.train)
    result = nmt("train", new, "--max-updates", 4)
    assert result.code == 0, result.err
    assert f"with the tag <BT>: {made['models'][0]['kept']} pairs kept" in result.err
    assert load_tokenizer(RunFolder(Path("runs/tagged")).tokenizer).source.tag_id("<BT>")
    start = tiny_run / "model.safetensors"
    again = nmt("train", new, "--max-updates", 4, "--init-from", start, "--run", "other")
    assert again.code == 1
    assert "has the tag <BT>, which the vocabulary of the initial model lacks" in again.err


def test_diversified_text_takes_the_place_of_the_text(
    nmt: Run, tiny: Path, skilled_run: Path, tmp_path: Path
) -> None:
    forward = in_languages(skilled_run, tmp_path / "forward.safetensors", "en", "de")
    texts = [tmp_path / "train.src", tmp_path / "train.tgt"]
    options = ("--model", forward, "-o", tmp_path / "more", "--recipe", tiny)
    new = tmp_path / "new.toml"
    dev = Path("dev.src").read_text("utf-8").splitlines()
    with texts[0].open("a", encoding="utf-8") as source, texts[1].open("a") as target:
        source.write(f"{dev[0].upper()}!\nsun nobody\n")
        target.write("SUN SUN SUN\nNEVER SEEN\n")
    Path("second.tgt").write_text("never, seen\n")
    recipe, old = tiny.read_text(), "test.tiny ="
    more = 'test.one = { source = "one.src", target = "one.tgt", references = ["second.tgt"] }'
    tiny.write_text(recipe.replace(old, f"{more}\n{old}"))
    Path("one.src").write_text("hail\n")
    Path("one.tgt").write_text("HAIL\n")
    augment(nmt, "diversification", *texts, *options, "--write-recipe", new)
    (corpus,) = load_recipe(str(new)).data.train
    assert (corpus.names, corpus.tag) == (("more.en", "more.de"), "")
    lines = len(texts[0].read_text("utf-8").splitlines())
    given = {int(row[0]): row[2] for row in rejected(tmp_path / "more") if row[1] == "0"}
    assert given[lines - 1] == given[lines] == "held_out"
    held_out = {line.casefold() for line in dev}
    assert held_out.isdisjoint(line.casefold() for line in read_lines("more.en"))


def test_a_text_that_changes_meanwhile_makes_no_pairs(
    nmt: Run, reverse: Path, mono: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changing(*arguments: Any) -> Iterator[Made]:
        mono.write_bytes(mono.read_bytes()[5:])
        yield from made_pairs(*arguments)

    monkeypatch.setattr("nmt.corpora.augment.made_pairs", changing)
    result = nmt("augment", "back-translation", mono, "--model", reverse, "-o", tmp_path / "out")
    assert result.code == 2
    assert f"{mono} was changed while `nmt augment` ran" in result.err
    assert not [*tmp_path.glob("out.[edr]*")]


def test_what_does_not_fit_is_one_sentence(
    nmt: Run, tiny: Path, reverse: Path, mono: Path, tmp_path: Path
) -> None:
    out = ("-o", tmp_path / "out")
    model = ("--model", reverse)
    back = ("back-translation", mono, *out)
    new = ("--write-recipe", tmp_path / "new.toml")
    (tmp_path / "taken.toml").write_text("not a recipe")
    (tmp_path / "held.toml").write_text(
        f'extends = "{tiny}"\n[data]\ndev = [{{source = "held.en", target = "held.de"}}]\n'
    )
    for name in ("held.en", "held.de"):
        (tmp_path / name).write_text("mine\n")
    held = ("--recipe", tmp_path / "held.toml", *new, "--data-dir", tmp_path)
    cases = {
        (*back,): "name one with --model",
        (*back, "--reverse-model", reverse): "name each with --model",
        ("self-training", mono, mono, *model, *out): "takes one text",
        ("diversification", mono, mono, *out): "no model is given",
        (*back, *model, *model): "is named twice",
        (*back, *model, "--recipe", tiny): "need each other",
        (*back, *model, "--tag", "<X>"): "add --recipe and --write-recipe",
        (*back, *model, "--seed", 2): "add --sample",
        ("back-translation", mono, *model, *held, "-o", tmp_path / "held"): "held.en is an input",
        ("back-translation", "-", *model, *out): "cannot be stdin",
        ("back-translation", mono, *model, "-o", ""): "-o is empty",
    }
    for arguments, reason in cases.items():
        result = nmt("augment", *arguments)
        assert result.code == 2, arguments
        assert reason in result.err
    assert (tmp_path / "held.en").read_text() == "mine\n"
    recipes = {
        ("--write-recipe", tmp_path / "taken.toml"): "taken.toml",
        (*new, "--tag", "BT"): "a tag is a name in angle brackets",
        (*new, "--set", "data.max_length=3"): "only [decode] settings",
    }
    for options, reason in recipes.items():
        result = nmt("augment", *back, *model, "--recipe", tiny, *options)
        assert result.code in (1, 2)
        assert reason in result.err
    swapped = nmt("augment", "self-training", mono, *model, *out, "--recipe", tiny, *new)
    assert swapped.code == 2
    assert "trains a model en to de, but the new pairs are de to en" in swapped.err
    assert leftovers(tmp_path) == []
