"""Draw sentences in which up to 30 German words stand between two words that depend on each other.

Each comes with a wrong German sentence, in which the second of the two words does not fit the
first (contrastive pairs: Sennrich, 2017; by distance: Tang et al., 2018).
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from data.pocket import english, english_syntax, german_syntax
from data.pocket.corpus import Example, Row, Uniqueness
from data.pocket.events import MODALS
from data.pocket.german_syntax import punctuate, verb_parts
from data.pocket.held_out import has_held_out, held_out_pairs
from data.pocket.lexicon import FOLDER, Frame, Lexicon, load_lexicon
from data.pocket.linked import LinkedSampler
from data.pocket.links import CLOSING, PARTICLE, Key, places
from data.pocket.noun_phrases import definite
from data.pocket.phrases import (
    FULL,
    RELATIVE,
    Clause,
    Link,
    NounPhrase,
    PrepositionalPhrase,
    Sentence,
    clause_pairs,
    nested_clauses,
)

LONGEST = 30  # words between the two
TRAIN, DEV, TEST = 60, 2, 12  # sentences of each phenomenon, distance and kind
DISTRACTED = 4  # least distance at which a noun of the other number stands between
TENSES = ("past", "future", "können", "müssen", "sollen", "möchten")  # English hides the number
SHORTEST_RELATIVE = 3  # words: die er sieht
ATTEMPTS = 30  # to draw a relative clause that fits
MOST_OTHERS = 8  # phrases in a list, after its first
SLOTS = ("place", "with_whom", "complement", "accusative", "dative")  # the last in English first
# "ist schwimmen" and "ist laufen" are right too, in another sense.
ABSENTIVE = frozenset({"schwimmen", "laufen"})
# "bereitet das Essen zu" is right too, and "fährt weg".
ALSO_RIGHT = {"vorbereiten": {"zu"}, "abfahren": {"weg", "aus"}, "anprobieren": {"aus"}}


@dataclass(frozen=True)
class Distant:
    """A sentence and the two words of its German that depend on each other."""

    phenomenon: str
    kind: str  # of the two kinds of a phenomenon, which are equally frequent
    sentence: Sentence
    near: Key
    far: Key
    wrong: str  # what stands for the far word in the wrong sentence

    @cached_property
    def between(self) -> list[str]:
        words = german_syntax.sentence_words(self.sentence)
        at = places(words)
        return words[at[self.near] + 1 : at[self.far]]

    @property
    def distance(self) -> int:
        return length(self.between)

    @property
    def example(self) -> Example:
        texts = english_syntax.render(self.sentence), german_syntax.render(self.sentence)
        return Example(self.sentence, *texts)

    @property
    def contrast(self) -> str:
        words = german_syntax.sentence_words(self.sentence)
        words[places(words)[self.far]] = self.wrong
        return punctuate(words, ".")

    @property
    def labels(self) -> str:
        return f"{self.phenomenon} {self.phenomenon}-{self.distance:02}"

    @property
    def rows(self) -> list[Row]:
        return [Row(self.example.english, self.example.german, self.contrast, self.labels)]


class DistanceSampler(LinkedSampler):
    """A sampler with a method for each phenomenon; what it returns may miss the distance."""

    def __init__(self, lexicon: Lexicon, seed: int) -> None:
        super().__init__(lexicon, random.Random(f"distance {seed}"))
        self.held_out = held_out_pairs(seed)
        self.separable = tuple(frame for frame in self.frames if frame.verb.particle)
        self.particles = tuple(verb for verb in lexicon.verbs.values() if verb.particle)
        self.modals = {modal.german: modal for modal in MODALS}
        self.bracketed = tuple(frame for frame in self.frames if shows_form(frame))
        self.brief = tuple(frame for frame in self.bracketed if frame.kind == "intransitive")
        self.claims_that = tuple(f for f in self.that_frames if f.verb.lemma != "hoffen")
        self.usable = {
            (noun, role): tuple(frame for frame in frames if is_chainable(frame))
            for role, table in (("subject", self.by_subject), ("object", self.by_object))
            for noun, frames in table.items()
        }

    def exactly(self, draw: Callable[[int], Distant | None], distance: int) -> Iterator[Distant]:
        """Yield sentences with a distance without end; no noun or verb stands in one twice."""
        while True:
            found = draw(distance)
            if found is None or found.distance != distance or repeats(found.sentence):
                continue
            if not has_held_out(found.sentence, self.held_out):
                yield found

    def agreement(self, words: int) -> Distant | None:
        """Draw a finite verb far from its subject; between them is a noun of the other number."""
        frame = self.pick(self.brief if 0 < words < SHORTEST_RELATIVE else self.bracketed)
        number, other = self.pick((("sg", "pl"), ("pl", "sg")))
        noun = self.pick([noun for noun in frame.subjects if not noun.mass])
        subject = self.singled_out(self.phrase(noun, subject=True, plural=float(number == "pl")))
        clause = self.with_tense(self.adjuncts(self.fill(frame, subject), frame), self.pick(TENSES))
        if subject.number == other or could_be_subject(clause, other):
            return None
        if words == 0 or self.chance(0.5):
            clause = replace(clause, subject=self.chain(subject, words, is_subject=True))
            return self.agreeing(Sentence("distance", clause), clause, other)
        if self.chance(0.5):
            share = int((words - final_distance(clause)) * self.random.random())
            clause = self.with_list(clause, frame, share)
        left = words - final_distance(clause)
        clause = replace(clause, subject=self.chain(subject, left, is_subject=True))
        frame = self.pick(self.claims_that)
        main = Clause(definite(self.subject(frame.subjects, pronouns=0.6)), frame.verb)
        link = Link("that", "dass", clause, "last")
        return self.agreeing(Sentence("distance", main, link), clause, other)

    def agreeing(self, sentence: Sentence, clause: Clause, other: str) -> Distant | None:
        """Return a sentence with a clause whose verb may have the other, wrong number."""
        subject = clause.subject
        wrong = verb_parts(replace(clause, subject=replace(subject, number=other)))[0]
        ends = (id(subject), ""), (id(clause), "")
        found = Distant("agreement", subject.number, sentence, *ends, wrong)
        between = places(found.between)
        phrases = [phrase for part in nested_clauses(clause) for phrase in part.noun_phrases]
        numbers = {p.number for p in phrases if p.kind == FULL and (id(p), "") in between}
        fits = other in numbers or found.distance < DISTRACTED
        return None if not fits or could_be_subject(clause, other) else found

    def particle(self, words: int) -> Distant:
        """Draw a separable verb in the present, whose particle ends the clause."""
        frame = self.pick(self.separable)
        verb = frame.verb
        clause = self.adjuncts(self.fill(frame, self.subject(frame.subjects)), frame)
        progressive = verb.aspect in {"dynamic", "single"} and self.chance(0.7)
        time = self.pick(self.lexicon.adverbs_of("now" if progressive else "habitual"))
        clause = replace(clause, progressive=progressive, time=time)
        right = {verb.particle, *ALSO_RIGHT.get(verb.lemma, ())}
        rivals = [other for other in self.particles if other.particle not in right]
        same_stem = [other for other in rivals if other.german == verb.german]
        kind = "source decides" if same_stem else "verb decides"
        wrong = self.pick(same_stem or rivals).particle
        clause = self.stretched(clause, frame, words)
        ends = (id(clause), ""), (id(clause), PARTICLE)
        return Distant("particle", kind, Sentence("distance", clause), *ends, wrong)

    def verb_form(self, words: int) -> Distant:
        """Draw a participle after haben or sein, or an infinitive after a modal or werden."""
        frame = self.pick(self.bracketed)
        verb = frame.verb
        kind, tense, wrong = "participle", "past", verb.lemma
        if self.chance(0.5):
            kind, tense, wrong = "infinitive", self.pick(TENSES[1:]), verb.german_participle
        clause = self.adjuncts(self.fill(frame, self.subject(frame.subjects)), frame)
        clause = self.stretched(self.with_tense(clause, tense), frame, words)
        ends = (id(clause), ""), (id(clause), CLOSING)
        return Distant("verb-form", kind, Sentence("distance", clause), *ends, wrong)

    def with_tense(self, clause: Clause, tense: str) -> Clause:
        if tense in self.modals:
            return replace(clause, modal=self.modals[tense])
        time = self.pick(self.lexicon.adverbs_of(tense)) if self.chance(0.5) else None
        return replace(clause, tense=tense, time=time)

    def stretched(self, clause: Clause, frame: Frame, words: int) -> Clause:
        """Return the clause with a list, relative clauses or both, for `words` in its bracket.

        Its time comes first or is left out: in English it would follow the relative clauses.
        """
        first = clause.time is not None and self.chance(0.5)
        time = clause.time if first else None
        clause = replace(clause, enclosed=True, time_first=first, time=time)
        if self.chance(0.4):
            left = words - length(german_syntax.middle_field(clause, first))
            clause = self.with_list(clause, frame, left)
        return self.with_chain(clause, words - length(german_syntax.middle_field(clause, first)))

    def with_list(self, clause: Clause, frame: Frame, words: int) -> Clause:
        """Return the clause with further objects after its direct object, at most `words` more."""
        first = clause.accusative
        if first is None or first.kind != FULL or first.determiner == "":
            return clause
        nouns = [noun for noun in frame.objects if noun != first.noun]
        others: list[NounPhrase] = []
        words -= 1  # und
        for noun in self.random.sample(nouns, min(MOST_OTHERS, len(nouns))):
            other = self.singled_out(self.phrase(noun, adjective=0.5))
            words -= length(german_syntax.core_phrase(other, "accusative"))
            if words < 0:
                break
            others.append(other)
        return replace(clause, accusative=replace(first, others=tuple(others)))

    def last_slot(self, clause: Clause) -> str:
        """Return the field of the phrase that is last in English; "" if it must stay short."""
        if clause.lexical_verb.english in english.TO_RECIPIENT:
            return ""
        for slot in SLOTS:
            found = getattr(clause, slot)
            phrase = found.phrase if isinstance(found, PrepositionalPhrase) else found
            if phrase and phrase.kind != RELATIVE:
                simple = phrase.kind == FULL and not phrase.others and not phrase.lexeme.proper
                return slot if simple and self.roles(phrase) else ""
        return ""

    def roles(self, head: NounPhrase) -> list[str]:
        """Return what a noun can be in a relative clause about it."""
        roles = () if head.noun_is_spouse else ("subject", "object")
        return [role for role in roles if self.usable[head.lexeme.german, role]]

    def with_chain(self, clause: Clause, words: int) -> Clause:
        """Return the clause with relative clauses after the phrase that is last in English."""
        slot = self.last_slot(clause)
        if not slot or words < SHORTEST_RELATIVE:
            return clause
        if slot not in {"place", "with_whom"} and clause.manner:
            # It would follow the relative clauses in English.
            clause, words = replace(clause, manner=None), words + 1
        found = getattr(clause, slot)
        if isinstance(found, PrepositionalPhrase):
            head = self.singled_out(found.phrase)
            apart = 1 + length(german_syntax.core_phrase(head, found.preposition.case))  # "in dem"
            words -= apart - length(german_syntax.prepositional_words(found))
            found = replace(found, phrase=self.chain(head, words))
        else:
            found = self.chain(self.singled_out(found), words)
        changes: dict[str, Any] = {slot: found}
        return replace(clause, **changes)

    def chain(self, head: NounPhrase, words: int, *, is_subject: bool = False) -> NounPhrase:
        """Return a phrase with a relative clause about it, whose last phrase has one, and so on.

        words: of the clauses together. is_subject: the phrase is the subject of an agreement, so
        its relative clause has another subject, of the other number if there is room.
        """
        roles = [role for role in self.roles(head) if role == "object" or not is_subject]
        if words < SHORTEST_RELATIVE or not roles:
            return head
        role, other = self.pick(roles), "sg" if head.number == "pl" else "pl"
        distracted = is_subject and words >= DISTRACTED
        for _ in range(ATTEMPTS):
            clause = self.relative_event(head, role)
            if not self.held_out.isdisjoint(clause_pairs(clause)):
                continue
            if distracted and (clause.subject.kind, clause.subject.number) != (FULL, other):
                continue
            left = words - length(german_syntax.clause_words(clause, "last"))
            if left == 0:
                return replace(head, relative=clause)
            if left >= SHORTEST_RELATIVE and self.last_slot(clause):
                return replace(head, relative=self.with_chain(clause, left))
        return head

    def relative_event(self, head: NounPhrase, role: str) -> Clause:
        """Draw a relative clause without a time, which would follow a chain in English."""
        frame = self.pick(self.usable[head.lexeme.german, role])
        gap = NounPhrase(head.noun, RELATIVE, number=head.number)
        roles = [gap] if role == "subject" else [self.other_subject(frame, head.lexeme), gap]
        clause = self.adjuncts(self.fill(frame, *roles), frame)
        clause = self.tense(clause, ("past", "progressive", "present"))
        if english.past_is_hidden(frame.verb) and clause.tense == "past":
            clause = replace(clause, tense="future")
        return replace(clause, time=None)


def is_chainable(frame: Frame) -> bool:
    """Return whether a verb fits a relative clause; "explain" has its recipient at the end."""
    return frame.kind != "owned" and frame.verb.english not in english.TO_RECIPIENT


def shows_form(frame: Frame) -> bool:
    """Return whether participle and infinitive of a verb differ, and the English tenses."""
    verb = frame.verb
    distinct = verb.german_participle != verb.lemma and not english.past_is_hidden(verb)
    usable = frame.kind != "owned" and verb.lemma not in german_syntax.PRETERITE | ABSENTIVE
    return distinct and usable


def length(words: Sequence[str]) -> int:
    """Return the number of words, without the commas."""
    return sum(word != "," for word in words)


def final_distance(clause: Clause) -> int:
    """Return how many words stand between the subject and the finite verb at the clause's end."""
    return length(german_syntax.middle_field(clause, False)) + len(verb_parts(clause)[1])


