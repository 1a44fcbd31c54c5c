"""Draw sentences of two clauses: subordinate, that, infinitive, anaphora, coordination."""

from __future__ import annotations

import random
from dataclasses import replace

from data.pocket import english
from data.pocket.events import MODALS
from data.pocket.lexicon import Adjective, Frame, Lexicon, read_table
from data.pocket.noun_phrases import can_be_referred_to, definite, pronoun_for
from data.pocket.phrases import FULL, PERSONAL, Clause, Link, NounPhrase, Sentence
from data.pocket.statements import StatementSampler

SUBORDINATE_WEIGHTS = (
    ("because", 3.0),
    ("although", 2.0),
    ("if", 2.0),
    ("before", 2.0),
    ("so that", 1.0),
)
# Verbs for what people do in order to do something else, by lemma.
ERRANDS = frozenset(
    {"gehen", "fahren", "laufen", "kommen", "zurückkommen", "kaufen", "mieten", "aufstehen"}
    | {"einsteigen", "aussteigen", "suchen", "anrufen", "bitten", "mitbringen", "treffen"}
    | {"besuchen", "bestellen", "auspacken", "aufmachen"}
)
HINDRANCES = ("tired", "hungry", "sad", "ill", "nervous", "angry")
INFINITIVE_TENSES = {
    "versuchen": ("past", "progressive", "future"),
    "vergessen": ("past",),
    "beginnen": ("past",),
    "hoffen": ("present",),
    "versprechen": ("past",),
    "planen": ("past", "progressive"),
}


