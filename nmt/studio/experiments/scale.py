"""Train a ladder, fit a law to it, and test its prediction: scale.json, scale.md and scale.html.

The law of each recipe predicts the loss of the next larger size. The prediction is written
before that run is trained, and the run is never used for the fit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import numpy
import torch

from nmt.errors import NmtError
from nmt.evaluation.markdown import table
from nmt.evaluation.metrics import score_measure
from nmt.evaluation.test_sets import recipe_tests
from nmt.recipe.size import count_parameters
from nmt.runs.history import History, parse_history, read_metrics
from nmt.studio.experiments import distance
from nmt.studio.experiments.fit import CONSTANTS, Estimate, Law, Point, fit, refusal
from nmt.studio.experiments.ladder import Ladder, Rung, update_operations
from nmt.studio.experiments.results import FINISHED, cell, run_result, spread
from nmt.studio.experiments.runs import Experiment, Outcome, PlannedRun, plan_runs, train_runs
from nmt.system.atomic import write_text
from nmt.system.files import is_present, read_text
from nmt.system.json_data import json_text, parse_object
from nmt.system.log import note
from nmt.text.batches import count_used
from nmt.text.prepare import open_prepared
from nmt.text.reading.corpus import DataFolder

DISTANCE = "distance.json"  # what was measured of the pair, by run
CURVE_POINTS = 40

Row = dict[str, Any]  # what is known of a run, and what a table shows
# The columns of the tables.
MEASURED = ("loss", "score", "updates", "minutes", "operations")
PAIR = ("recipe", "d_model", "N", "seeds", *MEASURED)
LAW = ("recipe", "points", *CONSTANTS)
CHECK = ("recipe", "size", "N", "predicted", "loss", "inside", "written", "began")
RUN = ("folder", "d_model", "N", "D", "state", "end", *MEASURED)


@dataclass(frozen=True)
class Scale(Experiment):
    """A ladder to train."""

    kind, page = "scale", "scale"
    ladder: Ladder

    def plan(self) -> list[PlannedRun]:
        """Return the runs that laws are fitted to, then those that they predict."""
        return [*self.ladder.fitted(self.output), *self.ladder.predicted(self.output)]

    def describe(self, runs: Sequence[PlannedRun]) -> str:
        """Return the lines of a dry run: parameters, operations of an update, and most updates."""
        lines, total = [], 0.0
        for planned in runs:
            recipe, V = planned.recipe, planned.recipe.tokenizer.vocab_size
            update, most = update_operations(recipe, V), recipe.train.max_updates
            total += most * update
            lines.append(
                f"{planned.run.path}\t{count_parameters(recipe.model, V):,} parameters"
                f"\t{update:.2e} operations an update, at most {most:,} updates\n"
            )
        return "".join(lines) + f"total\tat most {total:.2e} operations\n"

    def train(self, runs: Sequence[PlannedRun], data: DataFolder, device: torch.device) -> Outcome:
        """Train the ladder, predict the larger size, and train what has a prediction."""
        count = len(self.ladder.fitted(self.output))
        outcome = train_runs(runs[:count], data, device, self.write)
        if outcome.stopped_by is not None:
            return outcome
        failures = outcome.failures
        self.measure(failures, data, device)
        self.write(failures)
        predicted = {
            self.output / prediction["folder"]
            for prediction in self.written("scale.json")["predictions"]
        }
        checks = [run for run in runs[count:] if run.run.path in predicted]
        outcome = train_runs(checks, data, device, lambda others: self.write(failures | others))
        return replace(outcome, failures=failures | outcome.failures)

    @cached_property
    def corpus(self) -> tuple[int, int]:
        """Return the vocabulary size and the number of training pairs, once they are prepared."""
        planned = self.plan()[0]
        prepared = open_prepared(planned.recipe, planned.run.prepared_folder())
        return len(prepared.tokenizer), sum(map(len, prepared.shards))

    def written(self, name: str) -> Row:
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
            row = self.row(failures, planned)
            facts = {name: row[name] for name in ("recipe", "seed", "updates")}
            if is_result(row) and not facts.items() <= found.get(row["folder"], {}).items():
                note(f"measure {planned} by distance")
                curves = distance.measure(planned.run.best, tests, str(device))
                found[row["folder"]] = {**facts, "curves": curves}
                write_text(self.output / DISTANCE, json_text(found, indent=1) + "\n")

    def row(self, failures: Mapping[Path, str], planned: PlannedRun) -> Row:
        """Return what is known of a run."""
        vocab_size, pairs = self.corpus
        recipe, rung = planned.recipe, cast("Rung", planned.variant)
        result, lines = run_result(planned, failures), read_metrics(planned.run.metrics)
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
            "loss": result.best.loss if result.best else None,
            "score": result.best.score if result.best else None,
            "minutes": result.minutes,
            "began": lines[0].get("time") if lines else None,
        }

    def write(self, failures: Mapping[Path, str]) -> None:
        """Write the results and predictions that there are so far.

        A prediction stays as it was once its run has begun; without one, such a run gets none.
        """
        rows, checks = (
            [self.row(failures, planned) for planned in plan]
            for plan in (self.ladder.fitted(self.output), self.ladder.predicted(self.output))
        )
        laws = {kind: fit_law(rows, kind) for kind in dict.fromkeys(row["recipe"] for row in rows)}
        earlier = self.written("scale.json").get("predictions", [])
        known = {prediction["folder"]: prediction for prediction in earlier}
        predictions = []
        for row in checks:
            law = laws[row["recipe"]]
            if row["began"]:
                predictions += [known[row["folder"]]] if row["folder"] in known else []
            elif isinstance(law, Law):
                predictions.append(predict(row, law))
        sections = make_sections(self.ladder, rows, checks, laws, predictions)
        curves, measured = self.written(DISTANCE), dict[str, list[distance.Curves]]()
        for row in rows:  # the file may also have runs of another command
            if row["folder"] in curves:
                found = curves[row["folder"]]["curves"]
                measured.setdefault(row["recipe"], []).append(found)
        if measured:
            sections.insert(-1, distance.section(measured))
        data = {
            "budget": self.ladder.budget,
            "runs": rows,
            "checks": checks,
            "laws": {kind: law_data(law, [*rows, *checks], kind) for kind, law in laws.items()},
            "predictions": predictions,
            "sections": sections,
        }
        self.write_files(self.ladder.recipe.name, data, markdown_parts(sections), {})


def operations_spent(history: History, vocab_size: int) -> float:
    """Return the operations of a run's updates, by the tokens that its reports count."""
    recipe = history.recipe
    reports = [report for report in history.train_records if report.seconds]
    seconds = numpy.diff([report.seconds or 0 for report in reports], prepend=0)
    tokens = float(seconds @ [report.tokens_per_second or 0 for report in reports])
    full = recipe.train.batch_source_tokens + recipe.train.batch_target_tokens
    filled = tokens / (reports[-1].update * full) if reports else 1.0
    return update_operations(recipe, vocab_size) * filled * history.update