def could_be_subject(clause: Clause, number: str) -> bool:
    """Return whether the direct object would be the subject of a verb with this number.

    So it is in "Die Kinder hat die Frau gesehen".
    """
    found = clause.accusative
    if found is None or number != ("pl" if found.others else found.number):
        return False
    core_phrase = german_syntax.core_phrase
    return core_phrase(found, "accusative") == core_phrase(found, "nominative")


def repeats(sentence: Sentence) -> bool:
    """Return whether a verb or a noun occurs twice, apart from relative pronouns."""
    verbs = [clause.verb for clause in sentence.clauses if clause.verb]
    phrases = [phrase for clause in sentence.clauses for phrase in clause.noun_phrases]
    phrases = [item for phrase in phrases for item in (phrase, *phrase.others)]
    nouns = [phrase.noun for phrase in phrases if phrase.noun and phrase.kind == FULL]
    return len({*verbs}) < len(verbs) or len({*nouns}) < len(nouns)


def build_distant(seed: int, longest: int = LONGEST) -> dict[str, list[Distant]]:
    """Build train, dev and test, each with as many sentences of every phenomenon and distance."""
    sampler = DistanceSampler(load_lexicon(), seed)
    splits: dict[str, list[Distant]] = {"train": [], "dev": [], "test": []}
    unique = Uniqueness()  # also apart from the sentences of pocket
    for side, texts in (("en", unique.english), ("de", unique.german)):
        texts.update(
            gzip.decompress((FOLDER / f"train.{side}.gz").read_bytes()).decode().splitlines()
        )
    size = TRAIN + DEV + TEST
    for draw in (sampler.agreement, sampler.particle, sampler.verb_form):
        for distance in range(longest + 1):
            kinds: dict[str, list[Distant]] = {}
            for found in sampler.exactly(draw, distance):
                kind = kinds.setdefault(found.kind, [])
                if len(kind) < size and unique.admit(found.example):
                    kind.append(found)
                if [len(kind) for kind in kinds.values()] == [size, size]:
                    break
            for _, cell in sorted(kinds.items()):
                splits["train"] += cell[:TRAIN]
                splits["dev"] += cell[TRAIN:-TEST]
                splits["test"] += cell[-TEST:]
    random.Random(f"distance order {seed}").shuffle(splits["train"])
    return splits
