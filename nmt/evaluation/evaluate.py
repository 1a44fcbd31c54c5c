"""Evaluate systems on test sets: a model, an ensemble, or a file of translations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from itertools import chain, compress, product
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nmt.config import DataSettings, DecodeSettings
from nmt.errors import NmtError, UsageError
from nmt.evaluation.metrics import NO_VARIANT, BleuVariant, MetricSet, choose_metrics
from nmt.evaluation.results import (
    Direction,
    EnsembleMember,
    Evaluation,
    LabelCount,
    SystemDescription,
    SystemResult,
    TestSetResult,
)
from nmt.evaluation.scores import (
    corpus_scores,
    count_by_label,
    exact_matches,
    scores_by_length,
    worst_and_best,
)
from nmt.evaluation.significance import compared_scores, seed, size_warnings
from nmt.evaluation.test_sets import (
    TestSet,
    files_test,
    output_warnings,
    recipe_tests,
    reference_warnings,
    sacrebleu_test,
)
from nmt.system.files import compute_sha256
from nmt.system.log import Notify, note, progress_bar, show_progress
from nmt.text.reading.corpus import DataFolder
from nmt.text.reading.languages import (
    is_contradicted,
    is_language,
    is_same,
    language_in_name,
    primary,
)
from nmt.text.reading.lines import TextFile, read_text_file

if TYPE_CHECKING:  # files of translations are scored without PyTorch
    from nmt.runs.trained_model import TrainedModel

    Loaded = tuple[TrainedModel, DecodeSettings]

DEFAULTS = DataSettings()


class System(Protocol):
    """A source of translations for the segments of a test set."""

    def check(self, test: TestSet) -> None:
        """Raise NmtError if the system cannot translate the test set."""
        ...

    def outputs(self, test: TestSet) -> list[str]:
        """Return a translation for each segment, in order."""
        ...

    def describe(self) -> SystemDescription:
        """Return the facts that identify the system."""
        ...


@dataclass(frozen=True)
class Translations:
    """A file of translations, one a line; a pipe, or stdin for `-`. It is read once."""

    path: Path

    @cached_property
    def file(self) -> TextFile:
        """Return the lines and the SHA-256 of the file."""
        return read_text_file(self.path)

    def check(self, test: TestSet) -> None:
        """Raise NmtError unless the file has as many lines as the test set."""
        self.outputs(test)

    def outputs(self, test: TestSet) -> list[str]:
        """Return the line of each segment; raises NmtError unless the files align."""
        lines = self.file.segments
        if len(lines) != test.line_count:
            has = f"has {len(lines):,} lines" if lines else "is empty"
            where = ": look for a missing or an added line, for example with `paste`"
            raise NmtError(
                f"{self.file.name} {has} but {test.name} has {test.line_count:,} lines; each line"
                f" needs one translation{where if lines else ''}"
            )
        return [lines[line] for line in test.lines]

    def describe(self) -> SystemDescription:
        """Return the path and the SHA-256 of the file."""
        return SystemDescription(self.file.name, self.file.sha256)


@dataclass(frozen=True)
class Model:
    """A model or an ensemble, with its search settings."""

    trained: "TrainedModel"
    settings: DecodeSettings
    notify: Notify  # receives notes such as that a long segment is split

    def check(self, test: TestSet) -> None:
        """Raise UsageError for a test set without sources or in a language it does not write."""
        from nmt.text.subwords.tokenizer import target_token

        if not test.sources:
            raise UsageError(
                f"{self.trained.path} needs sources to translate, but {test.name} has none: give"
                " sources or a test set of sacreBLEU, or compare files of translations"
            )
        _, own = self.trained.recipe.data.known_directions[0]
        try:
            target_token(test.languages[1], self.trained.tokenizer.source, own)
        except UsageError as error:
            raise UsageError(f"{self.trained.path}: {error}") from error

    def settings_for(self, test: TestSet) -> DecodeSettings:
        """Return the search settings, into the language of a test set."""
        return replace(self.settings, target_language=test.languages[1])

    def outputs(self, test: TestSet) -> list[str]:
        """Return the best translation of each segment."""
        from nmt.decoding.translator.translator import Translator

        translator = Translator(self.trained, self.settings_for(test), self.notify)
        total, done = len(test.sources), 0
        with progress_bar(total=total, unit="segment", desc=f"translate {test.name}") as bar:

            def advance(count: int) -> None:
                nonlocal done
                done += count  # more than segments if long ones are split
                show_progress(bar, done, total)

            translator.scheduler.on_batch = advance
            return [found.text for found in translator.translate(test.sources)]

    def contrasts(self, test: TestSet) -> tuple[LabelCount, ...]:
        """Return by label how often the first reference is more probable than the wrong target.

        A tie is wrong. A segment whose wrong target is its reference does not count: it is context
        of others. Nothing is counted if another program searches, which cannot score.
        """
        if not test.contrasts or self.trained.engine:
            return ()
        from nmt.decoding.files.score import Scorer, TextPair

        scorer = Scorer(self.trained, self.settings_for(test), self.notify)
        right, wrong = (
            [found.log_prob for found in scorer.score(map(TextPair, test.sources, targets))]
            for targets in ([known[0] for known in test.references], test.contrasts)
        )
        preferred = [ours > other for ours, other in zip(right, wrong, strict=True)]
        labels = test.labels or [""] * len(preferred)
        texts = zip(test.references, test.contrasts, strict=True)
        is_wrong = [known[0] != text for known, text in texts]
        return count_by_label([*compress(preferred, is_wrong)], [*compress(labels, is_wrong)])

    def describe(self) -> SystemDescription:
        """Return the model files, their SHA-256, the device and the search settings."""
        members = tuple(
            EnsembleMember(str(member.path), compute_sha256(member.path), member.recipe.name)
            for member in self.trained.ensemble
        )
        from nmt.decoding.search.mbr import candidate_count
        from nmt.decoding.translator.load import device_settings

        device, engine = self.trained.device, self.trained.engine
        decode = device_settings(self.settings, device, candidate_count(self.settings, 1))
        if engine:  # its "auto" is the precision of its own weights
            decode = replace(decode, precision=self.settings.precision)
        return SystemDescription(
            str(self.trained.path),
            compute_sha256(self.trained.path),
            decode,
            device,
            members,
            engine,
        )


def load_systems(
    paths: Sequence[Path], load: "Callable[[Path], Loaded]", notify: Notify
) -> tuple[System, ...]:
    """Open models and files of translations to compare with.

    A path is a model if it is a folder or ends in .safetensors. load: loads a model. Raises
    NmtError if a model cannot be read.
    """
    return tuple(
        Translations(path) if is_text(path) else Model(*load(path), notify) for path in paths
    )


def is_text(path: Path) -> bool:
    """Return whether a system to compare with is a file of translations, not a model."""
    return not path.is_dir() and path.suffix != ".safetensors"


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
    recipe, wanted = model.recipe, settings.target_language.strip("<>")
    if test_sets:
        pair = language_pair or f"{recipe.data.source_language}-{recipe.data.target_language}"
        source, _, target = pair.partition("-")
        if is_same(wanted, target):  # such as one of several scripts
            target = wanted
        tests = [
            replace(sacrebleu_test(name, pair), languages=(source, target)) for name in test_sets
        ]
    elif files:
        languages = find_file_languages(files, model, wanted)
        check_names(files, languages, notify)
        tests = [replace(files_test(files[0], files[1:]), languages=languages)]
    else:
        tests = recipe_tests(recipe, data)
    system = Model(model, settings, notify)
    metrics = metrics_by_language(recipe.data.metric, scoring)
    return evaluate(tests, system, metrics, scoring, notify, recipe.data.directions)


def evaluate_translations(
    path: Path,
    references: Sequence[Path] = (),
    *,
    test_set: str = "",
    language_pair: str = "",
    target_language: str = "",
    metric: str = DEFAULTS.metric,
    scoring: Scoring = DEFAULT_SCORING,
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

    Raises NmtError if the translations and the test set do not align, UsageError for a
    `target_language` that is no code, and for references in several languages, by their names.
    """
    check_references(language_in_name(path), references)
    if target_language and not is_language(primary(target_language)):
        raise UsageError(
            f"the target language '{target_language}' is no code; give one such as de or zh-Hans"
        )
    target_language = target_language or language_pair.partition("-")[2]
    endings = map(language_in_name, (*references[:1], path))
    target_language = target_language or next(filter(None, endings), DEFAULTS.target_language)
    test = sacrebleu_test(test_set, language_pair) if test_set else files_test(None, references)
    test = replace(test, languages=("", target_language))
    metrics = metrics_by_language(metric, scoring)
    return evaluate([test], Translations(path), metrics, scoring, note)


