"""Repair the translations of odd segments, with the models that made them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice

from nmt.decoding.models.alignment import link_words
from nmt.decoding.search.hypothesis import Hypothesis
from nmt.decoding.translator.engine import Searcher
from nmt.decoding.translator.repetition import is_degenerate
from nmt.decoding.translator.segments import EncodedSegments, Part
from nmt.decoding.translator.translation import Link, Translation
from nmt.text.tokenizer import Tokenizer

ALIGNED_AT_ONCE = 32  # outputs


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

    def replace_degenerate(self, encoded: EncodedSegments, found: list[list[Hypothesis]]) -> None:
        """Search parts again if their best hypothesis is degenerate; found: those of each part."""
        degenerate = self._degenerate(encoded, found)
        if degenerate:
            # Marked, because processes that search keep the function that they began with.
            parts = [replace(encoded.parts[index], is_again=True) for index in degenerate]
            again = self._search(parts)
            for index, hypotheses in zip(degenerate, again, strict=True):
                found[index] = hypotheses

    def _degenerate(
        self, encoded: EncodedSegments, found: Sequence[Sequence[Hypothesis]]
    ) -> list[int]:
        """Return the parts whose best hypotheses are degenerate, unless all is translated as it is.

        Samples stay as they were drawn.
        """
        is_as_is = self._settings.odd_input == "as_is" and not self._settings.search_again
        if self._settings.method == "sample" or is_as_is:
            return []
        return [
            index
            for index, (part, (best, *_)) in enumerate(zip(encoded.parts, found, strict=True))
            if is_degenerate(part.ids, best.ids)
            # The limits of the second search may leave no room for the prefix.
            and not part.prefix
        ]

    def finish(
        self,
        encoded: EncodedSegments,
        found: Sequence[Sequence[Hypothesis]],
        translations: list[Translation],
    ) -> None:
        """Replace the translations of odd and marked segments; found: hypotheses of each part."""
        linked = {
            index: [encoded.parts[each] for each in encoded.segments[index]]
            for index, odd in encoded.odd.items()
            if odd.linked is not None
        }
        outputs = {  # of each segment, by rank: the hypotheses of its parts
            index: [*zip(*(found[each] for each in encoded.segments[index]), strict=False)]
            for index in linked
        }
        pairs = [
            pair
            for index, parts in linked.items()
            for rank in outputs[index]
            for pair in zip(parts, rank, strict=True)
        ]
        aligned = iter(self._aligned(pairs))
        for index, odd in encoded.odd.items():
            links: list[tuple[Link, ...]] = []
            if odd.linked is not None:
                parts = linked[index]
                links = [
                    link_words(
                        odd.text, parts, [*islice(aligned, len(parts))], self._tokenizer, odd.linked
                    )
                    for _ in outputs[index]
                ]
            translations[index] = odd.finish(translations[index], links)

    def _aligned(self, pairs: Sequence[tuple[Part, Hypothesis]]) -> list[Hypothesis]:
        """Return the hypotheses of pairs with `aligned_places`; similar lengths go together."""
        order = sorted(range(len(pairs)), key=lambda each: len(pairs[each][0]))
        aligned = [hypothesis for _, hypothesis in pairs]
        for first in range(0, len(order), ALIGNED_AT_ONCE):
            chosen = order[first : first + ALIGNED_AT_ONCE]
            parts, outputs = [pairs[each][0] for each in chosen], [aligned[each] for each in chosen]
            places = self._method.places(parts, [each.ids for each in outputs])
            for each, output, own in zip(chosen, outputs, places, strict=True):
                aligned[each] = replace(output, aligned_places=tuple(own))
        return aligned
