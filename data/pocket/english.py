"""English morphology: articles, pronouns, plurals and verb forms."""

from __future__ import annotations

import re

from data.pocket.lexicon import Verb

PERSONAL_PRONOUNS = {
    "1sg": ("I", "me"),
    "2sg": ("you", "you"),
    "3sgm": ("he", "him"),
    "3sgf": ("she", "her"),
    "3sgn": ("it", "it"),
    "1pl": ("we", "us"),
    "3pl": ("they", "them"),
}
# "explain the plan to the guest", not "explain the guest the plan".
TO_RECIPIENT = frozenset({"explain", "recommend"})
BE_PRESENT = {"1sg": "am", "3sg": "is"}
# Spelled with a vowel but pronounced with a consonant: "a university".
CONSONANT_SOUND = ("uni", "use", "eu")


def indefinite_article(following: str) -> str:
    vowel = following[0].lower() in "aeiou" and not following.startswith(CONSONANT_SOUND)
    return "an" if vowel else "a"


def third_person(base: str) -> str:
    """Return the third person singular: reads, washes, carries, goes, has."""
    if base == "have":
        return "has"
    if re.search(r"(s|x|z|ch|sh|o)$", base):
        return base + "es"
    if re.search(r"[^aeiou]y$", base):
        return base[:-1] + "ies"
    return base + "s"


def be_form(tense: str, person: int, number: str) -> str:
    singular = f"{person}{number}"
    if tense == "past":
        return "was" if singular in BE_PRESENT else "were"
    return BE_PRESENT.get(singular, "are")


def head(verb: Verb) -> str:
    """Return the inflected word of a verb, such as "turn" of "turn|off"."""
    return re.split(r"[| ]", verb.english)[0]


def particle(verb: Verb) -> str:
    return verb.english.partition("|")[2]


def fixed_tail(verb: Verb) -> str:
    return verb.english.partition(" ")[2]


def finite_form(verb: Verb, tense: str, person: int, number: str) -> str:
    base = head(verb)
    if tense == "past":
        return verb.past
    return third_person(base) if (person, number) == (3, "sg") else base


def past_is_hidden(verb: Verb) -> bool:
    """Return whether the past looks like the base form: put, cut, read."""
    return verb.past == head(verb)
