"""Measure what distance does to trained models: scores by length, agreement, and gradients."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nmt.evaluation.evaluate import Model
from nmt.evaluation.metrics import choose_metrics
from nmt.evaluation.results import LabelCount
from nmt.evaluation.scores import scores_by_length
from nmt.evaluation.test_sets import TestSet
from nmt.model.encoder_decoder import EncoderDecoder
from nmt.runs.trained_model import load_model
from nmt.system.log import note
from nmt.text.batches import make_batch
from nmt.text.plan import batches_by_length

DISTANCE = re.compile(r"(.+)-(\d+)")  # a label that names a distance, such as agreement-07
REACH_PAIRS = 100
REACH_TOKENS = 600  # of a side, in a batch
REACH_POSITIONS = 6  # target positions of a batch whose losses are followed
FEWEST = 30  # pairs of positions that a mean needs
COLUMNS, BIN = 8, 5  # a table with more distances has a column for each five
GRADIENT = "gradient of the loss"
TEXT = (
    "Each curve is the mean over the seeds, within the lowest and the highest value. “% right”: how"
    " often a model prefers the right target to one with one wrong word; chance is 50 %. Gradients"
    " are shares of that of the nearest token."
)
COLOURS = ("source", "target", "good")  # of the recipes, as in the other charts

Curve = list[tuple[float, float]]  # lengths or distances, and values
Curves = dict[str, Curve]  # by the title of their chart
Data = dict[str, Any]


def measure(path: Path, tests: Iterable[TestSet], device: str) -> Curves:
    """Return the curves of a model file over lengths and distances, on test sets.

    They are its score by length, found by greedy search; how often it prefers targets to wrong ones
    whose labels name a distance; and how far its gradients reach.
    """
    trained = load_model(path, device)
    data = trained.recipe.data
    model = Model(trained, replace(trained.recipe.decode, beam_size=1), note)
    found: Curves = {}
    for test in tests:
        metrics = choose_metrics(data.metric, test.languages[1])
        lengths = scores_by_length(test, model.outputs(test), metrics)
        title = f"{test.name}: {lengths.buckets[0].scores[0].name} by {lengths.unit}"
        found[title] = [(bucket.shortest, bucket.scores[0].value) for bucket in lengths.buckets]
        for name, curve in by_distance(model.contrasts(test)).items():
            found[f"{test.name}: {name}, % right by words between"] = curve
        sample = range(0, len(test.sources), max(1, len(test.sources) // REACH_PAIRS))
        sources = trained.tokenizer.source.encode([test.sources[line] for line in sample])
        targets = trained.tokenizer.target.encode([test.references[line][0] for line in sample])
        for side, curve in reach(trained.network, [*zip(sources, targets, strict=True)]).items():
            found[f"{test.name}: {GRADIENT} by tokens back in the {side}"] = curve
    return found


def by_distance(counts: Sequence[LabelCount]) -> Curves:
    """Return the percentage of each distance, by the name before it in the labels."""
    found: Curves = {}
    for count in counts:
        if match := DISTANCE.fullmatch(count.label):
            found.setdefault(match[1], []).append((float(match[2]), count.percent))
    return found


def reach(
    network: EncoderDecoder, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> dict[str, Curve]:
    """Return how strongly the loss at position t depends on the embedding at position s.

    It is the geometric mean of the gradient's norm by t - s, in the source and in the target, as a
    share of that at the distance 0: a few tokens of high loss do not decide it. pairs: encoded,
    without EOS.
    """
    captured: list[Tensor] = []
    hook = network.embeddings.dropout.register_forward_hook(
        lambda _module, _inputs, output: captured.append(output)
    )
    lengths = [max(map(len, pair)) + 1 for pair in pairs]
    # Sums and counts.
    totals = {side: torch.zeros(2, max(lengths)) for side in ("source", "target")}
    with network.evaluating():
        for indices in batches_by_length(lengths, REACH_TOKENS):
            batch = make_batch([pairs[index] for index in indices]).to(network.device)
            captured.clear()
            logits = network(batch.source, batch.target_input).transpose(1, 2)
            losses = cross_entropy(logits, batch.labels, reduction="none")  # (B, T)
            length = losses.shape[1]
            for t in range(length - 1, -1, -max(1, length // REACH_POSITIONS)):
                gradients = torch.autograd.grad(losses[:, t].sum(), captured, retain_graph=True)
                counted = batch.labels[:, t] != network.pad_id
                inputs = (batch.source, batch.target_input)
                for total, ids, gradient in zip(totals.values(), inputs, gradients, strict=True):
                    norms = gradient.norm(dim=-1)[counted].cpu()  # (B', S) or (B', T)
                    logs = norms.clamp(min=torch.finfo(norms.dtype).tiny).log()
                    distances = (t - torch.arange(norms.shape[1])).expand_as(norms)
                    real = (ids[counted] != network.pad_id).cpu() & (distances >= 0)
                    total[0].index_add_(0, distances[real], logs[real])
                    total[1].index_add_(0, distances[real], torch.ones(int(real.sum())))
    hook.remove()
    found = {}
    for side, (sums, counts) in totals.items():
        shares = (sums / counts - sums[0] / counts[0]).exp().tolist()
        enough = (counts >= FEWEST).nonzero()[:, 0].tolist()
        found[side] = [(float(distance), shares[distance]) for distance in enough]
    return found


def section(measured: Mapping[str, Sequence[Curves]]) -> Data:
    """Return the section of the page: charts with means and ranges over seeds, and their tables.

    measured: the curves of each run, by the names of the recipes.
    """
    charts, tables = [], []
    every_run = [run for runs in measured.values() for run in runs]
    for title in dict.fromkeys(title for run in every_run for title in run):
        series, rows = [], {}
        for (name, runs), colour in zip(measured.items(), cycle(COLOURS), strict=False):
            values: dict[float, list[float]] = {}
            for x, value in (point for run in runs for point in run.get(title, ())):
                values.setdefault(x, []).append(value)
            means = {x: fmean(found) for x, found in values.items()}
            ends = {"lowest": [*map(min, values.values())], "highest": [*map(max, values.values())]}
            # A chart shows means and ranges as it shows laws and their intervals.
            facts: Data = {"label": name, "colour": colour, "kind": "law"}
            series.append({**facts, "x": [*values], "value": [*means.values()], **ends})
            rows[name] = binned(means)
        _, _, over = title.rpartition(" by ")
        log = "y" if GRADIENT in title else ""
        charts.append({"title": title, "over": over, "log": log, "series": series})
        columns = [*dict.fromkeys(column for row in rows.values() for column in row)]
        cells = [[name, *(row.get(column, "") for column in columns)] for name, row in rows.items()]
        tables.append({"heads": [title, *columns], "rows": cells})
    facts = {"id": "distance", "title": "What distance does", "texts": [TEXT]}
    return {**facts, "charts": charts, "tables": tables}


def binned(means: Mapping[float, float]) -> dict[str, str]:
    """Return the cells of a row of a table by their columns: each distance, or means of five."""
    width = 1 if len(means) <= COLUMNS else BIN
    groups: dict[int, dict[float, float]] = {}
    for x, value in means.items():
        groups.setdefault(int(x) // width, {})[x] = value
    return {
        f"{min(group):g}" if len(group) == 1 else f"{min(group):g} to {max(group):g}": (
            f"{fmean(group.values()):.3g}"
        )
        for group in groups.values()
    }
