"""Print a report on a terminal."""

from dataclasses import replace

from nmt.corpora.check.advised import advice_lines
from nmt.corpora.check.finding import Example, Finding
from nmt.corpora.check.histogram import Histogram
from nmt.corpora.check.report import Report, TextReport

BAR = 24  # characters of the longest bar
TEN = 10  # percent; more have no decimals
MUCH_TEXT = 1000  # pairs
MINOR_PERCENT = 0.5  # clean text has 0.2 to 0.3 % of free translations
LABELS = {"error": "ERROR", "warning": "warning", "note": "note"}


def as_text(report: Report) -> str:
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
