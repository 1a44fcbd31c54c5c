"""Notes about the lines of a translation, each printed once at its end."""

import unicodedata
from collections.abc import Iterable

from nmt.system.log import Notify
from nmt.text.lines import LineNumbers

SHOWN_SYMBOLS = 10
SHOWN_CHARACTERS = 20  # of an unknown word
READ_AS_UNKNOWN = "characters that are not in the vocabulary, which the model reads as unknown"
INVISIBLE = "CMZ"  # Unicode categories: control and format, combining, space


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

    def __init__(self, unknown: str = READ_AS_UNKNOWN) -> None:
        """`unknown` says in the note what the unknown characters are."""
        self._what = unknown
        self._unknown, self._copied = UnknownSymbols(), UnknownSymbols()
        self._wordless, self._capitals = LineNumbers(), LineNumbers()
        self._returns = LineNumbers()
        self._tokenless = LineNumbers()
        self._missing: dict[str, LineNumbers] = {}  # by the term

    def add_unknown(self, line: int, text: str, *, is_copied: bool = False) -> bool:
        """Count a line with unknown characters; return whether it may have new ones.

        is_copied: they do not reach the model, but are copied.
        """
        return (self._copied if is_copied else self._unknown).add_line(line, text)

    def add_symbols(self, symbols: Iterable[str], *, is_copied: bool = False) -> None:
        """Remember unknown characters, or words if the vocabulary is one of words."""
        (self._copied if is_copied else self._unknown).add_symbols(symbols)

    def add_odd(self, line: int, *, is_copied: bool, is_capitals: bool) -> None:
        """Count a line that is copied or translated in lower case, if it is one."""
        if is_copied:
            self._wordless.add(line)
        if is_capitals:
            self._capitals.add(line)

    def add_returns(self, line: int) -> None:
        """Count a line with carriage returns inside."""
        self._returns.add(line)

    def add_tokenless(self, line: int) -> None:
        """Count a line without a language token, which the model needs."""
        self._tokenless.add(line)

    def add_missing(self, line: int, term: str) -> None:
        """Count a line whose translation lacks a term of the glossary."""
        self._missing.setdefault(term, LineNumbers()).add(line)

    def tell(self, notify: Notify) -> None:
        """Print the notes, if there are any."""
        for lines, told in (
            (self._unknown.lines, f"{self._what}: {self._unknown}"),
            (
                self._copied.lines,
                "characters that are not in the vocabulary, copied to the translations:"
                f" {self._copied}",
            ),
            (self._wordless, f"copied, because there is nothing to translate in {self._wordless}"),
            (self._capitals, f"capitals in {self._capitals}: translated in lower case"),
            (
                self._returns,
                f"carriage returns in {self._returns}: the parts between them were translated one"
                " by one and joined again",
            ),
            (
                self._tokenless,
                f"no language token in {self._tokenless}, so that the model may write any of its"
                " languages; choose one with --target-token, or begin lines with a token",
            ),
        ):
            if lines.count:
                notify(told)
        if self._missing:
            terms = [f"{term} ({lines})" for term, lines in self._missing.items()]
            more = len(terms) - SHOWN_SYMBOLS
            listed = ", ".join(terms[:SHOWN_SYMBOLS]) + (f" and {more:,} more" if more > 0 else "")
            notify(f"terms of the glossary that are missing in the translation: {listed}")


def visible(symbol: str) -> str:
    """Return a character or word with U+ codes for what cannot be seen."""
    return "".join(
        f"U+{ord(each):04X}" if unicodedata.category(each)[0] in INVISIBLE else each
        for each in symbol[:SHOWN_CHARACTERS]
    )
