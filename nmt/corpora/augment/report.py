"""Report what `nmt augment` did, in types that become JSON."""

from dataclasses import dataclass

from nmt.corpora.augment.verdicts import REASONS
from nmt.corpora.clean.report import table

FORMAT = 1


@dataclass(frozen=True)
class ModelReport:
    """Count what became of the translations of a model."""

    model: str  # its path
    languages: str  # such as "de-en", from which to which it translates
    kept: int


@dataclass(frozen=True)
class AugmentReport:
    """Count what `nmt augment` made."""

    corpus_augment: int  # version of the format
    nmt: str  # version of the program
    method: str
    files: tuple[str, ...]  # that were read
    outputs: tuple[str, ...]  # that were written
    lines: int  # of the text
    given: int  # pairs of the text that are kept
    models: tuple[ModelReport, ...]
    removed: dict[str, int]  # pairs by reason
    tag: str  # of the corpus in the recipe

    @property
    def pairs(self) -> int:
        """Return the number of pairs that were written."""
        return self.given + sum(each.kept for each in self.models)


def as_text(report: AugmentReport) -> str:
    """Return a report as a table."""
    lines = [f"{report.lines:,} lines: {report.pairs:,} pairs written"]
    kept = {"text": report.given} if report.method == "diversification" else {}
    meanings = {"text": "pairs of the text"}
    for number, each in enumerate(report.models, start=1):
        kept[f"model {number}"] = each.kept
        meanings[f"model {number}"] = f"translations {each.languages} by {each.model}"
    lines += table("kept", kept, meanings)
    if report.removed:
        lines += table("left out", report.removed, REASONS)
    lines.append(f"written: {', '.join(report.outputs)}")
    return "".join(f"{line}\n" for line in lines)
