"""Tune the weights of features on the n-best lists of a dev set."""

from collections.abc import Sequence
from pathlib import Path

import numpy
from sacrebleu.metrics.base import Metric

from nmt.errors import NmtError
from nmt.evaluation.scores import Measure, streams
from nmt.evaluation.significance import score, statistics
from nmt.evaluation.translation_metrics import translation_metrics
from nmt.reranking.features import SCORE, Judge, default_weights, feature_names
from nmt.reranking.line_search import Numbers, ScoredLists
from nmt.reranking.nbest import Candidate
from nmt.reranking.rerank_file import scored_chunks
from nmt.reranking.tune import oracle_score, tune
from nmt.reranking.weights import VERSION, WeightsFile
from nmt.text.corpus import align_columns
from nmt.text.lines import read_segments
from nmt.text.opening import name_of

METRICS = {"bleu": "BLEU", "chrf": "chrF2"}  # by the value of --metric


def tuning_measure(metric: str, language: str) -> Measure:
    """Return the measure to tune for: a key of `METRICS`, for a target language."""
    measures = translation_metrics(language).measures
    return next(each for each in measures if each.name == METRICS[metric])


def tune_file(
    nbest: Path,
    source: Path,
    references: Sequence[Path],
    judges: Sequence[Judge],
    metric: str,
    seed: int,
) -> WeightsFile:
    """Return the weights that choose the best translations of a dev set.

    Args:
        nbest, source, judges: as in `rerank_file`.
        references: one or more files with a line for each line of the source.
        metric: the corpus score to raise, a key of `METRICS`.
        seed: of the random starts.

    Raises NmtError if files do not align, or if no list has two candidates.
    """
    measure = tuning_measure(metric, judges[0].languages[1])
    names = feature_names(judges)
    every: list[tuple[Candidate, ...]] = []
    features = []
    for chunk in scored_chunks(nbest, source, judges):
        every += chunk.lists
        features.append(chunk.features)
    rows = [*align_columns(map(name_of, references), map(read_segments, references))]
    if len(rows) != len(every):
        raise NmtError(
            f"{name_of(references[0])} has {len(rows):,} lines but {name_of(nbest)} has"
            f" {len(every):,} lists; a dev set needs one reference for each list"
        )
    if all(len(each) < 2 for each in every):
        raise NmtError(
            f"{name_of(nbest)} has no list of two candidates or more, so there is nothing to choose"
            " from; translate with a larger --n-best"
        )
    counts = [*map(len, every)]
    found = statistics_of(measure.metric, every, rows)
    starts = numpy.cumsum([0, *counts])
    lists = ScoredLists(numpy.concatenate(features), found, starts)

    def objective(sums: Numbers) -> float:
        return score(measure.metric, sums.tolist())

    first = [float(name == SCORE) for name in names]
    equal = default_weights(names)
    tuned = tune(lists, objective, [numpy.array(equal), numpy.array(first)], seed)
    return WeightsFile(
        rerank_weights=VERSION,
        weights=dict(zip(names, tuned.weights.tolist(), strict=True)),
        models={name: each.path for name, each in zip(names[1:-1], judges, strict=True)},
        metric=measure.name,
        signature=str(measure.metric.get_signature()),
        segments=len(every),
        seed=seed,
        first=lists.score(starts[:-1], objective),
        equal=lists.score(lists.chosen(numpy.array(equal)), objective),
        tuned=tuned.score,
        oracle=oracle_score(lists, tuned.weights, objective),
    )


def statistics_of(
    metric: Metric, lists: Sequence[Sequence[Candidate]], references: Sequence[tuple[str, ...]]
) -> Numbers:
    """Return sacreBLEU's statistics (N, M) of all candidates, end to end."""
    texts = [each.text for candidates in lists for each in candidates]
    known = [row for candidates, row in zip(lists, references, strict=True) for _ in candidates]
    return numpy.array(statistics(metric, texts, streams(known)), numpy.float64)


def report(found: WeightsFile) -> str:
    """Return a table of the scores before and after tuning, and the weights."""
    scores = {
        "first candidates": found.first,
        "equal weights": found.equal,
        "tuned weights": found.tuned,
        "best choice found": found.oracle,
    }
    rows = [f"{found.metric} of {found.segments:,} segments"]
    rows += [f"  {name:<18} {value:6.2f}" for name, value in scores.items()]
    rows += ["weights", *(f"  {name:<18} {value:6.3f}" for name, value in found.weights.items())]
    return "\n".join(rows) + "\n"
