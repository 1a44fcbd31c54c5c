"""Place the terms of a glossary in translations.

A segment is translated as always. If its translation lacks a term, word alignment finds the words
that stand for the source term, and the term takes their place. If the rest of the text becomes
improbable by that, it is searched again after the term. Of the old rest and the new one, that with
the better score is taken, but never one that translates the source term once more.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, takewhile
from operator import eq
from typing import NamedTuple, Protocol

from nmt.config import DecodeSettings, ModelSettings
from nmt.decoding.search.hypothesis import Hypothesis, length_penalty
from nmt.decoding.search.prefix import TargetPrefix
from nmt.decoding.terms.glossary import (
    Term,
    TermOccurrence,
    Words,
    capitalised,
    is_part_of_word,
    split_words,
    word_texts,
)
from nmt.decoding.translator.repetition import is_degenerate
from nmt.decoding.translator.segments import EncodedSegment, LineNotes, SubSegment, output_limit
from nmt.decoding.translator.translation import Translation
from nmt.errors import UsageError
from nmt.text.subwords.tokenizer import UNK, SubwordModel
from nmt.text.subwords.words import spell_pieces

Outputs = list[list[Hypothesis]]  # of each part, best first
# Words, none if it is between words; the texts before and after.
Spot = tuple[range, str, str]

# Natural logarithm. A rest that loses less is not searched again: the search would find it again.
SMALL_LOSS = 1.0


class PlacingSearcher(Protocol):
    """Searches, aligns and scores outputs, for the placing of terms."""

    def find(self, parts: Sequence[SubSegment], settings: DecodeSettings, /) -> Outputs:
        """Return the hypotheses of each part, best first, without regard to terms."""
        ...

    def align(
        self, parts: Sequence[SubSegment], outputs: Sequence[Sequence[int]], /
    ) -> list[list[int]]:
        """Return the positions of the source tokens that the tokens of outputs are aligned to."""
        ...

    def forced(
        self, parts: Sequence[SubSegment], outputs: Sequence[Sequence[Sequence[int]]], /
    ) -> list[list[tuple[float, ...]]]:
        """Return the log-probabilities of the tokens of each part's outputs, each with EOS."""
        ...


@dataclass
class Draft:
    """An output of a part, and the terms that are to be placed in it."""

    part: SubSegment
    output: Hypothesis
    waiting: list[TermOccurrence]


class Exchange(NamedTuple):
    """A text in which a term takes the place of some words, or stands between two."""

    occurrence: TermOccurrence
    before: str
    term: str
    after: str
    removed: Words
    others: int  # other words that are aligned to the source term, and stay
    covered: frozenset[int]  # source tokens beside the term that words are aligned to

    @property
    def text(self) -> str:
        """Return the whole text."""
        return f"{self.before}{self.term}{self.after}".strip()


class Reading:
    """The words of an output, and the source tokens that they are aligned to."""

    def __init__(self, ids: Sequence[int], positions: Sequence[int], target: SubwordModel) -> None:
        """Take the tokens of an output and the position of the source token of each."""
        self.text, spans = spell_pieces(map(target.piece, ids), target)
        self.words = split_words(self.text)
        tokens = [*zip(positions, spans, strict=True)]
        self._positions = [
            [position for position, (begin, end) in tokens if begin < word.end and word.start < end]
            for word in self.words
        ]
        self.covered = frozenset(positions)  # source tokens that something is aligned to

    def aligned(self, tokens: range) -> list[int]:
        """Return the words with at least half of their tokens aligned to these source tokens."""
        return [
            index
            for index, positions in enumerate(self._positions)
            if positions
            and is_part_of_word(self.words[index].text[0])
            and 2 * sum(position in tokens for position in positions) >= len(positions)
        ]

    def spots(self, term: TermOccurrence) -> list[Spot]:
        """Return the words that may stand for a source term.

        The words of a spot are adjacent. They are aligned to as many words of the term as possible,
        and are as few as possible: an article that is wrongly aligned to its noun must stay. If no
        word is aligned to the term, it is one whose source tokens other words are aligned to, too.
        """
        aligned = [{*self.aligned(tokens)} for tokens in term.words]
        some = set[int]().union(*aligned)
        runs = [
            range(begin, last + 1)
            for begin in sorted(some)
            for last in takewhile(some.__contains__, range(begin, len(self.words)))
        ]
        ranks = [(-sum(not own.isdisjoint(run) for own in aligned), len(run)) for run in runs]
        best = [run for run, rank in zip(runs, ranks, strict=True) if rank == min(ranks)]
        if not best:
            counts = Counter(chain.from_iterable({*positions} for positions in self._positions))
            best = [
                range(index, index + 1)
                for index, positions in enumerate(self._positions)
                if is_part_of_word(self.words[index].text[0])
                and all(counts[position] > 1 for position in positions)
            ]
        return [
            (run, self.text[: self.words[run[0]].start], self.text[self.words[run[-1]].end :])
            for run in best
        ]

    def gaps(self) -> Iterator[Spot]:
        """Yield the positions of the text where a word may be inserted."""
        text, end = self.text, 0
        for word in self.words:
            if is_part_of_word(word.text[0]):
                if not end or text[word.start - 1].isspace():
                    yield range(0), text[: word.start], f" {text[word.start :]}"
                end = word.end
        yield range(0), f"{text[:end]} ", text[end:]

    def exchanges(self, occurrence: TermOccurrence, spots: Iterable[Spot]) -> Iterator[Exchange]:
        """Yield the texts with each alternative of a term at each spot.

        At the beginning of a text, a term takes over the capital letter.
        """
        aligned = self.aligned(occurrence.tokens)
        covered = self.covered - {*occurrence.tokens}
        for run, before, after in spots:
            removed = tuple(self.words[index].text for index in run)
            others = len({*aligned}.difference(run))
            is_start = not before.strip() and "".join((*removed, after)).strip()[:1].isupper()
            for target in occurrence.term.targets:
                term = capitalised(target) if is_start else target
                yield Exchange(occurrence, before, term, after, removed, others, covered)


