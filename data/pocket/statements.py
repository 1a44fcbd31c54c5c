"""Draw sentences of one clause: statements, modals, questions, relative clauses, the copula."""

from __future__ import annotations

import random
from dataclasses import replace

from data.pocket.english import TO_RECIPIENT
from data.pocket.events import EventSampler
from data.pocket.lexicon import Adjective, Adverb, Lexicon
from data.pocket.noun_phrases import POSSESSIVES, SPOUSES, definite
from data.pocket.phrases import (
    PERSONAL,
    WHAT,
    WHO,
    Clause,
    Comparison,
    NounPhrase,
    PrepositionalPhrase,
    Sentence,
)

WHERE = Adverb("where", "wo", "question")
WHEN = Adverb("when", "wann", "question")
WHY = Adverb("why", "warum", "question")

# Verbs for what happens to people, not for what they choose to do.
UNPLANNED = frozenset(
    {"ankommen", "abfahren", "aufwachen", "verlieren", "vergessen", "zerbrechen"}
    | {"verpassen", "weinen", "finden"}
)


class StatementSampler(EventSampler):
    """A sampler of sentences of one clause, with a method for each sentence type."""

    def __init__(self, lexicon: Lexicon, generator: random.Random) -> None:
        super().__init__(lexicon, generator)
        self.places = tuple(noun for noun in lexicon.nouns if "settlement" in noun.classes)
        self.sites = tuple(
            noun
            for noun in lexicon.nouns
            if "building" in noun.classes or noun.german in {"Park", "Garten", "Hof"}
        )

    def statement(self) -> Sentence:
        clause = self.event()
        if clause.tense != "perfect" and not self.is_frequency(clause) and self.chance(0.2):
            clause = self.negate(clause)
        movable = clause.time is not None and not self.is_preverbal(clause)
        return Sentence("statement", replace(clause, time_first=movable and self.chance(0.45)))

    def is_preverbal(self, clause: Clause) -> bool:
        time = clause.time
        return isinstance(time, Adverb) and time.kind in {"frequency", "already"}

    def is_frequency(self, clause: Clause) -> bool:
        habitual = isinstance(clause.time, Adverb) and clause.time.kind == "habitual"
        return habitual or self.is_preverbal(clause)

    def untensed(self, rich: bool = True, subject: NounPhrase | None = None) -> Clause:
        """Draw a clause without tense about an action that people can choose."""
        while True:
            frame = self.frame_for(subject)
            wanted = not frame.verb.stative and frame.verb.lemma not in UNPLANNED
            if wanted and len(frame.subjects) > 20:
                break
        clause = self.fill(frame, subject or self.subject(frame.subjects, pronouns=0.45))
        return self.adjuncts(clause, frame) if rich else clause

    def modal(self) -> Sentence:
        clause = self.with_modal(self.untensed())
        if self.chance(0.25):
            clause = replace(clause, time=self.modal_time(clause))
        # "must not" means "darf nicht", so müssen is never negated.
        must = clause.modal is not None and clause.modal.german == "müssen"
        if not must and self.chance(0.2):
            clause = self.negate(clause)
        return Sentence("modal", clause)

    def modal_time(self, clause: Clause) -> Adverb:
        if clause.tense == "past":
            return self.pick(self.lexicon.adverbs_of("past"))
        return self.pick(self.lexicon.adverbs_of("future"))

    def yes_no_question(self) -> Sentence:
        modal = self.chance(0.25)
        clause = self.with_modal(self.untensed()) if modal else self.event()
        return Sentence("question", self.asked(clause), asks=True)

    def asked(self, clause: Clause) -> Clause:
        """Return the clause as a question; "I" becomes "you" unless a modal asks for permission."""
        subject = definite(clause.subject)
        first = subject.kind == PERSONAL and subject.person == 1
        asks_leave = clause.modal is not None and clause.modal.german in {"können", "dürfen"}
        if first and not asks_leave:
            second = any(phrase.person == 2 for phrase in clause.objects)
            subject = self.personal((3, "sg", "f") if second else (2, "sg", "m"))
        return replace(clause, subject=subject, time_first=False)

    def wh_question(self) -> Sentence:
        """Draw a question with who, what, whom, which, how many, where, when or why."""
        choice = self.pick(("who", "object", "object", "which", "where", "when", "why"))
        if choice == "who":
            clause = self.event(self.who(), kinds=("past", "present", "progressive", "habitual"))
        elif choice in {"object", "which"}:
            clause = self.object_question(choice)
        elif choice == "where":
            clause = self.where_question()
        else:
            tenses = ("past", "future") if choice == "when" else ("past", "progressive")
            clause = self.event(rich=choice == "why", kinds=tenses)
            while clause.lexical_verb.stative or (choice == "when" and clause.tense == "present"):
                clause = self.event(rich=False, kinds=tenses)
            time = clause.time if choice == "why" else None
            asked = WHEN if choice == "when" else WHY
            clause = replace(clause, time=time, question=asked)
        return Sentence("wh-question", self.asked(clause), asks=True)

    def who(self) -> NounPhrase:
        return NounPhrase(kind=WHO)

    def object_question(self, choice: str) -> Clause:
        dative = choice == "object" and self.chance(0.35)
        kind = "dative" if dative else "direct"
        frame = self.pick([frame for frame in self.frames if frame.kind == kind])
        subject = self.subject(frame.subjects, pronouns=0.5)
        people = all("person" in noun.classes for noun in frame.objects)
        things = not any(noun.animate for noun in frame.objects)
        if choice == "object" and (people or things or dative):
            gap = NounPhrase(kind=WHO if people or dative else WHAT)
        else:
            noun = self.pick(frame.objects)
            plural = not noun.mass and self.chance(0.35)
            determiner = "how many" if plural and self.chance(0.6) else "which"
            gap = NounPhrase(noun, determiner=determiner, number="pl" if plural else "sg")
        return replace(self.tense(self.fill(frame, subject, gap)), time_first=False)

    def where_question(self) -> Clause:
        while True:
            frame = self.frame()
            if frame.verb.lemma in {"wohnen", "sitzen", "liegen", "stehen"} or frame.places:
                break
        subject = self.subject(frame.subjects, pronouns=0.5)
        clause = replace(self.fill(frame, subject), question=WHERE)
        if frame.kind == "posture":
            clause = replace(clause, complement=None)
        return self.tense(clause)

    def relative_subject(self) -> Sentence:
        """Draw a sentence with a relative clause between the subject and its verb."""
        while True:
            frame = self.frame()
            head = self.phrase(self.pick(frame.subjects), subject=True, adjective=0.2)
            role = self.weighted((("subject", 6.0), ("object", 5.0), ("preposition", 2.0)))
            relative = self.relative(head, role)
            if relative and not head.noun_is_spouse and relative.verb != frame.verb:
                break
        head = replace(self.singled_out(head), relative=relative)
        if self.chance(0.25) and head.noun:
            adjective = self.adjective(head.noun, 1.0)
            if adjective and adjective != head.adjective:
                tense = "past" if self.chance(0.3) else "present"
                return Sentence("relative", Clause(head, tense=tense, predicate=adjective))
        return Sentence("relative", self.event(head, frame, rich=self.chance(0.4)))

    def relative_object(self) -> Sentence:
        """Draw a sentence with a relative clause after the German verbal bracket."""
        while True:
            frame = self.frame()
            if frame.verb.english in TO_RECIPIENT:
                continue  # the recipient would follow the relative clause
            clause = self.fill(frame, self.subject(frame.subjects))
            target = clause.complement.phrase if clause.complement else clause.accusative
            target = target or clause.dative
            if target is None or target.kind == PERSONAL or target.noun_is_spouse:
                continue
            role = self.weighted((("object", 5.0), ("subject", 4.0), ("preposition", 3.0)))
            relative = self.relative(target, role)
            different = relative and relative.subject.noun != clause.subject.noun
            if relative and different and relative.verb != clause.verb:
                break
        clause = self.tense(clause)
        movable = clause.time is not None and not self.is_preverbal(clause)
        clause = replace(clause, time_first=movable)
        modified = replace(self.singled_out(target), relative=relative)
        return Sentence("relative-object", self.with_last_phrase(clause, modified))

    def singled_out(self, phrase: NounPhrase) -> NounPhrase:
        """Return a phrase that a relative clause can define: with an article, not a possessive."""
        loose = phrase.determiner in {"", *POSSESSIVES}
        return replace(phrase, determiner="the") if loose else phrase

    def with_last_phrase(self, clause: Clause, phrase: NounPhrase) -> Clause:
        if clause.complement:
            return replace(clause, complement=replace(clause.complement, phrase=phrase))
        if clause.accusative:
            return replace(clause, accusative=phrase)
        return replace(clause, dative=phrase)

    def copula(self) -> Sentence:
        """Draw a copula: is old, is older than, in the village there is a church."""
        choice = self.weighted((("adjective", 3.0), ("comparison", 3.0), ("existential", 3.0)))
        if choice == "existential":
            return self.existential()
        while True:
            noun = self.pick(self.lexicon.nouns)
            adjectives = self.lexicon.adjectives_of[noun.german]
            if choice == "comparison":
                adjectives = tuple(a for a in adjectives if a.german_comparative)
            if adjectives and noun.german not in SPOUSES:
                break
        subject = self.phrase(noun, subject=True, adjective=0.0)
        adjective = self.pick(adjectives)
        if choice == "comparison" and noun.animate and adjective.english == "new":
            return self.copula()
        if choice == "comparison":
            return self.comparison(definite(subject), adjective)
        tense = "past" if self.chance(0.35) else "present"
        clause = Clause(subject, tense=tense, predicate=adjective)
        if self.chance(0.25):
            clause = replace(clause, subject=definite(subject), negated=True)
        return Sentence("copula", clause)

    def comparison(self, subject: NounPhrase, adjective: Adjective) -> Sentence:
        """Compare the subject with another noun of its kind, which is in the nominative."""
        first = subject.lexeme.classes[0]
        others = [
            noun
            for noun in self.lexicon.nouns
            if noun.classes[0] == first
            and noun != subject.noun
            and noun.german not in SPOUSES
            and adjective in self.lexicon.adjectives_of[noun.german]
        ]
        if not others:
            return self.copula()
        standard = definite(self.phrase(self.pick(others), subject=True, adjective=0.0))
        tense = "past" if self.chance(0.2) else "present"
        predicate = Comparison(adjective, standard)
        return Sentence("copula", Clause(subject, tense=tense, predicate=predicate))

    def existential(self) -> Sentence:
        site = self.pick(self.sites)
        determiners = ("a",) if self.chance(0.5) else ("many", "some", *self.numerals[:3])
        determiner = self.pick(determiners)
        subject = NounPhrase(
            site,
            determiner=determiner,
            number="sg" if determiner == "a" else "pl",
            adjective=self.adjective(site, 0.5),
        )
        settlement = definite(self.phrase(self.pick(self.places), subject=True, plural=0.0))
        place = PrepositionalPhrase(self.lexicon.prepositions["in_outdoors"], settlement)
        return Sentence("copula", Clause(subject, place=place, existential=True))