def find_file_languages(
    files: Sequence[Path], model: "TrainedModel", wanted: str
) -> tuple[str, str]:
    """Return the languages of a file of sources and one of references.

    wanted: that of the translations; "" if the reference's name tells. A model of one direction
    decides alone.
    """
    data = model.recipe.data
    known = data.known_directions
    if len(data.directions) == 1 or not (data.directions or model.tokenizer.source.language_tokens):
        return known[0][0], wanted or known[0][1]
    source, target = map(language_in_name, files[:2])
    own = model.recipe.decode.target_language.strip("<>")  # a name goes before it
    target = (target if wanted == own else wanted) or own
    likely = [pair for pair in known if is_same(pair[1], target)] or [(known[0][0], target)]
    codes = {code for _, code in likely}  # of the model
    return source or likely[0][0], codes.pop() if len(codes) == 1 else target


def check_names(files: Sequence[Path], languages: tuple[str, str], notify: Notify) -> None:
    """Raise UsageError if files of source and references are exchanged, by their names.

    notify: receives a warning of references in another language, by their names.
    """
    source, target = map(primary, languages)
    named = [*map(language_in_name, files)]
    if named[:2] == [target, source] and source != target:
        raise UsageError(
            f"{files[0]} and {files[1]} are exchanged: the model translates {source} to {target};"
            " name the source first"
        )
    check_references(target, files[1:])
    for path, language in zip(files[1:], named[1:], strict=True):
        if is_contradicted(target, language):
            notify(
                f"warning: {path} is in {language} by its name, but the model translates {source}"
                f" to {target}"
            )


