"""German morphology: nouns, articles, adjectives, pronouns and verbs."""

from __future__ import annotations

import re
from functools import cache

from data.pocket.lexicon import Adjective, Noun, Verb, read_table

# A row for each case; columns for masculine, feminine, neuter and plural.
COLUMNS = {"m": 0, "f": 1, "n": 2, "pl": 3}
DER_WORD_ENDINGS = {
    "nominative": ("er", "e", "es", "e"),
    "accusative": ("en", "e", "es", "e"),
    "dative": ("em", "er", "em", "en"),
    "genitive": ("es", "er", "es", "er"),
}
DEFINITE_ARTICLE = {
    "nominative": ("der", "die", "das", "die"),
    "accusative": ("den", "die", "das", "die"),
    "dative": ("dem", "der", "dem", "den"),
    "genitive": ("des", "der", "des", "der"),
}
RELATIVE_PRONOUN = {**DEFINITE_ARTICLE, "dative": ("dem", "der", "dem", "denen")}
WEAK_ENDINGS = {
    "nominative": ("e", "e", "e", "en"),
    "accusative": ("en", "e", "e", "en"),
    "dative": ("en", "en", "en", "en"),
    "genitive": ("en", "en", "en", "en"),
}
MIXED_ENDINGS = {
    "nominative": ("er", "e", "es", "en"),
    "accusative": ("en", "e", "es", "en"),
    "dative": ("en", "en", "en", "en"),
    "genitive": ("en", "en", "en", "en"),
}
STRONG_ENDINGS = {
    "nominative": ("er", "e", "es", "e"),
    "accusative": ("en", "e", "es", "e"),
    "dative": ("em", "er", "em", "en"),
    "genitive": ("en", "er", "en", "er"),
}
DER_WORDS = {"this": "dies", "every": "jed", "which": "welch", "all": "all"}
EIN_WORDS = {
    "a": "ein",
    "kein": "kein",
    "my": "mein",
    "your": "dein",
    "his": "sein",
    "her": "ihr",
    "our": "unser",
    "their": "ihr",
}
QUANTIFIERS = {"many": "viel", "some": "einig"}
CONTRACTIONS = {
    ("in", "dem"): "im",
    ("an", "dem"): "am",
    ("in", "das"): "ins",
    ("an", "das"): "ans",
    ("zu", "dem"): "zum",
    ("zu", "der"): "zur",
    ("von", "dem"): "vom",
}
# Nominative, accusative, dative; the key is person, number and (third singular) gender.
PERSONAL_PRONOUNS = {
    "1sg": ("ich", "mich", "mir"),
    "2sg": ("du", "dich", "dir"),
    "3sgm": ("er", "ihn", "ihm"),
    "3sgf": ("sie", "sie", "ihr"),
    "3sgn": ("es", "es", "ihm"),
    "1pl": ("wir", "uns", "uns"),
    "3pl": ("sie", "sie", "ihnen"),
}
INTERROGATIVE_PERSON = {"nominative": "wer", "accusative": "wen", "dative": "wem"}
CASES = ("nominative", "accusative", "dative", "genitive")


def column(gender: str, number: str) -> int:
    return COLUMNS["pl" if number == "pl" else gender]


def noun_form(noun: Noun, case: str, number: str) -> str:
    """Return a noun in a case and number; a dative plural gets -n unless it ends in -n or -s."""
    if number == "pl":
        plural = noun.german_plural
        if not plural:
            raise ValueError(f"{noun.german} has no plural")
        return plural + "n" if case == "dative" and plural[-1] not in "ns" else plural
    if case == "genitive":
        if not noun.genitive:
            raise ValueError(f"{noun.german} has no genitive in the lexicon")
        return noun.genitive
    return noun.german if case == "nominative" else noun.oblique or noun.german


def determiner_form(determiner: str, gender: str, case: str, number: str) -> str:
    """Return the inflected determiner, or an empty string for a bare noun phrase."""
    at = column(gender, number)
    ending = DER_WORD_ENDINGS[case][at]
    if determiner == "the":
        return DEFINITE_ARTICLE[case][at]
    if determiner in DER_WORDS:
        return DER_WORDS[determiner] + ending
    if determiner in QUANTIFIERS:
        return QUANTIFIERS[determiner] + ending
    if determiner in EIN_WORDS:
        bare = (case, gender) in {("nominative", "m"), ("nominative", "n"), ("accusative", "n")}
        return EIN_WORDS[determiner] + ("" if bare and number == "sg" else ending)
    return number_words().get(determiner, determiner)


@cache
def number_words() -> dict[str, str]:
    return {row["english"]: row["german"] for row in read_table("numbers")}


def adjective_form(
    adjective: Adjective, determiner: str, gender: str, case: str, number: str
) -> str:
    """Return an adjective's form: weak after der-words, mixed after ein-words, else strong."""
    if determiner == "the" or determiner in DER_WORDS:
        table = WEAK_ENDINGS
    elif determiner in EIN_WORDS:
        table = MIXED_ENDINGS
    else:
        table = STRONG_ENDINGS
    return adjective.stem + table[case][column(gender, number)]


def personal_pronoun(person: int, number: str, gender: str, case: str) -> str:
    key = f"{person}{number}" + (gender if (person, number) == (3, "sg") else "")
    return PERSONAL_PRONOUNS[key][CASES.index(case)]


@cache
def irregular_forms() -> dict[tuple[str, str], dict[str, str]]:
    return {(row["verb"], row["tense"]): row for row in read_table("irregular")}


def irregular_form(verb: str, tense: str, person: int, number: str) -> str:
    """Return a finite form of an auxiliary, a modal or a preterite-present verb."""
    slot = {"1sg": "ich", "2sg": "du", "3sg": "er", "1pl": "wir", "3pl": "sie"}
    return irregular_forms()[verb, tense][slot[f"{person}{number}"]]


def needs_linking_e(stem: str) -> bool:
    """Return whether endings need an e: arbeit-e-t, öffn-e-t, zeichn-e-t; not lern-t, wohn-t."""
    return bool(re.search(r"[td]$|[^aeiouäöülrhmn][mn]$|chn$", stem))


def present_form(verb: Verb, person: int, number: str) -> str:
    """Return a finite present form, without the separable particle."""
    if (verb.german, "present") in irregular_forms():
        return irregular_form(verb.german, "present", person, number)
    stem = verb.german[:-2] if verb.german.endswith("en") else verb.german[:-1]
    if number == "pl":
        return verb.german
    if person == 1:
        return stem[:-2] + "le" if stem.endswith("el") else stem + "e"
    changed = verb.stem23 or stem
    link = "e" if not verb.stem23 and needs_linking_e(stem) else ""
    if person == 2:
        return changed + ("t" if changed[-1] in "sßzx" else link + "st")
    return changed if verb.stem23 and changed.endswith("t") else changed + link + "t"


def zu_infinitive(verb: Verb) -> str:
    return f"{verb.particle}zu{verb.german}" if verb.particle else f"zu {verb.german}"
