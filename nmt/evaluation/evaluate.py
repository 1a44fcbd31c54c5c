"""Evaluate a model or a file of translations on test sets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.config import DataSettings, DecodeSettings
from nmt.errors import UsageError
from nmt.evaluation.plausibility import output_warnings, reference_warnings, size_warnings
from nmt.evaluation.results import Evaluation, SystemDescription, SystemResult, TestSetResult
from nmt.evaluation.scores import MetricSet, compared_scores, corpus_scores, exact_matches
from nmt.evaluation.segment_scores import scores_by_length, worst_and_best
from nmt.evaluation.significance import seed
from nmt.evaluation.systems import Model, System, Translations
from nmt.evaluation.tasks import NO_VARIANT, ChosenMetrics, choose_metrics
from nmt.evaluation.test_sets import (
    TestSet,
    files_test,
    recipe_tests,
    references_test,
    sacrebleu_test,
)
from nmt.evaluation.translation_metrics import BleuVariant
from nmt.system.log import Notify, note
from nmt.text.corpus import DataFolder
from nmt.text.languages import is_language, language_in_name, primary

if TYPE_CHECKING:  # files of translations are scored without PyTorch
    from nmt.runs.trained_model import TrainedModel

DEFAULTS = DataSettings()


@dataclass(frozen=True)
class Scoring:
    """Options of an evaluation."""

    others: tuple[System, ...] = ()  # systems to compare with
    variant: BleuVariant = NO_VARIANT  # a further kind of BLEU to score by
    # Add what a card holds: intervals, the paper's BLEU, scores by length, worst and best segments.
    in_full: bool = False


DEFAULT_SCORING = Scoring()


def evaluate_model(
    model: "TrainedModel",
    settings: DecodeSettings,
    data: DataFolder,
    notify: Notify,
    *,
    files: Sequence[Path] = (),
    test_sets: Sequence[str] = (),
    language_pair: str = "",
    scoring: Scoring = DEFAULT_SCORING,
) -> Evaluation:
    """Translate and score test sets with a model or an ensemble.

    The test sets are sacreBLEU's with the names `test_sets`, or else `files`, or else those of the
    model's recipe.

    Args:
        model: the model or ensemble; its recipe gives the languages and the metric.
        settings: how it searches.
        data: folder with the recipe's test sets.
        notify: receives notes and warnings, such as that a long segment is split.
        files: a file of sources, then one or more files of references. UsageError if their names
            say that they are exchanged.
        test_sets: names of sacreBLEU's test sets.
        language_pair: of `test_sets`, such as "en-de"; "" is the recipe's.
        scoring: further options.

    Raises NmtError before anything is translated if a test set cannot be read or does not fit.
    """
    recipe = model.recipe
    source_language, target_language = recipe.data.source_language, recipe.data.target_language
    if test_sets and language_pair:
        source_language, _, target_language = language_pair.partition("-")
    chosen = choose_metrics(
        recipe.data.metric, target_language, scoring.variant, in_full=scoring.in_full
    )
    if test_sets:
        pair = f"{source_language}-{target_language}"
        tests = [sacrebleu_test(name, pair) for name in test_sets]
    elif files:
        check_order(files[0], files[1:], source_language, target_language)
        tests = [files_test(files[0], files[1:])]
    else:
        tests = recipe_tests(recipe, data)
    return evaluate(tests, Model(model, settings, notify), chosen, scoring, notify)


def evaluate_translations(
    path: Path,
    references: Sequence[Path] = (),
    *,
    test_set: str = "",
    language_pair: str = "",
    target_language: str = "",
    metric: str = DEFAULTS.metric,
    scoring: Scoring = DEFAULT_SCORING,
    notify: Notify = note,
) -> Evaluation:
    """Score a file of translations.

    Args:
        path: the translations, one a line.
        references: one or more aligned files of references.
        test_set: instead of references, the name of one of sacreBLEU's test sets.
        language_pair: of `test_set`, such as "en-de".
        target_language: ISO 639 code that selects BLEU's tokenizer; "" is that of
            `language_pair`, else the ending of the first file of references or of `path`, such as
            zh in test.zh, else the default of data.target_language.
        metric: a value of data.metric.
        scoring: further options.
        notify: receives warnings, such as that all references are blank.

    Raises NmtError if the translations and the test set do not align, UsageError for a
    `target_language` that is no code, and for references in several languages, by their names.
    """
    check_references(language_in_name(path), references)
    if target_language and not is_language(primary(target_language)):
        raise UsageError(
            f"the target language '{target_language}' is no code; give one such as de or zh-Hans"
        )
    target_language = target_language or language_pair.partition("-")[2]
    endings = (language_in_name(each) for each in (*references[:1], path))
    target_language = target_language or next(filter(None, endings), DEFAULTS.target_language)
    chosen = choose_metrics(
        metric,
        target_language,
        scoring.variant,
        in_full=scoring.in_full,
    )
    test = sacrebleu_test(test_set, language_pair) if test_set else references_test(references)
    return evaluate([test], Translations(path), chosen, scoring, notify)


def check_order(source: Path, references: Sequence[Path], *languages: str) -> None:
    """Raise UsageError if files of source and references are exchanged, by their names."""
    source_language, target_language = map(primary, languages)
    found = language_in_name(source), language_in_name(references[0])
    if found == (target_language, source_language) and source_language != target_language:
        raise UsageError(
            f"{source} and {references[0]} are exchanged: the model translates {source_language}"
            f" to {target_language}; name the source first"
        )
    check_references(target_language, references)


def check_references(language: str, references: Sequence[Path]) -> None:
    """Raise UsageError if a source is among the references, by the languages in their names.

    language: that of the translations, which the references have too; "" if unknown.
    """
    named = [language_in_name(each) for each in references]
    language = language or (named[-1] if named else "")
    others = [each for each in references if language_in_name(each) not in ("", language)]
    if language and len(others) == 1 and language in named:
        raise UsageError(
            f"{others[0]} is not in the language of the other references, by its name: all files"
            " but the model's source are references; leave it out"
        )


def evaluate(
    tests: Sequence[TestSet],
    system: System,
    chosen: ChosenMetrics,
    scoring: Scoring,
    notify: Notify,
) -> Evaluation:
    """Score a system on test sets, and compare it with others.

    Warnings about a test set are printed before it is translated, and are part of its result.

    Raises NmtError before anything is translated if a test set does not fit a system.
    """
    if scoring.in_full or scoring.others:
        seed()  # a bad one is reported before the work
    tests = [test.grouped(chosen.metrics) for test in tests]
    systems = [system, *scoring.others]
    for each in systems:
        for test in tests:
            each.check(test)
    described = [each.describe() for each in systems]
    odd = [reference_warnings(test) for test in tests]
    warn(notify, *odd)
    results = []
    for test, before in zip(tests, odd, strict=True):
        outputs = [each.outputs(test) for each in systems]
        after = warnings_of(test, [each.name for each in described], outputs, scoring)
        warn(notify, after)
        result = test_set_result(test, outputs, described, chosen.metrics, in_full=scoring.in_full)
        results.append(replace(result, warnings=(*before, *after)))
    return Evaluation(described[0], tuple(results), chosen.left_out)


def warnings_of(
    test: TestSet, names: Sequence[str], outputs: Sequence[Sequence[str]], scoring: Scoring
) -> list[str]:
    """Return warnings about implausible outputs, and about too few segments to compare."""
    found = [
        warning
        for name, texts in zip(names, outputs, strict=True)
        for warning in output_warnings(test, name, texts)
    ]
    if scoring.in_full or len(outputs) > 1:
        found += size_warnings(test, names, outputs)
    return found


def warn(notify: Notify, *warnings: Sequence[str]) -> None:
    """Notify of every warning."""
    for each in (text for texts in warnings for text in texts):
        notify(f"warning: {each}")


def test_set_result(
    test: TestSet,
    outputs: Sequence[Sequence[str]],
    described: Sequence[SystemDescription],
    metrics: MetricSet,
    *,
    in_full: bool,
) -> TestSetResult:
    """Score the outputs of systems on a test set, the first in full if asked."""
    if in_full or len(outputs) > 1:
        scores = compared_scores(metrics, outputs, test.references)
    else:
        scores = [corpus_scores(metrics, outputs[0], test.references)]
    return TestSetResult(
        name=test.name,
        segments=len(test.references),
        lines=test.line_count,
        references=max(map(len, test.references)),
        source_sha256=test.source_sha256,
        reference_sha256s=test.reference_sha256s,
        systems=tuple(
            SystemResult(each, tuple(values))
            for each, values in zip(described, scores, strict=True)
        ),
        exact_matches=(
            exact_matches(outputs[0], test.references, test.labels) if test.labels else ()
        ),
        by_length=scores_by_length(test, outputs[0], metrics) if in_full else None,
        examples=worst_and_best(test, outputs[0], metrics) if in_full else None,
    )
