"""Translate lines with marks, such as tags: all marks are in each translation."""

from collections.abc import Sequence

from nmt.decoding.translator.marked import Marked
from nmt.decoding.translator.translation import Request, Translation
from nmt.decoding.translator.translator import Translator
from nmt.documents.marks.checks import mark_problems
from nmt.documents.translate import Placed, translate_marked


class MarkedLines:
    """Translates lines with marks in the process that calls it."""

    def __init__(self, translator: Translator) -> None:
        """Store the translator, which has a loaded model."""
        self._translator = translator

    def translate(self, lines: Sequence[Marked], candidates: int) -> list[list[Marked]]:
        """Return up to so many translations of each line, the best first; at least one."""
        placed = translate_marked(lines, self._translated)
        return [ways_of(line, each)[:candidates] for line, each in zip(lines, placed, strict=True)]

    def _translated(self, requests: Sequence[Request]) -> list[Translation]:
        """Return the translations of requests."""
        return [each for chunk in self._translator.chunks([requests]) for each in chunk]


def ways_of(line: Marked, placed: Placed) -> list[Marked]:
    """Return the chosen translation of a line, and the other candidates that keep its marks."""
    others = (Marked(each.text, each.marks) for each in placed.candidates)
    kept = [each for each in others if not mark_problems(line, each)]
    return [*dict.fromkeys([placed.text, *kept])]
