"""Train a ladder, fit a law to it, and test its prediction: scale.json, scale.md and scale.html.

The law of each recipe predicts the loss of the next larger size. The prediction is written
before that run is trained, and the run is never used for the fit.
"""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy
import torch

from nmt import __version__
from nmt.errors import NmtError
from nmt.evaluation.markdown import code, table
from nmt.evaluation.metrics import score_measure
from nmt.evaluation.test_sets import recipe_tests
from nmt.recipe.size import count_parameters
from nmt.runs.history import History, parse_history, read_metrics
from nmt.runs.run_folder import RunFolder
from nmt.studio.experiments import distance
from nmt.studio.experiments.ablation import MISSING, with_range
from nmt.studio.experiments.fit import CONSTANTS, Estimate, Law, Point, fit, refusal
from nmt.studio.experiments.ladder import Ladder, update_operations
from nmt.studio.experiments.results import FINISHED, run_result, spread
from nmt.studio.experiments.runs import (
    Outcome,
    PlannedRun,
    check_runs,
    error_context,
    plan_runs,
    prepare_runs,
    train_runs,
    with_one_precision,
)
from nmt.studio.pages.page import CHART_STYLES, FOLDER, render, vendored
from nmt.system.atomic import write_text
from nmt.system.files import in_utf_8, is_present, read_text
from nmt.system.json_data import parse_object
from nmt.system.log import note
from nmt.text.batches import count_used
from nmt.text.corpus import DataFolder
from nmt.text.prepare import open_prepared

FORMAT = 1
DATA, TABLE, PAGE = "scale.json", "scale.md", "scale.html"  # files of results
DISTANCE = "distance.json"  # what was measured of the pair, by run
CURVE_POINTS = 40

Row = Mapping[str, Any]  # what is known of a run
# The columns of the tables, and the formats of some.
MEASURED = ("loss", "score", "updates", "minutes", "operations")
PAIR = ("recipe", "d_model", "N", "seeds", *MEASURED)
LAW = ("recipe", "points", *CONSTANTS)
CHECK = ("recipe", "size", "N", "predicted", "loss", "inside", "written", "began")
RUN = ("folder", "d_model", "N", "D", "state", "end", *MEASURED)
FORMATS = {"loss": ".3f", "score": ".2f", "minutes": ".1f", "operations": ".2e"}


