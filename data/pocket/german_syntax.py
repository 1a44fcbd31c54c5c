"""German word order: the verbal bracket, the middle field and clause types."""

from __future__ import annotations

from data.pocket import german
from data.pocket.lexicon import Adjective, Adverb
from data.pocket.links import CLOSING, PARTICLE, Word, mark_phrase
from data.pocket.phrases import (
    PERSONAL,
    RELATIVE,
    WHAT,
    WHO,
    Clause,
    Comparison,
    NounPhrase,
    PrepositionalPhrase,
    Sentence,
)

Words = list[str]
# Verbs whose past is the preterite in spoken German.
PRETERITE = {"haben", "mögen", "sein"}


def core_phrase(phrase: NounPhrase, case: str) -> Words:
    """Render a noun phrase with those that are joined to it, without its relative clause."""
    words = mark_phrase(phrase, single_phrase(phrase, case))
    for other in phrase.others:
        words += ["und" if other is phrase.others[-1] else ",", *core_phrase(other, case)]
    return words


def single_phrase(phrase: NounPhrase, case: str) -> Words:
    gender, number = phrase.german_gender, phrase.number
    if phrase.kind == PERSONAL:
        return [german.personal_pronoun(phrase.person, number, gender, case)]
    if phrase.kind == RELATIVE:
        return [german.RELATIVE_PRONOUN[case][german.column(gender, number)]]
    if phrase.kind == WHO:
        return [german.INTERROGATIVE_PERSON[case]]
    if phrase.kind == WHAT or phrase.noun is None:
        return ["was"]
    if phrase.noun.proper:
        return [phrase.noun.german]
    words: Words = []
    if phrase.determiner == "how many":
        words += ["wie", "viele"]
    elif phrase.determiner:
        words.append(german.determiner_form(phrase.determiner, gender, case, number))
    if phrase.adjective:
        words.append(
            german.adjective_form(phrase.adjective, phrase.determiner, gender, case, number)
        )
    return [*words, german.noun_form(phrase.noun, case, number)]


def relative_words(phrase: NounPhrase) -> Words:
    return [",", *clause_words(phrase.relative, "last"), ","] if phrase.relative else []


def full_phrase(phrase: NounPhrase, case: str) -> Words:
    return core_phrase(phrase, case) + relative_words(phrase)


def prepositional_words(adjunct: PrepositionalPhrase) -> Words:
    """Render a prepositional phrase.

    It is contracted with a definite article (im) unless the phrase has a relative clause.
    """
    preposition, phrase = adjunct.preposition, adjunct.phrase
    words = core_phrase(phrase, preposition.case)
    contracted = german.CONTRACTIONS.get((preposition.german, words[0]))
    if contracted and phrase.determiner == "the" and not phrase.relative:
        return [contracted, *words[1:]]
    return [preposition.german, *words]


def time_words(time: Adverb | PrepositionalPhrase | None) -> Words:
    if time is None:
        return []
    if isinstance(time, PrepositionalPhrase):
        return prepositional_words(time)
    return time.german.split()


def predicate_words(predicate: Adjective | Comparison | NounPhrase | None) -> Words:
    if predicate is None:
        return []
    if isinstance(predicate, Adjective):
        return predicate.german.split()
    if isinstance(predicate, Comparison):
        standard = core_phrase(predicate.standard, "nominative")
        return [predicate.adjective.german_comparative, "als", *standard]
    return core_phrase(predicate, "nominative")


def verb_parts(clause: Clause) -> tuple[str, Words]:
    """Return the finite verb, and the participle or infinitive that closes the verbal bracket.

    The separable particle is left out.
    """
    person, number = clause.subject.person, clause.subject.number
    lemma = clause.verb.lemma if clause.verb else "sein"
    if clause.modal:
        tense = "preterite" if clause.tense == "past" else "present"
        return german.irregular_form(clause.modal.german, tense, person, number), [lemma]
    if clause.tense == "future":
        return german.irregular_form("werden", "present", person, number), [lemma]
    if clause.tense in {"past", "perfect"}:
        if lemma in PRETERITE:
            return german.irregular_form(lemma, "preterite", person, number), []
        verb = clause.lexical_verb
        auxiliary = german.irregular_form(verb.auxiliary, "present", person, number)
        return auxiliary, [verb.german_participle]
    if clause.verb is None:
        return german.irregular_form("sein", "present", person, number), []
    return german.present_form(clause.verb, person, number), []


def needs_nicht(clause: Clause) -> bool:
    return clause.negated and not any(phrase.determiner == "kein" for phrase in clause.objects)


