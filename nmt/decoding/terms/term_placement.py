"""Place the terms of a glossary in translations.

A segment is translated as always. If its translation lacks a term, word alignment finds the words
that stand for the source term, and the term takes their place. If the rest of the text becomes
improbable by that, it is searched again after the term. Of the old rest and the new one, that with
the better score is taken, but never one that translates the source term once more.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby, takewhile
from operator import eq
from typing import NamedTuple, Protocol

from nmt.config import DecodeSettings, ModelSettings
from nmt.decoding.search.hypothesis import Hypothesis, length_penalty
from nmt.decoding.search.prefix import TargetPrefix
from nmt.decoding.terms.glossary import Entry, TermPlace, capitalised, is_part_of_word, words_of
from nmt.decoding.translator.line_notes import LineNotes
from nmt.decoding.translator.repetition import is_runaway
from nmt.decoding.translator.segments import EncodedSegment, Part, output_limit
from nmt.decoding.translator.translation import Translation
from nmt.errors import UsageError
from nmt.text.tokenizer import UNK, SubwordModel
from nmt.text.words import spell_pieces

Outputs = list[list[Hypothesis]]  # of each part, best first

# Natural logarithm. A rest that loses less is not searched again: the search would find it again.
SMALL_LOSS = 1.0


class PlacingModel(Protocol):
    """Searches, aligns and scores outputs, for the placing of terms."""

    def find(self, parts: Sequence[Part], settings: DecodeSettings, /) -> Outputs:
        """Return the hypotheses of each part, best first, without regard to terms."""
        ...

    def places(self, parts: Sequence[Part], outputs: Sequence[Sequence[int]], /) -> list[list[int]]:
        """Return the places of the source tokens that the tokens of outputs are aligned to."""
        ...

    def forced(
        self, parts: Sequence[Part], outputs: Sequence[Sequence[Sequence[int]]], /
    ) -> list[list[tuple[float, ...]]]:
        """Return the log-probabilities of the tokens of each part's outputs, each with EOS."""
        ...


@dataclass
class Draft:
    """An output of a part, and the terms that are to be placed in it."""

    part: Part
    output: Hypothesis
    waiting: list[TermPlace]


class Exchange(NamedTuple):
    """A text in which a term takes the place of some words, or stands between two."""

    before: str
    term: str
    after: str
    removed: tuple[str, ...]  # the words
    others: int  # other words that are aligned to the source term, and stay
    covered: frozenset[int]  # source tokens beside the term that words are aligned to

    @property
    def text(self) -> str:
        """The whole text."""
        return f"{self.before}{self.term}{self.after}".strip()


class Reading:
    """The words of an output, and the source tokens that they are aligned to."""

    def __init__(self, ids: Sequence[int], places: Sequence[int], target: SubwordModel) -> None:
        """Take the tokens of an output and the place of the source token of each."""
        self.text, spans = spell_pieces(map(target.piece, ids), target)
        self.words = words_of(self.text)
        tokens = [*zip(places, spans, strict=True)]
        self._places = [
            [place for place, (begin, end) in tokens if begin < word.end and word.start < end]
            for word in self.words
        ]
        self.covered = frozenset(places)  # source tokens that something is aligned to

    def aligned(self, tokens: range) -> list[int]:
        """Return the words with at least half of their tokens aligned to these source tokens."""
        return [
            index
            for index, places in enumerate(self._places)
            if places
            and is_part_of_word(self.words[index].text[0])
            and 2 * sum(place in tokens for place in places) >= len(places)
        ]

    def spans(self, term: TermPlace) -> list[tuple[int, int]]:
        """Return the spans of words that may stand for a source term.

        The words of a span are adjacent. They are aligned to as many words of the term as possible,
        and are as few as possible: an article that is wrongly aligned to its noun must stay.
        """
        aligned = [{*self.aligned(tokens)} for tokens in term.words]
        ranks = {
            (begin, end): (
                -sum(not own.isdisjoint(range(begin, end)) for own in aligned),
                end - begin,
            )
            for first, last in runs(sorted(set().union(*aligned)))
            for begin in range(first, last)
            for end in range(begin + 1, last + 1)
        }
        return [span for span, rank in ranks.items() if rank == min(ranks.values())]

    def spare_words(self) -> list[tuple[int, int]]:
        """Return the spans of single words whose source tokens other words are aligned to, too.

        One of them may stand for a term that no word is aligned to.
        """
        counts = Counter(chain.from_iterable({*places} for places in self._places))
        return [
            (index, index + 1)
            for index, places in enumerate(self._places)
            if is_part_of_word(self.words[index].text[0])
            and all(counts[place] > 1 for place in places)
        ]


