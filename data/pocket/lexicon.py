"""The lexicon: typed entries from the TSV files in this folder."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
ABSENT = "-"


# Entries are loaded once, so they are compared by identity, which is fast.
@dataclass(frozen=True, eq=False)
class Noun:
    """A noun; `oblique` is the other singular form of an n-declension noun, or empty."""

    english: str
    english_plural: str
    german: str
    gender: str
    german_plural: str
    genitive: str
    oblique: str
    classes: tuple[str, ...]

    @property
    def mass(self) -> bool:
        return not self.english_plural

    @property
    def animate(self) -> bool:
        return bool({"person", "animal", "infant"} & set(self.classes))

    @property
    def proper(self) -> bool:
        return "name" in self.classes


@dataclass(frozen=True, eq=False)
class Verb:
    """A verb; the particle of "turn|off" follows a pronoun, the word of "look for" does not."""

    english: str
    past: str
    participle: str
    gerund: str
    particle: str
    german: str
    stem23: str
    german_participle: str
    auxiliary: str
    aspect: str

    @property
    def lemma(self) -> str:
        return self.particle + self.german

    @property
    def stative(self) -> bool:
        return self.aspect == "stative"


@dataclass(frozen=True)
class Adjective:
    english: str
    german: str
    stem: str
    english_comparative: str
    german_comparative: str
    classes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Preposition:
    """A sense of a preposition, with the nouns that make sense after it."""

    id: str
    english: str
    german: str
    case: str
    nouns: tuple[Noun, ...]


@dataclass(frozen=True)
class Adverb:
    english: str
    german: str
    kind: str


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame of a verb: its possible subjects, objects, complements and adjuncts."""

    verb: Verb
    kind: str
    subjects: tuple[Noun, ...]
    objects: tuple[Noun, ...]
    recipients: tuple[Noun, ...]
    prepositions: tuple[Preposition, ...]
    places: tuple[Preposition, ...]
    manners: tuple[Adverb, ...]


@dataclass(frozen=True)
class Lexicon:
    nouns: tuple[Noun, ...]
    names: tuple[Noun, ...]
    verbs: dict[str, Verb]
    adjectives: tuple[Adjective, ...]
    prepositions: dict[str, Preposition]
    adverbs: tuple[Adverb, ...]
    frames: tuple[Frame, ...]
    numbers: tuple[tuple[str, str], ...]
    adjectives_of: dict[str, tuple[Adjective, ...]]

    def noun(self, german: str) -> Noun:
        return next(noun for noun in self.nouns if noun.german == german)

    def adverbs_of(self, *kinds: str) -> tuple[Adverb, ...]:
        return tuple(adverb for adverb in self.adverbs if adverb.kind in kinds)


def read_table(name: str) -> list[dict[str, str]]:
    """Return the rows of a TSV file; a single hyphen means no value."""
    with (FOLDER / f"{name}.tsv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    return [{key: "" if text == ABSENT else text for key, text in row.items()} for row in rows]


def select_nouns(nouns: tuple[Noun, ...], classes: str) -> tuple[Noun, ...]:
    """Return the nouns of some classes (lower case) and lemmas (capitalised), in file order."""
    wanted = set(classes.split())
    return tuple(n for n in nouns if n.german in wanted or wanted & set(n.classes))


def load_nouns() -> tuple[Noun, ...]:
    return tuple(
        # The other columns are texts, which mypy cannot know.
        Noun(**{**row, "classes": tuple(row["classes"].split())})  # type: ignore[arg-type] # text columns
        for row in read_table("nouns")
    )


def load_names() -> tuple[Noun, ...]:
    return tuple(
        Noun(row["name"], "", row["name"], row["gender"], "", "", "", ("name", "person"))
        for row in read_table("names")
    )


def load_frames(
    nouns: tuple[Noun, ...],
    verbs: dict[str, Verb],
    prepositions: dict[str, Preposition],
    adverbs: tuple[Adverb, ...],
) -> tuple[Frame, ...]:
    frames = []
    for row in read_table("frames"):
        manners = row["manners"].split()
        frames.append(
            Frame(
                verbs[row["verb"]],
                row["frame"],
                select_nouns(nouns, row["subjects"]),
                select_nouns(nouns, row["objects"]),
                select_nouns(nouns, row["recipients"]),
                tuple(prepositions[name] for name in row["prepositions"].split()),
                tuple(prepositions[name] for name in row["places"].split()),
                tuple(adverb for adverb in adverbs if adverb.english in manners),
            )
        )
    return tuple(frames)


def adjectives_by_noun(
    nouns: tuple[Noun, ...], adjectives: tuple[Adjective, ...]
) -> dict[str, tuple[Adjective, ...]]:
    return {
        noun.german: tuple(adjective for adjective in adjectives if describes(adjective, noun))
        for noun in nouns
    }


def describes(adjective: Adjective, noun: Noun) -> bool:
    """Return whether an adjective fits a noun and does not repeat it, as in "friendly friend"."""
    repeats = adjective.english.startswith(noun.english)
    fits = noun.german in adjective.classes or bool(set(adjective.classes) & set(noun.classes))
    return fits and not repeats


@cache
def load_lexicon() -> Lexicon:
    """Read, link and check every table."""
    nouns = load_nouns()
    verb_list = [Verb(**row) for row in read_table("verbs")]
    adjectives = tuple(
        # The other columns are texts, which mypy cannot know.
        Adjective(**{**row, "classes": tuple(row["classes"].split())})  # type: ignore[arg-type] # text columns
        for row in read_table("adjectives")
    )
    prepositions = {
        row["id"]: Preposition(
            row["id"],
            row["english"],
            row["german"],
            row["case"],
            select_nouns(nouns, row["nouns"]),
        )
        for row in read_table("prepositions")
    }
    adverbs = tuple(Adverb(**row) for row in read_table("adverbs"))
    verbs = {verb.lemma: verb for verb in verb_list}
    lexicon = Lexicon(
        nouns,
        load_names(),
        verbs,
        adjectives,
        prepositions,
        adverbs,
        load_frames(nouns, verbs, prepositions, adverbs),
        tuple((row["english"], row["german"]) for row in read_table("numbers")),
        adjectives_by_noun(nouns, adjectives),
    )
    check_lexicon(lexicon, verb_list)
    return lexicon


def check_lexicon(lexicon: Lexicon, verbs: list[Verb]) -> None:
    """Raise ValueError for tables that give an English word two German words, or other errors."""
    english = [noun.english for noun in lexicon.nouns]
    german = [noun.german for noun in lexicon.nouns]
    if len(set(english)) != len(english) or len(set(german)) != len(german):
        raise ValueError("a noun stands twice in nouns.tsv")
    if len(lexicon.verbs) != len(verbs):
        raise ValueError("a verb stands twice in verbs.tsv")
    for noun in lexicon.nouns:
        if noun.gender not in {"m", "f", "n"}:
            raise ValueError(f"{noun.german} has no gender")
        if noun.english == noun.english_plural:
            raise ValueError(f"{noun.english} hides its number")
    for preposition in lexicon.prepositions.values():
        if not preposition.nouns:
            raise ValueError(f"{preposition.id} has no nouns")
