"""Clean a corpus: repair what can be mended, and remove bad pairs, with a reason for each.

Two models, one for each direction, can score pairs. The score is that of Junczys-Dowmunt (2018),
"Dual Conditional Cross-Entropy Filtering of Noisy Parallel Corpora", equations 1 and 2.
"""

import math
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
from numpy.typing import NDArray

from nmt import __version__
from nmt.corpora.faults.detectors import load_identifier, usual_languages
from nmt.corpora.faults.examine import CHUNKS_ALONE
from nmt.corpora.faults.filters import (
    CleanBlock,
    Rules,
    clean_block,
    draw_sample,
    with_usual_norms,
    without_repetition,
)
from nmt.corpora.faults.findings import (
    ALWAYS,
    CROSS_ENTROPY,
    FEW,
    KINDS,
    OTHER_LANGUAGE,
    UNREADABLE,
)
from nmt.corpora.faults.report import CLEAN_FORMAT, CleanReport
from nmt.corpora.faults.segment import REPAIRS, check_ftfy
from nmt.corpora.pairs import (
    REJECTED,
    Names,
    Refused,
    check_paths,
    read_leniently,
    row,
    sample_rows,
    shown,
    text_outputs,
)
from nmt.errors import NmtError
from nmt.system.log import note, progress_bar
from nmt.text.encode import begins_document, in_processes, split_into_chunks
from nmt.text.reading.corpus import ParallelText, without_tab
from nmt.text.reading.lines import FirstSegment

if TYPE_CHECKING:
    from nmt.decoding.files.score import Scorer, TextPair

SCORES = "scores"
TOO_LONG = 1e6  # nats for each token of a text that has more tokens than a model can read

Floats = NDArray[numpy.float32]
Booleans = NDArray[numpy.bool_]
Write = Callable[[str], object]  # writes a line


@dataclass(frozen=True)
class Models:
    """Name two models that score pairs, and say which pairs to keep."""

    model: Path  # from source to target: a run folder or a .safetensors file
    reverse_model: Path
    device: str = "auto"
    keep_share: float | None = None  # of the pairs that other filters leave: the best ones
    least_score: float | None = None  # of a pair to keep
    writes_scores: bool = False


def clean(
    given: ParallelText, prefix: str, rules: Rules, models: Models | None = None
) -> CleanReport:
    """Clean a corpus and write what is left, and what is not.

    prefix: of the files to write. rules: their norms are learned here. models: score pairs. Where
    the text has documents, blank lines stand between them.

    Raises NmtError for files that cannot be read or have different numbers of lines, and if no pair
    is left; then nothing is written. The pairs are read twice: a sample first shows what is usual.
    They are read three times if models score them and a share is kept.
    """
    given.check_files()
    if rules.with_ftfy:
        check_ftfy()
    names = Names.for_text(prefix, given)
    files = {"kept": names.sides(), REJECTED: (names.path(f"{REJECTED}.tsv"),)}
    if models and models.writes_scores:
        files[SCORES] = (names.path(f"{SCORES}.tsv"),)
    check_paths(files, given.paths)
    scorer = CrossEntropy(models, load_scorers(models, given.languages)) if models else None
    refused = Refused()
    rules = learn_rules(given, rules, refused)
    # The processes that score are copies of this one, which must have no other threads then.
    read = partial(clean_blocks, given, rules, refused, alone=bool(scorer))
    removed, repairs, kept = Counter[str](), Counter[str](), 0
    with text_outputs(files) as streams:
        streams[REJECTED][0].write(row("line", "filter", "reason", "source", "target"))
        write = streams[SCORES][0].write if SCORES in files else None
        blocks = scorer.filtered(read, write) if scorer else read()
        for block, sides in with_document_ends(blocks):
            kept += len(block.kept)
            removed.update(bad.kind for bad in block.rejected)
            repairs.update(name for pair in block.kept for name in pair.repairs)
            for side, stream in zip(sides, streams["kept"], strict=True):
                stream.writelines(side)
            streams[REJECTED][0].writelines(
                row(bad.line, bad.kind, bad.reason, *bad.pair) for bad in block.rejected
            )
        check_counts(given, refused, kept, removed)
    unreadable, lines = len(refused.unreadable), refused.lines[0]
    if 100 * unreadable > FEW * lines:
        first = refused.examples[0].detail
        note(f"warning: {unreadable:,} of {lines:,} {given.unit}s cannot be read; {first}")
    filters = (*ALWAYS, *rules.filters, *([CROSS_ENTROPY] if models else []))
    return CleanReport(
        CLEAN_FORMAT,
        __version__,
        tuple(map(str, given.paths)),
        tuple(str(path) for paths in files.values() for path in paths),
        kept + removed.total(),
        kept,
        {name: removed[name] for name in filters},
        {name: repairs[name] for name in REPAIRS if repairs[name]},
        rules.norms.limits,
        scorer.scored if scorer else 0,
        scorer.lowest_kept if scorer else None,
    )