class TermPlacer:
    """Places terms in the outputs of batches."""

    def __init__(
        self,
        model: PlacingModel,
        target: SubwordModel,
        settings: DecodeSettings,
    ) -> None:
        """Take what searches, the subword model of the target language, and how to search."""
        self._model = model
        self._target = target
        self._settings = settings

    def place(self, parts: Sequence[Part], found: Outputs) -> Outputs:
        """Return the outputs of parts with their terms: those with the most terms, best first.

        Outputs that become equal are one.
        """
        drafts = [
            [Draft(part, output, self._missing(part, output)) for output in outputs]
            for part, outputs in zip(parts, found, strict=True)
        ]
        active = [draft for own in drafts for draft in own if draft.waiting]
        while active:
            self._place_next(active)
            active = [draft for draft in active if draft.waiting]
        return [
            self._best(own) if part.terms else outputs
            for part, own, outputs in zip(parts, drafts, found, strict=True)
        ]

    def _missing(self, part: Part, output: Hypothesis) -> list[TermPlace]:
        text = self._target.decode(output.ids)
        return [place for place in part.terms if not place.term.is_in(text)]

    def _best(self, drafts: Sequence[Draft]) -> list[Hypothesis]:
        missing = {each.output: len(self._missing(each.part, each.output)) for each in drafts}
        fewest = min(missing.values())
        kept: dict[str, Hypothesis] = {}
        for output, count in missing.items():
            if count == fewest:
                kept.setdefault(self._target.decode(output.ids), output)
        return [*kept.values()]

    def _place_next(self, drafts: Sequence[Draft]) -> None:
        """Place the next term of each draft, from left to right, or give it up."""
        readings = self._read([(each.part, each.output.ids) for each in drafts])
        terms = [next_term(*pair) for pair in zip(drafts, readings, strict=True)]
        options = [
            self._fitting(draft.part, self._exchanges(draft, reading, term))
            for draft, reading, term in zip(drafts, readings, terms, strict=True)
        ]
        log_probs = self._model.forced(
            [each.part for each in drafts],
            [
                [draft.output.ids, *(ids for _, ids in own)]
                for draft, own in zip(drafts, options, strict=True)
            ],
        )
        searches: list[tuple[Draft, TermPlace, Exchange, Part]] = []
        for draft, term, own, (before, *after) in zip(
            drafts, terms, options, log_probs, strict=True
        ):
            draft.waiting.remove(term)
            if not own:
                continue
            scored = [
                self._hypothesis(ids, each) for (_, ids), each in zip(own, after, strict=True)
            ]
            index = max(range(len(own)), key=lambda number: scored[number].score)
            old, draft.output = draft.output, scored[index]
            exchange = own[index][0]
            same = 1 + len([*takewhile(bool, map(eq, old.ids[::-1], draft.output.ids[::-1]))])
            if math.fsum(before[-same:]) - math.fsum(after[index][-same:]) >= SMALL_LOSS:
                part = self._begun(draft.part, exchange)
                searches += [(draft, term, exchange, part)] if part else []
        if searches:
            self._search_rests(searches)

    def _search_rests(self, searches: Sequence[tuple[Draft, TermPlace, Exchange, Part]]) -> None:
        """Search what follows the terms again, and keep the better texts."""
        found = self._model.find([part for *_, part in searches], self._settings)
        outputs = [
            (search, output) for search, own in zip(searches, found, strict=True) for output in own
        ]
        readings = self._read([(part, output.ids) for (*_, part), output in outputs])
        for ((draft, term, exchange, _), output), reading in zip(outputs, readings, strict=True):
            is_better = output.score > draft.output.score
            is_runaway_rest = is_runaway(draft.part.ids, output.ids)
            if (
                is_better
                and not is_runaway_rest
                and self._is_faithful(draft, term, exchange, reading)
            ):
                draft.output = output

    def _is_faithful(
        self, draft: Draft, term: TermPlace, exchange: Exchange, reading: Reading
    ) -> bool:
        """Return whether a new rest translates all that the old one did, and nothing twice."""
        indent = len(reading.text) - len(reading.text.lstrip())
        begin = indent + len(exchange.before.lstrip())
        end = begin + len(exchange.term)
        aligned = [reading.words[index] for index in reading.aligned(term.tokens)]
        outside = sum(word.end <= begin or end <= word.start for word in aligned)
        words = Counter(word.text for word in reading.words)
        known = Counter(word.text for word in words_of(exchange.text))
        return (
            outside <= exchange.others
            and exchange.covered <= reading.covered
            # A word may be new, but not one that was removed, nor twice.
            and all(
                count <= max(known[word], word not in exchange.removed)
                for word, count in words.items()
            )
            and self._keeps(draft, reading.text.strip())
        )

    def _keeps(self, draft: Draft, text: str) -> bool:
        """Return whether a text has the terms that the output has, and begins as it must."""
        now = self._target.decode(draft.output.ids)
        terms = (place.term for place in draft.part.terms)
        return text.startswith(self._target.decode(draft.part.prefix.ids)) and all(
            term.is_in(text) for term in terms if term.is_in(now)
        )

    def _read(self, pairs: Sequence[tuple[Part, Sequence[int]]]) -> list[Reading]:
        """Return the words of outputs; their source tokens are counted without language tokens."""
        found = self._model.places([part for part, _ in pairs], [ids for _, ids in pairs])
        return [
            Reading(ids, [place - part.opening for place in places], self._target)
            for (part, ids), places in zip(pairs, found, strict=True)
        ]

    def _exchanges(self, draft: Draft, reading: Reading, place: TermPlace) -> list[Exchange]:
        """Return the texts with a term in the place of other words, or between words if none is."""
        text, words = reading.text, reading.words
        aligned, targets = reading.aligned(place.tokens), place.term.targets
        if place.term.is_in(text.strip()):  # at another place, for which the source had it, too
            known = {words[index].text for index in aligned}
            if not known or any(known <= {*target.split()} for target in targets):
                return []
        found = []
        covered = reading.covered - {*place.tokens}
        for begin, end in reading.spans(place) or reading.spare_words():
            start, stop = words[begin].start, words[end - 1].end
            removed = tuple(word.text for word in words[begin:end])
            others = len(aligned) - len({*aligned} & {*range(begin, end)})
            found += [
                exchange(text[:start], x, text[stop:], removed, others, covered) for x in targets
            ]
        found = [each for each in found if self._keeps(draft, each.text)]
        if not found:
            found = [
                exchange(before, x, after, (), len(aligned), covered)
                for before, after in gaps(reading)
                for x in targets
            ]
        return [each for each in found if self._keeps(draft, each.text)]

    def _fitting(
        self, part: Part, exchanges: Sequence[Exchange]
    ) -> list[tuple[Exchange, tuple[int, ...]]]:
        """Return the exchanges that the vocabulary can write and that are not too long or short."""
        encoded = self._target.encode([each.text for each in exchanges])
        lengths = range(self._settings.min_length, output_limit(len(part), self._settings))
        return [
            (each, tuple(ids))
            for each, ids in zip(exchanges, encoded, strict=True)
            if UNK not in ids and len(ids) in lengths
        ]

    def _hypothesis(self, ids: tuple[int, ...], log_probs: Sequence[float]) -> Hypothesis:
        log_prob = math.fsum(log_probs)
        penalty = length_penalty(len(log_probs), self._settings.length_penalty)
        return Hypothesis(ids, log_prob, log_prob / penalty)

    def _begun(self, part: Part, exchange: Exchange) -> Part | None:
        """Return a part whose output begins with the text before a term and the term.

        None if no output has room for them. A word that goes on after the term is refused later.
        """
        (ids,) = self._target.encode([(exchange.before + exchange.term).strip()])
        if len(ids) + 1 >= output_limit(len(part), self._settings):
            return None
        return replace(part, prefix=TargetPrefix.of_tokens((*ids,)), terms=())


