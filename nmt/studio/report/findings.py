"""Diagnose the training of a run folder."""

from contextlib import suppress

from nmt.config import Recipe
from nmt.diagnosis.diagnose import diagnose
from nmt.diagnosis.figures import Training
from nmt.diagnosis.finding import Finding
from nmt.documents.registry import bilingual_reader
from nmt.errors import NmtError
from nmt.runs.run_folder import RunFolder
from nmt.studio.report.reported_run import ReportedRun
from nmt.system.files import is_present
from nmt.text.corpus import DataFolder, Pair
from nmt.text.facts import TokenFacts, token_facts
from nmt.text.prepare import open_prepared, read_dev_pairs


def find_faults(run: RunFolder, reported: ReportedRun) -> tuple[Finding, ...]:
    """Return what stands out in a run's training, as `nmt train` prints it.

    Without the prepared text or the dev set, what follows from them is left out.
    """
    facts = read_facts(run, reported.recipe)
    training = Training.of(
        reported.recipe, reported.measure, reported.records, facts, str(run.path)
    )
    return diagnose(training)


def read_facts(run: RunFolder, recipe: Recipe) -> TokenFacts | None:
    """Return the facts of a run's prepared text and dev set; None if it has no prepared text."""
    dev_pairs: list[Pair] = []
    with suppress(NmtError):
        if is_present(run.memory):
            dev_pairs = read_dev_pairs(recipe, DataFolder(run.data_dir(), bilingual_reader))
    with suppress(NmtError, ValueError):  # ValueError: numbers that no intact shard has
        prepared = open_prepared(recipe, run.prepared_folder())
        return token_facts(prepared.shards, prepared.tokenizer, dev_pairs)
    return None
