"""Check the files of `nmt rerank` before models are loaded, which takes seconds."""

from collections.abc import Sequence
from pathlib import Path

from nmt.runs.outputs import check_output
from nmt.system.files import check_file
from nmt.text.opening import STDIN, TEXT, check_stdin


def check_rerank_files(
    inputs: Sequence[Path], output: Path | None, option: str, weights: Path | None = None
) -> None:
    """Raise NmtError if an input cannot be read, UsageError if the output must not be written.

    inputs: files, pipes, or `-` for stdin, once. output: a file, or None for stdout. option: names
    the output. weights: a weights file to read.
    """
    check_stdin(inputs)
    for path in inputs:
        if path != STDIN:
            check_file(path, TEXT, "name another, or - for stdin")
    if weights is not None:
        check_file(weights, "the weights file", "`nmt rerank --tune` makes it")
        inputs = [*inputs, weights]
    if output is not None:
        check_output(output, inputs, option)
