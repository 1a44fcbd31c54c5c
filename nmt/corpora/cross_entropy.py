"""Remove pairs that two models, one for each direction, find improbable or disagree about.

The score is that of Junczys-Dowmunt (2018), "Dual Conditional Cross-Entropy Filtering of Noisy
Parallel Corpora", equations 1 and 2.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy
from numpy.typing import NDArray

from nmt.corpora.filters import CROSS_ENTROPY, CleanBlock, Models, without_places
from nmt.corpora.pairs import row
from nmt.decoding.files.score import Scorer, TextPair
from nmt.decoding.stream import CHUNK_SEGMENTS
from nmt.errors import NmtError
from nmt.system.log import note
from nmt.text.corpus import Pair

SCORES_HEAD = row("line", "score", "target_nats", "source_nats")
TOO_LONG = 1e6  # nats for each token of a text that has more tokens than a model can read

Floats = NDArray[numpy.float32]
Blocks = Callable[[], Iterator[CleanBlock]]


@dataclass
class ScoreCounts:
    """Count the pairs that were scored."""

    scored: int = 0
    lowest_kept: float | None = None  # score; None: no pair is kept


def dual_scores(entropies: Floats) -> Floats:
    """Return exp(-(|a - b| + (a + b) / 2)) for each pair (n,); 1 is the best.

    entropies (n, 2): the cross-entropy a of the target given the source, and b of the source given
    the target, in nats for each token.
    """
    first, second = entropies.T
    scores: Floats = numpy.exp(-(abs(first - second) + (first + second) / 2))
    return scores


class CrossEntropy:
    """Scores pairs, and removes those with low scores."""

    def __init__(self, models: Models, scorers: tuple[Scorer, Scorer]) -> None:
        """Take the scorers of both directions; see `load_scorers`."""
        self._models, self._scorers = models, scorers
        self.counts = ScoreCounts()

    def filtered(
        self, blocks: Blocks, write: Callable[[str], object] | None = None
    ) -> Iterator[CleanBlock]:
        """Yield blocks without the pairs that have low scores.

        blocks: makes the blocks; it is called twice if a share is kept. Then 8 bytes of memory are
        used for each pair. write: receives a line of a TSV file for each pair that is scored.
        """
        if write:
            write(SCORES_HEAD)
        if self._models.keep_share is None:
            for block in blocks():
                found = self.entropies(block.pairs)
                keep = dual_scores(found) >= (self._models.least_score or 0.0)
                yield self._kept(block, found, keep, write)
            return
        known = array("f")
        for block in blocks():
            known.frombytes(self.entropies(block.pairs).tobytes())
        every = numpy.frombuffer(known, numpy.float32).reshape(-1, 2)
        chosen = self._best(dual_scores(every))
        first = 0
        for block in blocks():
            part = slice(first, first + len(block.pairs))
            yield self._kept(block, every[part], chosen[part], write)
            first = part.stop

    def entropies(self, pairs: Sequence[Pair]) -> Floats:
        """Return the cross-entropies (n, 2) of pairs; see `dual_scores`."""
        forward = [TextPair(source, target) for source, target in pairs]
        reverse = [TextPair(target, source) for source, target in pairs]
        sides = [
            per_token(scorer, each)
            for scorer, each in zip(self._scorers, (forward, reverse), strict=True)
        ]
        return numpy.array(sides, numpy.float32).reshape(2, -1).T

    def _best(self, scores: Floats) -> NDArray[numpy.bool_]:
        """Return which pairs are the best share; of equal scores, the first ones are."""
        assert self._models.keep_share is not None  # noqa: S101 (for the type checker)
        order = (-scores).argsort(kind="stable")
        least = self._models.least_score or 0.0
        keep = scores >= least
        keep[order[round(self._models.keep_share * len(scores)) :]] = False
        return keep

    def _kept(
        self,
        block: CleanBlock,
        entropies: Floats,
        keep: NDArray[numpy.bool_],
        write: Callable[[str], object] | None,
    ) -> CleanBlock:
        """Return a block with the pairs to keep."""
        scores = dual_scores(entropies)
        if write:
            for line, score, nats in zip(block.lines, scores, entropies, strict=True):
                write(row(line, f"{score:.6f}", *(f"{each:.4f}" for each in nats)))
        self.counts.scored += len(scores)
        if keep.any():
            lowest, before = float(scores[keep].min()), self.counts.lowest_kept
            self.counts.lowest_kept = lowest if before is None else min(lowest, before)
        reasons = {
            int(place): (CROSS_ENTROPY, reason_of(float(scores[place]), entropies[place]))
            for place in numpy.flatnonzero(~keep)
        }
        return without_places(block, reasons)


def per_token(scorer: Scorer, pairs: Sequence[TextPair]) -> list[float]:
    """Return the cross-entropy of each target given its source, in nats for each token.

    It is TOO_LONG for a pair that the model cannot read.
    """
    unread: set[int] = set()  # numbers, from 1

    def skip(number: int, _: NmtError) -> None:
        unread.add(number)

    rest = iter(pairs)
    chunks = iter(lambda: [*islice(rest, CHUNK_SEGMENTS)], [])
    scores = [-each.mean_log_prob for chunk in scorer.chunks(chunks, skip) for each in chunk]
    return [TOO_LONG if number in unread else each for number, each in enumerate(scores, start=1)]


def reason_of(score: float, entropies: Floats) -> str:
    """Return why a pair is removed."""
    first, second = entropies
    if max(first, second) >= TOO_LONG:
        return "more tokens than a model can read"
    return f"score {score:.4f}: {first:.2f} nats per target token, {second:.2f} per source token"


def load_scorers(models: Models, languages: tuple[str, str]) -> tuple[Scorer, Scorer]:
    """Load the models of both directions.

    languages: of source and target, by the files' names; "" if unknown. Raises NmtError if a model
    cannot be loaded or is for other languages.
    """
    from nmt.decoding.translator.load import load_models
    from nmt.runs.model_file import languages as languages_of

    wanted = languages if all(languages) else None
    scorers = []
    for path, option, is_reverse in (
        (models.model, "--model", False),
        (models.reverse_model, "--reverse-model", True),
    ):
        model, settings = load_models([path], models.device, note)
        source, target = languages_of(model.recipe)
        found = (target, source) if is_reverse else (source, target)
        if wanted is not None and found != wanted:
            must = "-".join(reversed(wanted) if is_reverse else wanted)
            raise NmtError(
                f"{path} translates {source}-{target}, but {option} must translate {must} here;"
                " name another model"
            )
        wanted = found
        scorers.append(Scorer(model, settings, ignore))
    return scorers[0], scorers[1]


def ignore(message: str) -> None:
    """Leave out a note about pairs: their numbers are not those of a user's lines."""
