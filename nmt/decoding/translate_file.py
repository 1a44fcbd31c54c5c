"""Translate a text file or a pipe, a line out for each line in."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from nmt.decoding.stream import chunks_of
from nmt.decoding.text_files import open_output, open_source
from nmt.decoding.translation import Translation
from nmt.decoding.translator import Translator
from nmt.system.log import progress_bar


def translate_file(
    translator: Translator,
    source: Path,
    output: Path | None,
    line_of: Callable[[Translation], str],
) -> None:
    """Write a line for each line of the source, in order, as soon as it is translated.

    Args:
        translator: translates the lines.
        source: a file, a pipe, or `-` for stdin.
        output: a file, which appears when it is complete, or None for stdout.
        line_of: turns a translation into a line.
    """
    shares_screen = output is None and sys.stdout is not None and sys.stdout.isatty()
    with (
        open_source(source) as lines,
        open_output(output) as stream,
        progress_bar(quiet=shares_screen, unit="segment", desc="translate") as bar,
    ):
        for chunk in translator.chunks(chunks_of(lines)):
            stream.writelines(f"{line_of(translation)}\n" for translation in chunk)
            stream.flush()  # the reader of a pipe gets what is translated so far
            bar.update(len(chunk))


def best_line(translation: Translation) -> str:
    """Return the text of the best translation."""
    return translation.text


def json_line(translation: Translation) -> str:
    """Return all candidates as a JSON object: {"translations": [{"text", "score", "log_prob"}]}."""
    candidates = [
        {"text": each.text, "score": each.score, "log_prob": each.log_prob}
        for each in translation.candidates
    ]
    return json.dumps({"translations": candidates}, ensure_ascii=False)
