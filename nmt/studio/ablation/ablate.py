"""An ablation from its plan to its files: ablation.json, ablation.md and ablation.html."""

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from nmt.artifacts.run_folder import RunFolder
from nmt.studio.ablation.axes import Axis
from nmt.studio.ablation.page import page_of
from nmt.studio.ablation.results import collect
from nmt.studio.ablation.runs import Ending, naming, plan_runs, prepare_runs, train_runs
from nmt.studio.ablation.table import as_markdown
from nmt.studio.ablation.variants import Variant
from nmt.studio.pages import shell
from nmt.system.atomic import write_text
from nmt.system.log import note
from nmt.text.corpus import DataFolder


@dataclass(frozen=True)
class Ablation:
    """What is set beside what, and where."""

    variants: Sequence[Variant]
    axes: Sequence[Axis]
    seeds: Sequence[int]
    output: Path
    command: Sequence[str]  # that asked for it

    def run(self, data: DataFolder, device: torch.device) -> Ending:
        """Train what is not trained yet; the files tell of what there is after each run."""
        runs = plan_runs(self.variants, self.seeds, self.output)
        with ExitStack() as held:
            with naming("ablation"):
                held.enter_context(RunFolder(self.output).lock())
            prepare_runs(runs, data, device)
            self.tell_of_others({each.run.path for each in runs})
            ending = train_runs(runs, data, device, self.write)
            self.write(ending.failures)
        return ending

    def write(self, failures: Mapping[Path, str]) -> None:
        """Write the figures, the table and the page; raises NmtError if the disk refuses."""
        runs = plan_runs(self.variants, self.seeds, self.output)
        told = collect(runs, self.axes, failures, self.command)
        write_text(self.output / "ablation.json", json.dumps(told, indent=1) + "\n")
        write_text(self.table, as_markdown(told))
        shell.write_page(self.page, page_of(told, self.variants))

    @property
    def table(self) -> Path:
        """The Markdown file."""
        return self.output / "ablation.md"

    @property
    def page(self) -> Path:
        """The HTML file."""
        return self.output / "ablation.html"

    def tell_of_others(self, known: Collection[Path]) -> None:
        """Say which runs of the folder are not part of this ablation."""
        found = sorted(path.parent for path in self.output.glob("*/seed-*/recipe.toml"))
        others = [f"{each.parent.name}/{each.name}" for each in found if each not in known]
        if others:
            note(f"{self.output} also holds runs that are not told of now: {', '.join(others)}")
