"""Notes about the lines of a translation, each printed once at its end."""

import unicodedata
from collections.abc import Callable, Iterable

from nmt.system.log import Notify
from nmt.text.lines import LineNumbers

SHOWN_SYMBOLS = 10
SHOWN_CHARACTERS = 20  # of an unknown word
INVISIBLE = "CMZ"  # Unicode categories: control and format, combining, space

# What the unknown characters of lines are.
READ_AS_UNKNOWN = "characters that are not in the vocabulary, which the model reads as unknown"
SCORED_AS_UNKNOWN = "characters of targets that are not in the vocabulary, scored as unknown"
COPIED = "characters that are not in the vocabulary, copied to the translations"
# What else a user should know about lines; {} stands for their numbers.
WORDLESS = "copied, because there is nothing to translate in {}"
CAPITALS = "capitals in {}: translated in lower case"
RETURNS = (
    "carriage returns in {}: the parts between them were translated one by one and joined again"
)
TOKENLESS = (
    "no language token in {}, so that the model may write any of its languages; choose one with"
    " --target-token, or begin lines with a token"
)
RETURNS_AS_SPACES = "carriage returns in {} count as spaces"


class UnknownSymbols:
    """Lines with unknown characters, and which these are."""

    def __init__(self) -> None:
        self.lines = LineNumbers()
        self._symbols: dict[str, None] = {}  # in the order of their first occurrence
        self._seen: set[str] = set()  # characters of lines whose unknown symbols are in `_symbols`

    def add_line(self, line: int, text: str) -> bool:
        """Count a line; return whether it may have new symbols."""
        self.lines.add(line)
        is_new = len(self._symbols) <= SHOWN_SYMBOLS and not self._seen.issuperset(text)
        if is_new:
            self._seen.update(text)
        return is_new

    def add_symbols(self, symbols: Iterable[str]) -> None:
        """Remember symbols."""
        self._symbols.update(dict.fromkeys(symbols))

    def __str__(self) -> str:
        """Return the first symbols, and the lines."""
        shown = [*map(visible, [*self._symbols][:SHOWN_SYMBOLS])]
        if len(self._symbols) > SHOWN_SYMBOLS:
            shown.append("and more")
        symbols = ", ".join(shown).replace(", and more", " and more")
        return f"{symbols} ({self.lines})"


class LineNotes:
    """Collects the lines that a user should look at, and what is special about them."""

    def __init__(self) -> None:
        kinds = READ_AS_UNKNOWN, SCORED_AS_UNKNOWN, COPIED
        self._unknown = {kind: UnknownSymbols() for kind in kinds}
        # In the order in which they are printed.
        notes = WORDLESS, CAPITALS, RETURNS, TOKENLESS, RETURNS_AS_SPACES
        self._lines = {note: LineNumbers() for note in notes}
        self._missing: dict[str, LineNumbers] = {}  # by the term

    def add(self, note: str, line: int) -> None:
        """Count a line of which a note tells; {} in the note stands for the lines."""
        self._lines.setdefault(note, LineNumbers()).add(line)

    def add_unknown(
        self,
        line: int,
        text: str,
        find_unknown: Callable[[str], Iterable[str]],
        kind: str = READ_AS_UNKNOWN,
    ) -> None:
        """Count a line whose text has unknown characters.

        find_unknown: returns them, or words if the vocabulary is one of words. kind: what they are.
        """
        if self._unknown[kind].add_line(line, text):
            self._unknown[kind].add_symbols(find_unknown(text))

    def add_missing(self, line: int, term: str) -> None:
        """Count a line whose translation lacks a term of the glossary."""
        self._missing.setdefault(term, LineNumbers()).add(line)

    def tell(self, notify: Notify) -> None:
        """Print the notes, if there are any."""
        for kind, unknown in self._unknown.items():
            if unknown.lines.count:
                notify(f"{kind}: {unknown}")
        for note, lines in self._lines.items():
            if lines.count:
                notify(note.replace("{}", str(lines)))
        if self._missing:
            terms = [f"{term} ({lines})" for term, lines in self._missing.items()]
            more = len(terms) - SHOWN_SYMBOLS
            listed = ", ".join(terms[:SHOWN_SYMBOLS]) + (f" and {more:,} more" if more > 0 else "")
            notify(f"terms of the glossary that are missing in the translation: {listed}")


def visible(symbol: str) -> str:
    """Return a character or word with U+ codes for what cannot be seen."""
    return "".join(
        f"U+{ord(character):04X}" if unicodedata.category(character)[0] in INVISIBLE else character
        for character in symbol[:SHOWN_CHARACTERS]
    )
