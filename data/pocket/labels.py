"""Label a sentence with the phenomena in its structure."""

from __future__ import annotations

from collections.abc import Iterator

from data.pocket.german_syntax import core_phrase, middle_field, object_cases, verb_parts
from data.pocket.phrases import PERSONAL, Clause, NounPhrase, Sentence, nested_clauses

LABELS = ("agreement", "verb-position", "separable-particle", "case")
DISTANCE = 3


def labels(sentence: Sentence) -> tuple[str, ...]:
    """Return the labels that apply, in the order of LABELS."""
    holds = {
        "agreement": any(agrees_far(clause, order) for clause, order in ordered(sentence)),
        "verb-position": any(verb_is_late(clause, order) for clause, order in ordered(sentence)),
        "separable-particle": any(
            clause.verb is not None and clause.verb.particle for clause in sentence.clauses
        ),
        "case": any(governed_form(clause) for clause in sentence.clauses),
    }
    return tuple(label for label in LABELS if holds[label])


def ordered(sentence: Sentence) -> Iterator[tuple[Clause, str]]:
    """Yield each clause with the place of its finite verb; it is last in relative clauses."""
    tops = [(sentence.main, "second")]
    if sentence.link:
        tops.append((sentence.link.clause, sentence.link.order))
    for top, order in tops:
        for clause in nested_clauses(top):
            yield clause, order if clause is top else "last"


def agrees_far(clause: Clause, order: str) -> bool:
    """Return whether words agree at a distance.

    These are a relative or an anaphoric pronoun, or a final verb far from its subject.
    """
    phrases = clause.noun_phrases
    if any(phrase.relative for phrase in phrases):
        return True
    if any(phrase.kind == PERSONAL and phrase.noun for phrase in clause.objects):
        return True
    between = len(middle_field(clause, False)) + len(verb_parts(clause)[1])
    return order == "last" and between >= DISTANCE


def verb_is_late(clause: Clause, order: str) -> bool:
    """Return whether a participle, an infinitive or the finite verb ends the clause."""
    if clause.existential:
        return False
    return order in {"last", "zu"} or bool(verb_parts(clause)[1])


def governed_form(clause: Clause) -> bool:
    """Return whether a verb or preposition governs a form that differs from the nominative."""
    governed = object_cases(clause)
    governed += [(pp.phrase, pp.preposition.case) for pp in clause.adjuncts]
    if clause.existential:
        governed.append((clause.subject, "accusative"))
    return any(differs(phrase, case) for phrase, case in governed)


def differs(phrase: NounPhrase, case: str) -> bool:
    return core_phrase(phrase, case) != core_phrase(phrase, "nominative")