@dataclass(frozen=True)
class Scale:
    """A ladder to train, and the folder for its runs and results."""

    ladder: Ladder
    output: Path
    command: Sequence[str]  # words of the command line, for the results

    def check(self, data: DataFolder, device: torch.device) -> list[PlannedRun]:
        """Check what can be checked before the corpus is prepared, and return all runs.

        Nothing is written. Raises NmtError.
        """
        runs = with_one_precision(
            [*self.ladder.fitted(self.output), *self.ladder.predicted(self.output)], device
        )
        check_runs(runs, data, device)
        return runs

    def run(self, data: DataFolder, device: torch.device) -> Outcome:
        """Train the runs that are not finished, predict the larger size, and train that.

        Results are written after each run. Raises NmtError as `Ablation.run` does.
        """
        runs = self.check(data, device)
        with ExitStack() as held:
            with error_context("scale"):
                held.enter_context(RunFolder(self.output).lock())
            prepare_runs(runs, data, device)
            ladder_runs = runs[: len(self.ladder.fitted(self.output))]
            outcome = train_runs(ladder_runs, data, device, self.write)
            if outcome.stopped_by is None:
                failures = outcome.failures
                self.measure(failures, data, device)
                predicted = {self.output / each["folder"] for each in self.predict(failures)}
                checks = [run for run in runs if run.run.path in predicted]
                outcome = train_runs(
                    checks, data, device, lambda others: self.write(failures | others)
                )
                outcome = replace(outcome, failures=failures | outcome.failures)
            self.write(outcome.failures)
        return outcome

    @cached_property
    def corpus(self) -> tuple[int, int]:
        """Return the vocabulary size and the number of training pairs, once they are prepared."""
        planned = self.ladder.fitted(self.output)[0]
        prepared = open_prepared(planned.recipe, planned.run.prepared_folder())
        return len(prepared.tokenizer), sum(map(len, prepared.shards))

    def written(self, name: str) -> dict[str, Any]:
        """Return the content of a file of results, empty if there is none."""
        path = self.output / name
        return parse_object(read_text(path, "the results"), str(path)) if is_present(path) else {}

    def measure(self, failures: Mapping[Path, str], data: DataFolder, device: torch.device) -> None:
        """Measure the finished runs of the pair on the test sets, each once, and write the curves.

        If a test set is missing, a note says so.
        """
        found = self.written(DISTANCE)
        try:
            tests = recipe_tests(self.ladder.recipe, data)
        except NmtError as error:
            note(f"nothing is measured by distance: {error}")
            return
        for planned in plan_runs(self.ladder.pair, self.ladder.seeds, self.output):
            row = self.row(planned, failures)
            known = found.get(row["folder"], {})
            if is_result(row) and known.get("updates") != row["updates"]:
                note(f"measure {planned} by distance")
                names = ("recipe", "seed", "updates")
                curves = distance.measure(planned.run.best, tests, str(device))
                found[row["folder"]] = {**{name: row[name] for name in names}, "curves": curves}
                write_text(self.output / DISTANCE, in_utf_8(json.dumps(found, indent=1) + "\n"))

    def predict(self, failures: Mapping[Path, str]) -> list[Row]:
        """Write and return a prediction for each check whose recipe has a law.

        A prediction stays as it was once its run has begun; without one, such a run has none.
        """
        rows = [self.row(planned, failures) for planned in self.ladder.fitted(self.output)]
        known = {each["folder"]: each for each in self.written(DATA).get("predictions", [])}
        found = []
        for planned in self.ladder.predicted(self.output):
            row = self.row(planned, failures)
            law = law_of(rows, row["recipe"])
            if row["began"]:
                found += [known[row["folder"]]] if row["folder"] in known else []
            elif isinstance(law, Law):
                names = ("recipe", "size", "folder", "N", "D")
                found.append(
                    {
                        **{name: row[name] for name in names},
                        "loss": asdict(law.run(row["N"], row["D"])),
                        "written": datetime.now(UTC).isoformat(timespec="seconds"),
                        "points": len(points_of(rows, row["recipe"])),
                    }
                )
        self.write(failures, found)
        return found

    def row(self, planned: PlannedRun, failures: Mapping[Path, str]) -> dict[str, Any]:
        """Return what is known of a run."""
        vocab_size, pairs = self.corpus
        recipe, result = planned.recipe, run_result(planned, failures)
        rungs = {each.folder: each for each in (*self.ladder.rungs, *self.ladder.checks)}
        rung = rungs[planned.variant.folder]
        lines, best = read_metrics(planned.run.metrics), result.best
        is_patient = result.updates < recipe.train.max_updates
        return {
            "recipe": rung.kind,
            "size": rung.size,
            "d_model": recipe.model.d_model,
            "share": recipe.train.share,
            "seed": planned.seed,
            "folder": result.folder,
            "state": result.state,
            "end": ("patience" if is_patient else "updates") * (result.state == FINISHED),
            "N": count_parameters(recipe.model, vocab_size),
            "D": count_used(pairs, recipe.train.share),
            "updates": result.updates,
            "operations": operations_spent(parse_history(lines, recipe), vocab_size),
            "loss": best.loss if best else None,
            "score": best.score if best else None,
            "minutes": result.minutes,
            "began": lines[0].get("time") if lines else None,
        }

    def write(self, failures: Mapping[Path, str], predictions: list[Row] | None = None) -> None:
        """Write the three result files, with these predictions or those that were written before.

        failures: why runs failed, by folder. Raises NmtError if the disk refuses.
        """
        rows, checks = (
            [self.row(planned, failures) for planned in plan]
            for plan in (self.ladder.fitted(self.output), self.ladder.predicted(self.output))
        )
        measure = score_measure(self.ladder.recipe).name
        laws = {name: law_of(rows, name) for name in dict.fromkeys(row["recipe"] for row in rows)}
        folders = {row["folder"] for row in checks}
        found = self.written(DATA).get("predictions", []) if predictions is None else predictions
        found = [each for each in found if each["folder"] in folders]
        sections = make_sections(
            self.ladder.recipe.model.d_model, measure, rows, checks, laws, found
        )
        measured: dict[str, list[distance.Curves]] = {}
        for run in self.written(DISTANCE).values():
            measured.setdefault(run["recipe"], []).append(run["curves"])
        if measured:
            sections.insert(-1, distance.section(measured))
        command = shlex.join(self.command)
        data = {
            "scale": FORMAT,
            "nmt": __version__,
            "command": command,
            "recipe": self.ladder.recipe.name,
            "budget": self.ladder.budget,
            "runs": rows,
            "checks": checks,
            "laws": {name: law_data(law, [*rows, *checks], name) for name, law in laws.items()},
            "predictions": found,
            "sections": sections,
        }
        name = self.ladder.recipe.name
        styles, library = CHART_STYLES, vendored("uPlot.iife.min.js")
        title = f"Scale of {name}"
        page = render(FOLDER / "scale", data, title, {"title": name}, *styles, library=library)
        markdown = render_markdown(name, command, sections)
        texts = {DATA: json.dumps(data, indent=1) + "\n", TABLE: markdown, PAGE: page}
        for file, text in texts.items():
            write_text(self.output / file, in_utf_8(text))


