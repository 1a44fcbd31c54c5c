"""Repair the translations of odd segments, with the models that made them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from nmt.decoding.engine import Searcher
from nmt.decoding.hypothesis import Hypothesis
from nmt.decoding.links import links_of
from nmt.decoding.runaway import is_runaway, is_unusual
from nmt.decoding.segments import EncodedSegments, Part
from nmt.decoding.translation import Link, Translation
from nmt.text.tokenizer import Tokenizer


class Repair:
    """Finds outputs to search again, and finishes translations."""

    def __init__(
        self,
        method: Searcher,
        tokenizer: Tokenizer,
        search: Callable[[Sequence[Part]], list[list[Hypothesis]]],
    ) -> None:
        """Take what searches a batch, the models' tokenizer, and what searches many parts."""
        self._method = method
        self._tokenizer = tokenizer
        self._settings = method.settings
        self._search = search

    def replace_runaways(self, encoded: EncodedSegments, found: list[list[Hypothesis]]) -> None:
        """Search parts again if their best hypothesis is a runaway; found: those of each part."""
        runaways = self._runaways(encoded, found)
        if runaways:
            # Marked, because processes that search keep the function that they began with.
            parts = [replace(encoded.parts[index], is_again=True) for index in runaways]
            again = self._search(parts)
            for index, hypotheses in zip(runaways, again, strict=True):
                found[index] = hypotheses

    def _runaways(
        self, encoded: EncodedSegments, found: Sequence[Sequence[Hypothesis]]
    ) -> list[int]:
        """Return the runaways of odd segments, or of all if the settings say so."""
        if self._settings.method == "sample":  # the draws stay as they are
            return []
        is_general = self._settings.search_again
        if not is_general and self._settings.odd_input == "as_is":
            return []
        odd = {part for index in encoded.odd for part in encoded.segments[index]}
        return [
            index
            for index, (part, (best, *_)) in enumerate(zip(encoded.parts, found, strict=True))
            if is_runaway(part.ids, best.ids)
            and (is_general or index in odd or is_unusual(part.ids, self._tokenizer.source))
            and not part.prefix
            and not part.terms
        ]

    def finish(
        self,
        encoded: EncodedSegments,
        found: Sequence[Sequence[Hypothesis]],
        translations: list[Translation],
    ) -> None:
        """Replace the translations of odd and marked segments; found: hypotheses of each part."""
        for index, odd in encoded.odd.items():
            links: list[tuple[Link, ...]] = []
            if odd.linked is not None:
                parts = [encoded.parts[each] for each in encoded.segments[index]]
                ranks = zip(*(found[each] for each in encoded.segments[index]), strict=False)
                links = [self._links(odd.text, parts, rank, odd.linked) for rank in ranks]
            translations[index] = odd.finish(translations[index], links)

    def _links(
        self,
        text: str,
        parts: Sequence[Part],
        outputs: Sequence[Hypothesis],
        word: re.Pattern[str],
    ) -> tuple[Link, ...]:
        """Return the aligned words of a text and its translation, from those of its parts."""
        aligned = [
            replace(output, aligned_places=tuple(self._method.places(part, output.ids)))
            for part, output in zip(parts, outputs, strict=True)
        ]
        return links_of(text, parts, aligned, self._tokenizer, word)
