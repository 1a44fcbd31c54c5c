"""Flag translations that are probably wrong, from the texts and the model's score alone.

`QualityCheck` writes a JSON object for each line, and a summary. The thresholds are for single
segments; `docs/howto/quality-flags.md` has what they find. Numbers are compared however a language
writes them.
"""

import json
import re
import unicodedata
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from nmt.decoding.files.text_files import Output, Span, check_kept, kept_path, open_output
from nmt.decoding.translator.repetition import Loop, bare, piece_loop, word_loop
from nmt.decoding.translator.translation import Request, Translation
from nmt.decoding.translator.translator import Translator
from nmt.errors import NmtError, UsageError
from nmt.system.log import note
from nmt.text.subwords.tokenizer import UNK
from nmt.text.subwords.words import UNSPACED

# The limits of lengths, repetitions and copies are beyond all 32,014 human translations of Multi30k
# (English-German) but two, of which only "@@" is left.
LONGER = 2.0  # times as many tokens as the other side
LONGER_TOKENS = 5  # beyond that: short segments vary more
REPEATED_WORDS = 3  # "the dog the dog" is no loop yet, "the the the the" is
REPEATED_CHARACTERS = 6
REPEATED_PIECES = 3  # times in a row: "couscous" is a word
COPIED = 0.5  # of the words
FEWEST_COPIED = 3  # distinct words: fewer may be the same in two languages
LOW_LOG_PROB = -1.0  # mean of a token; the worst 2 % of a weak model's translations, all wrong
UNKNOWN = "\u2047"  # how SentencePiece writes an unknown token

WORD = re.compile(rf"[{UNSPACED}]|[^\s{UNSPACED}]+")
NO_WORD = re.compile(r"[\d./:@_\\]")  # in numbers, addresses, names of files

NUMBER = re.compile(
    r"\d{1,3}(?:[ '\u2019]\d{3})+(?!\d)(?:[.,]\d+)?"  # 1 000 000,5 or 1'000'000.5
    r"|\d+(?:[.,]\d+)*"
)
GROUPING = re.compile(r"[ '\u2019]")  # characters that only group digits
GROUPS = re.compile(r"\d{1,3}(?:\.\d{2,3})*\.\d{3}")  # 1.000.000; in India 10.00.000
ARABIC = str.maketrans("\u066b\u066c", ",'")  # decimal separator and thousands separator

Reading = Decimal | tuple[Decimal, ...]


@dataclass(frozen=True)
class Checked:
    """A segment and its translation, as the checks see them."""

    source: str
    translation: str
    source_tokens: int  # that the model read; EOS counts, as in `tokens`; 0: it read nothing
    tokens: int
    log_prob: float  # natural logarithm of the translation's probability, EOS counted
    unknown: Sequence[str] = ()  # characters, or words, of the source that the vocabulary lacks
    likeness: float = 1.0  # of the source to the training text, as `Translator.likeness` has it

    @property
    def length_ratio(self) -> float:
        """Return the target tokens over the source tokens; 1 if the model read nothing."""
        return self.tokens / self.source_tokens if self.source_tokens else 1.0

    @property
    def token_log_prob(self) -> float:
        """Return the mean logarithm of the probability of a token; 0 if the model wrote nothing."""
        return self.log_prob / self.tokens if self.tokens else 0.0


def checked_pairs(
    translator: Translator, segments: Sequence[str], translations: Sequence[Translation]
) -> list[Checked]:
    """Return what the checks of quality see of segments and of their best translations."""
    subwords = translator.tokenizer.source
    chosen = [translation.candidates[0] for translation in translations]
    # The tokens of both sides are those of the model: not of what was copied past it.
    read = [
        text if best.read is None else best.read
        for text, best in zip(segments, chosen, strict=True)
    ]
    rows = subwords.encode(read)
    likeness = translator.likeness(rows)
    return [
        Checked(
            text,
            best.text,
            len(ids) + 1 if ids else 0,
            best.length,
            best.log_prob,
            subwords.unknown(text) if UNK in ids or best.read is not None else (),
            like,
        )
        for text, ids, best, like in zip(segments, rows, chosen, likeness, strict=True)
    ]


def find_flags(pair: Checked) -> dict[str, dict[str, Any]]:
    """Return the names of a translation's flags with what raised them. A blank segment has none.

    If the translation is empty, this is the only flag: the others would say the same again.
    """
    if not pair.translation.strip():
        return {"empty": {}} if pair.source_tokens else {}
    found = {name: check(pair) for name, check in CHECKS.items()}
    return {name: values for name, values in found.items() if values}


def length(pair: Checked) -> dict[str, Any]:
    """Return the length ratio if one side is much longer than the other."""
    shorter, longer = sorted((pair.source_tokens, pair.tokens))
    too_long = longer > LONGER * shorter + LONGER_TOKENS
    return {"ratio": round(pair.length_ratio, 3)} if too_long else {}


