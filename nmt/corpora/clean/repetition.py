"""Remove pairs that repeat an earlier one; hashes are kept in arrays, 8 bytes for each."""

import numpy
from numpy.typing import NDArray

from nmt.corpora.check.repeats import repeats_of
from nmt.corpora.clean.block import CleanBlock, without_places
from nmt.text.facts import Hashes

# A near duplicate differs in case, punctuation, spaces or digits.
REASONS = {
    "duplicates": "repeats an earlier pair",
    "near_duplicates": "nearly repeats an earlier pair",
}


class SeenHashes:
    """Hold the hashes that were seen so far, in sorted runs.

    A run is merged with the run before it unless that one is at least twice as long. So there are
    few runs to search, and each hash is merged only a few times.
    """

    def __init__(self) -> None:
        self._runs: list[Hashes] = []  # the longest first

    def add(self, hashes: Hashes) -> NDArray[numpy.bool_]:
        """Add hashes (n,), and return which of them were seen before, or earlier among them."""
        repeated = numpy.zeros(len(hashes), numpy.bool_)
        repeated[repeats_of(hashes).places] = True
        for run in self._runs:
            places = numpy.searchsorted(run, hashes).clip(max=len(run) - 1)
            repeated |= run[places] == hashes
        if len(new := hashes[~repeated]):
            self._runs.append(numpy.sort(new))
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            second = self._runs.pop()
            self._runs[-1] = numpy.sort(numpy.concatenate([self._runs[-1], second]))
        return repeated


class Repetition:
    """Removes the pairs of consecutive blocks that repeat earlier pairs."""

    def __init__(self, filters: tuple[str, ...]) -> None:
        """Apply those of `filters` that are in REASONS."""
        self._seen = {name: SeenHashes() for name in REASONS if name in filters}

    def without(self, block: CleanBlock) -> CleanBlock:
        """Return a block without the pairs that repeat a pair of this or an earlier block."""
        hashes = {"duplicates": block.exact, "near_duplicates": block.folded}
        reasons: dict[int, tuple[str, str]] = {}
        for name, seen in self._seen.items():
            for place in numpy.flatnonzero(seen.add(hashes[name])):
                reasons.setdefault(int(place), (name, REASONS[name]))
        return without_places(block, reasons)
