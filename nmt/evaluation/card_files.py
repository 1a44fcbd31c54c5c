"""Write evaluation cards into files; the ending of a file's name gives the format."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from nmt.errors import UsageError
from nmt.evaluation.card import Card
from nmt.evaluation.json_format import card_json
from nmt.evaluation.markdown import as_markdown
from nmt.system.atomic import atomic_path

FORMATS: dict[str, Callable[[Card], str]] = {".json": card_json, ".md": as_markdown}


def check_card_paths(cards: Sequence[Path], inputs: Sequence[Path]) -> None:
    """Raise UsageError for an unknown ending, and for a file that is named twice or is an input."""
    for index, path in enumerate(cards):
        if path.suffix not in FORMATS:
            raise UsageError(f"--card {path} must end in {' or '.join(FORMATS)}")
        if path.resolve() in [each.resolve() for each in (*inputs, *cards[:index])]:
            raise UsageError(f"--card {path} is named twice; name another file")


@contextmanager
def open_cards(paths: Sequence[Path]) -> Iterator[Callable[[Card], None]]:
    """Open files and give a function that writes a card into all of them.

    A folder that cannot be written is reported now, before the evaluation. The files replace older
    ones at the end, unless an error is raised.
    """
    with ExitStack() as stack:
        partials = [stack.enter_context(atomic_path(path)) for path in paths]

        def write(card: Card) -> None:
            for path, partial in zip(paths, partials, strict=True):
                text = FORMATS[path.suffix](card)
                partial.write_text(text, encoding="utf-8", newline="\n")

        yield write