def numbers(pair: Checked) -> dict[str, Any]:
    """Return the numbers that only one side has."""
    found = number_differences(pair.source, pair.translation)
    return found._asdict() if any(found) else {}


def repetition(pair: Checked) -> dict[str, Any]:
    """Return what the translation repeats in a row, if the source does not repeat as much."""

    def exceeds(find: Callable[[str], Loop], least: int) -> Loop | None:
        loop = find(pair.translation)
        is_loop = loop.repeated >= least and loop.repeated > find(pair.source).repeated
        return loop if is_loop else None

    loop = exceeds(word_loop, REPEATED_WORDS)
    if loop is None:
        loop = exceeds(piece_loop, REPEATED_CHARACTERS)
        if loop is None or loop.times < REPEATED_PIECES:
            return {}
    return {"text": loop.unit, "times": loop.times}


def copy(pair: Checked) -> dict[str, Any]:
    """Return the share of the source's distinct words that the translation has, if it is most.

    Words with a capital letter may be names: they do not count, nor do numbers and symbols.
    """
    words = {word for word in find_words(pair.source) if not word[0].isupper()}
    if len(words) < FEWEST_COPIED:
        return {}
    share = len(words.intersection(find_words(pair.translation))) / len(words)
    return {"share": round(share, 3)} if share > COPIED else {}


def find_words(text: str) -> list[str]:
    """Return the words of a text with letters; without spaces, each character is a word."""
    words = map(bare, WORD.findall(text))
    return [word for word in words if any(map(str.isalpha, word)) and not NO_WORD.search(word)]


def unknown(pair: Checked) -> dict[str, Any]:
    """Return the unknown characters of the source that are lost, and U+2047 if it was put in."""
    symbols = [symbol for symbol in dict.fromkeys(pair.unknown) if symbol not in pair.translation]
    if UNKNOWN in pair.translation and UNKNOWN not in pair.source:
        symbols.append(UNKNOWN)
    return {"symbols": symbols} if symbols else {}


def score(pair: Checked) -> dict[str, Any]:
    """Return the mean logarithm of a token's probability if it is very low."""
    is_low = pair.token_log_prob < LOW_LOG_PROB
    return {"token_log_prob": round(pair.token_log_prob, 3)} if is_low else {}


def unlike(pair: Checked) -> dict[str, Any]:
    """Return the likeness of the source to the training text if it is low."""
    return {"likeness": round(pair.likeness, 3)} if pair.likeness < 1 else {}


CHECKS: dict[str, Callable[[Checked], dict[str, Any]]] = {
    "length": length,
    "numbers": numbers,
    "repetition": repetition,
    "copy": copy,
    "unknown": unknown,
    "score": score,
    "unlike": unlike,
}


class Differences(NamedTuple):
    """The numbers that only one of two texts has, as they are written there."""

    missing: list[str]  # in the translation
    added: list[str]  # by the translation


def number_differences(source: str, translation: str) -> Differences:
    """Return the numbers that a translation lacks and those that it adds.

    Two numbers are the same if one value can be read from both: 1,000.5 is 1.000,5 and 1 000,5.
    Digits inside words count, so that "1st" is "1.". A date or a time is the same whether it is one
    number (24.12.2024) or several (24/12/2024).
    """
    missing, added = without_equal(find_numbers(source), find_numbers(translation))
    missing, added = without_parts(missing, added)
    added, missing = without_parts(added, missing)
    return Differences(missing, added)


def find_numbers(text: str) -> list[str]:
    """Return the numbers of a text as they are written, in compatibility form (NFKC)."""
    return NUMBER.findall(unicodedata.normalize("NFKC", text).translate(ARABIC))


@lru_cache(10_000)
def readings(number: str) -> frozenset[Reading]:
    """Return the values that a number may have: one, or two as for 1.000.

    The reading of a number without a value, such as the date 24.12.2024, is the tuple of its parts.
    """
    plain = GROUPING.sub("", number)
    parts = split_number(plain)
    if len(parts) == 1:
        return frozenset(parts)
    found: set[Reading] = set()
    separators = re.findall("[.,]", plain)
    whole, _, fraction = plain.rpartition(separators[-1])
    if len({*separators}) == 1 and GROUPS.fullmatch(plain.replace(",", ".")):
        found.add(Decimal(re.sub("[.,]", "", plain)))
    if separators[-1] not in whole and (
        len(parts) == 2 or GROUPS.fullmatch(whole.replace(",", "."))
    ):
        found.add(Decimal(f"{re.sub('[.,]', '', whole)}.{fraction}"))
    return frozenset(found or {parts})


def split_number(number: str) -> tuple[Decimal, ...]:
    """Return the values of the digits between separators."""
    return tuple(map(Decimal, re.findall(r"\d+", number)))


