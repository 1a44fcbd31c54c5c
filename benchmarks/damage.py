"""Damage parallel text on purpose: one function for each fault."""

from collections.abc import Callable
from random import Random

Pair = tuple[str, str]
# Takes a pair and others, returns the damaged pair; None if the pair cannot have this fault.
Damage = Callable[[Pair, list[Pair], Random], Pair | None]

BAD_BYTE = "\udcfc"  # written as the byte FC, which no UTF-8 has
CYRILLIC = str.maketrans("abcdefghijklmnopqrstuvwxyzäöüß", "абцдефгхийклмнопярстувшхызэёюс")


def inserted(character: str) -> Damage:
    """Return a damage that puts a character into the target, at a random place."""

    def damage(pair: Pair, others: list[Pair], draw: Random) -> Pair:
        place = draw.randrange(1, max(2, len(pair[1])))
        return pair[0], pair[1][:place] + character + pair[1][place:]

    return damage


def lost(pair: Pair, others: list[Pair], draw: Random) -> Pair:
    """Replace a character of the target by U+FFFD."""
    place = draw.randrange(len(pair[1]))
    return pair[0], f"{pair[1][:place]}\ufffd{pair[1][place + 1 :]}"


def garbled(pair: Pair, others: list[Pair], draw: Random) -> Pair | None:
    """Read the target's UTF-8 as Windows-1252, or Latin-1 where that is impossible."""
    if pair[1].isascii():
        return None
    try:
        return pair[0], pair[1].encode().decode("cp1252")
    except UnicodeDecodeError:
        return pair[0], pair[1].encode().decode("latin-1")


def without_target(pair: Pair, others: list[Pair], draw: Random) -> Pair:
    """Empty the target."""
    return pair[0], draw.choice(["", "  "])


def copied(pair: Pair, others: list[Pair], draw: Random) -> Pair:
    """Make the source the target."""
    return pair[0], pair[0]


def other_script(pair: Pair, others: list[Pair], draw: Random) -> Pair:
    """Write the target in Cyrillic letters."""
    return pair[0], pair[1].lower().translate(CYRILLIC)


def other_language(pair: Pair, others: list[Pair], draw: Random) -> Pair:
    """Make the source of another pair the target."""
    return pair[0], others[0][0]


def too_long(pair: Pair, others: list[Pair], draw: Random) -> Pair:
    """Add four other targets, as if line ends were lost."""
    return pair[0], " ".join([pair[1], *(target for _, target in others[:4])])


def cut_off(pair: Pair, others: list[Pair], draw: Random) -> Pair | None:
    """Keep the first word of a target of four words or more."""
    words = pair[1].split()
    return (pair[0], words[0]) if len(words) >= 4 else None


def repeated(pair: Pair, others: list[Pair], draw: Random) -> Pair:
    """Put another pair in its place."""
    return others[0]


def nearly_repeated(pair: Pair, others: list[Pair], draw: Random) -> Pair:
    """Put another pair in its place, in capitals and without the punctuation at the end."""
    source, target = (text.upper().rstrip(".?!") for text in others[0])
    return source, target


# By a name and the kind of finding that should name the pair.
DAMAGES: dict[tuple[str, str], Damage] = {
    ("bytes that are not UTF-8", "encoding"): inserted(BAD_BYTE),
    ("target empty", "empty"): without_target,
    ("U+FFFD for a character", "replacement"): lost,
    ("control character U+0008", "control"): inserted("\x08"),
    ("zero-width space U+200B", "invisible"): inserted("\u200b"),
    ("UTF-8 read as Windows-1252", "mojibake"): garbled,
    ("target equal to source", "copied"): copied,
    ("target in Cyrillic letters", "script"): other_script,
    ("target in the source's language", "language"): other_language,
    ("five targets on one line", "length_ratio"): too_long,
    ("only the target's first word", "length_ratio"): cut_off,
    ("another pair repeated", "duplicates"): repeated,
    ("another pair repeated in capitals", "near_duplicates"): nearly_repeated,
}
