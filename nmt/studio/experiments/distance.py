"""Measure what distance does to trained models: scores by length, agreement, and gradients."""

import re
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nmt.evaluation.evaluate import Model
from nmt.evaluation.metrics import MetricSet
from nmt.evaluation.results import LabelCount
from nmt.evaluation.scores import corpus_scores, scores_by_length
from nmt.evaluation.test_sets import TestSet
from nmt.model.encoder_decoder import EncoderDecoder
from nmt.text.batches import make_batch
from nmt.text.plan import batches_by_length

DISTANCE = re.compile(r"(.+)-(\d+)")  # a label that names a distance, such as agreement-07
REACH_TOKENS = 600  # of a side, in a batch
FEWEST = 30  # pairs of positions that a mean needs
BIN = 5  # distances in a row of a table

Curve = list[tuple[float, float]]  # places and values
Measures = dict[str, dict[str, Curve]]  # curves by the title of their chart


def measure(model: Model, tests: Iterable[TestSet], metrics: MetricSet) -> Measures:
    """Return the scores of a model by length, and its choices against wrong targets by distance."""
    found: Measures = {}
    for test in tests:
        outputs = model.outputs(test)
        lengths = scores_by_length(test, outputs, metrics)
        (name, *_) = (score.name for score in corpus_scores(metrics, outputs, test.references))
        found[f"{name} by {lengths.unit} of the reference, {test.name}"] = {
            "": [(bucket.shortest, bucket.scores[0].value) for bucket in lengths.buckets]
        }
        for phenomenon, curve in by_distance(model.contrasts(test)).items():
            found[f"{phenomenon}: right by words between, {test.name}"] = {"": curve}
    return found


def by_distance(counts: Sequence[LabelCount]) -> dict[str, Curve]:
    """Return the percentage of each distance, by the name before it in the labels."""
    found: dict[str, Curve] = {}
    for count in counts:
        if match := DISTANCE.fullmatch(count.label):
            found.setdefault(match[1], []).append((float(match[2]), count.percent))
    return found


def reach(
    network: EncoderDecoder, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]
) -> dict[str, Curve]:
    """Return how strongly the loss at position t depends on the embedding at position s.

    It is the mean norm of the gradient by t - s in the target, and by |t - s| between target and
    source, as a share of that at the distance 0. pairs: encoded, without EOS.
    """
    captured: list[Tensor] = []
    hook = network.embeddings.dropout.register_forward_hook(
        lambda _module, _inputs, output: captured.append(output)
    )
    totals = {side: torch.zeros(2, 1000) for side in ("source", "target")}  # sums and counts
    with network.evaluating():
        for indices in batches_by_length([max(map(len, pair)) for pair in pairs], REACH_TOKENS):
            batch = make_batch([pairs[index] for index in indices])
            captured.clear()
            logits = network(batch.source, batch.target_input)
            losses = cross_entropy(
                logits.transpose(1, 2), batch.labels, ignore_index=network.pad_id, reduction="none"
            )  # (B, T)
            for t in range(losses.shape[1]):
                gradients = torch.autograd.grad(losses[:, t].sum(), captured, retain_graph=True)
                counts = batch.labels[:, t] != network.pad_id
                for (side, ids), gradient in zip(
                    (("source", batch.source), ("target", batch.target_input)),
                    gradients,
                    strict=True,
                ):
                    norms = gradient.norm(dim=-1)[counts]  # (B', S) or (B', T)
                    distance = (t - torch.arange(norms.shape[1])).expand_as(norms)
                    real = ids[counts] != network.pad_id
                    if side == "target":
                        real &= distance >= 0
                    at = distance.abs()[real].clamp(max=totals[side].shape[1] - 1)
                    totals[side][0].index_add_(0, at, norms[real])
                    totals[side][1].index_add_(0, at, torch.ones(len(at)))
    hook.remove()
    return {side: share_of_first(*total) for side, total in totals.items()}


def share_of_first(sums: Tensor, counts: Tensor) -> Curve:
    """Return the means of the distances with enough counts, divided by the first one."""
    means = (sums / counts).tolist()
    return [
        (float(distance), means[distance] / means[0])
        for distance in (counts >= FEWEST).nonzero()[:, 0].tolist()
    ]