def operations_spent(history: History, vocab_size: int) -> float:
    """Return the operations of a run's updates, by the tokens that its reports count."""
    recipe, reports = history.recipe, history.train_records
    tokens, before = 0.0, 0.0
    for report in reports:
        seconds = report.seconds or before
        tokens += (report.tokens_per_second or 0) * (seconds - before)
        before = seconds
    full = recipe.train.batch_source_tokens + recipe.train.batch_target_tokens
    filled = tokens / (reports[-1].update * full) if reports else 1.0
    return update_operations(recipe, vocab_size) * filled * history.update


# --- results --------------------------------------------------------------------------------------


def is_result(row: Row) -> bool:
    """Return whether a run is finished and has a loss."""
    return row["state"] == FINISHED and row["loss"] is not None


def points_of(rows: Iterable[Row], kind: str) -> list[Point]:
    """Return a point for each finished size and share of a recipe, the mean over seeds."""
    losses: dict[tuple[float, float], list[float]] = {}
    for row in rows:
        if is_result(row) and row["recipe"] == kind:
            losses.setdefault((row["N"], row["D"]), []).append(row["loss"])
    return [Point(N, D, sum(each) / len(each)) for (N, D), each in losses.items()]


def law_of(rows: Sequence[Row], kind: str) -> Law | str:
    """Return the law of a recipe, or the sentence on why there is none."""
    points = points_of(rows, kind)
    return refusal(points) or fit(points)


def law_data(law: Law | str, rows: Sequence[Row], kind: str) -> dict[str, Any]:
    """Return what scale.json has of a law: its constants and its curves over N and D."""
    if isinstance(law, str):
        return {"refusal": law, "curves": []}
    own = [row for row in rows if row["recipe"] == kind]
    groups = [("N", [row for row in own if row["share"] == 1])]
    for size in dict.fromkeys(row["size"] for row in own if row["share"] < 1):
        groups.append(("D", [row for row in own if row["size"] == size]))
    curves = []
    for over, group in groups:
        at = [row[over] for row in group]
        x = numpy.geomspace(min(at), max(at), CURVE_POINTS)
        y = law.loss(**{"N": group[0]["N"], "D": group[0]["D"], over: x})
        ends = {
            name: [getattr(each, name) for each in y] for name in ("value", "lowest", "highest")
        }
        curves.append({"over": over, "size": group[0]["size"], "x": x.tolist(), **ends})
    return {
        "constants": {name: asdict(value) for name, value in law.constants().items()},
        "curves": curves,
    }