# --- results --------------------------------------------------------------------------------------


def is_result(row: Row) -> bool:
    """Return whether a run is finished and has a loss."""
    return row["state"] == FINISHED and row["loss"] is not None


def fit_law(rows: Iterable[Row], kind: str) -> Law | str:
    """Return the law of a recipe, or the sentence on why there is none.

    A size and a share of the corpus are one point, the mean over seeds.
    """
    losses: dict[tuple[float, float], list[float]] = {}
    for row in rows:
        if is_result(row) and row["recipe"] == kind:
            losses.setdefault((row["N"], row["D"]), []).append(row["loss"])
    points = [Point(N, D, fmean(found)) for (N, D), found in losses.items()]
    return refusal(points) or fit(points)


def predict(row: Row, law: Law) -> Row:
    """Return the prediction of a run that has not begun."""
    return {
        **{name: row[name] for name in ("recipe", "size", "folder", "N", "D")},
        "loss": asdict(law.run(row["N"], row["D"])),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "points": len(law.errors),
    }


def law_data(law: Law | str, rows: Sequence[Row], kind: str) -> Row:
    """Return what scale.json has of a law: its constants and its curves over N and D."""
    if isinstance(law, str):
        return {"refusal": law, "curves": []}
    own = [row for row in rows if row["recipe"] == kind]
    sizes = dict.fromkeys(row["size"] for row in own if row["share"] < 1)
    groups = [("N", [row for row in own if row["share"] == 1])]
    groups += [("D", [row for row in own if row["size"] == size]) for size in sizes]
    curves = []
    for over, group in groups:
        at = [row[over] for row in group]
        x = numpy.geomspace(min(at), max(at), CURVE_POINTS)
        y = law.loss(**{"N": group[0]["N"], "D": group[0]["D"], over: x})
        value, lowest, highest = zip(*map(astuple, y), strict=True)
        ends = {"value": value, "lowest": lowest, "highest": highest}
        curves.append({"over": over, "size": group[0]["size"], "x": x.tolist(), **ends})
    constants = {name: asdict(value) for name, value in law.constants().items()}
    return {"constants": constants, "curves": curves}


