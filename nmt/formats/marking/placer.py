"""Translate sentences with marks, and verify that each mark is there once, in the right order.

Each way is tried with the sentences for which the one before failed:

1. A model that was trained with marks reads them, and the best candidate that keeps them is taken.
2. The search cuts the marks out and places them by word alignment.
3. The texts between the marks are translated one by one.

What fails is flagged. Of the candidates that keep the marks, the first that keeps the numbers too
is preferred.
"""

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from nmt.decoding.marked import Marked, joined
from nmt.decoding.odd_input import has_words
from nmt.decoding.requests import Request
from nmt.decoding.translation import Candidate, Translation
from nmt.formats.marking.checks import found_in, mark_problems, number_problems

Translate = Callable[[Sequence[Request]], Sequence[Translation]]


class Way(Enum):
    """How a sentence got its marks."""

    PLAIN = "plain"  # it has none
    COPIED = "copied"  # there are no words to translate
    READ = "read"  # the model read them
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

    def __init__(self, translate: Translate, *, knows_marks: bool) -> None:
        """Take what translates requests, and whether the model was trained with marks."""
        self._translate = translate
        self._knows_marks = knows_marks

    def translate(self, sentences: Sequence[Marked]) -> list[Placed]:
        """Return the translation of each sentence; each way takes one call for all."""
        found: dict[int, Placed] = {}
        for number, sentence in enumerate(sentences):
            if not has_words(sentence.without_marks()):
                found[number] = Placed(sentence, Way.COPIED)
        ways = [self._aligned, self._around]
        if self._knows_marks:
            ways.insert(0, self._read)
        for way in ways:
            left = [number for number in range(len(sentences)) if number not in found]
            if left:
                results = way([sentences[number] for number in left])
                pairs = zip(left, results, strict=True)
                found.update((number, each) for number, each in pairs if each is not None)
        return [found[number] for number in range(len(sentences))]

    def _read(self, sentences: Sequence[Marked]) -> list[Placed | None]:
        """Let the model read the marks; None: no candidate keeps them."""
        translations = self._translate([Request(each.text) for each in sentences])
        return [
            chosen(
                sentence,
                translation,
                [found_in(each.text, sentence) for each in translation.candidates],
                Way.READ,
            )
            for sentence, translation in zip(sentences, translations, strict=True)
        ]

    def _aligned(self, sentences: Sequence[Marked]) -> list[Placed | None]:
        """Let the search place the marks; None: no candidate has them as they should be."""
        requests = [Request(each.text, marks=each.marks) for each in sentences]
        return [
            chosen(
                sentence,
                translation,
                [Marked(each.text, each.marks) for each in translation.candidates],
                Way.ALIGNED,
            )
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


def chosen(
    source: Marked, translation: Translation, texts: Sequence[Marked | None], way: Way
) -> Placed | None:
    """Return the first candidate that keeps marks and numbers, else the first that keeps marks.

    texts: the candidates with marks; None: not all marks are there. Returns None if no candidate
    keeps the marks.
    """
    kept = [each for each in texts if each is not None and not mark_problems(source, each)]
    if not kept:
        return None
    best = next((each for each in kept if not number_problems(source, each)), kept[0])
    own = way if source.marks else Way.PLAIN
    return Placed(best, own, number_problems(source, best), translation.candidates)


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
