"""Evaluation from Python: typed results, and the equality with what the command prints."""

import gzip
import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from nmt.config import Recipe
from nmt.errors import UsageError
from nmt.evaluation import test_sets  # pytest would collect an imported TestSet
from nmt.evaluation.card import as_text, direction_rows, evaluation_json
from nmt.evaluation.evaluate import (
    Model,
    Scoring,
    Translations,
    check_names,
    evaluate,
    evaluate_model,
    evaluate_translations,
    find_file_languages,
)
from nmt.evaluation.metrics import BleuVariant, choose_metrics
from nmt.evaluation.results import SystemDescription
from nmt.recipe.settings import with_settings
from nmt.runs.trained_model import load_model
from nmt.text.reading.corpus import DataFolder
from tests.commands.conftest import write
from tests.interop.models import two_languages, two_vocabularies


def test_a_model_prefers_references_to_wrong_targets(skilled_run: Path) -> None:
    """If the two are exchanged, it prefers the others; equal targets do not count."""
    folder = skilled_run.parent.parent
    model = load_model(skilled_run, "cpu")
    sources = (folder / "dev.src").read_text().splitlines()
    right = (folder / "dev.tgt").read_text().splitlines()
    wrong = [*right[:2], *(f"{text} {text}" for text in right[2:])]
    labels = ["same"] * 2 + ["twice"] * 8  # as the context of others

    def preferred(references: list[str], contrasts: list[str]) -> dict[str, tuple[int, int]]:
        known = [(text,) for text in references]
        test = test_sets.TestSet.of("test", sources, known, labels, contrasts)
        counts = Model(model, model.recipe.decode, lambda note: None).contrasts(test)
        return {count.label: (count.right, count.segments) for count in counts}

    assert preferred(right, wrong) == {"all": (8, 8), "twice": (8, 8)}
    assert preferred(wrong, right) == {"all": (0, 8), "twice": (0, 8)}


def test_the_first_system_is_the_evaluated_one(tmp_path: Path) -> None:
    reference = write(tmp_path / "ref", "ein Hund läuft im Park", "das ist ein Haus am See", "")
    output = write(tmp_path / "out", "ein Hund läuft im Haus", "das ist ein Haus am See", "")
    scoring = Scoring(others=(Translations(reference),), in_full=True)
    result = evaluate_translations(output, [reference], scoring=scoring)
    (test_set,) = result.test_sets
    ours, theirs = test_set.systems
    assert (ours.system.name, theirs.system.name) == (str(output), str(reference))
    for mine, other in zip(ours.scores, theirs.scores, strict=True):
        assert mine.difference is None
        assert mine.interval is not None
        assert other.difference == other.value - mine.value
        assert other.p_value is not None
    assert test_set.by_length is not None
    assert [bucket.segments for bucket in test_set.by_length.buckets] == [3]
    assert test_set.examples is not None
    # The last line only ends a document.
    assert [example.line for example in test_set.examples.worst] == [1, 2]


def tokenizer(hypotheses: Path, references: Path, language: str = "") -> str:
    """Return the tokenizer of the BLEU of a sentence."""
    for path in (hypotheses, references):
        open_file = gzip.open if path.suffix == ".gz" else open
        with open_file(path, "wt", encoding="utf-8") as file:
            file.write("他去北京了。\n")
    found = evaluate_translations(hypotheses, [references], target_language=language)
    signature = found.test_sets[0].systems[0].scores[0].signature
    return signature.partition("|tok:")[2].partition("|")[0]


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        *(("zh-CN", "zh"), ("zh_Hans", "zh"), ("zho", "zh"), ("jpn", "char"), ("ko", "char")),
        ("de-AT", "13a"),
    ],
)
def test_a_script_or_a_country_does_not_change_the_tokenizer(
    language: str, expected: str, tmp_path: Path
) -> None:
    assert tokenizer(tmp_path / "out", tmp_path / "reference", language) == expected


@pytest.mark.parametrize(
    ("hypotheses", "references", "expected"),
    [
        ("out", "test.zh", "zh"),
        ("out.txt", "test.ja.gz", "char"),
        ("out.zh-Hans", "reference", "zh"),
        ("out.ja", "test.de", "13a"),
        ("out.txt", "reference.txt", "13a"),
    ],
)
def test_the_files_names_state_the_language(
    hypotheses: str, references: str, expected: str, tmp_path: Path
) -> None:
    assert tokenizer(tmp_path / hypotheses, tmp_path / references) == expected


def test_what_cannot_be_scored_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'chinese' is no code"):
        evaluate_translations(tmp_path / "x", target_language="chinese")
    with pytest.raises(UsageError, match="error_rate"):
        choose_metrics("error_rate", "en", BleuVariant("intl"))


