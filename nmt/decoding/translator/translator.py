"""Translate segments: one translation for each, in order, however they are batched."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from nmt.config import DecodeSettings
from nmt.decoding.files.stream import CHUNK_SEGMENTS, Source, chunks_of
from nmt.decoding.models.alignment import align_all
from nmt.decoding.search.hypothesis import Hypothesis
from nmt.decoding.search.mbr import candidate_count
from nmt.decoding.search.prefixes import PrefixEncoder, check_prefixes
from nmt.decoding.terms.glossary import Glossary, Term
from nmt.decoding.terms.placement import check_glossary, note_missing_terms
from nmt.decoding.translator.line_notes import LineNotes
from nmt.decoding.translator.model_forms import Models
from nmt.decoding.translator.repair import Repair
from nmt.decoding.translator.requests import Request, RequestsOf, plain
from nmt.decoding.translator.scheduler import BatchScheduler
from nmt.decoding.translator.search_method import method_of
from nmt.decoding.translator.segments import Part, SegmentEncoder, segment_limit, target_token
from nmt.decoding.translator.translation import Translation, assemble
from nmt.decoding.translator.wanted import ONE_TEXT, Wanted
from nmt.errors import UsageError
from nmt.runs.trained_model import TrainedModel
from nmt.system.log import Notify
from nmt.system.pools import Pool
from nmt.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from nmt.model.transformer import Transformer


class Translator:
    """Translates with one model or an ensemble: encoder of segments, scheduler, assembly.

    If it decodes with PyTorch, it packs the weights when it is made. Networks need not be kept.
    """

    def __init__(
        self,
        models: Models,
        tokenizer: Tokenizer,
        settings: DecodeSettings,
        notify: Notify,
        wanted: Wanted = ONE_TEXT,
        *,
        glossary: Sequence[Term] = (),
        pool: Pool | None = None,
        language: str = "",
    ) -> None:
        """Prepare to translate.

        Args:
            models: several make an ensemble, and all write in one order.
            tokenizer: that of all models.
            settings: how to search.
            notify: receives what a user should know, such as that a segment was split.
            wanted: what a translation should have.
            glossary: the terms that translations must contain.
            pool: searches batches in parallel; by default that of the search method.
            language: code of the target language, for `decode.mbr`.

        Raises:
            NmtError: if the device lacks the precision, the settings do not fit a model, or the
                vocabulary cannot write a term.
            UsageError: if there are not so many candidates, too few for `decode.mbr`, no way to
                place terms, or if an engine cannot do what is asked for.
        """
        check_glossary(glossary, settings, models.settings[0])
        candidates = candidate_count(settings, wanted.n_best)
        limits = [segment_limit(settings, each) for each in models.settings]
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
            token=target_token(settings.target_token, tokenizer.source),
        )
        self.method = method_of(
            models,
            tokenizer,
            settings,
            wanted,
            candidates,
            has_glossary=bool(glossary),
            language=language,
        )
        self.scheduler = BatchScheduler(
            self.method.search, self.method.settings.batch_tokens, pool or self.method.pool
        )
        self._is_right_to_left = models.settings[0].is_right_to_left
        self._prefixes = PrefixEncoder(tokenizer)
        self._repair = Repair(self.method, tokenizer, self.scheduler.map)

    @classmethod
    def of(
        cls,
        model: TrainedModel,
        settings: DecodeSettings,
        notify: Notify,
        wanted: Wanted = ONE_TEXT,
        *,
        glossary: Sequence[Term] = (),
        pool: Pool | None = None,
    ) -> "Translator":
        """Return a translator for a loaded model and the other models of its ensemble."""
        return cls(
            Models.of(model),
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
            prefixes = self._prefixes.encode(chunk, first_line)
            if prefixes and self._is_right_to_left:
                raise UsageError(
                    "a right-to-left model cannot begin a translation with a prefix, because it"
                    " writes the last token first; use no prefixes, or another model (--model)"
                )
            texts = [request.text for request in chunk]
            marks = {number: each.marks for number, each in enumerate(chunk) if each.marks}
            if marks and self.wanted.alignment:
                raise UsageError(
                    "segments with marks, such as tags, have no alignments, because the model does"
                    " not read the marks; leave out the alignments (--alignment) or the marks"
                )
            encoded = self.encoder.encode(texts, first_line, notes, prefixes, marks)
            check_prefixes(chunk, prefixes, encoded, self.settings, first_line)
            if self.method.changes_form(encoded.parts):
                self.scheduler.copy_again()
            found = self.scheduler.map(encoded.parts)
            self._repair.replace_degenerate(encoded, found)
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


def translate_texts(
    network: "Transformer",
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
        models = Models.of_networks([network])
        translator = Translator(models, tokenizer, as_is, notify, pool=pool, language=language)
        return [each.text for each in translator.translate(segments)]
