"""Draw noun phrases: number, determiner, adjective and pronouns that make sense."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from data.pocket.lexicon import Adjective, Lexicon, Noun, Preposition
from data.pocket.phrases import PERSONAL, NounPhrase, PrepositionalPhrase

T = TypeVar("T")
POSSESSIVES = ("my", "your", "his", "her", "our", "their")
OWNED = frozenset(
    {"kin", "clothing", "belonging", "own_vehicle", "own_boat", "pet", "furniture", "machine"}
    | {"toy", "instrument", "dwelling", "room", "message", "container", "parcel"}
)
# A spouse takes only some possessives.
SPOUSES = {"Ehemann": ("my", "her"), "Ehefrau": ("my", "his")}
ALWAYS_THE = frozenset({"weather", "ground", "Meer", "Bürgermeister"})
PERSON_KEYS = (
    (1, "sg", "m"),
    (2, "sg", "m"),
    (3, "sg", "m"),
    (3, "sg", "f"),
    (1, "pl", "m"),
    (3, "pl", "m"),
)
SUBJECT_WEIGHTS = (3, 2, 3, 3, 2, 2)
INDEFINITE = frozenset({"", "a", "every", "many", "some", "all", "how many"})


class NounPhraseSampler:
    """A sampler of noun phrases from one seeded generator."""

    def __init__(self, lexicon: Lexicon, generator: random.Random) -> None:
        self.lexicon = lexicon
        self.random = generator
        self.numerals = tuple(english for english, _ in lexicon.numbers[1:])

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def pick(self, items: Sequence[T]) -> T:
        return items[int(self.random.random() * len(items))]

    def weighted(self, table: Sequence[tuple[T, float]]) -> T:
        return self.random.choices([item for item, _ in table], [w for _, w in table])[0]

    def adjective(self, noun: Noun, probability: float) -> Adjective | None:
        choices = self.lexicon.adjectives_of[noun.german]
        return self.pick(choices) if choices and self.chance(probability) else None

    def possessive(self, noun: Noun) -> str | None:
        if noun.german in SPOUSES:
            return self.pick(SPOUSES[noun.german])
        return self.pick(POSSESSIVES) if OWNED & set(noun.classes) else None

    def determiner(self, noun: Noun, number: str, subject: bool) -> str:
        """Draw a determiner that the noun allows in this number and role."""
        own = self.possessive(noun)
        if noun.german in SPOUSES and own:
            return own
        if own and "family" in noun.classes:
            return self.family_determiner(noun, number, own)
        if ALWAYS_THE & {*noun.classes, noun.german}:
            return "the"
        if noun.mass:
            meal = "meal" in noun.classes
            return "the" if subject or meal or self.chance(0.4) else ""
        if number == "sg":
            table = [("the", 5.0), ("a", 1.0 if subject else 3.0), ("this", 1.0)]
            table += [("every", 0.4)] if subject else []
        else:
            numeral = self.pick(self.numerals[:5])
            table = [("the", 5.0), ("this", 1.0), ("many", 0.8), ("some", 0.8), (numeral, 1.2)]
            table += [("all", 0.6)] if subject else [("", 2.0)]
        if own:
            table.append((own, 3.5 if "kin" in noun.classes else 2.0))
        return self.weighted(table)

    def family_determiner(self, noun: Noun, number: str, own: str) -> str:
        """Draw the determiner of a relative, mostly a possessive (our or their for parents)."""
        if number == "pl" and "parent" in noun.classes:
            own = self.pick(("our", "their"))
        return self.weighted(((own, 6.0), ("the", 3.0), ("this", 0.5)))

    def phrase(
        self, noun: Noun, subject: bool = False, adjective: float = 0.25, plural: float = 0.3
    ) -> NounPhrase:
        if noun.proper:
            return NounPhrase(noun, gender=noun.gender)
        spouse = noun.german in SPOUSES
        single = noun.mass or spouse or bool(ALWAYS_THE & {*noun.classes, noun.german})
        number = "pl" if not single and self.chance(plural) else "sg"
        determiner = self.determiner(noun, number, subject)
        return NounPhrase(
            noun,
            determiner=determiner,
            number=number,
            adjective=None if spouse else self.adjective(noun, adjective),
        )

    def subject(self, nouns: tuple[Noun, ...], pronouns: float = 0.3) -> NounPhrase:
        """Draw a full subject, or a pronoun or name if people can fill the role."""
        people = any("adult" in noun.classes for noun in nouns) and len(nouns) > 40
        if people and self.chance(pronouns):
            if self.chance(0.25):
                return self.phrase(self.pick(self.lexicon.names))
            return self.personal(self.random.choices(PERSON_KEYS, SUBJECT_WEIGHTS)[0])
        return self.phrase(self.pick(nouns), subject=True)

    def personal(self, key: tuple[int, str, str]) -> NounPhrase:
        person, number, gender = key
        return NounPhrase(kind=PERSONAL, person=person, number=number, gender=gender)

    def object(self, nouns: tuple[Noun, ...], subject: NounPhrase) -> NounPhrase:
        """Draw an object other than the subject; people are sometimes pronouns."""
        noun = self.pick([noun for noun in nouns if noun != subject.noun])
        if "adult" in noun.classes and self.chance(0.25):
            keys = [key for key in PERSON_KEYS if compatible(key, subject)]
            return self.personal(self.pick(keys))
        phrase = self.phrase(noun)
        # A bare plural does not show its case: Mädchen helfen.
        hidden = noun.animate and phrase.determiner == ""
        return replace(phrase, determiner="some") if hidden else phrase

    def adjunct(
        self, preposition: Preposition, taken: tuple[Noun | None, ...]
    ) -> PrepositionalPhrase:
        nouns = [noun for noun in preposition.nouns if noun not in taken]
        noun = self.pick(nouns or preposition.nouns)
        plural = 0.3 if noun.animate else 0.0
        phrase = self.phrase(noun, adjective=0.2, plural=plural)
        if phrase.determiner == "" and not noun.mass:
            phrase = replace(phrase, determiner="the")
        if not noun.animate and phrase.determiner in {"a", "this"} and self.chance(0.5):
            phrase = replace(phrase, determiner="the")
        return PrepositionalPhrase(preposition, phrase)


def compatible(key: tuple[int, str, str], subject: NounPhrase) -> bool:
    """Return whether an object is not reflexive, as in "I see me" or "we see me"."""
    if subject.kind == PERSONAL and subject.person != 3:
        return key[0] != subject.person
    return True


def definite(phrase: NounPhrase) -> NounPhrase:
    """Return a phrase with a definite article instead of an indefinite or a quantifier."""
    if phrase.noun is None or phrase.noun.proper or phrase.kind == PERSONAL:
        return phrase
    keep = {"the", "this", *POSSESSIVES}
    return phrase if phrase.determiner in keep else replace(phrase, determiner="the")


def pronoun_for(phrase: NounPhrase) -> NounPhrase:
    """Return the personal pronoun that refers to a phrase, in its number and gender."""
    if phrase.kind == PERSONAL:
        return phrase
    return NounPhrase(phrase.noun, PERSONAL, number=phrase.number, gender=phrase.gender)


def can_be_referred_to(phrase: NounPhrase) -> bool:
    """Return whether a pronoun can refer to a phrase.

    A neuter person is avoided: German uses both es and sie for Mädchen.
    """
    if phrase.kind == PERSONAL:
        return True
    noun = phrase.noun
    if noun is None or (phrase.determiner in INDEFINITE and not noun.proper):
        return False
    return phrase.number == "pl" or noun.gender != "n" or "person" not in noun.classes
