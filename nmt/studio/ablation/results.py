"""The figures of an ablation as plain data, which JSON, the table and the page are made of.

A run's figures are those of its model, the average of its last checkpoints, on the dev set; loss
and perplexity are a token. Means are over the seeds whose runs are finished.
"""

import shlex
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any

from nmt import __version__
from nmt.evaluation.tasks import task_metrics
from nmt.studio.ablation.axes import Axis
from nmt.studio.ablation.runs import PlannedRun, is_diverged
from nmt.studio.ablation.variants import Variant
from nmt.studio.report.history import CURVES, History, read_history
from nmt.text.tokenizer import load_tokenizer
from nmt.training.cost import count_parameters

Data = dict[str, Any]

FORMAT = 1
FIGURES = ("loss", "perplexity", "score")  # of a validation
FINISHED = "finished"
# Beside the tokenizer's own, settings that decide which pieces there are.
PIECES = {"data.train", "train.init_from"}


def collect(
    runs: Sequence[PlannedRun],
    axes: Sequence[Axis],
    failures: Mapping[Path, str],
    command: Sequence[str],
) -> Data:
    """All of it: the base, then its variants, each with its runs in the order of the seeds."""
    groups: dict[str, list[PlannedRun]] = {}
    for run in runs:
        groups.setdefault(run.variant.name, []).append(run)
    variants = [group[0].variant for group in groups.values()]
    told = [variant_data(group, failures) for group in groups.values()]
    for each in told:
        each["difference"] = difference(each, told[0]) if each["changes"] else None
    base = variants[0].recipe
    measure = task_metrics(base.data.metric, base.data.target_language).measures[0]
    seeds = [*dict.fromkeys(run.seed for run in runs)]
    return {
        "ablation": FORMAT,
        "nmt": __version__,
        "command": shlex.join(command),
        "recipe": base.name,
        "measure": {"name": measure.name, "lower_is_better": measure.lower_is_better},
        "axes": [axis.text for axis in axes],
        "seeds": seeds,
        "cautions": cautions(variants, len(seeds)),
        "variants": told,
    }


def run_data(planned: PlannedRun, failures: Mapping[Path, str]) -> Data:
    """One run, whatever became of it."""
    run = planned.run
    lines = run.read_metrics()
    history = read_history(run) if lines else None
    ended = bool(lines) and lines[-1]["kind"] == "average"
    if run.path in failures:
        state = f"failed: {failures[run.path]}"
    elif ended:
        state = FINISHED
    elif is_diverged(lines):
        state = "diverged"
    else:
        state = "stopped" if lines else "not begun"
    return {
        "seed": planned.seed,
        "folder": f"{run.path.parent.name}/{run.path.name}",
        "state": state,
        "updates": lines[-1]["update"] if lines else 0,
        "minutes": lines[-1].get("seconds", 0) / 60 if lines else 0,
        "average": figures(history.average) if history and ended else None,
        "best": figures(history.best) if history else None,
        "curves": curves(history),
    }


def figures(line: Mapping[str, Any] | None) -> Data | None:
    """A validation's own."""
    return None if line is None else {key: line.get(key) for key in ("update", *FIGURES)}


def curves(history: History | None) -> Data:
    """The dev set's figures over updates."""
    return {figure: history.curve("dev", figure) for figure in CURVES["dev"]} if history else {}


def variant_data(group: Sequence[PlannedRun], failures: Mapping[Path, str]) -> Data:
    """A variant with the mean, the lowest and the highest of each figure over its finished runs."""
    variant = group[0].variant
    runs = [run_data(each, failures) for each in group]
    ended = [each for each in runs if each["state"] == FINISHED]
    summary = {name: spread([each["average"][name] for each in ended]) for name in FIGURES}
    for name in ("updates", "minutes"):
        summary[name] = spread([each[name] for each in ended])
    vocab_size = len(load_tokenizer(group[0].run.tokenizer))
    return {
        "name": variant.name,
        "folder": variant.folder,
        "axis": variant.axis,
        "changes": [vars(change) for change in variant.changes],
        "parameters": count_parameters(variant.recipe.model, vocab_size),
        "finished": len(ended),
        "summary": summary,
        "runs": runs,
    }


def spread(values: Sequence[float | None]) -> Data | None:
    """Mean and range; none if there is no value, or one that was no number."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    return {"mean": fmean(known), "lowest": min(known), "highest": max(known)}


def difference(variant: Data, base: Data) -> Data | None:
    """A variant less the base, over the seeds that both have finished, none if there is no such.

    `overlaps`: whether the ranges of both have some value in common; none from a single seed.
    """
    mine, others = (
        {each["seed"]: each["average"] for each in side["runs"] if each["state"] == FINISHED}
        for side in (variant, base)
    )
    seeds = [seed for seed in mine if seed in others]
    found: Data = {"seeds": seeds}
    for name in FIGURES:
        both = [(mine[seed][name], others[seed][name]) for seed in seeds]
        if not both or None in chain.from_iterable(both):
            return None
        own, base_own = zip(*both, strict=True)
        overlaps = max(own) >= min(base_own) and max(base_own) >= min(own)
        found[name] = {
            "mean": fmean(own) - fmean(base_own),
            "overlaps": overlaps if len(seeds) > 1 else None,
        }
    return found


def cautions(variants: Sequence[Variant], seeds: int) -> list[str]:
    """What a reader of the figures should know of what was varied."""
    changed = {change.setting for variant in variants for change in variant.changes}
    found = []
    if "train.label_smoothing" in changed:
        found.append(
            "Dev loss is smoothed as in training, by another train.label_smoothing a variant:"
            " compare perplexity, which is not."
        )
    if any(name in PIECES or name.startswith("tokenizer.") for name in changed):
        found.append(
            "Loss and perplexity are of a token, and variants have other tokens: compare the score."
        )
    if changed & {"data.dev", "data.source_language", "data.target_language"}:
        found.append("Variants are scored on other text, or in another way: nothing compares.")
    if seeds == 1:
        found.append("There is one seed: what is chance is not known; --seeds 1,2,3 shows it.")
    return found
