"""Change pairs of a prepared corpus while a model trains, other ones in each epoch.

A pair's change depends on the seed, the epoch and the pair alone, whatever batch it is in. The
prepared ids are spelled out, the text is changed, and the result is encoded.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

import numpy
from numpy.typing import NDArray

from nmt.config import Recipe
from nmt.text.bpe_dropout import bounds, split_mix, unsigned
from nmt.text.changing.mark_places import Links
from nmt.text.changing.pair_changes import NO_LINKS, Ways, change_pair, probabilities
from nmt.text.changing.units import Units, units_of, units_of_tokens
from nmt.text.encode import VERDICTS, judge
from nmt.text.shards import FlatSegments
from nmt.text.tokenizer import EOS, SPACE, UNK, SubwordModel, Tokenizer

Integers = NDArray[numpy.int64]
EncodedPair = tuple[Integers, Integers]  # ids of source and target
MOST_KNOWN = 60_000  # pairs; with 60 tokens each, they take 80 MB
PURPOSE = 0x6175676D  # sets these draws apart from those of BPE-dropout


@dataclass(frozen=True)
class ChangedPairs:
    """Pairs of which some are changed, n of them."""

    source: FlatSegments
    target: FlatSegments
    changed: NDArray[numpy.bool_]  # (n,)


class Speller:
    """Spells encoded segments as text, and encodes text."""

    def __init__(self, model: SubwordModel) -> None:
        self._model = model
        pieces = [model.piece(each) for each in range(len(model))]
        self._texts = [piece.replace(SPACE, " ") for piece in pieces]
        languages = {*model.language_tokens}
        # Tokens before a source that are no text: its tag, or the language to write.
        self.openings = {
            each for each, piece in enumerate(pieces) if model.is_tag(each) or piece in languages
        }
        self._unspelled = {
            each for each, piece in enumerate(pieces) if each <= EOS or model.is_byte(piece)
        }

    def spell(self, ids: Sequence[int]) -> tuple[str, list[int]] | None:
        """Return the text of a segment and the characters of each token in it.

        None if a token is unknown or a byte: its text is not certain.
        """
        if not self._unspelled.isdisjoint(ids):
            return None
        parts = [self._texts[each] for each in ids]
        lengths = [*map(len, parts)]
        if parts and parts[0].startswith(" "):  # SentencePiece puts a space before the text
            parts[0], lengths[0] = parts[0][1:], lengths[0] - 1
        return "".join(parts), lengths

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of texts."""
        return self._model.encode(texts)


@dataclass(frozen=True)
class Draft:
    """A pair that is being changed."""

    row: int
    opening: list[int]  # the tag before the source, if any
    source: str
    target: str


