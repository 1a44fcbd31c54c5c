"""Report what was found or done, as data that becomes JSON and as text."""

from dataclasses import dataclass, replace
from typing import Any

from nmt.corpora.detectors import CheckLimits
from nmt.corpora.examine import LONGEST, Counts, Coverage
from nmt.corpora.findings import KINDS, Example, Finding, Severity
from nmt.corpora.segment import REPAIRS

EDGES = (0, 1, 3, 6, 11, 16, 21, 31, 41, 51, 71, LONGEST)  # the least length of each class


@dataclass(frozen=True)
class Histogram:
    """Segments by length, on both sides."""

    units: tuple[str, str]  # words; characters for scripts without spaces between words
    labels: tuple[str, ...]  # of the classes, such as "6-10"
    source: tuple[int, ...]
    target: tuple[int, ...]


def histogram_of(lengths: Counts, by_character: tuple[bool, bool]) -> Histogram:
    """Return the histogram of lengths (2, LONGEST + 1), without empty classes at its end."""
    ends = [*EDGES[1:], LONGEST + 1]
    classes = [
        [int(side[first:end].sum()) for first, end in zip(EDGES, ends, strict=True)]
        for side in lengths
    ]
    last = max([place for side in classes for place, count in enumerate(side) if count], default=0)
    source, target = (tuple(side[: last + 1]) for side in classes)
    first, second = ("characters" if each else "words" for each in by_character)
    labels = tuple(label_of(begin, end - 1) for begin, end in zip(EDGES, ends, strict=True))
    return Histogram((first, second), labels[: last + 1], source, target)


def label_of(first: int, last: int) -> str:
    """Return the name of a class of lengths."""
    if first == LONGEST:
        return f"{first}+"
    return str(first) if first == last else f"{first}-{last}"


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

    seconds: float  # of all updates and validations; patience may end the training earlier
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


def advice_lines(advice: Advice) -> list[str]:
    """Return the lines about advice for a terminal."""
    width = max(len(each.topic) for each in advice.advised)
    lines = [f"advice: settings for {advice.pairs:,} pairs, and the time on this machine"]
    for each in advice.advised:
        lines += [f"  {each.topic:{width}}  {each.advice}", f"  {'':{width}}    {each.reason}"]
    lines += [f"  note: {note}" for note in advice.notes]
    lines += [f"  differs: {difference_words(each)}" for each in advice.differences]
    return lines


def difference_words(difference: Difference) -> str:
    """Return a phrase with both values of a setting."""
    return f"the recipe has {difference.name}={difference.recipe}, not {difference.advice}"


CHECK_FORMAT = 1  # of the JSON


@dataclass(frozen=True)
class TextReport:
    """Describe the content of one text."""

    name: str  # "train", "dev", or the name of a test set
    files: tuple[str, ...]
    lines: tuple[int, int]  # of source and target
    pairs: int  # lines that both files have
    words: tuple[int, int]  # of source and target; characters for scripts without spaces
    characters: tuple[int, int]
    scripts: tuple[tuple[str, ...], tuple[str, ...]]
    histogram: Histogram
    coverage: Coverage | None  # of the vocabulary; None if there is none
    findings: tuple[Finding, ...]  # the worst first


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
LABELS = {"error": "ERROR", "warning": "warning", "note": "note"}


def check_text(report: Report) -> str:
    """Return a report as lines of text."""
    lines = [line for text in report.texts for line in text_lines(text)]
    if report.advice:
        lines += [*advice_lines(report.advice), ""]
    lines += [f"not checked: {each.what} ({each.why})" for each in report.skipped]
    return "".join(f"{printable(line)}\n" for line in [*lines, summary(report)])


def brief_lines(report: Report) -> list[str]:
    """Return the errors and warnings as lines, each with its first example and what to do."""
    lines = []
    for text in report.texts:
        lines.append(f"checked {' and '.join(text.files)}: {text.pairs:,} pairs, {summary(report)}")
        for finding in text.findings:
            if finding.severity != "note":
                lines += finding_lines(replace(finding, examples=finding.examples[:1]))
    return [printable(line) for line in lines]


def summary(report: Report) -> str:
    """Return one line with the numbers of findings."""
    counts = [
        f"{count} {word}{'s' * (count != 1)}"
        for word, count in (
            ("error", report.count("error")),
            ("warning", report.count("warning")),
            ("note", report.count("note")),
        )
    ]
    return ", ".join(counts)


