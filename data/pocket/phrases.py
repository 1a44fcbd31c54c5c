"""Sentence structures that do not depend on a language, rendered in English and in German."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from data.pocket.lexicon import Adjective, Adverb, Noun, Preposition, Verb

FULL, PERSONAL, RELATIVE, WHO, WHAT = "full", "personal", "relative", "who", "what"
SETTLED_DETERMINERS = frozenset({"the", "this", "my", "your", "his", "her", "our", "their"})


@dataclass(frozen=True)
class NounPhrase:
    """A noun phrase or a pronoun; an anaphoric or relative pronoun has its noun too."""

    noun: Noun | None = None
    kind: str = FULL
    determiner: str = ""
    number: str = "sg"
    person: int = 3
    gender: str = "m"
    adjective: Adjective | None = None
    relative: Clause | None = None
    others: tuple[NounPhrase, ...] = ()  # phrases joined to it by commas and "and"

    @property
    def lexeme(self) -> Noun:
        """Noun of a phrase that has one; raises ValueError if it has none."""
        if self.noun is None:
            raise ValueError("a bare pronoun has no noun")
        return self.noun

    @property
    def german_gender(self) -> str:
        return self.noun.gender if self.noun else self.gender

    @property
    def noun_is_spouse(self) -> bool:
        """Return whether the noun is a husband or a wife, who needs no relative clause."""
        return self.noun is not None and "kin1" in self.noun.classes

    @property
    def questioned(self) -> bool:
        return self.kind in {WHO, WHAT} or self.determiner in {"which", "how many"}

    @property
    def fronted(self) -> bool:
        return self.kind == RELATIVE or self.questioned

    @property
    def settled(self) -> bool:
        """Return whether the phrase is known from the context, hence early in the middle field."""
        named = self.noun is not None and self.noun.proper
        return named or self.determiner in SETTLED_DETERMINERS

    @property
    def definite(self) -> bool:
        return self.determiner not in {"", "a", "kein", "many", "some"} and self.kind == FULL


@dataclass(frozen=True)
class PrepositionalPhrase:
    preposition: Preposition
    phrase: NounPhrase


@dataclass(frozen=True)
class Modal:
    """A modal verb; in English an auxiliary or a lexical verb before "to"."""

    german: str
    english: str
    past: str = ""


@dataclass(frozen=True)
class Comparison:
    adjective: Adjective
    standard: NounPhrase


@dataclass(frozen=True)
class Clause:
    """A clause; `tense` is present, past, perfect (with "already") or future."""

    subject: NounPhrase
    verb: Verb | None = None  # None is the copula
    tense: str = "present"
    progressive: bool = False
    modal: Modal | None = None
    negated: bool = False
    accusative: NounPhrase | None = None
    dative: NounPhrase | None = None
    complement: PrepositionalPhrase | None = None
    predicate: Adjective | Comparison | NounPhrase | None = None
    time: Adverb | PrepositionalPhrase | None = None
    manner: Adverb | None = None
    place: PrepositionalPhrase | None = None
    with_whom: PrepositionalPhrase | None = None
    question: Adverb | None = None  # where, when, why
    time_first: bool = False
    existential: bool = False  # there is, es gibt
    enclosed: bool = False  # German relative clauses stand inside the verbal bracket, not after it

    @property
    def lexical_verb(self) -> Verb:
        """Verb of a clause; raises ValueError for a copula clause."""
        if self.verb is None:
            raise ValueError("a copula clause has no lexical verb")
        return self.verb

    @property
    def objects(self) -> tuple[NounPhrase, ...]:
        return tuple(phrase for phrase in (self.dative, self.accusative) if phrase)

    @property
    def adjuncts(self) -> tuple[PrepositionalPhrase, ...]:
        slots = (self.complement, self.time, self.place, self.with_whom)
        return tuple(slot for slot in slots if isinstance(slot, PrepositionalPhrase))

    @property
    def noun_phrases(self) -> tuple[NounPhrase, ...]:
        predicate = self.predicate
        extra: tuple[NounPhrase, ...] = ()
        if isinstance(predicate, Comparison):
            extra = (predicate.standard,)
        elif isinstance(predicate, NounPhrase):
            extra = (predicate,)
        return (self.subject, *self.objects, *(pp.phrase for pp in self.adjuncts), *extra)


@dataclass(frozen=True)
class Link:
    """A clause that is linked to the main clause before or after it."""

    english: str
    german: str
    clause: Clause
    order: str  # second, last or zu


@dataclass(frozen=True)
class Sentence:
    """A main clause with at most one linked clause."""

    kind: str
    main: Clause
    link: Link | None = None
    link_first: bool = False
    asks: bool = False

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """All clauses of the sentence, relative clauses included."""
        top = (self.main, self.link.clause) if self.link else (self.main,)
        return tuple(found for clause in top for found in nested_clauses(clause))


def nested_clauses(clause: Clause) -> Iterator[Clause]:
    yield clause
    for phrase in clause.noun_phrases:
        if phrase.relative:
            yield from nested_clauses(phrase.relative)


Pair = tuple[str, str, str]


def clause_pairs(clause: Clause) -> Iterator[Pair]:
    """Yield verb-object and preposition-noun pairs; a pronoun counts as its noun."""
    if clause.verb:
        for phrase in clause.objects:
            for item in (phrase, *phrase.others):
                if item.noun:
                    yield "verb-object", clause.verb.lemma, item.noun.german
    for adjunct in clause.adjuncts:
        if adjunct.phrase.noun:
            yield "preposition-noun", adjunct.preposition.german, adjunct.phrase.noun.german


def sentence_pairs(sentence: Sentence) -> frozenset[Pair]:
    return frozenset(pair for clause in sentence.clauses for pair in clause_pairs(clause))
