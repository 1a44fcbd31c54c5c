"""Put together what is wrong with one text."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from nmt.corpora.check.evidence import Sides
from nmt.corpora.check.examined import Examined, Usable
from nmt.corpora.check.finding import SHOWN, Example, Finding, found
from nmt.corpora.check.kinds import SEVERITIES
from nmt.corpora.check.limits import CheckLimits
from nmt.corpora.check.norms import Norms
from nmt.corpora.check.reading import Text, with_texts
from nmt.corpora.check.repeats import repeated
from nmt.corpora.check.slips import Course, follow


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