class LinkedSampler(StatementSampler):
    """A sampler of sentences of two clauses, with a method for each sentence type."""

    def __init__(self, lexicon: Lexicon, generator: random.Random) -> None:
        super().__init__(lexicon, generator)
        self.that_frames = tuple(f for f in lexicon.frames if f.kind == "that")
        self.infinitive_frames = tuple(f for f in lexicon.frames if f.kind == "infinitive")
        self.people = tuple(noun for noun in lexicon.nouns if "person" in noun.classes)
        self.adjectives = {adjective.english: adjective for adjective in lexicon.adjectives}
        by_lemma = {frame.verb.lemma: frame for frame in self.frames if frame.kind == "direct"}
        self.direct_frames = by_lemma
        self.motive_frames = {
            state: tuple(frame for frame in self.frames if frame.verb.lemma in lemmas)
            for state, lemmas in reasons("motive").items()
        }
        self.errand_frames = tuple(f for f in self.frames if f.verb.lemma in ERRANDS)
        self.purposes, self.claims = reasons("purpose"), reasons("claim")
        self.excesses = reasons("excess")

    def referable_event(self, kinds: tuple[str, ...], frame: Frame | None = None) -> Clause:
        """Draw an event with a human subject to which a pronoun can refer."""
        while True:
            clause = self.event(frame=frame, kinds=kinds, rich=self.chance(0.4))
            subject = clause.subject
            person = subject.noun is None or "person" in subject.noun.classes
            if person and can_be_referred_to(subject):
                return replace(clause, time_first=False)

    def motivated(self, kinds: tuple[str, ...]) -> tuple[Clause, Adjective]:
        """Draw an event and the state of mind that motivates it."""
        state = self.pick(tuple(self.motive_frames))
        main = self.referable_event(kinds, self.pick(self.motive_frames[state]))
        return main, self.adjectives[state]

    def subordinate(self) -> Sentence:
        """Draw a subordinate clause: because, although, if, before, so that."""
        kind = self.weighted(SUBORDINATE_WEIGHTS)
        if kind == "because":
            return self.linked("subordinate", *self.because())
        if kind == "although":
            return self.linked("subordinate", *self.although())
        if kind == "if":
            return self.linked("subordinate", *self.conditional())
        main = self.active_event(("past",))
        if kind == "before":
            main = main if english.past_is_hidden(main.lexical_verb) else replace(main, time=None)
            clause = replace(self.untensed(subject=pronoun_for(main.subject)), tense="past")
            while clause.verb is not None and english.past_is_hidden(clause.verb):
                clause = replace(self.untensed(subject=pronoun_for(main.subject)), tense="past")
            return self.linked("subordinate", main, Link("before", "bevor", clause, "last"))
        other = self.subject(self.people, pronouns=0.5)
        clause = replace(self.untensed(False, other), modal=MODALS[0], tense="past")
        return Sentence("subordinate", main, Link("so that", "damit", clause, "last"))

    def active_event(self, kinds: tuple[str, ...] = ("past", "progressive")) -> Clause:
        """Draw an action at a certain time, not a lasting state."""
        while True:
            main = self.referable_event(kinds)
            happens = main.tense == "past" or (main.progressive and "progressive" in kinds)
            if happens and not main.lexical_verb.stative:
                return main

    def duty(self, subject: NounPhrase, past: bool) -> Clause:
        """Draw a duty or a wish: must work, wants to call her aunt."""
        clause = self.untensed(rich=False, subject=subject)
        modal = self.pick((MODALS[1], MODALS[2]))
        return replace(clause, modal=modal, tense="past" if past else "present")

    def because(self) -> tuple[Clause, Link]:
        kinds = ("past", "progressive", "present")
        if self.chance(0.6):
            main, state = self.motivated(kinds)
            tense = "past" if main.tense == "past" else "present"
            reason = Clause(pronoun_for(main.subject), tense=tense, predicate=state)
        else:
            main = self.active_event()
            reason = self.duty(pronoun_for(main.subject), main.tense == "past")
        return main, Link("because", "weil", reason, "last")

    def although(self) -> tuple[Clause, Link]:
        main = self.active_event()
        subject, past = pronoun_for(main.subject), main.tense == "past"
        if self.chance(0.5):
            state = self.adjectives[self.pick(HINDRANCES)]
            reason = Clause(subject, tense="past" if past else "present", predicate=state)
        else:
            reason = self.duty(subject, past)
        return main, Link("although", "obwohl", reason, "last")

    def linked(self, kind: str, main: Clause, link: Link) -> Sentence:
        """Join two clauses; the linked one may come first unless it has a forward pronoun."""
        subject = main.subject
        ahead = link.clause.subject.noun is not None and link.clause.subject.kind == PERSONAL
        first = not ahead and link.english != "so that" and self.chance(0.5)
        if ahead and link.english != "so that" and self.chance(0.45):
            # The clause that comes first gets the name, the second one the pronoun.
            link = replace(link, clause=replace(link.clause, subject=subject))
            main, first = replace(main, subject=pronoun_for(subject)), True
        return Sentence(kind, main, link, link_first=first)

    def conditional(self) -> tuple[Clause, Link]:
        """Draw a condition in the simple present, with an outcome in the future or with a modal."""
        if self.chance(0.5):
            main, state = self.motivated(("past",))
            condition = Clause(pronoun_for(main.subject), predicate=state)
            main = replace(main, time=None)
        else:
            main = self.untensed(rich=self.chance(0.4))
            condition = self.untensed(rich=False)
        if self.chance(0.5):
            main = replace(main, tense="future")
        else:
            main = replace(main, tense="present", modal=self.pick(MODALS))
        return main, Link("if", "wenn", condition, "last")

    def that_clause(self) -> Sentence:
        """Draw a that-clause: says that, hopes that, does not know whether."""
        frame = self.pick(self.that_frames)
        subject = self.subject(frame.subjects, pronouns=0.6)
        main = Clause(definite(subject), frame.verb)
        word, german = "that", "dass"
        kinds: tuple[str, ...] = ("past", "present", "progressive", "habitual")
        if frame.verb.lemma == "hoffen":
            kinds = ("future",)
        elif frame.verb.lemma == "sagen" and self.chance(0.4):
            main, kinds = replace(main, tense="past"), ("past",)
        elif frame.verb.lemma == "wissen" and self.chance(0.5):
            main, word, german = replace(main, negated=True), "whether", "ob"
        clause = self.event(kinds=kinds, rich=self.chance(0.5))
        required = kinds[0] if len(kinds) == 1 else clause.tense
        while clause.tense != required:
            clause = self.event(kinds=kinds, rich=self.chance(0.5))
        return Sentence("that-clause", main, Link(word, german, clause, "last"))

    def infinitive(self) -> Sentence:
        """Draw an infinitive: tries to open the window; goes out in order to buy bread."""
        if self.chance(0.4):
            main = self.referable_event(("past", "progressive"), self.pick(self.errand_frames))
            link = ("in order", "um")
        else:
            frame = self.pick(self.infinitive_frames)
            subject = self.subject(frame.subjects, pronouns=0.5)
            kind = self.pick(INFINITIVE_TENSES[frame.verb.lemma])
            clause = Clause(subject, frame.verb, progressive=kind == "progressive")
            main = replace(clause, tense="present" if clause.progressive else kind)
            link = ("", "")
        clause = self.untensed(rich=self.chance(0.4), subject=main.subject)
        return Sentence("infinitive", main, Link(*link, clause, "zu"))

    def anaphora(self) -> Sentence:
        """Draw an anaphora: buys the coat because she needs it; the pronoun has German gender."""
        claims = self.chance(0.4)
        table = self.claims if claims else self.purposes
        while True:
            frame = self.direct_frames[self.pick(tuple(table))]
            main = replace(
                self.referable_event(("past", "progressive", "present"), frame),
                place=None,
                with_whom=None,
            )
            thing = main.accusative
            if thing is None or thing.noun is None or thing.noun.animate:
                continue
            if thing.kind != FULL or (thing.determiner == "" and not thing.noun.mass):
                continue
            found = self.claim(main, thing) if claims else self.purpose(main, thing)
            if found:
                break
        main, clause = found
        if main.verb is not None and not english.past_is_hidden(main.verb):
            main = replace(main, time=None)
        return Sentence("anaphora", main, Link("because", "weil", clause, "last"))

    def purpose(self, main: Clause, thing: NounPhrase) -> tuple[Clause, Clause] | None:
        """Draw a purpose: because she needs it, because he wants to sell it."""
        lemmas = self.purposes[main.lexical_verb.lemma]
        frames = tuple(
            self.direct_frames[lemma]
            for lemma in lemmas
            if lemma in self.direct_frames and thing.noun in self.direct_frames[lemma].objects
        )
        if not frames:
            return None
        verb = self.pick(frames).verb
        subject = pronoun_for(main.subject)
        clause = Clause(subject, verb, tense=main.tense, accusative=pronoun_for(thing))
        if not verb.stative:
            clause = replace(clause, modal=MODALS[1] if self.chance(0.25) else MODALS[2])
        return main, clause

    def claim(self, main: Clause, thing: NounPhrase) -> tuple[Clause, Clause] | None:
        """Draw a reason: because it is beautiful; does not buy it because it is too expensive."""
        lemma = main.lexical_verb.lemma
        refused = lemma in self.excesses and self.chance(0.5)
        names = self.excesses[lemma] if refused else self.claims[lemma]
        fitting = [a for a in self.lexicon.adjectives_of[thing.lexeme.german] if a.english in names]
        if not fitting:
            return None
        adjective = self.pick(fitting)
        clause = Clause(pronoun_for(thing), tense=main.tense, predicate=adjective)
        if not refused:
            return replace(main, accusative=replace(thing, adjective=None)), clause
        english_word, german_word = f"too {adjective.english}", f"zu {adjective.german}"
        excessive = replace(adjective, english=english_word, german=german_word)
        plain = definite(replace(thing, adjective=None))
        main = self.negate(replace(main, accusative=plain))
        return main, replace(clause, predicate=excessive)

    def coordination(self) -> Sentence:
        """Draw two main clauses in the same tense: and, but."""
        kinds = self.pick((("past",), ("progressive",), ("present",)))
        first = replace(self.event(kinds=kinds, rich=False), time_first=False)
        second = self.event(kinds=kinds, rich=self.chance(0.3))
        while not self.parallel(first, second):
            second = self.event(kinds=kinds, rich=self.chance(0.3))
        word, german = self.pick((("and", "und"), ("but", "aber")))
        if word == "but" and not self.is_frequency(second):
            second = self.negate(second)
        return Sentence("coordination", first, Link(word, german, second, "second"))

    def parallel(self, first: Clause, second: Clause) -> bool:
        """Return whether two clauses have the same tense and different subjects."""
        forms = [(clause.tense, clause.progressive) for clause in (first, second)]
        return forms[0] == forms[1] and first.subject != second.subject


def reasons(kind: str) -> dict[str, tuple[str, ...]]:
    """Return a relation of reasons.tsv; kind: motive, purpose, claim or excess."""
    rows = (row for row in read_table("reasons") if row["kind"] == kind)
    return {row["key"]: tuple(row["values"].split()) for row in rows}
