"""Translate sentences with marks, and verify that each mark is there once, in the right order.

Each way is tried with the sentences for which the one before failed:

1. The search cuts the marks out and places them by word alignment.
2. The texts between the marks are translated one by one.

What fails is flagged. Of the candidates that keep the marks, the first that keeps the numbers too
is preferred.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from nmt.decoding.marks.marked import Marked, joined
from nmt.decoding.translator.odd_input import has_words
from nmt.decoding.translator.translation import Candidate, Request, Translation
from nmt.formats.marking.checks import mark_problems, number_problems

Translate = Callable[[Sequence[Request]], Sequence[Translation]]


class Way(Enum):
    """How a sentence got its marks."""

    PLAIN = "plain"  # it has none
    COPIED = "copied"  # there are no words to translate
    ALIGNED = "aligned"  # by word alignment
    AROUND = "around"  # the texts between them were translated one by one
    FLAGGED = "flagged"  # not all are there as in the source


class Placed(NamedTuple):
    """A translated sentence."""

    text: Marked
    way: Way
    flags: tuple[str, ...] = ()  # what is wrong: sentences without their ends
    candidates: tuple[Candidate, ...] = ()  # those of the search; none if texts were put together


class Placer:
    """Translates sentences with marks."""

    def __init__(self, translate: Translate) -> None:
        """Store the function that translates requests."""
        self._translate = translate

    def translate(self, sentences: Sequence[Marked]) -> list[Placed]:
        """Return the translation of each sentence; each way takes one call for all."""
        found: dict[int, Placed] = {}
        for number, sentence in enumerate(sentences):
            if not has_words(sentence.without_marks()):
                found[number] = Placed(sentence, Way.COPIED)
        for way in (self._aligned, self._around):
            left = [number for number in range(len(sentences)) if number not in found]
            if left:
                results = way([sentences[number] for number in left])
                pairs = zip(left, results, strict=True)
                found.update((number, each) for number, each in pairs if each is not None)
        return [found[number] for number in range(len(sentences))]

    def _aligned(self, sentences: Sequence[Marked]) -> list[Placed | None]:
        """Let the search place the marks; None: no candidate has them as they should be."""
        requests = [Request(each.text, marks=each.marks) for each in sentences]
        return [
            chosen(sentence, translation)
            for sentence, translation in zip(sentences, self._translate(requests), strict=True)
        ]

    def _around(self, sentences: Sequence[Marked]) -> list[Placed | None]:
        """Translate the texts between the marks, which stay where they are."""
        texts = [
            part.strip()
            for sentence in sentences
            for part, is_mark in sentence.parts()
            if not is_mark and has_words(part)
        ]
        translations = iter(self._translate([*map(Request, texts)]) if texts else [])
        return [filled(sentence, translations) for sentence in sentences]


def chosen(source: Marked, translation: Translation) -> Placed | None:
    """Return the first candidate that keeps marks and numbers, else the first that keeps marks.

    Returns None if no candidate keeps the marks.
    """
    texts = [Marked(candidate.text, candidate.marks) for candidate in translation.candidates]
    kept = [text for text in texts if not mark_problems(source, text)]
    if not kept:
        return None
    best = next((text for text in kept if not number_problems(source, text)), kept[0])
    way = Way.ALIGNED if source.marks else Way.PLAIN
    return Placed(best, way, number_problems(source, best), translation.candidates)


def filled(source: Marked, translations: Iterator[Translation]) -> Placed:
    """Return a sentence with the next translations in place of the texts that have words."""
    pieces: list[Marked] = []
    begin = 0
    for part, is_mark in source.parts():
        end = begin + len(part)
        if is_mark or not has_words(part):
            pieces.append(source.slice(begin, end))
        else:
            stripped = part.strip()
            before, _, after = part.partition(stripped)
            pieces.append(Marked(before + next(translations).text + after))
        begin = end
    text = joined(pieces)
    problems = mark_problems(source, text)
    way = Way.FLAGGED if problems else Way.AROUND
    return Placed(text, way, (*problems, *number_problems(source, text)))
