"""English word order: auxiliaries, do-support, particles and adverbs."""

from __future__ import annotations

from dataclasses import dataclass

from data.pocket import english
from data.pocket.german_syntax import Words, punctuate
from data.pocket.lexicon import Adjective, Adverb
from data.pocket.links import Word, mark_phrase
from data.pocket.phrases import (
    PERSONAL,
    RELATIVE,
    WHAT,
    WHO,
    Clause,
    Comparison,
    Modal,
    NounPhrase,
    PrepositionalPhrase,
    Sentence,
)

PRE_VERBAL = {"frequency", "already"}


@dataclass(frozen=True)
class VerbGroup:
    """An auxiliary, empty for a finite lexical verb, and the words after it."""

    auxiliary: str
    rest: tuple[str, ...]


def zero_article(phrase: NounPhrase) -> bool:
    """Return whether a phrase has no article, as meals have none: before lunch."""
    meal = phrase.noun is not None and "meal" in phrase.noun.classes
    return meal and phrase.determiner == "the" and not phrase.adjective and not phrase.relative


def pronoun_word(phrase: NounPhrase, subject: bool) -> str:
    gender = phrase.gender
    if phrase.noun:
        person = "person" in phrase.noun.classes
        gender = phrase.noun.gender if person else "n"
    key = f"{phrase.person}{phrase.number}" + (
        gender if (phrase.person, phrase.number) == (3, "sg") else ""
    )
    return english.PERSONAL_PRONOUNS[key][0 if subject else 1]


def relative_pronoun(phrase: NounPhrase, role: str) -> str:
    person = phrase.noun is not None and "person" in phrase.noun.classes
    if role == "subject":
        return "who" if person else "that"
    if role == "preposition":
        return "whom" if person else "which"
    return "whom" if person else "that"


def noun_phrase(phrase: NounPhrase, role: str) -> Words:
    """Render a phrase with its relative clause and those joined to it.

    role: subject, object or preposition.
    """
    words = mark_phrase(phrase, single_phrase(phrase, role))
    if phrase.relative:
        words += clause_words(phrase.relative, asks=False)
    for other in phrase.others:
        words += ["and" if other is phrase.others[-1] else ",", *noun_phrase(other, role)]
    return words


def single_phrase(phrase: NounPhrase, role: str) -> Words:
    if phrase.kind == PERSONAL:
        return [pronoun_word(phrase, role == "subject")]
    if phrase.kind == RELATIVE:
        return [relative_pronoun(phrase, role)]
    if phrase.kind == WHO:
        return ["who" if role == "subject" else "whom"]
    if phrase.kind == WHAT or phrase.noun is None:
        return ["what"]
    noun = phrase.noun
    words = noun.english_plural.split() if phrase.number == "pl" else noun.english.split()
    if phrase.adjective:
        words = [phrase.adjective.english, *words]
    determiner = phrase.determiner
    if determiner == "kein":
        determiner = "any" if noun.mass or phrase.number == "pl" else "a"
    if determiner == "a":
        determiner = english.indefinite_article(words[0])
    elif determiner == "this" and phrase.number == "pl":
        determiner = "these"
    if determiner and not zero_article(phrase):
        words = [*determiner.split(), *words]
    return words


def prepositional_words(adjunct: PrepositionalPhrase) -> Words:
    return [*adjunct.preposition.english.split(), *noun_phrase(adjunct.phrase, "preposition")]


def time_words(time: Adverb | PrepositionalPhrase | None) -> Words:
    if time is None:
        return []
    if isinstance(time, PrepositionalPhrase):
        return prepositional_words(time)
    return time.english.split()


def modal_group(clause: Clause, modal: Modal, base: str) -> VerbGroup | None:
    """Return "can" + base or "is allowed to" + base; None if the modal is a lexical verb."""
    words = (modal.past if clause.tense == "past" else modal.english).split()
    if words[0] == "be":
        finite = english.be_form(clause.tense, clause.subject.person, clause.subject.number)
        return VerbGroup(finite, (*words[1:], base))
    if words[-1] == "to" and len(words) == 2:
        return None
    return VerbGroup(words[0], (*words[1:], base))


def verb_group(clause: Clause, support: bool) -> VerbGroup:
    """Return the inflected verb group; `support`: negation or inversion needs an auxiliary."""
    base = english.head(clause.verb) if clause.verb else "be"
    if clause.modal:
        lexical = "want" if clause.modal.german == "wollen" else "have"
        group = modal_group(clause, clause.modal, base)
        return group or lexical_group(lexical, clause, support)
    if clause.tense == "future":
        return VerbGroup("will", (base,))
    return plain_group(clause, support)


def plain_group(clause: Clause, support: bool) -> VerbGroup:
    """Return a form without a modal: be, perfect, progressive, do-support or a finite verb."""
    person, number = clause.subject.person, clause.subject.number
    verb = clause.verb
    if verb is None:
        return VerbGroup(english.be_form(clause.tense, person, number), ())
    if clause.tense == "perfect":
        has = "has" if (person, number) == (3, "sg") else "have"
        return VerbGroup(has, (verb.participle,))
    if clause.progressive:
        return VerbGroup(english.be_form(clause.tense, person, number), (verb.gerund,))
    if support:
        return VerbGroup(do_form(clause), (english.head(verb),))
    return VerbGroup("", (english.finite_form(verb, clause.tense, person, number),))