def check_references(language: str, references: Sequence[Path]) -> None:
    """Raise UsageError if a source is among the references, by the languages in their names.

    language: that of the translations, which the references have too; "" if unknown.
    """
    named = [*map(language_in_name, references)]
    language = language or (named[-1] if named else "")
    others = [path for path in references if language_in_name(path) not in ("", language)]
    if language and len(others) == 1 and language in named:
        raise UsageError(
            f"{others[0]} is not in the language of the other references, by its name: all files"
            " but the model's source are references; leave it out"
        )


def evaluate(
    tests: Sequence[TestSet],
    evaluated: System,
    metrics: Callable[[str], MetricSet],
    scoring: Scoring,
    notify: Notify,
    trained: Sequence[tuple[str, str]] = (),
) -> Evaluation:
    """Score a system on test sets, and compare it with others.

    Warnings about a test set are printed before it is translated, and are part of its result.

    Args:
        tests: the test sets.
        evaluated: the system.
        metrics: gives those of a target language.
        scoring: further options.
        notify: receives the warnings.
        trained: the directions that the system was trained in, if they are known.

    Raises NmtError before anything is translated if a test set does not fit a system.
    """
    is_resampled = scoring.in_full or bool(scoring.others)
    if is_resampled:
        seed()  # a bad one is reported before the work
    directions = list_directions(tests, trained)
    chosen = [metrics(test.languages[1]) for test in tests]
    tests = [test.grouped(own) for test, own in zip(tests, chosen, strict=True)]
    systems = [evaluated, *scoring.others]
    for system, test in product(systems, tests):
        system.check(test)
    described = [system.describe() for system in systems]
    names = [description.name for description in described]
    odd = [reference_warnings(test) for test in tests]
    for warning in chain(*odd):
        notify(f"warning: {warning}")
    results = []
    for test, own, direction, before in zip(tests, chosen, directions, odd, strict=True):
        outputs = [system.outputs(test) for system in systems]
        found = [output_warnings(test, *named) for named in zip(names, outputs, strict=True)]
        if is_resampled:
            found.append(size_warnings(test, names, outputs))
        for warning in chain(*found):
            notify(f"warning: {warning}")
        result = test_set_result(test, outputs, described, own, in_full=scoring.in_full)
        contrasts = evaluated.contrasts(test) if isinstance(evaluated, Model) else ()
        warnings = (*before, *chain(*found))
        results.append(replace(result, direction=direction, contrasts=contrasts, warnings=warnings))
    left_out = dict.fromkeys(chain(*(own.left_out for own in chosen)))
    return Evaluation(described[0], tuple(results), tuple(left_out))


def list_directions(
    tests: Sequence[TestSet], trained: Sequence[tuple[str, str]]
) -> list[Direction | None]:
    """Return the direction of each test set; None for all if there is one direction."""

    def is_trained(pair: tuple[str, str]) -> bool:
        return any(all(map(is_same, pair, known)) for known in trained)

    pairs = [test.languages for test in tests]
    if max(len({*trained}), len({*pairs})) < 2:
        return [None] * len(tests)
    return [Direction(*pair, is_zero_shot=bool(trained) and not is_trained(pair)) for pair in pairs]


def metrics_by_language(metric: str, scoring: Scoring) -> Callable[[str], MetricSet]:
    """Return a function that gives the metrics of a task by the target language."""
    choose = partial(choose_metrics, metric, variant=scoring.variant, in_full=scoring.in_full)
    return cache(choose)


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
            SystemResult(description, tuple(values))
            for description, values in zip(described, scores, strict=True)
        ),
        exact_matches=(
            exact_matches(outputs[0], test.references, test.labels) if test.labels else ()
        ),
        by_length=scores_by_length(test, outputs[0], metrics) if in_full else None,
        examples=worst_and_best(test, outputs[0], metrics) if in_full else None,
    )