@dataclass(frozen=True)
class Echo:
    """A system that translates nothing."""

    def check(self, test: test_sets.TestSet) -> None:
        """Accept every test set."""

    def outputs(self, test: test_sets.TestSet) -> list[str]:
        return test.sources

    def describe(self) -> SystemDescription:
        return SystemDescription("echo", "")


def test_directions_have_a_table_with_their_means_and_their_own_tokenizers() -> None:
    """A direction that was not trained is apart; one direction has no table."""
    texts = {("en", "de"): "a b c d e", ("de", "zho"): "a b", ("fr", "de"): "a b c d x"}
    tests = [
        replace(test_sets.TestSet.of(f"to {pair[1]}", [text], [("a b c d e",)]), languages=pair)
        for pair, text in texts.items()
    ]

    metrics = partial(choose_metrics, "bleu")
    trained = [("en", "de"), ("de", "zh")]
    found = evaluate(tests, Echo(), metrics, Scoring(), print, trained)
    scores = [result.systems[0].scores for result in found.test_sets]
    tokenizers = ["tok:zh" in own[0].signature for own in scores]
    assert tokenizers == [False, True, False]
    directions = [result.direction for result in found.test_sets if result.direction]
    assert [direction.title for direction in directions] == ["en-de", "de-zho", "fr-de, zero-shot"]
    seen, unseen = found.averages()
    ter = [own[2].value for own in scores]
    assert (ter, seen.scores["TER"], unseen.scores["TER"]) == ([0, 60, 20], 30, 20)
    assert (seen.test_sets, unseen.is_zero_shot) == (2, True)
    text = as_text(found)
    assert "to de (1 segments, fr-de, zero-shot)" in text
    assert "mean              2 test sets" in text
    data = json.loads(evaluation_json(found))
    assert data["averages"][1]["scores"]["TER"] == 20
    assert data["results"][2]["direction"] == {"source": "fr", "target": "de", "is_zero_shot": True}
    metrics = partial(choose_metrics, "bleu", in_full=True)  # Chinese has no BLEU of the paper
    mixed = evaluate(tests[:2], Echo(), metrics, Scoring(), print, trained[:1])
    assert direction_rows(mixed)[0][2:] == ("  BLEU", " chrF2", "   TER")
    alone = evaluate(tests[:1], Echo(), metrics, Scoring(), print, trained[:1])
    assert "en-de" not in as_text(alone)
    assert not {"averages", "direction"} & {*json.loads(evaluation_json(alone))["results"][0]}


@pytest.mark.parametrize(
    ("files", "wanted", "expected"),
    [
        ("test.txt test.en", "", ("de", "en")),
        ("test.fr ref.txt", "eng", ("fr", "en")),
    ],
)
def test_names_of_files_tell_the_direction(
    files: str, wanted: str, expected: tuple[str, str]
) -> None:
    model = two_languages()
    paths = [*map(Path, files.split())]
    assert find_file_languages(paths, model, wanted) == expected
    recipe = with_settings(model.recipe, {"decode.target_language": "de"})
    usual = replace(model, recipe=recipe)
    assert find_file_languages(paths, usual, wanted or "de") == expected
    assert find_file_languages([Path("test.en"), Path("ref.txt")], usual, "de") == ("en", "de")


def test_references_with_the_name_of_another_language_are_noted() -> None:
    notes: list[str] = []
    check_names([Path("a.en"), Path("a.fr"), Path("b.txt")], ("en", "de"), notes.append)
    assert notes == ["warning: a.fr is in fr by its name, but the model translates en to de"]
    check_names([Path("a.nl"), Path("a.zh")], ("nl", "zh-Hans"), notes.append)
    assert len(notes) == 1


def test_a_model_of_several_languages_needs_one(tmp_path: Path) -> None:
    """Another model that does not write it is not compared."""
    model, data = two_languages(), DataFolder(tmp_path)
    files = [write(tmp_path / "a", "sun"), write(tmp_path / "b", "moon")]
    with pytest.raises(UsageError, match="the model writes several languages"):
        evaluate_model(model, model.recipe.decode, data, print, files=files)
    other = replace(model, tokenizer=two_vocabularies(), recipe=Recipe("one"), path=Path("one"))
    scoring = Scoring(others=(Model(other, other.recipe.decode, print),))
    into_english = replace(model.recipe.decode, target_language="en")
    with pytest.raises(UsageError, match="one: the model does not write 'en'"):
        evaluate_model(model, into_english, data, print, files=files, scoring=scoring)