def learn_rules(text: ParallelText, rules: Rules, refused: Refused) -> Rules:
    """Return rules that know what is usual in a text; `refused` receives its unreadable lines."""
    if OTHER_LANGUAGE in rules.filters:  # by a sample of all pairs
        limits = rules.norms.limits
        rows = sample_rows(text, limits.sample_pairs)
        most = limits.language_sample or len(rows)
        few = [row[1:] for row in rows[:: -(-len(rows) // most)]] if rows else []
        languages = usual_languages(few, load_identifier())
        rules = replace(rules, norms=replace(rules.norms, languages=languages))
    pairs = shown(read_leniently(text, refused), f"read {text.name}")
    return with_usual_norms(draw_sample(pairs, rules), rules)


def clean_blocks(
    text: ParallelText, rules: Rules, refused: Refused, *, alone: bool
) -> Iterator[CleanBlock]:
    """Yield the blocks of a text after all filters but that of models.

    refused: its unreadable lines. alone: start no processes.
    """
    chunks = split_into_chunks(read_leniently(text, Refused()))
    tasks = ((chunk, refused.between(chunk.first_line, len(chunk)), rules) for chunk in chunks)
    blocks = (
        starmap(clean_block, tasks)
        if alone
        else in_processes(clean_block, tasks, "cleans the corpus", CHUNKS_ALONE)
    )
    with progress_bar(total=min(refused.lines), unit="pair", unit_scale=True, desc="clean") as bar:
        for block in without_repetition(blocks, rules.filters):
            yield block
            bar.update(len(block.kept) + len(block.rejected))


def with_document_ends(
    blocks: Iterable[CleanBlock],
) -> Iterator[tuple[CleanBlock, list[list[str]]]]:
    """Yield blocks with the lines of source and target, and blank ones between documents."""
    document, last = 0, math.inf  # the number of documents, and that of the last pair
    for block in blocks:
        pairs = [(bad.line, bad.pair) for bad in block.rejected if bad.kind != UNREADABLE]
        pairs += [(kept.line, kept.original) for kept in block.kept]
        begins = numpy.sort([line for line, pair in pairs if begins_document(*pair)])
        lines = [kept.line for kept in block.kept]
        documents = [last, *(document + numpy.searchsorted(begins, lines, "right"))]
        ends = ["\n" * new for new in (numpy.diff(documents) > 0).tolist()]
        texts = [*zip(ends, block.kept, strict=True)]
        yield block, [[f"{end}{kept.pair[side]}\n" for end, kept in texts] for side in (0, 1)]
        document, last = document + len(begins), documents[-1]


def check_counts(text: ParallelText, refused: Refused, kept: int, removed: Counter[str]) -> None:
    """Raise NmtError if files do not align, lines were lost or nothing is left."""
    if not kept and 2 * len(refused.without_tab) > refused.lines[0]:  # the target was forgotten
        raise without_tab(text.paths[0], min(refused.without_tab))
    if not kept and refused.examples:
        raise NmtError(f"no pair of {text.title} is left; {refused.examples[0].detail}")
    refused.check_aligned(text)
    total, lines = removed.total(), refused.lines[0]
    if kept + total != lines:
        raise NmtError(f"{kept:,} pairs kept and {total:,} removed, but {lines:,} were read")
    if not lines:
        raise NmtError(f"{text.title} has no lines; give parallel text")
    if not kept:
        most = removed.most_common(1)[0][0]
        fix = "apply fewer filters with --only"
        if most in ALWAYS:
            fix = f"the most frequent reason: {KINDS[most].title}; `nmt check` shows some"
        elif most == CROSS_ENTROPY:
            fix = "give another --least-score or --keep-share; --scores writes the scores"
        raise NmtError(f"no pair of {text.title} is left; {fix}")


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

    def __init__(self, models: Models, scorers: "tuple[Scorer, Scorer]") -> None:
        """Take the scorers of both directions; see `load_scorers`."""
        self._models, self._scorers = models, scorers
        self.scored = 0  # pairs
        self.lowest_kept: float | None = None  # score; None: no pair is kept

    def filtered(
        self, blocks: Callable[[], Iterator[CleanBlock]], write: Write | None = None
    ) -> Iterator[CleanBlock]:
        """Yield blocks without the pairs that have low scores.

        blocks: makes the blocks; it is called twice if a share is kept. Then 8 bytes of memory are
        used for each pair. write: receives a line of a TSV file for each pair that is scored.
        """
        if write:
            write(row("line", "score", "target_nats", "source_nats"))
        least, share = self._models.least_score or 0.0, self._models.keep_share
        if share is None:
            for block in blocks():
                entropies = self.entropies(block)
                yield self._kept(block, entropies, dual_scores(entropies) >= least, write)
            return
        known = array("f")
        for block in blocks():
            known.frombytes(self.entropies(block).tobytes())
        every = numpy.frombuffer(known, numpy.float32).reshape(-1, 2)
        scores = dual_scores(every)
        keep = scores >= least
        order = (-scores).argsort(kind="stable")  # of equal scores, the first ones are kept
        keep[order[round(share * len(scores)) :]] = False
        first = 0
        for block in blocks():
            part = slice(first, first + len(block.kept))
            yield self._kept(block, every[part], keep[part], write)
            first = part.stop

    def entropies(self, block: CleanBlock) -> Floats:
        """Return the cross-entropies (n, 2) of the pairs of a block; see `dual_scores`."""
        from nmt.decoding.files.score import TextPair

        pairs = [kept.pair for kept in block.kept]
        forward = [TextPair(FirstSegment(source), target) for source, target in pairs]
        reverse = [TextPair(FirstSegment(target), source) for source, target in pairs]
        first, second = self._scorers
        sides = [per_token(first, forward), per_token(second, reverse)]
        return numpy.array(sides, numpy.float32).reshape(2, -1).T

    def _kept(
        self, block: CleanBlock, entropies: Floats, keep: Booleans, write: Write | None
    ) -> CleanBlock:
        """Return a block with the pairs to keep."""
        scores = dual_scores(entropies)
        if write:
            for pair, score, nats in zip(block.kept, scores, entropies, strict=True):
                write(row(pair.line, f"{score:.6f}", *(f"{number:.4f}" for number in nats)))
        self.scored += len(scores)
        if keep.any():
            lowest, before = float(scores[keep].min()), self.lowest_kept
            self.lowest_kept = lowest if before is None else min(lowest, before)
        reasons = {
            int(index): (CROSS_ENTROPY, show_reason(float(scores[index]), entropies[index]))
            for index in numpy.flatnonzero(~keep)
        }
        return block.without(reasons)


def per_token(scorer: "Scorer", pairs: "Sequence[TextPair]") -> list[float]:
    """Return the cross-entropy of each target given its source, in nats for each token.

    It is TOO_LONG for a pair that the model cannot read.
    """
    unread: dict[int, NmtError] = {}  # by number, from 1
    scores = [-found.mean_log_prob for found in scorer.score(pairs, unread.__setitem__)]
    return [TOO_LONG if number in unread else nats for number, nats in enumerate(scores, start=1)]


def show_reason(score: float, entropies: Floats) -> str:
    """Return why a pair is removed."""
    first, second = entropies
    if max(first, second) >= TOO_LONG:
        return "more tokens than a model can read"
    return f"score {score:.4f}: {first:.2f} nats per target token, {second:.2f} per source token"


def load_scorers(models: Models, languages: tuple[str, str]) -> "tuple[Scorer, Scorer]":
    """Load the models of both directions.

    languages: of source and target, by the files' names; "" if unknown. Raises NmtError if a model
    cannot be loaded or is for other languages.
    """
    # Imported only for models, which few cleanings have.
    from nmt.decoding.files.score import Scorer
    from nmt.decoding.translator.load import load_models

    wanted: tuple[str, ...] | None = languages if all(languages) else None
    scorers = []
    for path, option, is_reverse in (
        (models.model, "--model", False),
        (models.reverse_model, "--reverse-model", True),
    ):
        model, settings = load_models([path], models.device, note)
        known, order = model.recipe.data.known_directions, -1 if is_reverse else 1
        wanted = wanted or known[0][::order]
        must = wanted[::order]
        if must not in known:
            raise NmtError(
                f"{path} translates {', '.join(map('-'.join, known))}, but {option} must translate"
                f" {'-'.join(must)} here; name another model"
            )
        settings = replace(settings, target_language=must[1])
        # Without notes about pairs: their numbers are not those of a user's lines.
        scorers.append(Scorer(model, settings, lambda _: None))
    return scorers[0], scorers[1]
