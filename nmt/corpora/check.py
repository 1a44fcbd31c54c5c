"""Check a recipe's corpora, or two files."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nmt import __version__
from nmt.corpora.detectors import CheckLimits, Identify, Norms, load_identifier
from nmt.corpora.examine import (
    Counts,
    Coverage,
    Examined,
    Sources,
    Usable,
    context_of,
    coverage_of,
    examine_text,
    learned_coverage,
    learned_tokenizer,
    overlaps,
    rare_characters,
    repeated,
)
from nmt.corpora.findings import (
    SEVERITIES,
    SHOWN,
    Example,
    Finding,
    found,
    other_languages,
)
from nmt.corpora.pairs import Refused, Row, Text, sample_of, with_texts
from nmt.corpora.report import CHECK_FORMAT, Report, Skipped, TextReport, histogram_of
from nmt.corpora.slips import Course, Sides, follow
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
    return Report(CHECK_FORMAT, __version__, task.recipe, limits, reports, tuple(skipped))


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


def findings_of(
    examined: Examined, usable: Usable, norms: Norms, limits: CheckLimits
) -> list[Finding]:
    """Return the findings about a text by itself."""
    return [
        *refused_lines(examined),
        *found("no_pairs", int(not len(usable.lines)), 1),
        *slips(examined, norms, limits),
        *faulty_pairs(examined),
        *repeated(usable.exact, usable.folded, usable.lines, limits),
    ]


def ordered(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return findings, the worst and most frequent first."""
    return tuple(
        sorted(findings, key=lambda each: (SEVERITIES.index(each.severity), -each.percent))
    )


def with_segments(text: Text, findings: Sequence[Finding]) -> list[Finding]:
    """Return findings whose examples show the segments of their lines, which are read again."""
    bare = [
        example
        for finding in findings
        for example in finding.examples
        if example.line and not (example.source or example.target)
    ]
    known = dict(zip(bare, with_texts(text, bare), strict=True))
    return [
        replace(each, examples=tuple(known.get(example, example) for example in each.examples))
        for each in findings
    ]


def refused_lines(examined: Examined) -> list[Finding]:
    """Return the findings about lines at which training stops."""
    refused = examined.refused
    first, second = refused.lines
    last = min(first, second)
    counts = f"{first:,} lines of source, {second:,} of target"
    tabs = [Example(line) for line in sorted(refused.without_tab)[:SHOWN]]
    return [
        *found("encoding", len(refused.unreadable), max(first, second), refused.examples),
        *found("no_tab", len(refused.without_tab), first, tabs),
        *found("line_counts", abs(first - second), max(first, second), [Example(last + 1, counts)]),
    ]


def faulty_pairs(examined: Examined) -> list[Finding]:
    """Return the findings of the detectors of pairs."""
    counts: Counter[str] = Counter()
    examples: dict[str, list[Example]] = {}
    for block in examined.blocks:
        counts.update(block.counts)
        for kind, shown in block.examples.items():
            examples.setdefault(kind, []).extend(shown)
    return [
        finding
        for kind, count in counts.items()
        for finding in found(kind, count, examined.pairs, examples[kind])
    ]


def slips(examined: Examined, norms: Norms, limits: CheckLimits) -> list[Finding]:
    """Return the findings about lines whose translations stand on other lines, or nowhere."""
    course: Course = follow(Sides(*examined.traits(), norms.ratio), limits.slip_evidence)
    examples = [
        Example(
            slip.line,
            f"from here on, the target is {place(slip.after)}; before, it was {place(slip.before)}",
        )
        for slip in course.slips
    ]
    stretches = [Example(each.first, f"to line {each.last:,}") for each in course.unrelated]
    lost = sum(each.last - each.first + 1 for each in course.unrelated)
    many = lost > limits.unrelated_share * examined.pairs
    return [
        *found("slip", len(course.slips), examined.pairs, examples),
        *found("unrelated", lost, examined.pairs, stretches, severity="error" if many else None),
    ]


def place(offset: int) -> str:
    """Return where the target of a source line is."""
    if not offset:
        return "on the same line"
    lines = f"{abs(offset):,} line{'s' * (abs(offset) > 1)}"
    return f"{lines} {'further down' if offset > 0 else 'further up'}"
