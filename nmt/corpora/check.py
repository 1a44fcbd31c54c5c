"""Check a recipe's corpora, or two files."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from nmt import __version__
from nmt.corpora.faults.detectors import CheckLimits, Identify, load_identifier
from nmt.corpora.faults.examine import (
    Coverage,
    Facts,
    examine_text,
    learn_context,
    learn_tokenizer,
    measure_coverage,
    overlaps,
    rare_characters,
    repeated,
)
from nmt.corpora.faults.findings import (
    SEVERITIES,
    SHOWN,
    Example,
    Finding,
    Severity,
    found,
    other_languages,
)
from nmt.corpora.faults.misalignment import follow
from nmt.corpora.faults.report import CHECK_FORMAT, Report, Skipped, TextReport, make_histogram
from nmt.corpora.pairs import Refused, Row, read_leniently, sample_rows
from nmt.errors import NmtError
from nmt.system.files import is_present
from nmt.text.reading.corpus import ParallelText
from nmt.text.subwords.tokenizer import Tokenizer, load_tokenizer


@dataclass(frozen=True)
class Task:
    """Name the texts to check."""

    training: tuple[ParallelText, ...]
    held_out: tuple[ParallelText, ...] = ()  # dev and test sets
    recipe: str = ""  # its name
    tokenizer: Path | None = None  # of the recipe's run
    is_subwords: bool = True  # whether its tokens are parts of words, not characters


def check_corpus(task: Task, limits: CheckLimits) -> Report:
    """Check the texts of a task; raises NmtError for a file that cannot be read at all."""
    checker = Checker(task, limits)
    training = [checker.check(text, is_training=True) for text in task.training]
    held_out = [checker.check(text, is_training=False) for text in task.held_out]
    texts, skipped = (*training, *held_out), tuple(checker.skipped)
    return Report(CHECK_FORMAT, __version__, task.recipe, limits, texts, skipped)


class Checker:
    """Check the texts of one task."""

    def __init__(self, task: Task, limits: CheckLimits) -> None:
        """Load the vocabulary of a recipe's run, and the identifier of languages."""
        self._task, self._limits = task, limits
        self.skipped: list[Skipped] = []
        self._tokenizer = self._load_tokenizer()  # for files: learned from the first sample
        self._learned = ("", "")  # its languages
        self._identify = self._load_identifier()
        self._training: dict[str, tuple[Facts, tuple[str, str]]] = {}  # with languages, by name

    def _load_tokenizer(self) -> Tokenizer | None:
        """Return the tokenizer of a recipe's run; None for files, and if it is missing."""
        path = self._task.tokenizer
        if path and is_present(path):
            return load_tokenizer(path)
        if path:
            why = f"{path} does not exist yet; `nmt prepare` with this recipe learns it"
            what = "characters outside the vocabulary, pieces for each word"
            self.skipped.append(Skipped(what, why))
        return None

    def _load_identifier(self) -> Identify | None:
        """Return the identifier of languages, if it is installed and asked for."""
        why = "language_sample is 0"
        if self._limits.language_sample:
            try:
                return load_identifier()
            except NmtError as error:
                why = str(error)
        self.skipped.append(Skipped("third languages", why))
        return None

    def check(self, text: ParallelText, *, is_training: bool) -> TextReport:
        """Check a text; one that is not for training is compared with those that are."""
        limits, seen, refused = self._limits, Refused(), Refused()
        rows = sample_rows(text, limits.sample_pairs, seen)
        context = learn_context(rows, limits)
        facts = examine_text(text, context, refused, min(seen.lines))
        coverage, findings = self._check_sample(rows, context.by_character, text.languages)
        if is_training and self._task.tokenizer is None:
            findings += rare_characters(rows)
        findings += refused_lines(refused, text)
        findings += found("no_pairs", int(not len(facts.lines)), 1)
        findings += misaligned_lines(facts, limits)
        for kind, count in facts.counts.items():
            findings += found(kind, count, facts.pairs, facts.examples[kind])
        findings += repeated(facts, limits)
        if is_training:
            self._training[text.name] = replace(facts, features=()), text.languages
        else:
            language = text.languages[0]
            training = {
                name: (known, int(known_languages[1] == language != known_languages[0]))
                for name, (known, known_languages) in self._training.items()
            }
            findings += overlaps(facts, training, limits)
        findings = with_segments(text, findings)
        findings.sort(key=lambda finding: (SEVERITIES.index(finding.severity), -finding.percent))
        return TextReport(
            text.name,
            tuple(map(str, text.paths)),
            tuple(refused.lines),
            facts.pairs,
            tuple(facts.words.tolist()),
            tuple(facts.characters.tolist()),
            tuple(tuple(sorted(scripts)) for scripts in context.norms.scripts),
            make_histogram(facts.lengths, context.by_character),
            coverage,
            tuple(findings),
            text.unit,
            text.languages,
        )

    def _check_sample(
        self, rows: Sequence[Row], by_character: tuple[bool, bool], languages: tuple[str, str]
    ) -> tuple[Coverage | None, list[Finding]]:
        """Return the coverage by the vocabulary, and findings that need a library or a model."""
        coverage, findings = None, list[Finding]()
        if not rows:
            return coverage, findings
        is_learned = self._task.tokenizer is None
        if is_learned and (
            self._tokenizer is None or (all(languages) and languages != self._learned)
        ):
            try:
                self._tokenizer, self._learned = learn_tokenizer(rows), languages
            except NmtError as error:
                self.skipped.append(Skipped("pieces for each word", str(error)))
        if self._tokenizer:
            coverage, findings = measure_coverage(
                rows,
                self._tokenizer,
                self._limits,
                by_character,
                is_subwords=self._task.is_subwords,
            )
            if is_learned:  # it has no faults of the text
                coverage, findings = replace(coverage, learned_tokens=len(self._tokenizer)), []
        if self._identify:
            few = rows[:: -(-len(rows) // self._limits.language_sample)]
            languages = languages if all(languages) else self._task.training[0].languages
            findings += other_languages(few, languages, self._identify, self._limits)
        return coverage, findings


def with_segments(text: ParallelText, findings: Sequence[Finding]) -> list[Finding]:
    """Return findings whose examples show the segments of their lines, which are read again."""
    bare = {
        example.line
        for finding in findings
        for example in finding.examples
        if not (example.source or example.target)
    }
    pairs = islice(read_leniently(text, Refused()), max(bare, default=0))
    known = {line: pair for line, pair in enumerate(pairs, start=1) if line in bare}
    return [
        replace(
            finding,
            examples=tuple(
                shown.with_texts(*known[shown.line]) if shown.line in known else shown
                for shown in finding.examples
            ),
        )
        for finding in findings
    ]


def refused_lines(refused: Refused, text: ParallelText) -> list[Finding]:
    """Return the findings about lines at which training stops."""
    first, second = refused.lines
    counts = f"{first:,} lines of source, {second:,} of target"
    extra = [Example(min(first, second) + 1, counts)]
    tabs = [Example(line) for line in sorted(refused.without_tab)[:SHOWN]]
    unreadable = "broken_unit" if text.reader else "encoding"
    return [
        *found(unreadable, len(refused.unreadable), max(first, second), refused.examples),
        *found("no_tab", len(refused.without_tab), first, tabs),
        *found("line_counts", abs(first - second), max(first, second), extra),
    ]


def misaligned_lines(facts: Facts, limits: CheckLimits) -> list[Finding]:
    """Return the findings about lines whose translations stand on other lines, or nowhere."""
    course = follow(facts.features, limits.slip_evidence)
    examples = [
        Example(
            change.line,
            f"from here on, the target is {describe_offset(change.after)}; before, it was"
            f" {describe_offset(change.before)}",
        )
        for change in course.misalignments
    ]
    stretches = [Example(lines[0], f"to {facts.unit} {lines[-1]:,}") for lines in course.unrelated]
    lost = sum(map(len, course.unrelated))
    severity: Severity | None = "error" if lost > limits.unrelated_share * facts.pairs else None
    return [
        *found("slip", len(course.misalignments), facts.pairs, examples),
        *found("unrelated", lost, facts.pairs, stretches, severity=severity),
    ]


def describe_offset(offset: int) -> str:
    """Return where the target of a source line is."""
    if not offset:
        return "on the same line"
    lines = f"{abs(offset):,} line{'s' * (abs(offset) > 1)}"
    return f"{lines} {'further down' if offset > 0 else 'further up'}"
