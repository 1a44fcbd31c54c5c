"""Translate segments: one translation for each, in order, however they are batched."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from nmt.artifacts.trained_model import TrainedModel
from nmt.config import DecodeSettings
from nmt.config.decode import BATCH_SAMPLES, CPU_BATCH_TOKENS, GPU_BATCH_TOKENS
from nmt.decoding.alignment import align_all
from nmt.decoding.annotators import ONE_TEXT, Annotator, Wanted, annotators_of
from nmt.decoding.beam import beam_search
from nmt.decoding.constrained_beam import constrained_beam_search
from nmt.decoding.constraints import Constraint, constraints_of
from nmt.decoding.device_beam import device_beam_search
from nmt.decoding.ensemble import Ensemble
from nmt.decoding.glossary import Entry, Glossary
from nmt.decoding.hypothesis import Hypothesis
from nmt.decoding.incremental import IncrementalDecoder
from nmt.decoding.line_notes import LineNotes
from nmt.decoding.mbr import candidate_count, choosers_of
from nmt.decoding.prefixes import check_prefixes, encode_prefixes
from nmt.decoding.repair import Repair
from nmt.decoding.requests import Request, RequestsOf, plain
from nmt.decoding.rules import special_ids
from nmt.decoding.runaway import limited
from nmt.decoding.sampling import Filters, RandomNumbers, sample
from nmt.decoding.scheduler import BatchScheduler, decoding_pool
from nmt.decoding.search_model import SearchModel
from nmt.decoding.segments import Part, SegmentEncoder, output_limit, segment_limit
from nmt.decoding.stream import CHUNK_SEGMENTS, Source, chunks_of
from nmt.decoding.term_search import check_glossary, note_missing_terms, search_apart
from nmt.decoding.term_tracker import WordEdges
from nmt.decoding.translation import Translation, assemble
from nmt.errors import NmtError, UsageError
from nmt.kernels.int8 import has_int8
from nmt.model.transformer import Transformer
from nmt.system.devices import has_bf16
from nmt.system.halving import run_or_halve
from nmt.system.log import Notify
from nmt.system.parallel import Pool
from nmt.text.batches import source_batch
from nmt.text.tokenizer import Tokenizer

Found = list[list[Hypothesis]]  # of each part


class Translator:
    """Translates with one model or an ensemble: encoder of segments, scheduler, assembly.

    The weights are packed when it is made, so the networks need not be kept.
    """

    def __init__(
        self,
        networks: Sequence[Transformer],
        tokenizer: Tokenizer,
        settings: DecodeSettings,
        notify: Notify,
        wanted: Wanted = ONE_TEXT,
        *,
        glossary: Sequence[Entry] = (),
        pool: Pool | None = None,
        language: str = "",
    ) -> None:
        """Prepare to translate.

        Args:
            networks: in evaluation mode, on one device; several make an ensemble, and all write in
                one order.
            tokenizer: that of all networks.
            settings: how to search.
            notify: receives what a user should know, such as that a segment was split.
            wanted: what a translation should have.
            glossary: the terms that translations must contain.
            pool: searches batches in parallel; by default `decoding_pool`.
            language: code of the target language, for `decode.mbr`.

        Raises:
            NmtError: if the device lacks the precision, the settings do not fit a model, or the
                vocabulary cannot write a term.
            UsageError: if there are not so many candidates, too few for `decode.mbr`, or no way to
                place terms.
        """
        device = networks[0].device
        check_precision(settings, str(device))
        check_glossary(glossary, settings, networks[0])
        self._candidates = candidate_count(settings, wanted.n_best)
        limits = [segment_limit(settings, each.settings) for each in networks]
        self.tokenizer = tokenizer
        self.settings = settings
        self.wanted = wanted
        self.glossary = glossary
        self.encoder = SegmentEncoder(
            tokenizer.source,
            min(limits, key=lambda limit: limit.tokens),
            notify,
            Glossary(glossary, tokenizer.target) if glossary else None,
            # Alignments are those of what the model reads and writes.
            repairs=settings.odd_input == "repair" and not wanted.alignment,
        )
        chosen = settings_for(settings, str(device), self._candidates)
        self.scheduler = BatchScheduler(
            self._search_batch, chosen.batch_tokens, pool or decoding_pool(str(device))
        )
        self._device = device
        self._is_gpu = device.type == "cuda"
        self._is_right_to_left = networks[0].settings.is_right_to_left
        self._special = special_ids(tokenizer)
        self._edges = WordEdges.of(tokenizer.target, len(tokenizer)) if glossary else None
        self.decoders = [IncrementalDecoder(each, chosen.precision) for each in networks]
        self._repair = Repair(self.decoders, tokenizer, chosen, self.scheduler.map)
        self._model: SearchModel[Any] = (
            self.decoders[0] if len(networks) == 1 else Ensemble(self.decoders)
        )
        self._annotators: list[Annotator] = [
            *choosers_of(chosen, tokenizer.target, language, wanted.n_best),
            *annotators_of(wanted, self.decoders, chosen),
        ]

    @classmethod
    def of(
        cls,
        model: TrainedModel,
        settings: DecodeSettings,
        notify: Notify,
        wanted: Wanted = ONE_TEXT,
        *,
        glossary: Sequence[Entry] = (),
        pool: Pool | None = None,
    ) -> "Translator":
        """Return a translator for a loaded model and the other models of its ensemble."""
        networks = [each.network for each in (model, *model.ensemble)]
        return cls(
            networks,
            model.tokenizer,
            settings,
            notify,
            wanted,
            glossary=glossary,
            pool=pool,
            language=model.recipe.data.target_language,
        )

    def translate(
        self, segments: Iterable[str], requests_of: RequestsOf = plain
    ) -> Iterator[Translation]:
        """Translate segments, in order; the translation of a blank segment is blank.

        requests_of: makes requests of the next segments. Raises NmtError if a model's outputs are
        not numbers.
        """
        chunks = chunks_of(Source(segments), CHUNK_SEGMENTS)
        for chunk in self.chunks(map(requests_of, chunks)):
            yield from chunk

    def chunks(
        self, chunks: Iterable[Sequence[Request]], first_line: int = 1
    ) -> Iterator[list[Translation]]:
        """Translate chunks of segments lazily, each as soon as it has arrived.

        first_line: the line number of the first segment. At the end, notes tell which lines had
        unknown characters or carriage returns, and which translations lack a term of the glossary.
        """
        notes = LineNotes()
        for chunk in chunks:
            prefixes = encode_prefixes(chunk, self.tokenizer.target, first_line)
            if prefixes and self._is_right_to_left:
                raise UsageError(
                    "a right-to-left model cannot begin a translation with a prefix, because it"
                    " writes the last token first; use no prefixes, or another model (--model)"
                )
            texts = [request.text for request in chunk]
            encoded = self.encoder.encode(texts, first_line, notes, prefixes)
            check_prefixes(chunk, prefixes, encoded, self.settings, first_line)
            found = self.scheduler.map(encoded.parts)
            self._repair.replace_runaways(encoded, found)
            translations = [
                assemble(
                    [found[index] for index in parts],
                    self.tokenizer.target,
                    encoded.separators.get(number),
                )
                for number, parts in enumerate(encoded.segments)
            ]
            self._repair.finish(encoded, found, translations)
            if self.encoder.glossary is not None:
                note_missing_terms(encoded, translations, first_line, notes)
            if self.wanted.alignment:
                translations = align_all(translations, texts, encoded, found, self.tokenizer)
            yield translations
            first_line += len(chunk)
        notes.tell(self.encoder.notify)

    def search(self, sources: Sequence[list[int]]) -> list[list[Hypothesis]]:
        """Return the n best hypotheses of encoded sources, without EOS, in order."""
        return self.scheduler.map([*map(Part, sources)])

    def _search_batch(self, parts: Sequence[Part]) -> Found:
        search = partial(search_apart, self._search) if self._edges is not None else self._search
        return run_or_halve(search, parts) if self._is_gpu else search(parts)

    def _search(self, parts: Sequence[Part]) -> Found:
        # All parts of a batch are searched again, or none is.
        settings = limited(self.settings) if parts[0].is_again else self.settings
        constraints = constraints_of(parts, settings, self._special.eos)
        found = self._method(parts, constraints)(
            self._model,
            source_batch([part.ids for part in parts]).to(self._device),
            [output_limit(len(part), settings) for part in parts],
            self._special,
            alpha=self.settings.length_penalty,
            n_best=self._candidates,
        )
        if not all(found):
            raise diverged(len(self.decoders))
        if self._is_right_to_left:
            found = [[each.backwards() for each in hypotheses] for hypotheses in found]
        for annotator in self._annotators:
            found = annotator.annotate(parts, found)
        return found

    def _method(
        self, parts: Sequence[Part], constraints: Sequence[Constraint]
    ) -> Callable[..., Found]:
        settings = self.settings
        if settings.method == "sample":
            numbers = RandomNumbers(settings.seed, [part.ids for part in parts])
            filters = Filters.of(settings)
            return partial(sample, numbers=numbers, filters=filters, constraints=constraints)
        search = partial(device_beam_search if self._is_gpu else beam_search)
        # On a GPU, hypotheses are back-pointers, in which a constraint cannot see their tokens.
        if constraints:
            search = partial(beam_search, constraints=constraints)
        if self._edges is not None and any(part.terms for part in parts):
            terms = [part.terms for part in parts]
            search = partial(
                constrained_beam_search, terms=terms, edges=self._edges, constraints=constraints
            )
        return partial(search, beam_size=settings.beam_size, stopping=settings.stopping)


def diverged(models: int) -> NmtError:
    """Return the error for outputs that are not numbers, of one model or of an ensemble."""
    if models > 1:
        return NmtError(
            "the outputs of a model of the ensemble are not numbers: try each model alone, and"
            " leave out the one that diverged or train it again"
        )
    return NmtError(
        "the model's outputs are not numbers: its training diverged; train it again with a lower"
        " train.learning_rate_scale"
    )


def settings_for(settings: DecodeSettings, device: str, candidates: int = 1) -> DecodeSettings:
    """Return the settings with those that depend on the device replaced by its own.

    device: its name, such as "cuda:1".
    candidates: outputs that are searched or drawn for each segment.
    """
    samples = candidates if settings.method == "sample" else 1
    is_gpu = device.startswith("cuda")
    most = GPU_BATCH_TOKENS if is_gpu else CPU_BATCH_TOKENS
    batch_tokens = settings.batch_tokens or most * BATCH_SAMPLES // max(samples, BATCH_SAMPLES)
    precision = settings.precision
    if precision == "auto":
        precision = "bf16" if is_gpu and has_bf16(torch.device(device)) else "float32"
    return replace(settings, batch_tokens=batch_tokens, precision=precision)


def check_precision(settings: DecodeSettings, device: str) -> None:
    """Raise NmtError if the device cannot compute in `decode.precision`."""
    if settings.precision == "int8" and not has_int8(torch.device(device)):
        on_cpu = "" if device == "cpu" else ", or add --device cpu"
        raise NmtError(f"decode.precision=int8 is for x86 CPUs; set it to float32 or bf16{on_cpu}")


def translate_texts(
    network: Transformer,
    tokenizer: Tokenizer,
    settings: DecodeSettings,
    segments: Sequence[str],
    notify: Notify,
    pool: Pool | None = None,
    language: str = "",
) -> list[str]:
    """Return the best translation of each segment, with the network as it is now.

    Odd input is not repaired, so that a validation shows what the model does. The network's mode is
    restored. Arguments are those of `Translator`.
    """
    with network.evaluating():
        as_is = replace(settings, odd_input="as_is")
        translator = Translator([network], tokenizer, as_is, notify, pool=pool, language=language)
        return [each.text for each in translator.translate(segments)]
