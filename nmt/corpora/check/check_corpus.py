"""Check a recipe's corpora, or two files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nmt import __version__
from nmt.corpora.check.block import Counts
from nmt.corpora.check.check_text import findings_of, ordered, with_segments
from nmt.corpora.check.coverage import (
    Coverage,
    coverage_of,
    learned_coverage,
    learned_tokenizer,
    rare_characters,
)
from nmt.corpora.check.examined import context_of, examine_text
from nmt.corpora.check.finding import Finding
from nmt.corpora.check.histogram import histogram_of
from nmt.corpora.check.limits import CheckLimits
from nmt.corpora.check.overlap import Sources, overlaps
from nmt.corpora.check.reading import Refused, Row, Text, sample_of
from nmt.corpora.check.report import FORMAT, Report, Skipped, TextReport
from nmt.corpora.check.third_language import Identify, load_identifier, other_languages
from nmt.errors import NmtError
from nmt.system.files import is_present
from nmt.text.tokenizer import Tokenizer, load_tokenizer


@dataclass(frozen=True)
class Task:
    """Name the texts to check."""

    training: tuple[Text, ...]
    held_out: tuple[Text, ...] = ()  # dev and test sets
    recipe: str = ""  # its name
    languages: tuple[str, str] = ("", "")  # codes that the recipe or the files' names state
    tokenizer: Path | None = None  # of the recipe's run
    is_subwords: bool = True  # whether its tokens are parts of words, not characters


def check_corpus(task: Task, limits: CheckLimits) -> Report:
    """Check the texts of a task; raises NmtError for a file that cannot be read at all."""
    skipped: list[Skipped] = []
    tokenizer = usable_tokenizer(task, skipped)
    identify = usable_identifier(limits, skipped)
    checker = Checker(task, limits, tokenizer, identify, skipped)
    training = [checker.check(text) for text in task.training]
    known = [each.sources for each in training]
    held_out = [checker.check(text, known) for text in task.held_out]
    reports = tuple(each.report for each in (*training, *held_out))
    return Report(FORMAT, __version__, task.recipe, limits, reports, tuple(skipped))


@dataclass(frozen=True)
class Checked:
    """A text's report, and what other texts are compared with."""

    report: TextReport
    sources: Sources


class Checker:
    """Checks texts of one task."""

    def __init__(
        self,
        task: Task,
        limits: CheckLimits,
        tokenizer: Tokenizer | None,
        identify: Identify | None,
        skipped: list[Skipped],
    ) -> None:
        """Take what `usable_tokenizer` and `usable_identifier` return; skipped: is added to."""
        self._task, self._limits = task, limits
        self._tokenizer, self._identify = tokenizer, identify
        self._skipped = skipped
        self._learned: Tokenizer | None = None  # from a sample of the first text

    def check(self, text: Text, training: Sequence[Sources] = ()) -> Checked:
        """Check a text; training: the sources that it should not contain."""
        refused = Refused()
        rows = sample_of(text, self._limits.sample_pairs, refused)
        context = context_of([(source, target) for _, source, target in rows], self._limits)
        examined = examine_text(text, context, min(refused.lines))
        usable = examined.usable()
        sources = usable.sources(text.name)
        coverage, findings = self._of_sample(rows, context.by_character)
        if self._task.tokenizer is None and not training:
            findings += rare_characters(rows)
        findings += findings_of(examined, usable, context.norms, self._limits)
        findings += overlaps(sources, training, self._limits) if training else []
        first, second = context.norms.scripts
        report = TextReport(
            text.name,
            tuple(map(str, text.paths)),
            tuple_of(examined.refused.lines),
            examined.pairs,
            tuple_of(examined.total("words")),
            tuple_of(examined.total("characters")),
            (tuple(sorted(first)), tuple(sorted(second))),
            histogram_of(examined.total("lengths"), context.by_character),
            coverage,
            ordered(with_segments(text, findings)),
        )
        return Checked(report, sources)

    def _of_sample(
        self, rows: Sequence[Row], by_character: tuple[bool, bool]
    ) -> tuple[Coverage | None, list[Finding]]:
        """Return the coverage by the vocabulary, and findings that need a library or a model."""
        coverage, findings = None, list[Finding]()
        if self._tokenizer and rows:
            coverage, findings = coverage_of(
                rows,
                self._tokenizer,
                self._limits,
                self._have_words(by_character),
                by_character,
            )
        if self._task.tokenizer is None and rows:
            coverage = self._coverage_without_vocabulary(rows, by_character)
        if self._identify and rows:
            few = rows[:: -(-len(rows) // self._limits.language_sample)]
            findings += other_languages(few, self._task.languages, self._identify, self._limits)
        return coverage, findings

    def _coverage_without_vocabulary(
        self, rows: Sequence[Row], by_character: tuple[bool, bool]
    ) -> Coverage | None:
        """Return the coverage by a vocabulary learned from the first sample."""
        if self._learned is None:
            try:
                self._learned = learned_tokenizer(rows)
            except NmtError as error:
                self._skipped.append(Skipped("pieces for each word", str(error)))
                return None
        return learned_coverage(rows, self._learned, self._limits, by_character)

    def _have_words(self, by_character: tuple[bool, bool]) -> tuple[bool, bool]:
        """Return which sides have words that a vocabulary should not spell in small pieces."""
        first, second = (self._task.is_subwords and not each for each in by_character)
        return first, second


def tuple_of(values: Sequence[int] | Counts) -> tuple[int, int]:
    """Return two counts as integers that JSON can hold."""
    first, second = map(int, values)
    return first, second


def usable_tokenizer(task: Task, skipped: list[Skipped]) -> Tokenizer | None:
    """Return the tokenizer of a recipe's run; None for files, and if it is missing.

    Then the reason is added to `skipped`. For files, `Checker` learns a vocabulary.
    """
    what = "characters outside the vocabulary, pieces for each word"
    if task.tokenizer is None:
        return None
    if not is_present(task.tokenizer):
        why = f"{task.tokenizer} does not exist yet; `nmt prepare` with this recipe learns it"
        skipped.append(Skipped(what, why))
        return None
    return load_tokenizer(task.tokenizer)


def usable_identifier(limits: CheckLimits, skipped: list[Skipped]) -> Identify | None:
    """Return the identifier of languages, if it is installed and asked for; else add the reason."""
    what = "third languages"
    if not limits.language_sample:
        skipped.append(Skipped(what, "language_sample is 0"))
        return None
    try:
        return load_identifier()
    except NmtError as error:
        skipped.append(Skipped(what, str(error)))
        return None
