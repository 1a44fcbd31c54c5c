"""Print what goes wrong in a training when it first shows, and a summary at the end."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from nmt.config import Recipe
from nmt.diagnosis.diagnose import diagnose
from nmt.diagnosis.figures import Training
from nmt.diagnosis.finding import Finding
from nmt.diagnosis.token_facts import TokenFacts
from nmt.errors import DamagedError, reason_of
from nmt.evaluation.tasks import score_measure
from nmt.runs.history import Record, TrainRecord, parse_record
from nmt.runs.run_folder import RunFolder
from nmt.system.log import note

MOST_RECORDS = 20_000  # in memory; with a line every 50 updates, those of a million updates


class LiveDiagnosis:
    """Collects the lines of metrics.jsonl, and looks at them after each validation.

    Each kind of warning is printed once. A resumed run does not print again what its figures
    showed before it stopped.
    """

    def __init__(
        self,
        run: RunFolder,
        recipe: Recipe,
        facts: TokenFacts | None,
        lines: Iterable[dict[str, Any]] = (),
    ) -> None:
        """Start with the lines that a training has written already.

        facts: of the prepared text; None if it is not at hand. lines: of metrics.jsonl. If there
        are none, faults that are known before the first update are printed.
        """
        self._recipe = recipe
        self._measure = score_measure(recipe)
        self._facts = facts
        self._name = str(run.path)
        self._records: list[Record] = []
        self._told: set[str] = set()
        for line in lines:
            self.add(line)
        if self._records:
            self._told = {each.kind for each in self._findings()}
        else:
            self.tell()

    def add(self, line: dict[str, Any]) -> None:
        """Collect a line of metrics.jsonl."""
        with suppress(DamagedError):  # a line that another program changed
            self._records.append(parse_record(line, self._recipe))
        if len(self._records) > MOST_RECORDS:
            self._records = thinned(self._records)

    def tell(self) -> None:
        """Print the warnings that were not printed before."""
        for each in self._findings():
            if each.severity == "warning" and each.kind not in self._told:
                self._told.add(each.kind)
                print_finding(each)

    def summarise(self) -> None:
        """Print all warnings at the end of a training, and what more updates may gain."""
        found = self._findings()
        warnings = [each for each in found if each.severity == "warning"]
        self.tell()
        if warnings:
            note(f"diagnosis: {'; '.join(each.heading for each in warnings)}")
        for each in found:
            if each.severity == "note":
                note(f"diagnosis: {each.title}; {each.seen}; to do: {each.change}")

    def _findings(self) -> tuple[Finding, ...]:
        """Return what stands out so far; a bug in the diagnosis must not end a training."""
        records = self._records
        training = Training.of(self._recipe, self._measure, records, self._facts, self._name)
        try:
            return diagnose(training)
        except Exception as error:
            reason = f"{type(error).__name__}: {reason_of(error)}"
            note(f"no diagnosis because of a bug in this program: {reason}")
            return ()


def thinned(records: list[Record]) -> list[Record]:
    """Return records without every second one of the older half of the train lines."""
    older = [place for place, each in enumerate(records) if isinstance(each, TrainRecord)]
    dropped = set(older[: len(older) // 2 : 2])
    return [each for place, each in enumerate(records) if place not in dropped]


def print_finding(finding: Finding) -> None:
    """Print a finding on stderr."""
    for line in finding.lines():
        note(line)
