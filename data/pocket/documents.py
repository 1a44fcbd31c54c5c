"""Draw documents of three sentences in which "it" takes up a noun of the sentence before.

German has er, sie or es for it, by the gender of the noun. Every sentence with the pronoun stands
in three documents, after a noun of each gender, so without its context no gender is more likely.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Any

from data.pocket import english_syntax, german_syntax
from data.pocket.corpus import Row
from data.pocket.events import PLURAL_OBJECT
from data.pocket.held_out import has_held_out, held_out_pairs
from data.pocket.lexicon import Adverb, Frame, Lexicon, Noun, load_lexicon
from data.pocket.linked import LinkedSampler
from data.pocket.phrases import PERSONAL, Clause, NounPhrase, Sentence

GENDERS = {"m": "masculine", "f": "feminine", "n": "neuter"}
ROLES = ("subject", "object")  # of the pronoun: er, sie, es or ihn, sie, es
PLACES = (1, 2)  # of the sentence with the pronoun, counted from 0
TRAIN, DEV, TEST = 200, 6, 40  # sentences with a pronoun, by role and place
LONGEST = 9  # English words of a sentence


@dataclass(frozen=True)
class Document:
    """Three sentences: one has a noun, the next one its pronoun, and one is about other things."""

    sentences: tuple[Sentence, ...]
    place: int  # of the sentence with the pronoun
    label: str  # of this sentence
    wrong: str  # its German with the pronoun of another gender

    @property
    def english(self) -> list[str]:
        return [*map(english_syntax.render, self.sentences)]

    @property
    def rows(self) -> list[Row]:
        """Return the lines of the document and the blank one after it."""
        german = [*map(german_syntax.render, self.sentences)]
        texts = zip(self.english, german, strict=True)
        rows = [Row(*text, text[1], "") for text in texts]
        rows[self.place] = rows[self.place]._replace(contrast=self.wrong, labels=self.label)
        return [*rows, Row("", "", "", "")]


class DocumentSampler(LinkedSampler):
    """A sampler of three documents at once, which share the sentence with the pronoun."""

    def __init__(self, lexicon: Lexicon, seed: int) -> None:
        super().__init__(lexicon, random.Random(f"documents {seed}"))
        self.held_out = held_out_pairs(seed)
        unfit = PLURAL_OBJECT | {"haben"}
        direct = [frame for frame in self.frames if frame.kind == "direct"]
        self.usable = [frame for frame in direct if frame.verb.lemma not in unfit]

    def triples(self, role: str, place: int) -> Iterator[tuple[Document, ...]]:
        """Yield three documents, with a noun of each gender, without end."""
        for shift in cycle((1, 2)):  # so that no order of the pronouns is right more often
            befores, sentences = self.turns(role)
            german = [*map(german_syntax.render, sentences)]
            documents = []
            for index, gender in enumerate(GENDERS.values()):
                parts = [befores[index], sentences[index]]
                parts.insert(0 if place == len(parts) else len(parts), self.other())
                wrong = german[(index + shift) % len(german)]
                documents.append(Document((*parts,), place, f"{gender} {role}", wrong))
            yield (*documents,)

    def turns(self, role: str) -> tuple[list[Sentence], list[Sentence]]:
        """Draw for each gender a sentence with a noun, and the same sentence about the noun."""
        while True:
            first, second = self.random.sample(self.usable, 2)
            adjective = self.pick(self.lexicon.adjectives)
            things = [noun for noun in first.objects if not (noun.animate or noun.mass)]
            if role == "object":
                things = [noun for noun in things if noun in second.objects]
            else:
                things = [n for n in things if adjective in self.lexicon.adjectives_of[n.german]]
            by_gender = [[noun for noun in things if noun.gender == gender] for gender in GENDERS]
            if not all(by_gender):
                continue
            nouns = [self.pick(fitting) for fitting in by_gender]
            its = [NounPhrase(noun, PERSONAL, gender=noun.gender) for noun in nouns]
            tense = self.pick(("present", "past"))
            about = Clause(its[0], tense=tense, predicate=adjective)
            if role == "object":
                about = self.brief(second, its[0])
            slot = "accusative" if role == "object" else "subject"
            found = [self.brief(first, self.thing(first, noun)) for noun in nouns]
            befores = [Sentence("document", clause) for clause in found]
            changes: list[dict[str, Any]] = [{slot: it} for it in its]
            sentences = [Sentence("document", replace(about, **change)) for change in changes]
            if not any(has_held_out(each, self.held_out) for each in [*befores, *sentences]):
                return befores, sentences

    def thing(self, frame: Frame, noun: Noun) -> NounPhrase:
        """Draw an object that "it" can take up."""
        return self.fitting(frame, self.phrase(noun, plural=0.0))

    def brief(self, frame: Frame, thing: NounPhrase) -> Clause:
        """Draw a clause about people and a thing, without another thing."""
        clause = Clause(self.subject(frame.subjects, pronouns=0.6), frame.verb, accusative=thing)
        while True:
            found = self.tense(clause)
            if found.time is None or isinstance(found.time, Adverb):
                return found

    def other(self) -> Sentence:
        """Draw a short sentence that has no part in it."""
        while True:
            found = self.statement()
            short = len(english_syntax.render(found).split()) <= LONGEST
            if short and not has_held_out(found, self.held_out):
                return found


def build_documents(
    seed: int, sizes: tuple[int, int, int] = (TRAIN, DEV, TEST)
) -> dict[str, list[Document]]:
    """Build train, dev and test, each with as many documents of every gender, role and place."""
    sampler = DocumentSampler(load_lexicon(), seed)
    splits: dict[str, list[Document]] = {"train": [], "dev": [], "test": []}
    seen = set[tuple[str, ...]]()  # sentences with a noun and those with its pronoun
    for role in ROLES:
        for place in PLACES:
            triples = sampler.triples(role, place)
            for name, size in zip(splits, sizes, strict=True):
                wanted = len(splits[name]) + size * len(GENDERS)
                while len(splits[name]) < wanted:
                    documents = next(triples)
                    turns = {(*each.english[place - 1 : place + 1],) for each in documents}
                    if seen.isdisjoint(turns):
                        seen |= turns
                        splits[name] += documents
    for part in splits.values():
        random.Random(f"documents order {seed}").shuffle(part)
    return splits