def middle_field(clause: Clause, with_subject: bool) -> Words:
    """Render the middle field.

    Its order is pronouns, definite objects before nicht or schon, time, other objects, manner,
    place and the rest.
    """
    objects = [(phrase, case) for phrase, case in object_cases(clause) if not phrase.fronted]
    pronouns = [item for item in objects if item[0].kind == PERSONAL]
    others = [item for item in objects if item[0].kind != PERSONAL]
    negated = needs_nicht(clause)
    hurried = negated or (isinstance(clause.time, Adverb) and clause.time.kind == "already")
    early = [item for item in others if hurried and item[0].settled]
    late = [item for item in others if item not in early]
    words = full_phrase(clause.subject, "nominative") if with_subject else []
    for phrase, case in pronouns + early:
        words += core_phrase(phrase, case) + enclosed_words(clause, phrase)
    if not clause.time_first:
        words += time_words(clause.time)
    for phrase, case in late:
        words += core_phrase(phrase, case) + enclosed_words(clause, phrase)
    words += ["nicht"] if negated else []
    if clause.with_whom:
        words += prepositional_words(clause.with_whom)
        words += enclosed_words(clause, clause.with_whom.phrase)
    words += [clause.manner.german] if clause.manner else []
    for adjunct in (clause.place, clause.complement):
        if adjunct and not adjunct.phrase.fronted:
            words += prepositional_words(adjunct) + enclosed_words(clause, adjunct.phrase)
    return words + predicate_words(clause.predicate)


def enclosed_words(clause: Clause, phrase: NounPhrase) -> Words:
    return relative_words(phrase) if clause.enclosed else []


def object_cases(clause: Clause) -> list[tuple[NounPhrase, str]]:
    slots = ((clause.dative, "dative"), (clause.accusative, "accusative"))
    return [(phrase, case) for phrase, case in slots if phrase]


def fronted_words(clause: Clause) -> Words:
    """Render the relative or interrogative phrase that must open the clause, if there is one."""
    if clause.question:
        return [clause.question.german]
    if clause.subject.fronted:
        return full_phrase(clause.subject, "nominative")
    for phrase, case in object_cases(clause):
        if phrase.fronted:
            return core_phrase(phrase, case)
    for adjunct in (clause.place, clause.complement):
        if adjunct and adjunct.phrase.fronted:
            return prepositional_words(adjunct)
    return []


def extraposed_words(clause: Clause) -> Words:
    """Render the relative clauses of objects and adjuncts, which follow the verbal bracket."""
    if clause.enclosed:
        return []
    phrases = [phrase for phrase in clause.noun_phrases if phrase is not clause.subject]
    return [word for phrase in phrases for word in relative_words(phrase)]


def clause_words(clause: Clause, order: str) -> Words:
    """Render a clause with its finite verb first, second or last, or as a zu-infinitive."""
    finite, parts = verb_parts(clause)
    closing: Words = [Word(part, clause, CLOSING) for part in parts]
    particle = clause.verb.particle if clause.verb else ""
    after = extraposed_words(clause)
    if order == "zu":
        infinitive = german.zu_infinitive(clause.lexical_verb).split()
        return [*middle_field(clause, False), *infinitive, *after]
    front = fronted_words(clause)
    subject_inside = not clause.subject.fronted
    if order == "last":
        finite = Word(finite if closing else particle + finite, clause)
        return [*front, *middle_field(clause, subject_inside), *closing, finite, *after]
    finite = Word(finite, clause)
    closing = closing or ([Word(particle, clause, PARTICLE)] if particle else [])
    if order == "first":
        return [finite, *middle_field(clause, True), *closing, *after]
    if not front and clause.time_first:
        front = time_words(clause.time)
    elif not front:
        front = full_phrase(clause.subject, "nominative")
        subject_inside = False
    return [*front, finite, *middle_field(clause, subject_inside), *closing, *after]


def existential_words(clause: Clause, place: PrepositionalPhrase) -> Words:
    """Render a clause such as "In der Stadt gibt es einen Park."."""
    words = [*prepositional_words(place), "gibt", "es"]
    return words + full_phrase(clause.subject, "accusative")


def sentence_words(sentence: Sentence) -> Words:
    main, link = sentence.main, sentence.link
    if main.existential and main.place:
        return existential_words(main, main.place)
    if sentence.asks:
        return clause_words(main, "second" if fronted_words(main) else "first")
    if link is None:
        return clause_words(main, "second")
    linked = [link.german, *clause_words(link.clause, link.order)]
    linked = [word for word in linked if word]
    if sentence.link_first:
        return [*linked, ",", *clause_words(main, "first")]
    comma = [] if link.german == "und" else [","]
    return [*clause_words(main, "second"), *comma, *linked]


def punctuate(words: Words, final: str) -> str:
    """Join words, attach commas, drop double and final commas, and capitalise."""
    text = ""
    pending = False
    for word in words:
        if word == ",":
            pending = True
            continue
        text += ("," if pending else "") + (" " if text else "") + word
        pending = False
    return text[0].upper() + text[1:] + final


def render(sentence: Sentence) -> str:
    return punctuate(sentence_words(sentence), "?" if sentence.asks else ".")
