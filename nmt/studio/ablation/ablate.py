"""Run an ablation and write its results: ablation.json, ablation.md and ablation.html."""

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from nmt.runs.run_folder import RunFolder
from nmt.studio.ablation.axes import Axis
from nmt.studio.ablation.data import ablation_data
from nmt.studio.ablation.files import AblationFiles
from nmt.studio.ablation.page import render_ablation
from nmt.studio.ablation.results import collect
from nmt.studio.ablation.runs import (
    AblationOutcome,
    PlannedRun,
    check_runs,
    error_context,
    plan_runs,
    prepare_runs,
    train_runs,
    with_one_precision,
)
from nmt.studio.ablation.table import render_markdown
from nmt.studio.ablation.variants import Variant
from nmt.system.log import note
from nmt.text.corpus import DataFolder


@dataclass(frozen=True)
class Ablation:
    """The variants and seeds to train, and the folder for their runs and results."""

    variants: Sequence[Variant]  # the base first
    axes: Sequence[Axis]
    seeds: Sequence[int]
    output: Path
    command: Sequence[str]  # words of the command line, for the results

    def check(self, data: DataFolder, device: torch.device) -> list[PlannedRun]:
        """Check all that can be checked before the corpus is prepared, and return the runs.

        Nothing is written. Raises NmtError.
        """
        runs = with_one_precision(plan_runs(self.variants, self.seeds, self.output), device)
        check_runs(runs, data, device)
        return runs

    def run(self, data: DataFolder, device: torch.device) -> AblationOutcome:
        """Train the runs that are not finished, and write the results after each of them.

        Raises NmtError if another process uses the folder, if a recipe or a corpus is wrong, or if
        the disk refuses.
        """
        runs = self.check(data, device)
        with ExitStack() as held:
            with error_context("ablation"):
                held.enter_context(RunFolder(self.output).lock())
            prepare_runs(runs, data, device)
            self.note_other_runs({each.run.path for each in runs})
            outcome = train_runs(runs, data, device, self.write)
            self.write(outcome.failures)
        return outcome

    def write(self, failures: Mapping[Path, str]) -> None:
        """Write the three result files.

        failures: why runs failed, by folder. Raises NmtError if the disk refuses.
        """
        runs = plan_runs(self.variants, self.seeds, self.output)
        result = collect(runs, self.axes, failures, self.command)
        data = json.dumps(ablation_data(result), indent=1) + "\n"
        page = render_ablation(result, self.variants)
        self.files.write(data, render_markdown(result), page)

    @property
    def files(self) -> AblationFiles:
        """The result files."""
        return AblationFiles(self.output)

    def note_other_runs(self, known: Collection[Path]) -> None:
        """Print a note on runs in the output folder that do not belong to this ablation."""
        found = sorted(path.parent for path in self.output.glob("*/seed-*/recipe.toml"))
        others = [f"{each.parent.name}/{each.name}" for each in found if each not in known]
        if others:
            note(f"{self.output} also holds runs that these results leave out: {', '.join(others)}")