class PairChanger:
    """Changes some of the pairs of a corpus, by the settings `train.augment_*`."""

    def __init__(self, tokenizer: Tokenizer, recipe: Recipe) -> None:
        """Prepare the tables; every probability is that of a pair in an epoch."""
        source = Speller(tokenizer.source)
        is_one = tokenizer.source is tokenizer.target
        self._sides = source, source if is_one else Speller(tokenizer.target)
        self._languages = recipe.data.source_language, recipe.data.target_language
        self._limits = recipe.data
        self._seed = recipe.train.seed
        found = [math.ceil(each * 2**53) for each in probabilities(recipe.train)]
        # Batches are regrouped by their lengths before they are made: each pair is needed twice.
        self._known: dict[tuple[int, int], EncodedPair | None] = {}  # by epoch and key
        self._thresholds = numpy.array(found, numpy.uint64)  # of draws of 53 bits

    def change(
        self,
        source: FlatSegments,
        target: FlatSegments,
        keys: Integers,
        epoch: int,
        places_of: Callable[[Integers], FlatSegments],
    ) -> ChangedPairs:
        """Return n pairs, some of them changed.

        keys (n,): a number that identifies each pair. places_of: returns the alignments of pairs,
        by their keys: of each target token the place of a source token from 1, or 0. A pair that
        cleaning would drop after the change, or that has unknown tokens, stays as it is.
        """
        streams = self._streams(keys, epoch)
        ways = self._draw(streams)
        names = {row: (epoch, int(keys[row])) for row in numpy.flatnonzero(ways.any(1)).tolist()}
        found = {row: self._known[name] for row, name in names.items() if name in self._known}
        chosen = {row: Ways(*ways[row].tolist()) for row in names if row not in found}
        places = self._places(chosen, keys, places_of)
        sides = rows_of(source, chosen), rows_of(target, chosen)
        drafts = []
        for row, own, *ids in zip(chosen, chosen.values(), *sides, strict=True):
            random = Random(int(streams[row]))  # noqa: S311 (not for secrets)
            draft = self._draft(row, ids, own, random, places.get(row, []))
            if draft is not None:
                drafts.append(draft)
        new = self._encoded(drafts)
        if len(self._known) + len(chosen) > MOST_KNOWN:
            self._known.clear()
        self._known |= {names[row]: new.get(row) for row in chosen}
        return with_changes(source, target, {**found, **new})

    def _streams(self, keys: Integers, epoch: int) -> "NDArray[numpy.uint64]":
        seeds = split_mix(unsigned(self._seed), unsigned(PURPOSE))
        return split_mix(split_mix(seeds, unsigned(epoch)), keys.astype(numpy.uint64))

    def _draw(self, streams: "NDArray[numpy.uint64]") -> NDArray[numpy.bool_]:
        """Return the ways to change each pair: (n, ways)."""
        numbers = numpy.arange(len(self._thresholds), dtype=numpy.uint64)
        draws = split_mix(streams[:, None], numbers) >> numpy.uint64(11)
        return draws < self._thresholds

    def _places(
        self,
        chosen: dict[int, Ways],
        keys: Integers,
        places_of: Callable[[Integers], FlatSegments],
    ) -> dict[int, list[int]]:
        """Return the alignments of the chosen pairs that need them, by row."""
        rows = [row for row, ways in chosen.items() if ways.need_links]
        if not rows:
            return {}
        found = places_of(keys[rows])
        each = numpy.split(found.ids, found.lengths.cumsum()[:-1])
        return dict(zip(rows, (own.tolist() for own in each), strict=True))

    def _draft(
        self, row: int, ids: list[list[int]], ways: Ways, random: Random, places: list[int]
    ) -> Draft | None:
        """Return a changed pair, or None if it stays as it is."""
        opening = ids[0][: int(ids[0][0] in self._sides[0].openings)]
        spelled = [
            side.spell(own)
            for side, own in zip(self._sides, (ids[0][len(opening) :], ids[1]), strict=True)
        ]
        source, target = spelled
        if source is None or target is None:
            return None
        units = units_of(source[0]), units_of(target[0])
        links = NO_LINKS
        if ways.need_links:
            shifted = [place - len(opening) for place in places]
            links = links_of(units, (source[1], target[1]), shifted)
        changed = change_pair(*units, ways, self._languages, random, links)
        if changed == (source[0], target[0]):
            return None
        return Draft(row, opening, *changed)

    def _encoded(self, drafts: list[Draft]) -> dict[int, EncodedPair]:
        """Return those of the drafts that a training may see, by row."""
        sources = self._sides[0].encode([each.source for each in drafts])
        targets = self._sides[1].encode([each.target for each in drafts])
        lengths = numpy.array([[*map(len, sources)], [*map(len, targets)]], numpy.int64)
        opening = numpy.array([len(each.opening) for each in drafts], numpy.int64)
        is_kept = judge(lengths, self._limits, opening) == VERDICTS.index("kept")
        return {
            draft.row: (numpy.array([*draft.opening, *source]), numpy.array(target))
            for draft, source, target, kept in zip(drafts, sources, targets, is_kept, strict=True)
            if kept and UNK not in source and UNK not in target
        }


def links_of(
    units: tuple[Units, Units], lengths: tuple[Sequence[int], Sequence[int]], places: Sequence[int]
) -> Links:
    """Return the units of a pair that belong together.

    lengths: characters of each token of source and target. places: of each target token, the
    place of the source token that it is aligned to, from 1; 0 or less: none.
    """
    sources, targets = (
        units_of_tokens(each, own) for each, own in zip(units, lengths, strict=True)
    )
    return frozenset(
        (i, j)
        for own, place in zip(targets, places, strict=True)
        if place > 0
        for i in sources[place - 1]
        for j in own
    )


def rows_of(segments: FlatSegments, rows: Iterable[int]) -> Iterator[list[int]]:
    """Yield the ids of the segments in some rows."""
    starts = bounds(segments.lengths).tolist()
    for row in rows:
        yield segments.ids[starts[row] : starts[row + 1]].tolist()


def with_changes(
    source: FlatSegments, target: FlatSegments, found: Mapping[int, EncodedPair | None]
) -> ChangedPairs:
    """Return pairs with the changed ones in their rows; None stands for an unchanged one."""
    new = {row: pair for row, pair in sorted(found.items()) if pair is not None}
    is_changed = numpy.zeros(len(source.lengths), numpy.bool_)
    is_changed[[*new]] = True
    if not new:
        return ChangedPairs(source, target, is_changed)
    sources, targets = zip(*new.values(), strict=True)
    return ChangedPairs(
        replaced(source, is_changed, sources), replaced(target, is_changed, targets), is_changed
    )


def replaced(
    segments: FlatSegments, is_changed: NDArray[numpy.bool_], contents: Sequence[Integers]
) -> FlatSegments:
    """Return segments of which some have other ids."""
    lengths = segments.lengths.copy()
    lengths[is_changed] = [len(each) for each in contents]
    ids = numpy.empty(lengths.sum(), numpy.int64)
    is_new = numpy.repeat(is_changed, lengths)
    ids[~is_new] = segments.ids[~numpy.repeat(is_changed, segments.lengths)]
    ids[is_new] = numpy.concatenate(contents)
    return FlatSegments(ids, lengths)