def text_lines(text: TextReport) -> list[str]:
    """Return the lines about a text: what is in it, its lengths, and what is wrong."""
    lines = [f"{text.name}: {' + '.join(text.files)}", f"  {facts(text)}"]
    if text.pairs:
        lines += histogram_lines(text.histogram)
    for finding in text.findings:
        lines += [brief_line(finding)] if is_minor(finding) else finding_lines(finding)
    if not text.findings:
        lines.append("  nothing found")
    return [*lines, ""]


def facts(text: TextReport) -> str:
    """Return one line with the size of a text."""
    size = max(1, text.pairs)
    source, target = (total / size for total in text.words)
    units = " and ".join(dict.fromkeys(text.histogram.units))
    scripts = " and ".join(dict.fromkeys("/".join(side) or "no" for side in text.scripts))
    coverage = ""
    if text.coverage:
        pieces = " and ".join(f"{each:.2f}" for each in text.coverage.pieces_per_word)
        tokens = text.coverage.learned_tokens
        vocabulary = f" with {tokens:,} tokens learned from a sample" if tokens else ""
        unit = " or ".join(dict.fromkeys(each.removesuffix("s") for each in text.histogram.units))
        coverage = f"; {pieces} pieces for each {unit}{vocabulary}"
    return (
        f"{text.pairs:,} pairs; on average {source:.1f} and {target:.1f} {units} in source and"
        f" target; {scripts} script{coverage}"
    )


def histogram_lines(histogram: Histogram) -> list[str]:
    """Return a histogram with a bar for each class of lengths on both sides."""
    most = max(*histogram.source, *histogram.target, 1)
    width = max(map(len, histogram.labels))
    digits = len(f"{most:,}")
    lines = [
        f"  {'':{width}}  {'source, ' + histogram.units[0]:{digits + BAR + 1}}"
        f"  target, {histogram.units[1]}"
    ]
    for label, *counts in zip(histogram.labels, histogram.source, histogram.target, strict=True):
        cells = [f"{count:{digits},} {bar(count, most):{BAR}}" for count in counts]
        lines.append(f"  {label:>{width}}  {cells[0]}  {cells[1]}".rstrip())
    return lines


def bar(count: int, most: int) -> str:
    """Return a bar for a count; one that is not 0 has a length."""
    return "#" * (-(-count * BAR // most))


def finding_lines(finding: Finding) -> list[str]:
    """Return a finding, its examples and what to do."""
    lines = [f"  {LABELS[finding.severity]}: {finding.title}: {finding.count:,} ({share(finding)})"]
    for example in finding.examples:
        lines += example_lines(example)
    return [*lines, f"    fix: {finding.fix}"]


def is_minor(finding: Finding) -> bool:
    """Return whether a finding in much text needs no work: a note, or a warning of few pairs."""
    is_rare = finding.severity == "warning" and finding.percent < MINOR_PERCENT
    return finding.of >= MUCH_TEXT and (finding.severity == "note" or is_rare)


def brief_line(finding: Finding) -> str:
    """Return a finding with the lines of its examples, but without their text and a fix."""
    places = ", ".join(f"{each.line:,}" for each in finding.examples if each.line)
    where = f"; lines {places}" if places else ""
    return f"{finding_lines(finding)[0]}{where}"


def share(finding: Finding) -> str:
    """Return a finding's share of what was looked at."""
    percent = finding.percent
    digits = f"{percent:.0f}" if percent >= TEN else f"{percent:.2g}"
    return f"{digits} % of {finding.of:,}"


def example_lines(example: Example) -> list[str]:
    """Return an example with its segments, if it has them."""
    place = f"line {example.line:,}" if example.line else ""
    head = ": ".join(filter(None, [place, example.detail]))
    segments = [
        f"      {side} | {text}"
        for side, text in (("source", example.source), ("target", example.target))
        if example.source or example.target
    ]
    return [f"    {head}", *segments]


def printable(text: str) -> str:
    r"""Return text with escapes such as \u200b for what a terminal would hide or obey."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


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
        f"{report.pairs:,} pairs: {report.kept:,} kept, {removed:,} removed",
        *table("removed", report.removed, {name: kind.title for name, kind in KINDS.items()}),
        *table("repaired", report.repaired, REPAIRS),
    ]
    if report.lowest_score is not None:
        lines.append(
            f"{report.scored:,} pairs scored by models; the lowest score of a pair that is kept is"
            f" {report.lowest_score:.4f}"
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
    head = f"  {title:>{width}}  {'':{name_width}}"
    return [
        head.rstrip(),
        *(
            f"  {count:{width},}  {name:{name_width}}  {meanings[name]}"
            for name, count in counts.items()
        ),
    ]