def do_form(clause: Clause) -> str:
    if clause.tense == "past":
        return "did"
    third = (clause.subject.person, clause.subject.number) == (3, "sg")
    return "does" if third else "do"


def lexical_group(base: str, clause: Clause, support: bool) -> VerbGroup:
    """Return the group of a lexical modal: wants to read, had to read, does not want to read."""
    infinitive = english.head(clause.verb) if clause.verb else "be"
    if support:
        return VerbGroup(do_form(clause), (base, "to", infinitive))
    past = {"want": "wanted", "have": "had"}[base]
    third = (clause.subject.person, clause.subject.number) == (3, "sg")
    present = english.third_person(base) if third else base
    return VerbGroup("", (past if clause.tense == "past" else present, "to", infinitive))


def object_words(clause: Clause) -> Words:
    """Render the objects, with the verb's particle or fixed word in its place."""
    verb = clause.verb
    particle = english.particle(verb).split() if verb else []
    words = english.fixed_tail(verb).split() if verb else []
    objects = [phrase for phrase in clause.objects if not phrase.fronted]
    pronoun = len(objects) == 1 and objects[0].kind == PERSONAL
    if (
        verb
        and verb.english in english.TO_RECIPIENT
        and clause.dative
        and not clause.dative.fronted
    ):
        objects = objects[1:]
    inner = [word for phrase in objects for word in noun_phrase(phrase, "object")]
    if (
        verb
        and verb.english in english.TO_RECIPIENT
        and clause.dative
        and not clause.dative.fronted
    ):
        inner += ["to", *noun_phrase(clause.dative, "object")]
    return words + (inner + particle if pronoun else particle + inner)


def predicate_words(predicate: Adjective | Comparison | NounPhrase | None) -> Words:
    if predicate is None:
        return []
    if isinstance(predicate, Adjective):
        return predicate.english.split()
    if isinstance(predicate, Comparison):
        standard = noun_phrase(predicate.standard, "object")
        return [predicate.adjective.english_comparative, "than", *standard]
    return noun_phrase(predicate, "object")


def after_verb(clause: Clause) -> Words:
    """Render predicate, objects, complement, manner, companion, place and time."""
    words = predicate_words(clause.predicate) + object_words(clause)
    if clause.complement and not clause.complement.phrase.fronted:
        words += prepositional_words(clause.complement)
    words += [clause.manner.english] if clause.manner else []
    for adjunct in (clause.with_whom, clause.place):
        if adjunct and not adjunct.phrase.fronted:
            words += prepositional_words(adjunct)
    time = clause.time
    early = isinstance(time, Adverb) and time.kind in PRE_VERBAL
    return words if clause.time_first or early else words + time_words(time)


def fronted_words(clause: Clause) -> Words:
    if clause.question:
        return [clause.question.english]
    for phrase in clause.objects:
        if phrase.fronted:
            return noun_phrase(phrase, "object")
    for adjunct in (clause.place, clause.complement):
        if adjunct and adjunct.phrase.fronted:
            return prepositional_words(adjunct)
    return []


def clause_words(clause: Clause, asks: bool) -> Words:
    """Render a finite clause; a question inverts unless its subject is the question word."""
    inverted = asks and not clause.subject.questioned
    group = verb_group(clause, support=inverted or clause.negated)
    subject = noun_phrase(clause.subject, "subject")
    time = clause.time
    early = isinstance(time, Adverb) and time.kind in PRE_VERBAL
    adverb = time_words(time) if early and not clause.time_first else []
    negation = ["not"] if clause.negated else []
    auxiliary = [Word(group.auxiliary, clause)] if group.auxiliary else []
    rest = group.rest if auxiliary else (Word(group.rest[0], clause), *group.rest[1:])
    if group.auxiliary == "can" and negation and not inverted:
        auxiliary, negation = [Word("cannot", clause)], []
    front = fronted_words(clause)
    if clause.time_first:
        front = time_words(time)
    if inverted:
        words = [*front, *auxiliary, *subject, *negation, *adverb]
    else:
        words = [*front, *subject, *auxiliary, *negation, *adverb]
    return [*words, *rest, *after_verb(clause)]


def infinitive_words(clause: Clause) -> Words:
    return ["to", english.head(clause.lexical_verb), *after_verb(clause)]


def existential_words(clause: Clause, place: PrepositionalPhrase) -> Words:
    words = [*prepositional_words(place), "there"]
    verb = "are" if clause.subject.number == "pl" else "is"
    return [*words, verb, *noun_phrase(clause.subject, "object")]


def sentence_words(sentence: Sentence) -> Words:
    main, link = sentence.main, sentence.link
    if main.existential and main.place:
        return existential_words(main, main.place)
    if link is None:
        return clause_words(main, sentence.asks)
    if link.order == "zu":
        linked = infinitive_words(link.clause)
    else:
        linked = clause_words(link.clause, asks=False)
    linked = [*link.english.split(), *linked]
    if sentence.link_first:
        return [*linked, ",", *clause_words(main, asks=False)]
    comma = [","] if link.english == "but" else []
    return [*clause_words(main, sentence.asks), *comma, *linked]


def render(sentence: Sentence) -> str:
    return punctuate(sentence_words(sentence), "?" if sentence.asks else ".")
