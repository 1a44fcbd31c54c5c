"""Links between words of a sentence that depend on each other, such as a particle and its verb.

`nmt inspect --heads` looks for what leads from a word to another one. The renderings mark the words
that have links, so that none is looked up in a list of forms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from data.pocket.phrases import RELATIVE, Clause, NounPhrase, Sentence

Key = tuple[int, str]  # the identity of a phrase or a clause, and the name of a link
ARTICLE, PARTICLE = "an article's noun", "a particle's verb"
CLOSING = "a closing verb's finite verb"  # of a participle or an infinitive
SUBJECT, RELATED = "a verb's subject", "a relative pronoun's noun"


class Word(str):
    """The noun of a phrase, the finite verb of a clause, or a word with a link to it."""

    key: Key

    def __new__(cls, text: str, owner: NounPhrase | Clause, link: str = "") -> Word:
        word = super().__new__(cls, text)
        word.key = id(owner), link
        return word


def mark_phrase(phrase: NounPhrase, words: list[str]) -> list[str]:
    """Mark the noun, or the pronoun, of a phrase without a relative clause, and its article."""
    *before, noun = words
    if before and phrase.determiner:
        before[0] = Word(before[0], phrase, ARTICLE)
    return [*before, Word(noun, phrase)]


def places(words: Sequence[str]) -> dict[Key, int]:
    """Return where the marked words are."""
    return {word.key: place for place, word in enumerate(words) if isinstance(word, Word)}


def word_links(sentence: Sentence, words: list[str], side: str) -> Iterator[str]:
    """Yield the links of one side of a pair: side, word, the word that it leads to, the name.

    Words and the commas of the text are counted from 0.
    """
    after = [*words[1:], ","]  # double and final commas are not in the text
    text = [word for word, other in zip(words, after, strict=True) if {word, other} != {","}]
    at = places(text)
    links = [((owner, link), (owner, ""), link) for owner, link in at if link]
    for clause in sentence.clauses:
        links.append(((id(clause), ""), (id(clause.subject), ""), SUBJECT))
        for phrase in clause.noun_phrases:
            for own in phrase.relative.noun_phrases if phrase.relative else ():
                if own.kind == RELATIVE:
                    links.append(((id(own), ""), (id(phrase), ""), RELATED))
    for word, other, link in links:
        if word in at and other in at:
            yield f"{side} {at[word]} {at[other]} {link}"
