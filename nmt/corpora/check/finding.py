"""Hold the findings of a check: counts and examples, in types that become JSON."""

from dataclasses import dataclass, replace

from nmt.corpora.check.kinds import KINDS, Severity

SHOWN = 3  # examples of each finding
LONGEST_SHOWN = 160  # characters of a segment in an example


@dataclass(frozen=True)
class Example:
    """A place where something was found."""

    line: int  # counted from 1
    detail: str = ""  # what is wrong there, if the kind does not say it all
    source: str = ""  # shortened
    target: str = ""

    def with_texts(self, source: str, target: str) -> "Example":
        """Return the example with the segments of its line, shortened."""
        return replace(self, source=shortened(source), target=shortened(target))


@dataclass(frozen=True)
class Finding:
    """One kind of fault in a text."""

    kind: str
    severity: Severity
    title: str  # what is counted
    count: int
    of: int  # pairs that were looked at
    examples: tuple[Example, ...]
    fix: str  # a setting or a command

    @property
    def percent(self) -> float:
        """Share of the pairs in percent."""
        return 100 * self.count / max(1, self.of)


def found(
    kind: str,
    count: int,
    of: int,
    examples: tuple[Example, ...] | list[Example] = (),
    *,
    severity: Severity | None = None,
    title: str = "",
) -> list[Finding]:
    """Return a finding of a kind, if there is something to count.

    severity, title: in place of the kind's own.
    """
    if not count:
        return []
    known = KINDS[kind]
    return [
        Finding(
            kind,
            severity or known.severity,
            title or known.title,
            count,
            of,
            tuple(examples[:SHOWN]),
            known.fix,
        )
    ]


def shortened(text: str) -> str:
    """Return the start of a text."""
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}\u2026"
