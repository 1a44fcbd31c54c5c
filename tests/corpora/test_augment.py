"""Which pairs are made of translations, and which are not good enough to train on, by hand."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nmt.config import DecodeSettings, TextFiles
from nmt.corpora.augment import (
    REASONS,
    AugmentTask,
    Pass,
    judge,
    load_passes,
    made_pairs,
    read_verdict,
)
from nmt.corpora.new_recipe import RecipeExtension, next_recipe
from nmt.decoding.files.quality import Checked
from nmt.errors import DamagedError, UsageError
from nmt.recipe.files import load_recipe
from nmt.text.reading.corpus import DataFolder, ParallelText
from tests.interop.models import two_languages

SOURCE = "the old woman reads a letter"


@pytest.mark.parametrize(
    ("source", "translation", "reason"),
    [
        (SOURCE, "die alte Frau liest einen Brief", ""),
        (" ", "", "empty"),
        (SOURCE, " ", "untranslated"),
        (SOURCE, f"die alte {'gute ' * 17}Frau", "length"),
        (SOURCE, "die Frau die Frau die Frau", "repetition"),
        (SOURCE, "the old woman liest letter", "copy"),
        (SOURCE, "die alte Frau liest einen \u2047", "unknown"),
        ("3 + 4", "3 + 4", ""),
        (SOURCE, "die Frau liest 2 Briefe", ""),  # other numbers are common, and low scores too
    ],
)
def test_the_first_reason_counts(source: str, translation: str, reason: str) -> None:
    lengths = [len(text.split()) + 1 for text in (source, translation)]
    source_tokens = lengths[0] if source.strip() else 0
    verdict = judge(Checked(source, translation, source_tokens, lengths[1], -30.0))
    assert verdict.reason == reason
    assert not reason or reason in REASONS
    assert read_verdict(iter([json.dumps(verdict)]), Path("here")) == verdict


def test_a_line_that_holds_no_verdict_is_damaged() -> None:
    for line in ('{"text": 1}', "[]"):
        with pytest.raises(DamagedError, match="here is damaged"):
            read_verdict(iter([line]), Path("here"))
    with pytest.raises(DamagedError, match="here has fewer lines than were translated"):
        read_verdict(iter([]), Path("here"))


def test_pairs_are_those_of_the_text_and_then_those_of_each_model(tmp_path: Path) -> None:
    text, kept = tmp_path / "pairs.tsv", tmp_path / "kept"
    text.write_text("sun moon\tMOND SONNE\tmore\nno tab\nstar\t\n", encoding="utf-8")
    verdicts = [["SONNE MOND"], ["", "copy", "share: 1.0"], ["STERN"]]
    verdicts += [["sun moon"], ["", "empty", ""], ["", "empty", ""]]
    kept.write_text("".join(f"{json.dumps(verdict)}\n" for verdict in verdicts))
    task = AugmentTask("diversification", ParallelText((text,)), (), (), "")
    no_tab, empty, repeated = (REASONS[name] for name in ("unreadable", "empty", "duplicates"))
    assert [*made_pairs(task, [0, 1], kept, frozenset())] == [
        (1, 0, "", "", "sun moon", "MOND SONNE"),
        (2, 0, "unreadable", no_tab, "no tab", ""),
        (3, 0, "empty", empty, "star", ""),
        (1, 1, "", "", "sun moon", "SONNE MOND"),
        (2, 1, "unreadable", "share: 1.0", "no tab", ""),
        (3, 1, "", "", "star", "STERN"),
        (1, 2, "duplicates", repeated, "sun moon", "MOND SONNE"),
        (2, 2, "unreadable", no_tab, "", ""),
        (3, 2, "empty", empty, "", ""),
    ]


def test_a_recipe_of_several_languages_names_those_of_new_pairs(tmp_path: Path) -> None:
    base, output = tmp_path / "many.toml", tmp_path / "next.toml"
    base.write_text(
        '[data]\ntrain = [{source = "a.en", target = "a.de"},'
        ' {source = "b.en", target = "b.fr", target_language = "fr"}]\n'
    )
    extension = RecipeExtension(str(base), output, DataFolder(tmp_path), "<BT>")
    pairs = tmp_path / "bt.en", tmp_path / "bt.fr"
    text, _ = next_recipe(extension, pairs, ("en", "fr"), (), "nmt augment", pytest.fail)
    output.write_text(text)
    data = load_recipe(str(output)).data
    assert [*map(data.find_languages, data.train)] == [("en", "de"), ("en", "fr"), ("en", "fr")]
    with pytest.raises(UsageError, match="en to de, en to fr, but the new pairs are fr to en"):
        next_recipe(extension, pairs, ("fr", "en"), (), "nmt augment", pytest.fail)


def test_a_text_names_its_language_if_a_model_reads_several() -> None:
    model = two_languages()
    train = [
        TextFiles("a", "b", source_language=code, target_language="en") for code in ["de", "fr"]
    ]
    recipe = replace(model.recipe, data=replace(model.recipe.data, train=(*train,)))
    settings = DecodeSettings(target_language="en")

    def passes_over(name: str) -> list[Pass]:
        text = ParallelText((Path(name),))
        task = AugmentTask("back-translation", text, (model.path,), (), "out")
        return load_passes(task, lambda path: (replace(model, recipe=recipe), settings))

    assert passes_over("mono.fr")[0].languages == ("en", "fr")
    for name in ("mono.txt", "mono.en"):
        with pytest.raises(UsageError, match="by its name, but the model reads de, fr to write en"):
            passes_over(name)