def next_term(draft: Draft, reading: Reading) -> TermPlace:
    """Return the term whose words come first in an output; terms without words come last."""
    last = len(reading.words)
    return min(draft.waiting, key=lambda term: min(reading.aligned(term.tokens), default=last))


def exchange(
    before: str,
    term: str,
    after: str,
    removed: tuple[str, ...],
    others: int,
    covered: frozenset[int],
) -> Exchange:
    """Return an exchange; at the beginning of a text, a term takes over the capital letter."""
    first = (before + "".join(removed) + after).strip()[:1]
    is_start = not before.strip() and first.isupper()
    term = capitalised(term) if is_start else term
    return Exchange(before, term, after, removed, others, covered)


def runs(indices: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the begin and end of each run of indices that follow one another."""
    for _, group in groupby(enumerate(indices), lambda pair: pair[1] - pair[0]):
        members = [index for _, index in group]
        yield members[0], members[-1] + 1


def gaps(reading: Reading) -> Iterator[tuple[str, str]]:
    """Yield what stands before and after each place of a text where a word may be inserted."""
    text, end = reading.text, 0
    for word in reading.words:
        if is_part_of_word(word.text[0]):
            if not end or text[word.start - 1].isspace():
                yield text[: word.start], f" {text[word.start :]}"
            end = word.end
    yield f"{text[:end]} ", text[end:]


def check_glossary(
    glossary: Sequence[Entry], settings: DecodeSettings, model: ModelSettings
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
        places = [place for part in segment.parts for place in part.terms]
        for term in dict.fromkeys(place.term for place in places):
            if not term.is_in(translation.text):
                notes.add_missing(line, term.source)