def make_sections(
    ladder: Ladder,
    rows: Sequence[Row],
    checks: Sequence[Row],
    laws: Mapping[str, Law | str],
    predictions: Sequence[Row],
) -> list[dict[str, Any]]:
    """Return the sections of the page: tables of texts under a title."""
    whole = ladder.recipe.model.d_model, 1
    own = [row for row in rows if (row["size"], row["share"]) == whole]
    pair = [pair_row([row for row in own if row["recipe"] == kind]) for kind in laws]
    constants = [
        {"recipe": kind, "points": len(law.errors), **law.constants()}
        for kind, law in laws.items()
        if isinstance(law, Law)
    ]
    refusals = [f"{kind}: {law}." for kind, law in laws.items() if isinstance(law, str)]
    ended = {row["folder"]: row for row in checks}
    tested = [check_row(found, ended[found["folder"]]) for found in predictions]
    tabled = partial(make_table, score_measure(ladder.recipe).name)
    title = "The recipe's own size, with equal parameters"
    return [
        {"id": "pair", "title": title, "tables": [tabled(PAIR, pair)]},
        {
            "id": "law",
            "title": "Loss = E + A / N^a + B / D^b",
            "texts": refusals,
            "tables": [tabled(LAW, constants), tabled(CHECK, tested)],
        },
        {"id": "runs", "title": "Each run", "tables": [tabled(RUN, [*rows, *checks])]},
    ]


def pair_row(rows: Sequence[Row]) -> Row:
    """Return the means over the finished seeds of one recipe, with their ranges."""
    ended = [row for row in rows if is_result(row)]
    spreads = {name: spread([row[name] for row in ended]) for name in MEASURED}
    return {**rows[0], "seeds": f"{len(ended)} of {len(rows)}", **spreads}


def check_row(prediction: Row, row: Row) -> Row:
    """Return a prediction with its result."""
    predicted, inside = Estimate(**prediction["loss"]), None
    if is_result(row):
        inside = "yes" if predicted.lowest <= row["loss"] <= predicted.highest else "no"
    return {**prediction, **row, "predicted": predicted, "inside": inside}


def make_table(measure: str, columns: Sequence[str], rows: Iterable[Row]) -> Row:
    """Return a table of texts; measure: the name of the score."""
    return {
        "heads": [measure if name == "score" else name for name in columns],
        "rows": [[cell(name, row[name]) for name in columns] for row in rows],
    }


def markdown_parts(sections: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the paragraphs and tables of scale.md, which `nmt scale` also prints."""
    parts = []
    for section in sections:
        parts += [f"## {section['title']}", *section.get("texts", ())]
        parts += [table(part["heads"], part["rows"]) for part in section["tables"] if part["rows"]]
    return parts
