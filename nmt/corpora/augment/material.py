"""Read the text that new pairs are made of: monolingual or parallel."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nmt.corpora.augment.methods import SOURCE, Method
from nmt.corpora.check.reading import Pair, Refused, Text, read_leniently
from nmt.errors import NmtError
from nmt.text.corpus import GivenText, check_lasting
from nmt.text.languages import language_in_name, languages_in_names
from nmt.text.lines import read_lines


@dataclass(frozen=True)
class Material:
    """Name the text to make pairs of; a monolingual text is read as pairs with an empty side."""

    method: Method
    paths: tuple[Path, ...]

    @property
    def title(self) -> str:
        """Return the names of the files."""
        return " + ".join(map(str, self.paths))

    def check(self) -> None:
        """Raise NmtError or UsageError unless there are files that can be read, and twice."""
        if self.method.side is None:
            GivenText(*self.paths).check_files()
        else:
            check_lasting(self.paths[0])

    def languages(self) -> tuple[str, str]:
        """Return the languages of source and target by the files' names; "": not known."""
        if self.method.side is None:
            return languages_in_names(self.paths)
        return self._pair(language_in_name(self.paths[0]))

    def pairs(self, refused: Refused) -> Iterator[Pair]:
        """Yield pairs; a line that cannot be read is recorded in `refused`, and blank here."""
        if self.method.side is None:
            yield from read_leniently(Text("text", self.paths), refused)
            return
        for number, line in enumerate(read_lines(self.paths[0], refused.add), start=1):
            refused.lines = [number, number]
            yield self._pair(line)

    def _pair(self, text: str) -> Pair:
        """Return a pair with a text on the side that is given."""
        return (text, "") if self.method.side == SOURCE else ("", text)

    def count(self) -> int:
        """Return the number of lines; raises NmtError if there are none, or files do not align."""
        refused, lines = Refused(), 0
        for _ in self.pairs(refused):
            lines += 1
        first, second = refused.lines
        if first != second:
            raise NmtError(
                f"{self.paths[0]} has {first:,} lines but {self.paths[1]} has {second:,}; parallel"
                " files must align line by line"
            )
        if not lines:
            raise NmtError(f"{self.title} is empty; give a text with lines to translate")
        return lines
