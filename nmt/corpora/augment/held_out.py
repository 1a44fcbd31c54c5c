"""Find text that is in a dev or test set, so that no model trains on it."""

from collections.abc import Set

from nmt.config import Recipe
from nmt.corpora.check.block import hash_of
from nmt.corpora.check.segment import Segment
from nmt.errors import NmtError
from nmt.system.log import Notify
from nmt.text.corpus import DataFolder, read_pairs
from nmt.text.lines import read_lines


class HeldOut:
    """Hold the segments of dev and test sets, without case, punctuation, spaces and digits."""

    def __init__(self, hashes: Set[int] = frozenset()) -> None:
        """Take the hashes of the segments of both sides."""
        self._hashes = hashes

    @classmethod
    def of(cls, recipe: Recipe, data: DataFolder, notify: Notify) -> "HeldOut":
        """Return the segments of a recipe's sets; notify: receives which set cannot be read."""
        hashes = set[int]()
        for files in (*recipe.data.dev, *recipe.data.test.values()):
            try:
                for pair in read_pairs(files, data, recipe):
                    hashes.update(map(near_hash, (pair.source, pair.target)))
                for name in files.references:
                    hashes.update(map(near_hash, read_lines(data.find(name, recipe))))
            except NmtError as error:
                notify(f"the text is not compared with {files.title}: {error}")
        return cls(hashes)

    def __contains__(self, text: str) -> bool:
        """Return whether a text is that of a segment, nearly."""
        return bool(self._hashes) and near_hash(text) in self._hashes


def near_hash(text: str) -> int:
    """Return a hash that near duplicates share."""
    return hash_of(Segment(text).folded)
