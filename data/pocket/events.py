"""Draw clauses: fill a verb frame with phrases, then add tense, time and negation."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from data.pocket import english
from data.pocket.lexicon import Adverb, Frame, Lexicon, Noun, Preposition
from data.pocket.noun_phrases import POSSESSIVES, NounPhraseSampler, definite
from data.pocket.phrases import FULL, RELATIVE, Clause, Modal, NounPhrase, PrepositionalPhrase

MODALS = (
    Modal("können", "can", "could"),
    Modal("müssen", "must", "had to"),
    Modal("wollen", "want to", "wanted to"),
    Modal("sollen", "should"),
    Modal("dürfen", "be allowed to", "be allowed to"),
    Modal("möchten", "would like to"),
)
PAST_STATIVES = frozenset({"sehen", "hören", "haben"})
# "lay" would be both the past of "lie" and the base form of "lay".
PRESENT_ONLY = frozenset({"liegen", "stehen"})
# People count and collect several things, not one.
PLURAL_OBJECT = frozenset({"zählen", "sammeln"})
DRESSING = frozenset({"tragen", "anziehen", "ausziehen", "anprobieren"})
# People like a known thing or things in general, not an arbitrary one.
ATTITUDES = frozenset({"lieben", "mögen", "hassen", "bewundern", "kennen", "verstehen"})
FRAME_WEIGHTS = {
    "direct": 1.0,
    "dative": 2.2,
    "ditransitive": 2.4,
    "intransitive": 1.3,
    "prepositional": 2.2,
    "motion": 3.0,
    "posture": 2.2,
    "placement": 4.0,
    "owned": 2.5,
}
TENSES = {
    "dynamic": (("past", 5.0), ("progressive", 6.5), ("habitual", 4.5), ("future", 1.8)),
    "single": (("past", 7.0), ("progressive", 4.0), ("future", 2.5)),
    "punctual": (("past", 7.0), ("frequency", 1.5), ("future", 2.0)),
    "stative": (("present", 1.0),),
}


class EventSampler(NounPhraseSampler):
    """A sampler of clauses whose participants fit the verb."""

    def __init__(self, lexicon: Lexicon, generator: random.Random) -> None:
        super().__init__(lexicon, generator)
        self.frames = tuple(frame for frame in lexicon.frames if frame.kind in FRAME_WEIGHTS)
        self.weights = cumulative([FRAME_WEIGHTS[frame.kind] for frame in self.frames])
        self.by_subject: dict[str, tuple[Frame, ...]] = {}
        self.by_object: dict[str, tuple[Frame, ...]] = {}
        for noun in lexicon.nouns:
            self.by_subject[noun.german] = tuple(f for f in self.frames if noun in f.subjects)
            self.by_object[noun.german] = tuple(f for f in self.frames if noun in f.objects)
        self.by_preposition = {
            noun.german: tuple(prepositional_uses(self.frames, noun)) for noun in lexicon.nouns
        }
        self.clock = tuple(clock_times(lexicon))

    def frame(self) -> Frame:
        return self.random.choices(self.frames, cum_weights=self.weights)[0]

    def fill(self, frame: Frame, subject: NounPhrase, gap: NounPhrase | None = None) -> Clause:
        """Draw the objects and the obligatory complement; `gap` replaces the direct object."""
        clause = Clause(subject, frame.verb)
        if frame.kind == "direct":
            direct = gap or self.object(frame.objects, subject)
            return replace(clause, accusative=direct if gap else self.fitting(frame, direct))
        if frame.kind == "dative":
            return replace(clause, dative=gap or self.object(frame.objects, subject))
        if frame.kind == "owned":
            owner = gap or self.object(frame.objects, subject)
            return replace(clause, subject=definite(subject), dative=owner)
        if frame.kind == "ditransitive":
            recipient = self.object(frame.recipients, subject)
            nouns = tuple(noun for noun in frame.objects if noun != recipient.noun)
            theme = gap or self.phrase(self.pick(nouns))
            return replace(clause, dative=recipient, accusative=theme)
        if frame.kind == "placement":
            clause = replace(clause, accusative=gap or self.object(frame.objects, subject))
        if frame.kind != "intransitive":
            taken = tuple(phrase.noun for phrase in (subject, *clause.objects))
            preposition = self.pick(frame.prepositions)
            return replace(clause, complement=self.adjunct(preposition, taken))
        return clause

    def fitting(self, frame: Frame, direct: NounPhrase) -> NounPhrase:
        """Return an object with the number and determiner that the verb's meaning requires."""
        lemma = frame.verb.lemma
        if lemma in PLURAL_OBJECT:
            return self.made_plural(direct)
        if lemma == "haben":
            return self.unspecific(direct)
        if lemma in DRESSING and direct.determiner in POSSESSIVES:
            return replace(direct, determiner="the")
        if lemma in ATTITUDES and direct.determiner == "a":
            return replace(direct, determiner="the")
        return direct

    def made_plural(self, phrase: NounPhrase) -> NounPhrase:
        if phrase.noun is None or phrase.noun.mass or phrase.number == "pl":
            return phrase
        return replace(phrase, number="pl", determiner="the")

    def unspecific(self, phrase: NounPhrase) -> NounPhrase:
        """Return an indefinite phrase: people have a dog or three dogs, rarely the dog."""
        if not phrase.settled:
            return phrase
        bare = phrase.lexeme.mass or phrase.number == "pl"
        return replace(phrase, determiner="" if bare else "a")

    def adjuncts(self, clause: Clause, frame: Frame) -> Clause:
        """Add at most one optional manner, companion, beneficiary or place."""
        taken = (clause.subject.noun, *(phrase.noun for phrase in clause.objects))
        definite_object = all(phrase.definite for phrase in clause.objects)
        if frame.manners and definite_object and self.chance(0.25):
            plural = clause.subject.number == "pl"
            manners = [m for m in frame.manners if plural or m.english != "together"]
            return replace(clause, manner=self.pick(manners)) if manners else clause
        extra = frame.prepositions if frame.kind in {"direct", "intransitive"} else ()
        if extra and self.chance(0.3):
            return replace(clause, with_whom=self.adjunct(self.pick(extra), taken))
        if frame.places and self.chance(0.4):
            return replace(clause, place=self.adjunct(self.pick(frame.places), taken))
        return clause

    def time_phrase(self, tense: str, clause: Clause) -> Adverb | PrepositionalPhrase:
        lexicon = self.lexicon
        if tense == "frequency" or (tense == "habitual" and self.chance(0.45)):
            return self.pick(lexicon.adverbs_of("frequency"))
        if tense in {"past", "future"} and self.chance(0.3):
            names = ("during", "before", "after", "because_of", "despite")
            preposition = lexicon.prepositions[self.pick(names)]
            taken = (clause.subject.noun, *(phrase.noun for phrase in clause.objects))
            return self.time_event(preposition, taken)
        if tense in {"past", "habitual"} and self.chance(0.2):
            return self.pick(self.clock)
        kind = {"progressive": "now"}.get(tense, tense)
        return self.pick(lexicon.adverbs_of(kind))

    def time_event(
        self, preposition: Preposition, taken: tuple[Noun | None, ...]
    ) -> PrepositionalPhrase:
        found = self.adjunct(preposition, taken)
        return replace(found, phrase=definite(found.phrase))

    def tense(self, clause: Clause, kinds: tuple[str, ...] = ()) -> Clause:
        """Add a tense with a fitting time; the English simple past is the German perfect."""
        verb = clause.lexical_verb
        table = TENSES[verb.aspect]
        if verb.lemma in PAST_STATIVES:
            table = (("present", 2.0), ("past", 1.0))
        if verb.lemma in PRESENT_ONLY:
            table = (("progressive", 1.0),)
        allowed = [entry for entry in table if not kinds or entry[0] in kinds]
        kind = self.weighted(allowed or table)
        if kind == "past" and verb.aspect != "stative" and not kinds and self.chance(0.12):
            already = self.lexicon.adverbs_of("already")[0]
            return replace(clause, tense="perfect", time=already, manner=None)
        always = kind in {"habitual", "frequency"}
        timed = always or (english.past_is_hidden(verb) and kind == "past")
        rate = {"past": 0.5, "progressive": 0.25, "future": 0.5}.get(kind, 0.0)
        rate = 0.0 if verb.stative else rate
        if timed or self.chance(rate):
            clause = replace(clause, time=self.time_phrase(kind, clause))
        tense = kind if kind in {"past", "future"} else "present"
        return replace(clause, tense=tense, progressive=kind == "progressive")

    def with_modal(self, clause: Clause) -> Clause:
        modal = self.pick(MODALS)
        if modal.past and self.chance(0.25):
            return replace(clause, modal=modal, tense="past")
        return replace(clause, modal=modal)

    def event(
        self,
        subject: NounPhrase | None = None,
        frame: Frame | None = None,
        kinds: tuple[str, ...] = (),
        rich: bool = True,
    ) -> Clause:
        """Draw a complete clause; `kinds` limits the tenses, `rich` allows adjuncts."""
        if frame is None:
            frame = self.frame_for(subject)
        if subject is None:
            subject = self.subject(frame.subjects)
        clause = self.fill(frame, subject)
        if rich:
            clause = self.adjuncts(clause, frame)
        return self.tense(clause, kinds)

    def frame_for(self, subject: NounPhrase | None) -> Frame:
        """Draw a frame that the subject fits; a pronoun stands for a person."""
        if subject is None:
            return self.frame()
        if subject.noun and not subject.noun.proper:
            return self.pick(self.by_subject[subject.noun.german])
        while True:
            frame = self.frame()
            if len(frame.subjects) > 40:
                return frame

    def negate(self, clause: Clause) -> Clause:
        """Negate with nicht or kein, and drop the adjuncts that would attract the focus."""
        accusative = clause.accusative
        if accusative and accusative.kind == FULL:
            bare = accusative.determiner in {"a", ""}
            accusative = replace(accusative, determiner="kein") if bare else definite(accusative)
        complement = clause.complement
        if complement:
            complement = replace(complement, phrase=definite(complement.phrase))
        return replace(
            clause,
            subject=definite(clause.subject),
            accusative=accusative,
            dative=definite(clause.dative) if clause.dative else None,
            complement=complement,
            place=None,
            manner=None,
            with_whom=None,
            negated=True,
        )

    def relative(self, head: NounPhrase, role: str) -> Clause | None:
        """Draw a relative clause with its head as subject, object or prepositional object."""
        noun = head.lexeme
        gap = NounPhrase(noun, RELATIVE, number=head.number)
        if role == "subject":
            frames = self.by_subject[noun.german]
            frames = tuple(frame for frame in frames if frame.kind != "owned")
            return self.relative_tense(self.fill(self.pick(frames), gap)) if frames else None
        if role == "object":
            frames = self.by_object[noun.german]
            frames = tuple(frame for frame in frames if frame.kind != "owned")
            if not frames:
                return None
            frame = self.pick(frames)
            subject = self.other_subject(frame, noun)
            return self.relative_tense(self.fill(frame, subject, gap))
        return self.prepositional_relative(gap, noun)

    def other_subject(self, frame: Frame, noun: Noun) -> NounPhrase:
        subjects = tuple(other for other in frame.subjects if other != noun)
        return self.subject(subjects or frame.subjects, pronouns=0.5)

    def prepositional_relative(self, gap: NounPhrase, noun: Noun) -> Clause | None:
        choices = self.by_preposition[noun.german]
        if not choices:
            return None
        frame, preposition = self.pick(choices)
        subject = self.other_subject(frame, noun)
        complement = PrepositionalPhrase(preposition, gap)
        return self.relative_tense(Clause(subject, frame.verb, complement=complement))

    def relative_tense(self, clause: Clause) -> Clause:
        """Add a tense, mostly without a time: a past time would hide the end of the clause."""
        clause = self.tense(clause, ("past", "progressive", "present"))
        hidden = english.past_is_hidden(clause.lexical_verb) and clause.tense == "past"
        return clause if hidden or self.chance(0.3) else replace(clause, time=None)


def prepositional_uses(
    frames: tuple[Frame, ...], noun: Noun
) -> Iterator[tuple[Frame, Preposition]]:
    """Yield the verbs and prepositions whose obligatory complement the noun can be."""
    for frame in frames:
        if frame.kind in {"posture", "prepositional"}:
            for preposition in frame.prepositions:
                if noun in preposition.nouns:
                    yield frame, preposition


def clock_times(lexicon: Lexicon) -> list[Adverb]:
    """Return the times of a clock; German names the next hour: half past three is halb vier."""
    numbers = lexicon.numbers
    times = []
    for index, (word, hour) in enumerate(numbers):
        coming = numbers[(index + 1) % len(numbers)][1]
        coming = "eins" if coming == "ein" else coming
        times.append(Adverb(f"at {word} o'clock", f"um {hour} Uhr", "clock"))
        times.append(Adverb(f"at half past {word}", f"um halb {coming}", "clock"))
    return times


def cumulative(weights: list[float]) -> list[float]:
    total = 0.0
    sums = []
    for weight in weights:
        total += weight
        sums.append(total)
    return sums
