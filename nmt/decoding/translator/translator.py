"""Translate segments: one translation for each, in order, however they are batched."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice, repeat
from typing import TYPE_CHECKING

from nmt.config import DecodeSettings, Recipe
from nmt.decoding.models.alignment import link_words
from nmt.decoding.search.hypothesis import Hypothesis
from nmt.decoding.search.mbr import candidate_count
from nmt.decoding.search.prefix import PrefixEncoder, TargetPrefix
from nmt.decoding.search.rules import special_ids
from nmt.decoding.stream import CHUNK_SEGMENTS, Source, split_chunks
from nmt.decoding.terms.glossary import Glossary, Term
from nmt.decoding.terms.placement import check_glossary, note_missing_terms
from nmt.decoding.translator.context import Before, choose_context, search_segments
from nmt.decoding.translator.searcher import (
    BatchScheduler,
    EngineModel,
    Found,
    ModelSearcher,
    Searcher,
)
from nmt.decoding.translator.segments import (
    EncodedSegment,
    LineNotes,
    SegmentEncoder,
    SubSegment,
    output_limit,
    segment_limit,
)
from nmt.decoding.translator.translation import (
    Link,
    OutputOptions,
    Request,
    Translation,
    assemble,
    strip_prefix,
)
from nmt.errors import UsageError
from nmt.runs.trained_model import TrainedModel
from nmt.system.log import Notify
from nmt.system.pools import Pool
from nmt.text.shards import flatten
from nmt.text.subwords.tokenizer import Tokenizer
from nmt.text.subwords.words import UNIT

if TYPE_CHECKING:
    from nmt.model.encoder_decoder import EncoderDecoder

ONE_TEXT = OutputOptions()
ALIGNED_AT_ONCE = 32  # outputs


class Translator:
    """Translates with one model or an ensemble: encoder of segments, scheduler, assembly.

    If it decodes with PyTorch, it packs the weights when it is made. Models need not be kept.
    """

    def __init__(
        self,
        model: TrainedModel,
        settings: DecodeSettings,
        notify: Notify,
        options: OutputOptions = ONE_TEXT,
        *,
        glossary: Sequence[Term] = (),
        pool: Pool | None = None,
    ) -> None:
        """Prepare to translate.

        Args:
            model: with the other models of its ensemble; all write in one order.
            settings: how to search.
            notify: receives what a user should know, such as that a segment was split.
            options: what a translation should have.
            glossary: the terms that translations must contain.
            pool: searches batches in parallel; by default that of the searcher.

        Raises:
            NmtError: if the device lacks the precision, the settings do not fit a model, the
                vocabulary cannot write a term, or models differ in their context.
            UsageError: if there are not so many candidates, too few for `decode.mbr`, no way to
                place terms, or if an engine cannot do what is asked for.
        """
        shape, tokenizer = model.recipe.model, model.tokenizer
        check_glossary(glossary, settings, shape)
        candidates = candidate_count(settings, options.n_best)
        limits = [segment_limit(settings, member.recipe.model) for member in model.members]
        self.tokenizer, self.settings = tokenizer, settings
        self._known_text = model.known_text
        self.options, self.glossary = options, glossary
        self.encoder = SegmentEncoder(
            tokenizer.source,
            min(limits, key=lambda limit: limit.tokens),
            notify,
            Glossary(glossary, tokenizer.target) if glossary else None,
            # Alignments are those of what the model reads and writes.
            repairs=settings.odd_input == "repair" and not options.alignments,
            language=settings.target_language,
            own=model.recipe.data.known_directions[0][1],
        )
        # None: each segment is translated alone.
        self.context = choose_context(model, self.encoder.limit, notify)
        self.searcher: Searcher
        if isinstance(model, EngineModel):
            self.searcher = model.searcher(settings, options, candidates, has_terms=bool(glossary))
        else:
            self.searcher = ModelSearcher(model, settings, options, candidates)
        self.scheduler = BatchScheduler(
            self.searcher.search,
            self.searcher.settings.batch_tokens,
            pool or self.searcher.make_pool(),
        )
        self._is_right_to_left = shape.is_right_to_left
        special = special_ids(tokenizer)
        self._prefixes = PrefixEncoder(tokenizer.target, special.never, special.eos)

    def translate(
        self,
        segments: Iterable[str],
        prefixes: Iterable[str] | None = None,
        languages: Iterable[str] | None = None,
    ) -> Iterator[Translation]:
        """Translate segments, in order; the translation of a blank segment is blank.

        In context, they are one document, which a blank segment ends.

        prefixes: for each segment a text that its translation begins with. languages: for each
        segment the language to write, if they differ; "" is that of the settings. Raises NmtError
        if a model's outputs are not numbers, UsageError for a language that it does not write.
        """
        asked = zip(segments, prefixes or repeat(""), languages or repeat(""), strict=False)
        requests = (
            Request(text, strip_prefix(prefix), language=language)
            for text, prefix, language in asked
        )
        for chunk in self.chunks(split_chunks(Source(requests), CHUNK_SEGMENTS)):
            yield from chunk

    def chunks(
        self, chunks: Iterable[Sequence[Request]], first_line: int = 1
    ) -> Iterator[list[Translation]]:
        """Translate chunks of segments lazily, each as soon as it has arrived.

        first_line: the line number of the first segment. At the end, notes tell which lines had
        unknown characters or carriage returns, and which translations lack a term of the glossary.
        """
        notes, before = LineNotes(), Before()
        for chunk in chunks:
            yield self._translate_chunk(chunk, first_line, notes, before)
            first_line += len(chunk)
        notes.tell(self.encoder.notify)

    def _translate_chunk(
        self, chunk: Sequence[Request], first_line: int, notes: LineNotes, before: Before
    ) -> list[Translation]:
        prefixes = self._prefixes.encode([request.prefix for request in chunk], first_line)
        if prefixes and self._is_right_to_left:
            raise UsageError(
                "a right-to-left model cannot begin a translation with a prefix, because it"
                " writes the last token first; use no prefixes, or another model (--model)"
            )
        texts = [request.text for request in chunk]
        languages = [request.language for request in chunk]
        marks = {index: request.marks for index, request in enumerate(chunk) if request.marks}
        if marks and self.options.alignments:
            raise UsageError(
                "segments with marks, such as tags, have no alignments, because the model does"
                " not read the marks; leave out the alignments (--alignment) or the marks"
            )
        encoded = self.encoder.encode(texts, first_line, notes, prefixes, marks, languages)
        check_prefixes(chunk, prefixes, encoded, self.settings, first_line)
        own = [
            [token for part in segment.parts for token in part.ids[part.opening :]]
            for segment in encoded
        ]
        notes.add_likeness(self.likeness([ids for ids in own if ids]))
        parts = [part for segment in encoded for part in segment.parts]
        if self.searcher.changes_backend(parts):
            self.scheduler.copy_again()
        if self.context is None:
            found = search_segments(encoded, self.scheduler.map)
        else:
            find = self.scheduler.map
            found = self.context.search(texts, encoded, find, before, notes, first_line)
        target = self.tokenizer.target
        translations = [
            assemble(own, target, segment.separators)
            for segment, own in zip(encoded, found, strict=True)
        ]
        self._finish_odd(encoded, found, translations)
        if self.encoder.glossary is not None:
            note_missing_terms(encoded, translations, first_line, notes)
        if self.options.alignments:
            for index, (text, segment) in enumerate(zip(texts, encoded, strict=True)):
                best = [hypotheses[0] for hypotheses in found[index]]
                links = link_words(text, segment.parts, best, self.tokenizer)
                translations[index] = replace(translations[index], links=links)
        return translations

    def likeness(self, sources: Sequence[Sequence[int]]) -> list[float]:
        """Return how much texts are like the training text, from their token ids; 1: unknown.

        Below 1 a text is unlike it; see `KnownText`.
        """
        if self._known_text is None or not sources:
            return [1.0] * len(sources)
        found: list[float] = self._known_text.likeness(flatten(sources)).tolist()
        return found

    def _finish_odd(
        self,
        encoded: Sequence[EncodedSegment],
        found: Sequence[Found],
        translations: list[Translation],
    ) -> None:
        """Replace the translations of odd and marked segments.

        found: for each segment the hypotheses of its parts.
        """
        # By segment and rank, the parts and their hypotheses, where spans were cut out.
        pairs = [
            pair
            for segment, own in zip(encoded, found, strict=True)
            if segment.odd is not None and segment.odd.cut is not None
            for rank in zip(*own, strict=False)
            for pair in zip(segment.parts, rank, strict=True)
        ]
        aligned = iter(self._align(pairs))
        for index, segment in enumerate(encoded):
            if (odd := segment.odd) is None:
                continue
            links: list[tuple[Link, ...]] = []
            if odd.cut is not None:
                for rank in zip(*found[index], strict=False):
                    outputs = [*islice(aligned, len(rank))]
                    links.append(link_words(odd.text, segment.parts, outputs, self.tokenizer, UNIT))
            translations[index] = odd.finish(translations[index], links)

    def _align(self, pairs: Sequence[tuple[SubSegment, Hypothesis]]) -> list[Hypothesis]:
        """Return the hypotheses of pairs with `aligned_positions`; similar lengths go together."""
        order = sorted(range(len(pairs)), key=lambda index: len(pairs[index][0]))
        aligned = [hypothesis for _, hypothesis in pairs]
        for first in range(0, len(order), ALIGNED_AT_ONCE):
            chosen = order[first : first + ALIGNED_AT_ONCE]
            parts = [pairs[index][0] for index in chosen]
            positions = self.searcher.align(parts, [aligned[index].ids for index in chosen])
            for index, own in zip(chosen, positions, strict=True):
                aligned[index] = replace(aligned[index], aligned_positions=tuple(own))
        return aligned

    def search(self, sources: Sequence[list[int]]) -> Found:
        """Return the n best hypotheses of encoded sources, without EOS, in order."""
        return self.scheduler.map([*map(SubSegment, sources)])


def check_prefixes(
    requests: Sequence[Request],
    prefixes: Sequence[TargetPrefix],
    encoded: Sequence[EncodedSegment],
    settings: DecodeSettings,
    first_line: int,
) -> None:
    """Raise UsageError, which names the line, for a prefix that no output can begin with.

    prefixes: those of the requests, if any has one. encoded: the requests' segments.
    """
    for index, prefix in enumerate(prefixes):
        if not requests[index].prefix:
            continue
        line, parts = first_line + index, encoded[index].parts
        if not parts:
            raise UsageError(
                f"line {line}: there is a prefix but no text to translate; leave out the prefix"
            )
        most = output_limit(len(parts[0]), settings) - 1
        fewest = prefix.forced + prefix.fewest[0]
        if fewest > most:
            raise UsageError(
                f"line {line}: the prefix has {fewest:,} tokens, but the translation may have"
                f" at most {most:,}; shorten it, or raise decode.max_extra_tokens or"
                " decode.max_length"
            )


def translate_texts(
    network: "EncoderDecoder",
    tokenizer: Tokenizer,
    recipe: Recipe,
    segments: Sequence[str],
    notify: Notify,
    pool: Pool | None = None,
    languages: Sequence[str] = (),
) -> list[str]:
    """Return the best translation of each segment, with the network as it is now.

    Odd input is not repaired, so that a validation shows what the model does. The network's mode is
    restored. Arguments are those of `Translator`.
    """
    with network.evaluating():
        model = TrainedModel.from_network(network, tokenizer, recipe)
        as_is = replace(recipe.decode, odd_input="as_is")
        translator = Translator(model, as_is, notify, pool=pool)
        return [found.text for found in translator.translate(segments, None, languages)]
