"""`nmt evaluate`: scores with their signatures, evaluation cards, comparisons."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nmt.commands.options import (
    FILE,
    data_dir_option,
    decoding_options,
    device_option,
    flags_as_overrides,
    load_models,
    models_option,
    set_option,
)
from nmt.errors import NmtError, UsageError
from nmt.system.atomic import atomic_path
from nmt.text.corpus import DataFolder

if TYPE_CHECKING:
    from nmt.config import Recipe
    from nmt.evaluation.scores import MetricSet
    from nmt.evaluation.systems import Model, System
    from nmt.evaluation.test_sets import TestSet
    from nmt.evaluation.translation_metrics import BleuVariant

TOKENIZERS = ("13a", "intl", "char", "zh", "none", "moses", "paper")  # of --tokenize
LANGUAGE = "de"  # of translations that no recipe tells
METRICS = ("bleu", "error_rate")  # of data.metric


@click.command("evaluate")
@click.argument(
    "files",
    nargs=-1,
    type=FILE,
    metavar="[SOURCE] [REFERENCE]...",
)
@click.option(
    "--hypotheses",
    type=FILE,
    help="Score these translations; no model is needed.",
)
@models_option
@click.option(
    "--compare",
    multiple=True,
    type=FILE,
    metavar="MODEL|FILE",
    help="Test whether another model, or a file of translations, differs; may be repeated.",
)
@click.option(
    "--card",
    "cards",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Write an evaluation card, .json or .md by its ending; may be repeated.",
)
@click.option(
    "--test-set",
    "test_sets",
    multiple=True,
    metavar="NAME",
    help="One of sacreBLEU's, such as wmt14/full, which it downloads; may be repeated.",
)
@click.option(
    "--language-pair", help="Of --test-set, such as en-de.  [default: that of the model's recipe]"
)
@data_dir_option
@decoding_options
@click.option(
    "--tokenize",
    type=click.Choice(TOKENIZERS),
    help="Print a further BLEU, of this tokeniser; moses and paper need nmt[moses].",
)
@click.option("--lowercase", is_flag=True, help="Print a further BLEU, of lower-cased text.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
@click.option("--target-language", help="ISO 639 code; with --hypotheses only.  [default: de]")
@click.option(
    "--metric",
    type=click.Choice(METRICS),
    help="With --hypotheses only; a model's recipe has data.metric.  [default: bleu]",
)
@device_option
@set_option
@click.pass_context
def command(
    context: click.Context,
    files: tuple[Path, ...],
    hypotheses: Path | None,
    models: tuple[Path, ...],
    compare: tuple[Path, ...],
    cards: tuple[Path, ...],
    test_sets: tuple[str, ...],
    language_pair: str | None,
    data_dir: Path,
    beam_size: int | None,
    length_penalty: float | None,
    batch_tokens: int | None,
    tokenize: str | None,
    lowercase: bool,
    as_json: bool,
    target_language: str | None,
    metric: str | None,
    device: str,
    overrides: tuple[str, ...],
) -> None:
    """Translate and score the test sets of the model's recipe, or SOURCE against REFERENCE.

    Prints BLEU, chrF and TER by sacreBLEU's defaults, each with the signature to cite. A test set
    with labels also gets its exact-match accuracy by label. --tokenize and --lowercase add a BLEU
    of another kind, to compare with figures that were published in it: moses is that of Moses'
    multi-bleu, paper is that of "Attention Is All You Need", which splits compounds besides. A task
    of data.metric=error_rate gets its token and its sequence error rate instead.

    Several --model are scored as an ensemble; the first one's recipe says on what, and how to
    search.

    A card holds what it takes to cite a score: confidence intervals, the paper's BLEU, scores by
    length, the worst and best segments, hashes of model and test set, the recipe, versions.

    \b
    Examples:
      nmt evaluate
      nmt evaluate test.en test.de --model runs/multi30k_en_de
      nmt evaluate test.en test.de other.de
      nmt evaluate --hypotheses out.de test.de
      nmt evaluate --tokenize moses --lowercase
      nmt evaluate --card card.md --card card.json --compare runs/other
      nmt evaluate --model runs/one --model runs/other
      nmt evaluate --test-set wmt14/full
    """
    flags = flags_as_overrides(
        "decode", beam_size=beam_size, length_penalty=length_penalty, batch_tokens=batch_tokens
    )
    settings = [*overrides, *flags]
    check_files(files, hypotheses, test_sets)
    known = target_language or metric
    check_options(hypotheses, models, settings, test_sets, language_pair, known)

    from nmt.evaluation.card import check_paths, make_card, written
    from nmt.evaluation.results import evaluate
    from nmt.evaluation.systems import Translations
    from nmt.evaluation.table import as_text
    from nmt.evaluation.translation_metrics import BleuVariant

    check_paths(cards, [*files, *compare, *models, *filter(None, [hypotheses])])
    recipe = None
    if hypotheses:
        system: System = Translations(hypotheses)
        language = target_language or (language_pair or LANGUAGE).rpartition("-")[2]
    else:
        system = load(models, device, settings)
        recipe = system.trained.recipe
        language, metric = recipe.data.target_language, recipe.data.metric
        language_pair = language_pair or f"{recipe.data.source_language}-{language}"
    asked = BleuVariant(tokenize or "", lowercase)
    metrics, left_out = chosen_metrics(metric or METRICS[0], language, asked, in_full=bool(cards))
    tests = find_tests(files, recipe, test_sets, language_pair or "", DataFolder(data_dir))
    others = [other_system(path, device, settings) for path in compare]
    with ExitStack() as stack:
        partials = [stack.enter_context(atomic_path(path)) for path in cards]
        report = evaluate(tests, system, others, metrics, in_full=bool(cards))
        if cards:
            report = make_card(report, recipe, ["nmt", *context.obj], left_out)
        click.echo(json.dumps(report, indent=1, ensure_ascii=False) if as_json else as_text(report))
        for path, partial in zip(cards, partials, strict=True):
            partial.write_text(written(report, path), encoding="utf-8", newline="\n")


def check_files(files: Sequence[Path], hypotheses: Path | None, test_sets: Sequence[str]) -> None:
    """Refuse files that are too many or too few."""
    least = 1 if hypotheses else 2
    if test_sets and files:
        raise UsageError("--test-set names sources and references: leave out files of them")
    if hypotheses and len(test_sets) > 1:
        raise UsageError("--hypotheses are of one test set; name one --test-set")
    if not test_sets and len(files) < least and (files or hypotheses):
        raise UsageError(
            "name SOURCE and REFERENCE, or --hypotheses FILE and REFERENCE alone, or no file at all"
        )


def check_options(
    hypotheses: Path | None,
    models: Sequence[Path],
    settings: Sequence[str],
    test_sets: Sequence[str],
    language_pair: str | None,
    known: str | None,
) -> None:
    """Refuse options that do not go together."""
    if hypotheses and (models or settings):
        raise UsageError("--hypotheses needs no model: leave out --model, --set and beam flags")
    if known and not hypotheses:
        raise UsageError(
            "--target-language and --metric go with --hypotheses; a model knows its own"
        )
    if language_pair and not test_sets:
        raise UsageError("--language-pair goes with --test-set")
    if hypotheses and test_sets and not language_pair:
        raise UsageError("--test-set with --hypotheses needs --language-pair, such as en-de")


def load(models: Sequence[Path], device: str, settings: Sequence[str]) -> "Model":
    """What to translate with."""
    from nmt.evaluation.systems import Model

    return Model(*load_models(models, device, settings))


def other_system(path: Path, device: str, settings: Sequence[str]) -> "System":
    """A model by its folder or ending, else a file of translations."""
    from nmt.evaluation.systems import Translations

    if path.is_dir() or path.suffix == ".safetensors":
        return load([path], device, settings)
    return Translations(path)


def find_tests(
    files: Sequence[Path],
    recipe: "Recipe | None",
    test_sets: Sequence[str],
    language_pair: str,
    data: DataFolder,
) -> "list[TestSet]":
    """What to score on: sacreBLEU's test sets, files, or those of the recipe of a model."""
    from nmt.evaluation.test_sets import files_test, recipe_tests, reference_test, sacrebleu_test

    if test_sets:
        return [sacrebleu_test(name, language_pair) for name in test_sets]
    if recipe is None:
        return [reference_test(files)]
    return [files_test(files[0], files[1:])] if files else recipe_tests(recipe, data)


def chosen_metrics(
    metric: str, language: str, asked: "BleuVariant", *, in_full: bool
) -> "tuple[MetricSet, list[str]]":
    """What to score by, and why a card must do without the paper's BLEU, if it must."""
    from nmt.evaluation.tasks import task_metrics
    from nmt.evaluation.translation_metrics import BLEU_TOKENIZERS, PAPER, BleuVariant

    variants = () if asked == BleuVariant() else (asked,)
    paper = BleuVariant(PAPER)
    if metric != METRICS[0] and variants:
        raise UsageError("--tokenize and --lowercase are of BLEU; this task has error rates")
    if metric != METRICS[0] or not in_full or paper in variants:
        return task_metrics(metric, language, variants), []
    try:
        if language in BLEU_TOKENIZERS:
            raise NmtError(f"Moses' tokeniser knows no words in '{language}'")
        return task_metrics(metric, language, (paper, *variants)), []
    except NmtError as error:
        return task_metrics(metric, language, variants), [f"BLEU paper: {error}"]