def without_equal(ours: Iterable[str], theirs: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the numbers of both sides without pairs that share a reading."""
    indices: dict[Reading, deque[int]] = defaultdict(deque)
    for index, number in enumerate(theirs):
        for reading in readings(number):
            indices[reading].append(index)
    taken: set[int] = set()
    left = []
    for number in ours:
        for reading in readings(number):
            free = indices[reading]
            while free and free[0] in taken:
                free.popleft()
            if free:
                taken.add(free.popleft())
                break
        else:
            left.append(number)
    return left, [number for index, number in enumerate(theirs) if index not in taken]


def without_parts(ours: Iterable[str], theirs: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the numbers of both sides without those of several parts that the other side splits.

    10.30 on our side takes away 10 and 30 on their side.
    """
    single = Counter(parts[0] for parts in map(split_number, theirs) if len(parts) == 1)
    taken: Counter[Decimal] = Counter()
    left = []
    for number in ours:
        parts = Counter(split_number(number))
        if parts.total() > 1 and parts <= single:
            single -= parts
            taken += parts
        else:
            left.append(number)
    rest = []
    for number in theirs:
        parts = Counter(split_number(number))
        if parts.total() == 1 and parts <= taken:
            taken -= parts
        else:
            rest.append(number)
    return left, rest


class QualityCheck:
    """Flags translations that are probably wrong, after they are written.

    With several candidates the best one is checked.
    """

    def __init__(self, path: Path | None, *, keep_partial: bool, strict: bool) -> None:
        """Write the flags to a file, or count them only if there is none.

        keep_partial: keep an unfinished file, as `open_output` does. strict: raise NmtError if a
        translation is flagged.
        """
        self._path, self._keep_partial = path, keep_partial
        self._strict = strict
        self._lines = self._flagged = 0
        self._counts: Counter[str] = Counter()

    @contextmanager
    def open(self, span: Span, translator: Translator) -> Iterator[None]:
        """Open the file of flags for `check`.

        When the block ends, a note tells how many lines are flagged; if any is and the check is
        strict, NmtError does. span: the lines that are translated.
        """
        self._translator = translator
        self._written: Output | None = None
        if self._path is None:
            yield
        else:
            with open_output(
                self._path, what="flags", keep_partial=self._keep_partial, span=span
            ) as self._written:
                yield
        self._report()

    def check(self, rows: Sequence[tuple[int, Request, Translation]], lines: int) -> None:
        """Check what was written: the number of the line, what was asked, and the translation.

        lines: of the source, including those that were left out.
        """
        texts = []
        segments, translations = [row[1].text for row in rows], [row[2] for row in rows]
        checked = checked_pairs(self._translator, segments, translations)
        for (number, request, translation), pair in zip(rows, checked, strict=True):
            best = translation.candidates[0]
            flags = find_flags(pair)
            self._flagged += bool(flags)
            self._counts.update([*flags])
            row: dict[str, Any] = {
                "line": number,
                "score": best.score,
                "token_log_prob": round(pair.token_log_prob, 4),
                "length_ratio": round(pair.length_ratio, 3),
                "flags": [{"flag": name, **values} for name, values in flags.items()],
            }
            if flags:
                row |= {"source": request.text, "translation": best.text}
            texts.append(f"{json.dumps(row, ensure_ascii=False)}\n")
        self._lines += len(rows)
        if self._written:
            self._written.write(texts, lines)

    def _report(self) -> None:
        """Tell how many lines are flagged; raises NmtError for the first if the check is strict."""
        if not self._flagged:
            note(f"none of {self._lines:,} lines is flagged")
            return
        counts = ", ".join(f"{count:,} {name}" for name, count in self._counts.most_common())
        where = f"{self._path} has them" if self._path else "--flags FILE lists them"
        verb = "is" if self._flagged == 1 else "are"
        text = f"{self._flagged:,} of {self._lines:,} lines {verb} flagged: {counts}; {where}"
        if self._strict:
            raise NmtError(f"{text}; all translations are written")
        note(text)


def quality_check(
    path: Path | None, strict: bool, *, keep_partial: bool, resume: bool
) -> QualityCheck | None:
    """Return a check that writes flags to a file, or None if neither that nor strictness is asked.

    Raises UsageError if the output is continued.

    Args:
        path: the file.
        strict: fail if a translation is flagged.
        keep_partial: as in `open_output`.
        resume: whether the output is continued.
    """
    if path is None and not strict:
        return None
    if resume:
        raise UsageError(
            f"{'--flags' if path else '--strict'} checks all lines of one command, so it does not"
            " go with --resume; use --part for a large file"
        )
    if path is not None and keep_partial:
        check_kept(kept_path(path))
    return QualityCheck(path, keep_partial=keep_partial, strict=strict)
