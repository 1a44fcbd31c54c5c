"""Write evaluation cards into files; the ending of a file's name gives the format."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nmt.errors import UsageError
from nmt.evaluation.card import Card
from nmt.evaluation.json_format import card_json
from nmt.evaluation.markdown import as_markdown
from nmt.runs.outputs import check_output
from nmt.system.atomic import atomic_paths

FORMATS: dict[str, Callable[[Card], str]] = {".json": card_json, ".md": as_markdown}


def check_card_paths(cards: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Raise UsageError for an unknown ending, a file named twice, or one that must be kept."""
    for index, path in enumerate(cards):
        if path.suffix not in FORMATS:
            raise UsageError(f"--card {path} must end in {' or '.join(FORMATS)}")
        if os.path.realpath(path) in map(os.path.realpath, cards[:index]):
            raise UsageError(f"--card {path} is named twice; name another file")
        check_output(path, inputs, "--card")


@contextmanager
def open_cards(paths: Sequence[Path]) -> Iterator[Callable[[Card], None]]:
    """Open files and give a function that writes a card into all of them.

    The files replace older ones at the end, unless an error is raised.
    """
    with atomic_paths(paths) as partials:

        def write(card: Card) -> None:
            for path, partial in zip(paths, partials, strict=True):
                text = FORMATS[path.suffix](card)
                partial.write_text(text, encoding="utf-8", newline="\n")

        yield write
