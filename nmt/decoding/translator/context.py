"""Translate in context: with the segments before, of the same document, and their translations.

A model with `data.context` = N reads the N sources before, each followed by the separator, in front
of the source, and goes on after the N outputs before, as it did in training (Tiedemann and
Scherrer, 2017). A segment waits for the one before it. So the first segments of all documents of a
chunk are searched together, then all second ones. Outputs stay token ids: nothing is encoded again.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from operator import add
from typing import NamedTuple, TypeAlias

from nmt.config import SEPARATOR
from nmt.decoding.translator.searcher import Found
from nmt.decoding.translator.segments import EncodedSegment, LineNotes, SegmentLimit, SubSegment
from nmt.errors import DamagedError, NmtError
from nmt.runs.trained_model import TrainedModel
from nmt.system.log import Notify

LEFT_OUT = "context left out in {{}}: with all lines before, there are more tokens than {}"
# Many searches one after another, of few segments each on average.
SLOW_STEPS, FEW = 100, 4

Ids: TypeAlias = tuple[int, ...]
Search = Callable[[Sequence[SubSegment]], Found]


class Turn(NamedTuple):
    """A segment and its best output."""

    opening: Ids  # ids of the language to write
    source: Ids  # with the separator
    target: Ids  # likewise


Before = list[Turn]  # the last turns of a document


def read_opening(part: SubSegment) -> Ids:
    """Return the ids of the language that a part asks for."""
    return (*part.ids[: part.opening],)


def search_segments(segments: Sequence[EncodedSegment], search: Search) -> list[Found]:
    """Return the hypotheses of each part of each segment; all parts are searched together."""
    found = iter(search([part for segment in segments for part in segment.parts]))
    return [[*islice(found, len(segment.parts))] for segment in segments]


def choose_context(model: TrainedModel, limit: SegmentLimit, notify: Notify) -> "Context | None":
    """Return how a model translates in context; None if it was trained without.

    model: with the others of its ensemble. limit: of the tokens that a model reads. Raises NmtError
    for models with different contexts.
    """
    data = model.recipe.data
    for other in model.ensemble:
        if other.recipe.data.context != data.context:
            raise NmtError(
                f"{other.path} has data.context={other.recipe.data.context} but {model.path}"
                f" {data.context}; models of an ensemble need the same context"
            )
    if not data.context:
        return None
    if model.engine:
        notify(
            f"{model.engine} translates each line alone, without the data.context={data.context}"
            " that the model was trained with; --engine nmt translates in context"
        )
        return None
    if data.max_length < limit.tokens:
        limit = SegmentLimit(data.max_length, f"data.max_length={data.max_length} of the training")
    source, target = (side.tag_id(SEPARATOR) for side in model.tokenizer.sides)
    if source is None or target is None:
        raise DamagedError(f"the vocabulary of {model.path} has no {SEPARATOR}; train it again")
    return Context(data.context, source, target, limit, notify)


@dataclass
class Context:
    """How a model translates in context."""

    size: int  # segments before
    source_separator: int  # its ids
    target_separator: int
    limit: SegmentLimit  # of the tokens that the model reads, and of those that it goes on after
    notify: Notify
    is_noted: bool = False  # that few documents are slow

    def search(
        self,
        texts: Sequence[str],
        segments: Sequence[EncodedSegment],
        search: Search,
        before: Before,
        notes: LineNotes,
        first_line: int,
    ) -> list[Found]:
        """Return the hypotheses of each part of each segment.

        The parts of a segment that was split have no context.

        Args:
            texts: of the segments; they tell where documents end (`document_numbers`).
            segments: encoded, without context.
            search: returns the hypotheses of parts.
            before: the last turns of the document that goes on; becomes those of the last one.
            notes: receives the lines whose context does not fit.
            first_line: the line number of the first segment.
        """
        from nmt.text.encode import document_numbers  # few translations need it

        numbers = document_numbers(texts)
        documents: list[list[int]] = [[] for _ in range(numbers[-1] + 1)]
        for index, number in enumerate(numbers):
            if texts[index].strip():
                documents[number].append(index)
        self._tell_if_slow([*map(len, filter(None, documents))])
        turns = [before, *(Before() for _ in documents[1:])]
        found: list[Found] = [[] for _ in segments]
        for step in range(max(map(len, documents))):
            now = [
                (own[step], known)
                for own, known in zip(documents, turns, strict=True)
                if step < len(own)
            ]
            asked = [
                self._with_context(segments[index], known, notes, first_line + index)
                for index, known in now
            ]
            for (index, known), own in zip(now, search_segments(asked, search), strict=True):
                found[index] = own
                if parts := segments[index].parts:  # else no model read it
                    source = chain.from_iterable(part.ids[part.opening :] for part in parts)
                    target = chain.from_iterable(best.ids for best, *_ in own)
                    self.add(known, read_opening(parts[0]), source, target)
        before[:] = turns[-1]
        return found

    def _tell_if_slow(self, lengths: Sequence[int]) -> None:
        if not self.is_noted and max(lengths, default=0) > max(SLOW_STEPS, sum(lengths) / FEW):
            self.is_noted = True
            self.notify(
                f"in context, the {max(lengths):,} lines of a document are translated one after"
                " another, which is slow; blank lines end documents"
            )

    def _with_context(
        self, segment: EncodedSegment, before: Before, notes: LineNotes, line: int
    ) -> EncodedSegment:
        """Return a segment with its context."""
        if len(segment.parts) != 1 or not before:
            return segment
        (part,) = segment.parts
        source, target = self.fit(before, read_opening(part), (len(part), len(part)), notes, line)
        return replace(segment, parts=[replace(part, context=source, target_context=target)])

    def fit(
        self, before: Before, opening: Ids, lengths: tuple[int, int], notes: LineNotes, line: int
    ) -> tuple[Ids, Ids]:
        """Return the ids of source and target before a segment; the oldest are left out first.

        lengths: of its source and its target. notes: receives the line if some are left out.
        """
        source, target = Ids(), Ids()
        for turn in reversed(before):
            if turn.opening == opening:
                longer = turn.source + source, turn.target + target
                if max(map(add, map(len, longer), lengths)) > self.limit.tokens:
                    notes.add(LEFT_OUT.format(self.limit.reason), line)
                    break
                source, target = longer
        return source, target

    def add(
        self, before: Before, opening: Ids, source: Iterable[int], target: Iterable[int]
    ) -> None:
        """Add a segment and its target to the turns of its document."""
        own = (*source, self.source_separator), (*target, self.target_separator)
        before.append(Turn(opening, *own))
        del before[: -self.size]
