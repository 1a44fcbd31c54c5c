"""Report what `nmt clean` did, in types that become JSON."""

from dataclasses import dataclass

from nmt.corpora.check.kinds import KINDS
from nmt.corpora.check.limits import CheckLimits
from nmt.corpora.clean.optional import OPTIONAL
from nmt.corpora.clean.repair import REPAIRS
from nmt.corpora.clean.rules import ALWAYS, CROSS_ENTROPY

FORMAT = 1
TITLES = {
    **{name: kind.title for name, kind in KINDS.items()},
    **OPTIONAL,
    **ALWAYS,
    CROSS_ENTROPY: "pairs that two models find improbable or disagree about",
}


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


def as_text(report: CleanReport) -> str:
    """Return a report as a table."""
    removed = report.pairs - report.kept
    lines = [
        f"{report.pairs:,} pairs: {report.kept:,} kept, {removed:,} removed",
        *table("removed", report.removed, TITLES),
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