class TermPlacer:
    """Places terms in the outputs of batches."""

    def __init__(
        self, searcher: PlacingSearcher, target: SubwordModel, settings: DecodeSettings
    ) -> None:
        """Take what searches, the subword model of the target language, and how to search."""
        self._searcher = searcher
        self._target = target
        self._settings = settings

    def place(self, parts: Sequence[SubSegment], found: Outputs) -> Outputs:
        """Return the outputs of parts with their terms: those with the most terms, best first.

        Outputs that become equal are one.
        """
        drafts = [
            [Draft(part, output, self._missing(part, output)) for output in outputs]
            for part, outputs in zip(parts, found, strict=True)
        ]
        while active := [draft for own in drafts for draft in own if draft.waiting]:
            self._place_next(active)
        return [
            self._best(own) if part.terms else outputs
            for part, own, outputs in zip(parts, drafts, found, strict=True)
        ]

    def _missing(self, part: SubSegment, output: Hypothesis) -> list[TermOccurrence]:
        text = self._target.decode(output.ids)
        return [occurrence for occurrence in part.terms if not occurrence.term.is_in(text)]

    def _best(self, drafts: Sequence[Draft]) -> list[Hypothesis]:
        missing = [len(self._missing(draft.part, draft.output)) for draft in drafts]
        kept: dict[str, Hypothesis] = {}
        for draft, count in zip(drafts, missing, strict=True):
            if count == min(missing):
                kept.setdefault(self._target.decode(draft.output.ids), draft.output)
        return [*kept.values()]

    def _place_next(self, drafts: Sequence[Draft]) -> None:
        """Place the next term of each draft, from left to right, or give it up."""
        readings = self._read([(draft.part, draft.output.ids) for draft in drafts])
        options = [self._exchanges(*pair) for pair in zip(drafts, readings, strict=True)]
        log_probs = self._searcher.forced(
            [draft.part for draft in drafts],
            [
                [draft.output.ids, *(ids for _, ids in own)]
                for draft, own in zip(drafts, options, strict=True)
            ],
        )
        searches: list[tuple[Draft, Exchange, SubSegment]] = []
        for draft, own, (before, *after) in zip(drafts, options, log_probs, strict=True):
            if not own:
                continue
            scored = [
                (self._scored(ids, values), exchange, values)
                for (exchange, ids), values in zip(own, after, strict=True)
            ]
            output, exchange, values = max(scored, key=lambda option: option[0].score)
            same = 1 + len([*takewhile(bool, map(eq, draft.output.ids[::-1], output.ids[::-1]))])
            draft.output = output
            if math.fsum(before[-same:]) - math.fsum(values[-same:]) < SMALL_LOSS:
                continue
            # A word that goes on after the term is refused later.
            (begun,) = self._target.encode([(exchange.before + exchange.term).strip()])
            if len(begun) + 1 < output_limit(len(draft.part.ids), self._settings):
                prefix = TargetPrefix.of_tokens((*begun,))
                part = replace(draft.part, prefix=prefix, terms=())
                searches.append((draft, exchange, part))
        if searches:
            self._search_rests(searches)

    def _scored(self, ids: tuple[int, ...], log_probs: Sequence[float]) -> Hypothesis:
        log_prob = math.fsum(log_probs)
        penalty = length_penalty(len(log_probs), self._settings.length_penalty)
        return Hypothesis(ids, log_prob, log_prob / penalty)

    def _exchanges(self, draft: Draft, reading: Reading) -> list[tuple[Exchange, tuple[int, ...]]]:
        """Return the texts with the next term of a draft, encoded.

        It stands in the place of other words, or between words if none is. The vocabulary can write
        the texts, and they are not too long or short.
        """
        last = len(reading.words)  # terms without words come last
        occurrence = min(
            draft.waiting, key=lambda term: min(reading.aligned(term.tokens), default=last)
        )
        draft.waiting.remove(occurrence)
        if occurrence.term.is_in(reading.text.strip()):
            # It is at another position, because the source has it more than once.
            known = {reading.words[index].text for index in reading.aligned(occurrence.tokens)}
            if not known or any(known <= {*target.split()} for target in occurrence.term.targets):
                return []
        found: list[Exchange] = []
        for spots in (reading.spots(occurrence), reading.gaps()):
            exchanges = reading.exchanges(occurrence, spots)
            found = found or [text for text in exchanges if self._keeps(draft, text.text)]
        encoded = self._target.encode([exchange.text for exchange in found])
        lengths = range(
            self._settings.min_length, output_limit(len(draft.part.ids), self._settings)
        )
        return [
            (exchange, tuple(ids))
            for exchange, ids in zip(found, encoded, strict=True)
            if UNK not in ids and len(ids) in lengths
        ]

    def _search_rests(self, searches: Sequence[tuple[Draft, Exchange, SubSegment]]) -> None:
        """Search what follows the terms again, and keep the better texts."""
        found = self._searcher.find([part for _, _, part in searches], self._settings)
        outputs = [
            (search, output) for search, own in zip(searches, found, strict=True) for output in own
        ]
        readings = self._read([(part, output.ids) for (_, _, part), output in outputs])
        for ((draft, exchange, _), output), reading in zip(outputs, readings, strict=True):
            if (
                output.score > draft.output.score
                and not is_degenerate(draft.part.ids, output.ids)
                and self._is_faithful(draft, exchange, reading)
            ):
                draft.output = output

    def _is_faithful(self, draft: Draft, exchange: Exchange, reading: Reading) -> bool:
        """Return whether a new rest translates all that the old one did, and nothing twice."""
        indent = len(reading.text) - len(reading.text.lstrip())
        begin = indent + len(exchange.before.lstrip())
        end = begin + len(exchange.term)
        aligned = [reading.words[index] for index in reading.aligned(exchange.occurrence.tokens)]
        outside = sum(word.end <= begin or end <= word.start for word in aligned)
        known = Counter(word_texts(exchange.text))
        return (
            outside <= exchange.others
            and exchange.covered <= reading.covered
            # A word may be new, but not one that was removed, nor twice.
            and all(
                count <= max(known[word], word not in exchange.removed)
                for word, count in Counter(word.text for word in reading.words).items()
            )
            and self._keeps(draft, reading.text.strip())
        )

    def _keeps(self, draft: Draft, text: str) -> bool:
        """Return whether a text has the terms that the output has, and begins as it must."""
        now = self._target.decode(draft.output.ids)
        return text.startswith(self._target.decode(draft.part.prefix.ids)) and all(
            occurrence.term.is_in(text)
            for occurrence in draft.part.terms
            if occurrence.term.is_in(now)
        )

    def _read(self, pairs: Sequence[tuple[SubSegment, Sequence[int]]]) -> list[Reading]:
        """Return the words of outputs; their source tokens are counted without language tokens."""
        found = self._searcher.align([part for part, _ in pairs], [ids for _, ids in pairs])
        return [
            Reading(ids, [position - part.opening for position in positions], self._target)
            for (part, ids), positions in zip(pairs, found, strict=True)
        ]


def check_glossary(
    glossary: Sequence[Term], settings: DecodeSettings, model: ModelSettings
) -> None:
    """Raise UsageError if there is a glossary whose terms cannot be placed in a model's outputs."""
    if not glossary:
        return
    if settings.method == "sample":
        raise UsageError(
            "terms of a glossary are placed in the outputs of beam search, not in samples; leave"
            " out the glossary (--glossary), or do not sample (--sample)"
        )
    if model.is_right_to_left:
        raise UsageError(
            "a right-to-left model cannot place the terms of a glossary, because it writes the last"
            " token first; leave out the glossary (--glossary), or choose another model (--model)"
        )


def note_missing_terms(
    encoded: Sequence[EncodedSegment],
    translations: Sequence[Translation],
    first_line: int,
    notes: LineNotes,
) -> None:
    """Note the lines whose best translation lacks a term that its segment asks for."""
    for line, (segment, translation) in enumerate(
        zip(encoded, translations, strict=True), first_line
    ):
        occurrences = [occurrence for part in segment.parts for occurrence in part.terms]
        for term in dict.fromkeys(occurrence.term for occurrence in occurrences):
            if not term.is_in(translation.text):
                notes.add_missing(line, term.source)
