"""Change the letters of a text: upper case, title case and typos."""

from collections.abc import Callable
from random import Random

from nmt.text.changing.units import Units
from nmt.text.languages import primary

DOTTED = ("tr", "az")  # languages in which the upper case of i has a dot
TYPO_SHARE = 0.1  # of the words of a changed source; at least one
FEWEST_LETTERS = 3  # of a word with a typo
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")  # of a keyboard
NEIGHBOURS = {
    letter: row[max(0, place - 1) : place] + row[place + 1 : place + 2]
    for row in ROWS
    for place, letter in enumerate(row)
}


def upper_case(text: Units, language: str) -> Units:
    """Return a text in upper case, by the rules of a language (ISO 639)."""
    return text.map(upper_of(language))


def title_case(text: Units, language: str) -> Units:
    """Return a text whose words all begin with a capital letter."""
    upper = upper_of(language)
    return text.map(lambda unit: upper(unit[0]) + unit[1:])


def upper_of(language: str) -> Callable[[str], str]:
    """Return the function that puts a text into upper case, by the rules of a language."""
    if primary(language) in DOTTED:
        return lambda text: text.replace("i", "\u0130").upper()
    return str.upper


def with_typos(text: Units, random: Random) -> Units:
    """Return a text in which about one word of ten is misspelled, and at least one if any can be.

    Each such word has one typo: two letters are swapped, or a letter is missing, doubled, or
    replaced by its neighbour on the keyboard.
    """
    words = [each for each, unit in enumerate(text.units) if can_misspell(unit)]
    if not words:
        return text
    misspelled = {each for each in words if random.random() < TYPO_SHARE}
    misspelled = misspelled or {random.choice(words)}
    units = (
        misspell(unit, random) if each in misspelled else unit
        for each, unit in enumerate(text.units)
    )
    return Units(tuple(units), text.gaps)


def can_misspell(unit: str) -> bool:
    """Return whether a unit is a word of enough letters."""
    return len(unit) >= FEWEST_LETTERS and unit.isalpha()


def misspell(word: str, random: Random) -> str:
    """Return a word with a typo."""
    place = random.randrange(len(word) - 1)
    letter, rest = word[place], word[place + 1 :]
    beside = NEIGHBOURS.get(letter.lower(), "")
    kinds = ["swapped", "missing", "doubled"] + ["beside"] * bool(beside)
    kind = random.choice(kinds)
    if kind == "swapped":
        changed = rest[0] + letter + rest[1:]
    elif kind == "missing":
        changed = rest
    elif kind == "doubled":
        changed = letter + letter + rest
    else:
        near = random.choice(beside)
        changed = (near.upper() if letter.isupper() else near) + rest
    return word[:place] + changed
