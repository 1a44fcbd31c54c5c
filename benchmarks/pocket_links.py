"""Write the links of pocket's dev set, dev.links, which `nmt inspect --heads` reads.

It renders the sentences as `data.pocket` does, with words that know what they stand for: the head
of a phrase, the finite verb of a clause, the particle of a verb. So no word is looked up in a list.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.pocket import english_syntax, german_syntax
from data.pocket.corpus import build_splits
from data.pocket.phrases import RELATIVE, Sentence

SUBJECT, NOUN, VERB = "a verb's subject", "a relative pronoun's noun", "a particle's verb"
ARTICLE, CLOSING = "an article's noun", "a closing verb's finite verb"


class Word(str):
    """A word that stands for a phrase or a clause, as its article, head, finite verb or closing."""

    key: tuple[int, str]  # the identity of the phrase or clause, and the part

    def __radd__(self, before: str) -> "Word":
        word = Word(before + str(self))
        word.key = self.key
        return word


def mark(text: str, owner: object, part: str = "") -> Word:
    """Return a word that stands for a part of an owner."""
    word = Word(text)
    word.key = id(owner), part
    return word


def mark_phrase(words: list[str], head: int, phrase: Any) -> list[str]:
    """Mark the head of a phrase, and the determiner before it."""
    if head and phrase.determiner:
        words[0] = mark(words[0], phrase, "article")
    words[head] = mark(words[head], phrase)
    return words


def mark_german() -> None:
    """Let the German rendering mark the heads of phrases, and finite verbs."""
    core, parts = german_syntax.core_phrase, german_syntax.verb_parts

    def core_phrase(phrase: Any, case: str) -> list[str]:
        words = core(phrase, case)
        return mark_phrase(words, len(words) - 1, phrase)

    def verb_parts(clause: Any) -> tuple[str, list[str]]:
        finite, closing = parts(clause)
        return mark(finite, clause), [mark(word, clause, "closing") for word in closing]

    german_syntax.core_phrase, german_syntax.verb_parts = core_phrase, verb_parts


def mark_english() -> None:
    """Let the English rendering mark the heads of phrases, and finite verbs."""
    render, group = english_syntax.noun_phrase, english_syntax.verb_group

    def noun_phrase(phrase: Any, role: str) -> list[str]:
        words = render(phrase, role)
        relative = english_syntax.clause_words(phrase.relative, False) if phrase.relative else ()
        return mark_phrase(words, len(words) - len(relative) - 1, phrase)

    def verb_group(clause: Any, support: bool) -> Any:
        found = group(clause, support)
        if found.auxiliary:
            return replace(found, auxiliary=mark(found.auxiliary, clause))
        return replace(found, rest=(mark(found.rest[0], clause), *found.rest[1:]))

    english_syntax.noun_phrase, english_syntax.verb_group = noun_phrase, verb_group


def numbered(words: list[str]) -> Iterator[tuple[int, str]]:
    """Yield words with their numbers in the text, where punctuation marks count."""
    number, pending = 0, False
    for word in words:
        if word == ",":
            pending = True
            continue
        number, pending = number + pending, False
        yield number, word
        number += 1


def links(sentence: Sentence, words: list[str], side: str) -> Iterator[str]:
    """Yield the links of one side of a pair."""
    at = {word.key: place for place, word in numbered(words) if isinstance(word, Word)}
    wanted = []  # numbers of words, None for one that is not in the text
    for clause in sentence.clauses:
        verb, phrases = at.get((id(clause), "")), clause.noun_phrases
        wanted.append((verb, at.get((id(clause.subject), "")), SUBJECT))
        wanted.append((at.get((id(clause), "closing")), verb, CLOSING))
        for phrase in phrases:
            head = at.get((id(phrase), ""))
            wanted.append((at.get((id(phrase), "article")), head, ARTICLE))
            for own in phrase.relative.noun_phrases if phrase.relative else ():
                if own.kind == RELATIVE:
                    wanted.append((at.get((id(own), "")), head, NOUN))
        if side == "target" and clause.verb and verb is not None:
            # A split particle is the verb's own text, and nothing else is.
            split = [place for place, word in numbered(words) if word is clause.verb.particle]
            wanted.append((min((each for each in split if each > verb), default=None), verb, VERB))
    for word, other, what in wanted:
        if word is not None and other is not None:
            yield f"{side} {word} {other} {what}"


def main() -> None:
    """Write the file of links."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="file, such as dev.links")
    path: Path = parser.parse_args().output
    dev = build_splits(1).dev
    mark_german()
    mark_english()
    rows = [
        [
            *links(pair.sentence, english_syntax.sentence_words(pair.sentence), "source"),
            *links(pair.sentence, german_syntax.sentence_words(pair.sentence), "target"),
        ]
        for pair in dev
    ]
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