def make_sections(
    base: int,
    measure: str,
    rows: Sequence[Row],
    checks: Sequence[Row],
    laws: Mapping[str, Law | str],
    predictions: Sequence[Row],
) -> list[dict[str, Any]]:
    """Return the sections of the page: tables of texts under a title.

    base: the recipe's own size. measure: the name of the score.
    """
    own = [row for row in rows if (row["size"], row["share"]) == (base, 1)]
    pair = [pair_row([row for row in own if row["recipe"] == name]) for name in laws]
    constants, refusals = [], []
    for name, law in laws.items():
        if isinstance(law, str):
            refusals.append(f"{name}: {law}.")
            continue
        values = {key: estimated(value) for key, value in law.constants().items()}
        constants.append({"recipe": name, "points": len(points_of(rows, name)), **values})
    ended = {row["folder"]: row for row in checks}
    tested = [check_row(each, ended[each["folder"]]) for each in predictions]
    tables: dict[tuple[str, str], list[tuple[Sequence[str], Sequence[Row]]]] = {
        ("pair", "The recipe's own size, with equal parameters"): [(PAIR, pair)],
        ("law", "Loss = E + A / N^a + B / D^b"): [(LAW, constants), (CHECK, tested)],
        ("runs", "Each run"): [(RUN, [*rows, *checks])],
    }
    return [
        {
            "id": name,
            "title": title,
            "texts": refusals if name == "law" else [],
            "tables": [tabled(keys, each, measure) for keys, each in parts],
        }
        for (name, title), parts in tables.items()
    ]


def pair_row(rows: Sequence[Row]) -> Row:
    """Return the means over the finished seeds of one recipe, with their ranges."""
    ended = [row for row in rows if is_result(row)]
    digits = {"loss": 3, "score": 2, "updates": 0, "minutes": 1}
    spreads = {name: spread([row[name] for row in ended]) for name in (*digits, "operations")}
    operations = spreads["operations"]
    return {
        **rows[0],
        "seeds": f"{len(ended)} of {len(rows)}",
        **{name: with_range(spreads[name], number) for name, number in digits.items()},
        "operations": operations.mean if operations else None,
    }


def check_row(prediction: Row, row: Row) -> Row:
    """Return a prediction with its result."""
    loss = Estimate(**prediction["loss"])
    inside = None
    if is_result(row):
        inside = "yes" if loss.lowest <= row["loss"] <= loss.highest else "no"
    return {**prediction, **row, "predicted": estimated(loss), "inside": inside}


def estimated(estimate: Estimate) -> str:
    """Return a value with its interval."""
    value, low, high = (f"{each:,.4g}" for each in asdict(estimate).values())
    return f"{value} ({low} to {high})".replace("e+", "e")


def tabled(keys: Sequence[str], rows: Iterable[Row], measure: str) -> dict[str, Any]:
    """Return a table of texts with these columns; measure: the name of the score."""

    def shown(key: str, value: Any) -> str:
        if value is None or isinstance(value, str):
            return value or MISSING
        return format(value, FORMATS.get(key, ",")).replace("e+", "e")

    return {
        "heads": [measure if key == "score" else key for key in keys],
        "rows": [[shown(key, row[key]) for key in keys] for row in rows],
    }


def render_markdown(recipe: str, command: str, sections: Iterable[Mapping[str, Any]]) -> str:
    """Return the text of scale.md, which `nmt scale` also prints."""
    parts = [f"# Scale of {code(recipe)}", f"Created by {code(command)}."]
    for each in sections:
        parts += [f"## {each['title']}", *each.get("texts", ())]
        parts += [table(part["heads"], part["rows"]) for part in each["tables"] if part["rows"]]
    return "\n\n".join(parts) + "\n"
