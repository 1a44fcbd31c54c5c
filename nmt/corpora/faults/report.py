"""Report what was found or done, as data that becomes JSON and as text."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy

from nmt.corpora.faults.detectors import CheckLimits
from nmt.corpora.faults.examine import LONGEST, Counts, Coverage
from nmt.corpora.faults.findings import KINDS, SEVERITIES, Finding, Severity
from nmt.corpora.faults.segment import REPAIRS
from nmt.errors import printable

EDGES = (0, 1, 3, 6, 11, 16, 21, 31, 41, 51, 71, LONGEST)  # the least length of each class


@dataclass(frozen=True)
class Histogram:
    """Count segments by length, on both sides."""

    units: tuple[str, str]  # words; characters for scripts without spaces between words
    labels: tuple[str, ...]  # of the classes, such as "6-10"
    source: tuple[int, ...]
    target: tuple[int, ...]


def make_histogram(lengths: Counts, by_character: tuple[bool, bool]) -> Histogram:
    """Return the histogram of lengths (2, LONGEST + 1), without empty classes at its end."""
    classes = numpy.add.reduceat(lengths, EDGES, axis=1)
    filled = 1 + max(numpy.flatnonzero(classes.sum(0)), default=0)
    source, target = (tuple(side[:filled].tolist()) for side in classes)
    first, second = ("characters" if is_counted else "words" for is_counted in by_character)
    labels = [
        str(edge) if edge + 1 == after else f"{edge}-{after - 1}" for edge, after in pairwise(EDGES)
    ]
    return Histogram((first, second), (*labels, f"{LONGEST}+")[:filled], source, target)


@dataclass(frozen=True)
class Advised:
    """Hold a piece of advice, which may concern several settings or none."""

    topic: str  # such as "vocabulary"
    advice: str  # in words, such as "8,000 tokens"
    reason: str  # a phrase
    settings: dict[str, Any]  # values by name


@dataclass(frozen=True)
class Forecast:
    """Hold how long a training takes on this machine, by a trial."""

    seconds: float  # of all updates and validations
    seconds_per_update: float  # the median of those measured
    measured_updates: int
    updates: int  # of the whole training
    seconds_per_validation: float
    validations: int
    processor_share: float  # of the CPU's time that the trial got; 1 if there is a GPU
    precision: str  # of the matrix products, as the trainer chooses it
    device: str  # such as "CPU, 2 threads"


@dataclass(frozen=True)
class Difference:
    """Hold a setting for which a recipe has another value than the advice."""

    name: str
    recipe: Any
    advice: Any


@dataclass(frozen=True)
class Advice:
    """Hold the advice for a training text and this machine."""

    pairs: int  # with text on both sides
    advised: tuple[Advised, ...]
    forecast: Forecast | None  # None: it could not be measured
    differences: tuple[Difference, ...]  # from the recipe that is checked
    notes: tuple[str, ...]


CHECK_FORMAT = 1  # of the JSON


@dataclass(frozen=True)
class TextReport:
    """Describe the content of one text."""

    name: str  # "train", "dev", or the name of a test set
    files: tuple[str, ...]
    lines: tuple[int, ...]  # of source and target, as in the next ones
    pairs: int  # lines that both files have
    words: tuple[int, ...]  # characters for scripts without spaces
    characters: tuple[int, ...]
    scripts: tuple[tuple[str, ...], ...]
    histogram: Histogram
    coverage: Coverage | None  # of the vocabulary; None if there is none
    findings: tuple[Finding, ...]  # the worst first
    unit: str = "line"  # what the numbers of examples count; "pair" in a bilingual file
    languages: tuple[str, str] = ("", "")  # codes; "": not known


@dataclass(frozen=True)
class Skipped:
    """Name a part of the check that was left out."""

    what: str
    why: str


@dataclass(frozen=True)
class Report:
    """Hold the result of `nmt check`."""

    corpus_check: int  # the format of this JSON
    nmt: str  # version of the program
    recipe: str  # the name of the recipe; "" for two files
    limits: CheckLimits
    texts: tuple[TextReport, ...]
    skipped: tuple[Skipped, ...]
    advice: Advice | None = None  # None: it was not asked for, or there is none

    def count(self, severity: Severity) -> int:
        """Return the number of findings of a severity."""
        return sum(finding.severity == severity for text in self.texts for finding in text.findings)


BAR = 24  # characters of the longest bar
TEN = 10  # percent; more have no decimals
MUCH_TEXT = 1000  # pairs
MINOR_PERCENT = 0.5  # clean text has 0.2 to 0.3 % of free translations


def check_text(report: Report) -> str:
    """Return a report as lines of text."""
    lines = []
    several = len({text.languages for text in report.texts}) > 1
    for text in report.texts:
        direction = f" ({' to '.join(text.languages)})" if several and all(text.languages) else ""
        lines += [f"{text.name}{direction}: {' + '.join(text.files)}", f"  {facts_line(text)}"]
        if text.pairs:
            lines += histogram_lines(text.histogram)
        for finding in text.findings:
            lines += finding_lines(finding, text.unit)
        if not text.findings:
            lines.append("  nothing found")
        lines.append("")
    if report.advice:
        lines += [*advice_lines(report.advice), ""]
    lines += [f"not checked: {skipped.what} ({skipped.why})" for skipped in report.skipped]
    return "".join(f"{printable(line)}\n" for line in [*lines, summary(report)])


def brief_lines(report: Report) -> list[str]:
    """Return the errors and warnings as lines, each with its first example and what to do."""
    lines = []
    for text in report.texts:
        counts = summary(replace(report, texts=(text,)))
        lines.append(f"checked {' and '.join(text.files)}: {count_pairs(text.pairs)}, {counts}")
        for finding in text.findings:
            if finding.severity != "note":
                one = replace(finding, examples=finding.examples[:1])
                lines += finding_lines(one, text.unit, in_full=True)
    return [printable(line) for line in lines]


def summary(report: Report) -> str:
    """Return one line with the numbers of findings."""
    counts = {severity: report.count(severity) for severity in SEVERITIES}
    return ", ".join(f"{count} {word}{'s' * (count != 1)}" for word, count in counts.items())


def count_pairs(count: int) -> str:
    """Return a number of pairs, with its noun."""
    return f"{count:,} pair{'s' * (count != 1)}"


def facts_line(text: TextReport) -> str:
    """Return one line with the size of a text."""
    source, target = (total / max(1, text.pairs) for total in text.words)
    units = [*dict.fromkeys(text.histogram.units)]
    scripts = " and ".join(dict.fromkeys("/".join(side) or "no" for side in text.scripts))
    coverage = ""
    if text.coverage:
        pieces = " and ".join(f"{ratio:.2f}" for ratio in text.coverage.pieces_per_word)
        unit = " or ".join(unit.removesuffix("s") for unit in units)
        coverage = f"; {pieces} pieces for each {unit}"
        if tokens := text.coverage.learned_tokens:
            coverage += f" with {tokens:,} tokens learned from a sample"
    return (
        f"{count_pairs(text.pairs)}; on average {source:.1f} and {target:.1f} {' and '.join(units)}"
        f" in source and target; {scripts} script{coverage}"
    )


def histogram_lines(histogram: Histogram) -> list[str]:
    """Return a histogram with a bar for each class of lengths on both sides."""
    most = max(*histogram.source, *histogram.target, 1)
    width = max(map(len, histogram.labels))
    digits = len(f"{most:,}")
    first, second = histogram.units
    lines = [f"  {'':{width}}  {'source, ' + first:{digits + BAR + 1}}  target, {second}"]
    for label, *counts in zip(histogram.labels, histogram.source, histogram.target, strict=True):
        bars = ["#" * -(-count * BAR // most) for count in counts]  # one that is not 0 has a length
        cells = [f"{n:{digits},} {bar:{BAR}}" for n, bar in zip(counts, bars, strict=True)]
        lines.append(f"  {label:>{width}}  {cells[0]}  {cells[1]}".rstrip())
    return lines


def finding_lines(finding: Finding, unit: str, *, in_full: bool = False) -> list[str]:
    """Return a finding, its examples and what to do.

    unit: what the numbers of examples count. In much text, a finding that needs no work (a note, or
    a warning of few pairs) has one line with these numbers, unless it is shown in full.
    """
    percent = finding.percent
    share = f"{percent:.0f}" if percent >= TEN else f"{percent:.2g}"
    label = "ERROR" if finding.severity == "error" else finding.severity
    head = f"  {label}: {finding.title}: {finding.count:,} ({share} % of {finding.of:,})"
    is_rare = finding.severity == "warning" and percent < MINOR_PERCENT
    if not in_full and finding.of >= MUCH_TEXT and (finding.severity == "note" or is_rare):
        numbers = ", ".join(f"{example.line:,}" for example in finding.examples if example.line)
        return [f"{head}; {unit}s {numbers}" if numbers else head]
    lines = [head]
    for example in finding.examples:
        location = f"{unit} {example.line:,}" if example.line else ""
        lines.append(f"    {': '.join(filter(None, [location, example.detail]))}")
        if example.source or example.target:
            lines += [f"      source | {example.source}", f"      target | {example.target}"]
    return [*lines, f"    fix: {finding.fix}"]


def advice_lines(advice: Advice) -> list[str]:
    """Return the lines about advice for a terminal."""
    width = max(len(advised.topic) for advised in advice.advised)
    lines = [f"advice: settings for {advice.pairs:,} pairs, and the time on this machine"]
    for advised in advice.advised:
        lines += [
            f"  {advised.topic:{width}}  {advised.advice}",
            f"  {'':{width}}    {advised.reason}",
        ]
    lines += [f"  note: {note}" for note in advice.notes]
    lines += [
        f"  differs: the recipe has {setting.name}={setting.recipe}, not {setting.advice}"
        for setting in advice.differences
    ]
    return lines


CLEAN_FORMAT = 1


@dataclass(frozen=True)
class CleanReport:
    """Count what `nmt clean` did."""

    corpus_clean: int  # version of the format
    nmt: str  # version of the program
    files: tuple[str, ...]  # that were read
    outputs: tuple[str, ...]  # that were written
    pairs: int  # that were read
    kept: int
    removed: dict[str, int]  # pairs by filter
    repaired: dict[str, int]  # pairs that are kept, by repair
    limits: CheckLimits
    scored: int = 0  # pairs that models scored
    lowest_score: float | None = None  # of a pair that is kept


def clean_text(report: CleanReport) -> str:
    """Return a report as a table."""
    removed = report.pairs - report.kept
    lines = [
        f"{count_pairs(report.pairs)}: {report.kept:,} kept, {removed:,} removed",
        *table("removed", report.removed, {name: kind.title for name, kind in KINDS.items()}),
        *table("repaired", report.repaired, REPAIRS),
    ]
    if report.lowest_score is not None:
        lines.append(
            f"{count_pairs(report.scored)} scored by models; the lowest score of a pair that is"
            f" kept is {report.lowest_score:.4f}"
        )
    lines.append(f"written: {', '.join(report.outputs)}")
    return "".join(f"{line}\n" for line in lines)


def table(title: str, counts: dict[str, int], meanings: dict[str, str]) -> list[str]:
    """Return a table with a line for each count that is not 0; no line if there is none."""
    counts = {name: count for name, count in counts.items() if count}
    if not counts:
        return []
    width = max(len(title), *(len(f"{count:,}") for count in counts.values()))
    name_width = max(map(len, counts))
    return [
        f"  {title:>{width}}",
        *(f"  {n:{width},}  {name:{name_width}}  {meanings[name]}" for name, n in counts.items()),
    ]
