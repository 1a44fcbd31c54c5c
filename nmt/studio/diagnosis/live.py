"""Print what goes wrong in a training when it first shows, and a summary at the end."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import chain

from nmt.config import Recipe
from nmt.errors import DamagedError, shorten_reason
from nmt.runs.history import Line, Record, TrainRecord, parse_record
from nmt.runs.run_folder import RunFolder
from nmt.studio.diagnosis.checks import diagnose
from nmt.studio.diagnosis.training import Finding, Training
from nmt.system.log import note
from nmt.text.facts import TokenFacts, quick_look, token_facts
from nmt.training.setup import Setup
from nmt.training.validation import DevSet

MOST_RECORDS = 20_000  # in memory; with a line every 50 updates, those of a million updates


def live_diagnosis(run: RunFolder, setup: Setup, dev: DevSet) -> "LiveDiagnosis":
    """Look at the prepared text, print what stands out, and return the observer of a training.

    It looks at the text of a new run only: the text of a started run does not change.
    """
    prepared = setup.prepared
    shards, tokenizer = prepared.shards, prepared.tokenizer
    if not run.is_started():
        dev_sources = [source for source, _ in dev.encoded]
        for line in quick_look(shards, prepared.names, tokenizer, dev_sources).lines():
            note(line)
    dev_pairs = chain.from_iterable(setup.dev_pairs.values())
    facts = token_facts(shards, tokenizer, [*dev_pairs], setup.recipe.data)
    return LiveDiagnosis(setup.recipe, facts, str(run.path))


class LiveDiagnosis:
    """Collects the lines of metrics.jsonl, and looks at them after each validation.

    Each kind of warning is printed once. A resumed run does not print again what its lines
    showed before it stopped.
    """

    def __init__(self, recipe: Recipe, facts: TokenFacts | None, name: str) -> None:
        """Prepare to look; facts: of the prepared text, None if unknown; name: of the run."""
        self._recipe = recipe
        self._facts = facts
        self._name = name
        self._records: list[Record] = []
        self._is_new = True  # before the first call
        self._told: set[str] = set()  # kinds of findings

    def __call__(self, lines: list[Line]) -> None:
        """Collect lines of metrics.jsonl, and print the faults that were not printed before.

        The first call gets the lines that the run already has. If there are none, it prints the
        faults that are known before the first update.
        """
        for line in lines:
            with suppress(DamagedError):  # a line that another program changed
                self._records.append(parse_record(line, self._recipe))
            if len(self._records) > MOST_RECORDS:
                self._records = thinned(self._records)
        is_new, self._is_new = self._is_new, False
        last = "" if is_new else lines[-1]["kind"]
        if not is_new and last not in ("dev", "average"):
            return
        found = self._findings()
        if is_new and self._records:
            self._told = {finding.kind for finding in found}
        for finding in found:
            if finding.severity == "warning" and finding.kind not in self._told:
                self._told.add(finding.kind)
                for text in finding.lines():
                    note(text)
        if last == "average":
            summarise(found)

    def _findings(self) -> tuple[Finding, ...]:
        """Return what stands out so far; a bug in the diagnosis must not end a training."""
        training = Training.of(self._recipe, self._records, self._facts, self._name)
        try:
            return diagnose(training)
        except Exception as error:
            reason = f"{type(error).__name__}: {shorten_reason(error)}"
            note(f"no diagnosis because of a bug in this program: {reason}")
            return ()


def summarise(found: Sequence[Finding]) -> None:
    """Print all warnings at the end of a training, and what more updates may gain."""
    warnings = [finding for finding in found if finding.severity == "warning"]
    if warnings:
        note(f"diagnosis: {'; '.join(finding.heading for finding in warnings)}")
    for finding in found:
        if finding.severity == "note":
            note(f"diagnosis: {finding.title}; {finding.seen}; to do: {finding.change}")


def thinned(records: list[Record]) -> list[Record]:
    """Return records without every second one of the older half of the train lines."""
    older = [index for index, record in enumerate(records) if isinstance(record, TrainRecord)]
    dropped = set(older[: len(older) // 2 : 2])
    return [record for index, record in enumerate(records) if index not in dropped]
