"""Hold the report of a check: its texts, findings and what was left out."""

from dataclasses import dataclass

from nmt.corpora.check.advised import Advice
from nmt.corpora.check.coverage import Coverage
from nmt.corpora.check.finding import Finding
from nmt.corpora.check.histogram import Histogram
from nmt.corpora.check.kinds import Severity
from nmt.corpora.check.limits import CheckLimits

FORMAT = 1  # of the JSON


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
