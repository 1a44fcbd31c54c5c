"""Flag translations that are probably wrong, from the texts and the model's score alone.

The thresholds are for single segments; `docs/howto/quality-flags.md` has what they find.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nmt.decoding.files.number_differences import number_differences
from nmt.decoding.translator.repetition import Loop, bare, piece_loop, word_loop
from nmt.text.words import UNSPACED

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


@dataclass(frozen=True)
class Flag:
    """A reason to look at a translation, with the values that raised it."""

    name: str
    values: dict[str, Any]


@dataclass(frozen=True)
class Checked:
    """A segment and its translation, as the checks see them."""

    source: str
    translation: str
    source_tokens: int  # that the model read; EOS counts, as in `tokens`; 0: it read nothing
    tokens: int
    log_prob: float  # natural logarithm of the translation's probability, EOS counted
    unknown: Sequence[str] = ()  # characters, or words, of the source that the vocabulary lacks

    @property
    def length_ratio(self) -> float:
        """Tokens of the translation over those of the source; 1 if the model read nothing."""
        return self.tokens / self.source_tokens if self.source_tokens else 1.0

    @property
    def token_log_prob(self) -> float:
        """Mean logarithm of the probability of a token; 0 if the model wrote nothing."""
        return self.log_prob / self.tokens if self.tokens else 0.0


def flags_of(pair: Checked) -> list[Flag]:
    """Return the flags of a translation. A blank segment has none.

    If the translation is empty, this is the only flag: the others would say the same again.
    """
    if not pair.translation.strip():
        return [Flag("empty", {})] if pair.source_tokens else []
    found = {name: check(pair) for name, check in CHECKS.items()}
    return [Flag(name, values) for name, values in found.items() if values]


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
    words = {word for word in words_of(pair.source) if not word[0].isupper()}
    if len(words) < FEWEST_COPIED:
        return {}
    share = len(words.intersection(words_of(pair.translation))) / len(words)
    return {"share": round(share, 3)} if share > COPIED else {}


def words_of(text: str) -> list[str]:
    """Return the words of a text with letters; without spaces, each character is a word."""
    words = map(bare, WORD.findall(text))
    return [word for word in words if any(map(str.isalpha, word)) and not NO_WORD.search(word)]


def unknown(pair: Checked) -> dict[str, Any]:
    """Return the unknown characters of the source that are lost, and U+2047 if it was put in."""
    symbols = [each for each in dict.fromkeys(pair.unknown) if each not in pair.translation]
    if UNKNOWN in pair.translation and UNKNOWN not in pair.source:
        symbols.append(UNKNOWN)
    return {"symbols": symbols} if symbols else {}


def score(pair: Checked) -> dict[str, Any]:
    """Return the mean logarithm of a token's probability if it is very low."""
    is_low = pair.token_log_prob < LOW_LOG_PROB
    return {"token_log_prob": round(pair.token_log_prob, 3)} if is_low else {}


CHECKS: dict[str, Callable[[Checked], dict[str, Any]]] = {
    "length": length,
    "numbers": numbers,
    "repetition": repetition,
    "copy": copy,
    "unknown": unknown,
    "score": score,
}
