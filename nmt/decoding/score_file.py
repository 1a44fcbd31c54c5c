"""Score the pairs of text files or pipes: a line out for each pair in."""

import sys
from pathlib import Path

from nmt.decoding.pair_scores import LineOf
from nmt.decoding.pairs import FIRST_TWO, BadPairs, open_pairs
from nmt.decoding.scorer import Scorer
from nmt.decoding.stream import chunks_of
from nmt.decoding.text_files import open_result
from nmt.system.log import note, progress_bar


def score_file(
    scorer: Scorer,
    source: Path,
    target: Path | None,
    output: Path | None,
    line_of: LineOf,
    *,
    columns: tuple[int, int] | None = None,
    on_bad_line: str = "error",
) -> None:
    """Write a line for each pair, in order, as soon as it is scored.

    A note at the end tells of lines that could not be read.

    Args:
        scorer: scores the pairs.
        source: a file, a pipe, or `-` for stdin.
        target: likewise; None: both are columns of the source.
        output: a file, which appears when it is complete, or None for stdout.
        line_of: turns a score into a line without its end.
        columns: the numbers of the two columns, from 1; by default the first two.
        on_bad_line: what to do with a line that cannot be read, one of `bad_lines.ACTIONS`.
    """
    shares_screen = output is None and sys.stdout is not None and sys.stdout.isatty()
    bad = BadPairs(on_bad_line)
    try:
        with (
            open_pairs(source, target, columns or FIRST_TWO, bad) as pairs,
            open_result(output) as written,
            progress_bar(quiet=shares_screen, unit="pair", desc="score") as bar,
        ):
            for chunk in scorer.chunks(chunks_of(pairs), bad.add):
                first = written.done.lines + 1
                scores = [
                    None if line in bad.numbers else each for line, each in enumerate(chunk, first)
                ]
                texts = [f"{line_of(each)}\n" for each in scores]
                written.write(bad.without_skipped(texts, first), len(chunk))
                bar.update(len(chunk))
    finally:
        bad.tell(note)
