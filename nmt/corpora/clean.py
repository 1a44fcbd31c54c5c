"""Clean a corpus: repair what can be mended, and remove bad pairs, with a reason for each."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from nmt import __version__
from nmt.corpora.detectors import OTHER_LANGUAGE, optional_detectors
from nmt.corpora.examine import in_processes
from nmt.corpora.filters import (
    ALWAYS,
    CROSS_ENTROPY,
    CleanBlock,
    Models,
    Repetition,
    Rules,
    clean_block,
    draw_sample,
    with_usual_norms,
)
from nmt.corpora.norms import CheckLimits, learn_norms
from nmt.corpora.pairs import (
    REJECTED,
    Names,
    Refused,
    check_paths,
    read_first,
    read_leniently,
    row,
    sample_of,
    text_outputs,
)
from nmt.corpora.report import CLEAN_FORMAT, CleanReport
from nmt.corpora.segment import REPAIRS, check_ftfy
from nmt.errors import NmtError
from nmt.system.log import progress_bar
from nmt.text.corpus import ParallelText
from nmt.text.encode import chunks_of

COMMAND = "clean"
SCORES = "scores"


@dataclass(frozen=True)
class CleanTask:
    """Hold the input of `nmt clean`."""

    text: ParallelText
    prefix: str  # of the files to write
    filters: tuple[str, ...]  # see `nmt.corpora.clean.rules`
    limits: CheckLimits
    repair: bool = True
    with_ftfy: bool = False  # repair mojibake
    models: Models | None = None  # that score pairs


def clean(task: CleanTask) -> CleanReport:
    """Clean a corpus and write what is left, and what is not.

    Raises NmtError for files that cannot be read or have different numbers of lines, and if no pair
    is left; then nothing is written. The pairs are read twice: a sample first shows what is usual.
    They are read three times if models score them and a share is kept.
    """
    task.text.check_files()
    if task.with_ftfy:
        check_ftfy()
    names = Names.of(task.prefix, task.text.languages, task.text.paths)
    files = {"kept": names.sides(), REJECTED: (names.path(f"{REJECTED}.tsv"),)}
    if task.models and task.models.writes_scores:
        files[SCORES] = (names.path(f"{SCORES}.tsv"),)
    check_paths(files, task.text.paths)
    cleaning = Cleaning(task)
    removed, repairs, kept = Counter[str](), Counter[str](), 0
    with text_outputs(files) as streams:
        streams[REJECTED][0].write(row("line", "filter", "reason", "source", "target"))
        for block in cleaning.filtered(streams[SCORES][0] if SCORES in files else None):
            kept += len(block.pairs)
            removed.update(each.kind for each in block.rejected)
            repairs.update(name for each in block.repairs.values() for name in each.names)
            for stream, side in zip(streams["kept"], (0, 1), strict=True):
                stream.writelines(f"{pair[side]}\n" for pair in block.pairs)
            streams[REJECTED][0].writelines(
                row(each.line, each.kind, each.reason, *each.pair) for each in block.rejected
            )
        check_counts(cleaning.text, cleaning.refused, kept, removed)
    return CleanReport(
        CLEAN_FORMAT,
        __version__,
        tuple(map(str, task.text.paths)),
        tuple(str(path) for each in files.values() for path in each),
        kept + removed.total(),
        kept,
        {name: removed[name] for name in (*ALWAYS, *task.filters, *cleaning.extra_filters)},
        {name: repairs[name] for name in REPAIRS if repairs[name]},
        task.limits,
        *cleaning.scored,
    )


class Cleaning:
    """Reads a text and yields its blocks, cleaned."""

    def __init__(self, task: CleanTask) -> None:
        """Learn what is usual in the text, and load the models."""
        self.text = task.text
        self.refused = Refused()  # of the last reading
        self._filters = task.filters
        self._cross_entropy = None
        if task.models:
            # Imported only for models: it may import torch.
            from nmt.corpora.cross_entropy import CrossEntropy, load_scorers

            scorers = load_scorers(task.models, task.text.languages)
            self._cross_entropy = CrossEntropy(task.models, scorers)
        is_named = OTHER_LANGUAGE in task.filters  # by a sample of all pairs
        rows = sample_of(self.text, task.limits.sample_pairs) if is_named else ()
        more = tuple(optional_detectors(task.filters, task.limits, rows))
        norms = learn_norms([], task.limits)
        rules = Rules(norms, task.limits, task.filters, task.repair, task.with_ftfy, more)
        sample = draw_sample(read_first(self.text, self.refused), rules)
        self._rules = with_usual_norms(sample, rules)

    @property
    def extra_filters(self) -> tuple[str, ...]:
        """Return the filters that are not among those of the task."""
        return (CROSS_ENTROPY,) if self._cross_entropy else ()

    @property
    def scored(self) -> tuple[int, float | None]:
        """Return how many pairs were scored, and the lowest score of a pair that is kept."""
        if self._cross_entropy is None:
            return 0, None
        return self._cross_entropy.counts.scored, self._cross_entropy.counts.lowest_kept

    def filtered(self, scores: IO[str] | None) -> Iterator[CleanBlock]:
        """Yield the blocks of the text after all filters; scores: receives those of models."""
        if self._cross_entropy is None:
            return self._blocks()
        return self._cross_entropy.filtered(self._blocks, scores.write if scores else None)

    def _blocks(self) -> Iterator[CleanBlock]:
        """Yield the blocks after all filters but that of models."""
        count, self.refused = min(self.refused.lines), Refused()
        # The processes that score are copies of this one, which must have no other threads then.
        blocks = cleaned_blocks(
            self.text, self.refused, self._rules, count, alone=self._cross_entropy
        )
        return map(Repetition(self._filters).without, blocks)


def cleaned_blocks(
    text: ParallelText, refused: Refused, rules: Rules, count: int, *, alone: object = None
) -> Iterator[CleanBlock]:
    """Yield the blocks of a text in order, each cleaned by itself.

    count: of the pairs, for the progress bar. alone: use no more processes.
    """
    chunks = chunks_of(read_leniently(text, refused))
    tasks = ((chunk, refused.between(chunk.first_line, len(chunk)), rules) for chunk in chunks)
    with progress_bar(total=count, unit="pair", unit_scale=True, desc=COMMAND) as bar:
        blocks = (
            (clean_block(*task) for task in tasks)
            if alone
            else in_processes(clean_block, tasks, "cleans the corpus")
        )
        for block in blocks:
            yield block
            bar.update(len(block.pairs) + len(block.rejected))


def check_counts(text: ParallelText, refused: Refused, kept: int, removed: Counter[str]) -> None:
    """Raise NmtError if files do not align, lines were lost or nothing is left."""
    if not kept and refused.examples:
        raise NmtError(f"no pair of {text.title} is left; {refused.examples[0].detail}")
    first, second = refused.lines
    if first != second:
        raise NmtError(
            f"{text.paths[0]} has {first:,} lines but {text.paths[1]} has {second:,}; run"
            " `nmt check`, which names the lines where files slip against each other"
        )
    total = removed.total()
    if kept + total != first:
        raise NmtError(f"{kept:,} pairs kept and {total:,} removed, but {first:,} were read")
    if not first:
        raise NmtError(f"{text.title} has no lines; give parallel text")
    if not kept:
        most = removed.most_common(1)[0][0]
        fix = "apply fewer filters with --only"
        if most in ALWAYS:
            fix = f"the most frequent reason: {ALWAYS[most]}; `nmt check` shows some"
        elif most == CROSS_ENTROPY:
            fix = "give another --least-score or --keep-share; --scores writes the scores"
        raise NmtError(f"no pair of {text.title} is left; {fix}")
