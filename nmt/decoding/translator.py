"""Translate segments: one translation for each, in order, however they are batched."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from nmt.artifacts.model_file import TrainedModel
from nmt.config import DecodeSettings
from nmt.decoding.beam import beam_search
from nmt.decoding.ensemble import Ensemble
from nmt.decoding.hypothesis import Hypothesis
from nmt.decoding.incremental import IncrementalDecoder
from nmt.decoding.rules import SpecialIds
from nmt.decoding.scheduler import BatchScheduler, decoding_pool
from nmt.decoding.search_model import SearchModel
from nmt.decoding.segments import SegmentEncoder, output_limit, segment_limit
from nmt.decoding.stream import CHUNK_SEGMENTS, Source, chunks_of
from nmt.decoding.translation import Translation, assemble
from nmt.errors import NmtError, UsageError
from nmt.kernels.int8 import has_int8
from nmt.model.transformer import Transformer
from nmt.system.log import Notify
from nmt.system.parallel import Pool
from nmt.text.batches import source_batch
from nmt.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer


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
        *,
        n_best: int = 1,
        pool: Pool | None = None,
    ) -> None:
        """Prepare to translate.

        Args:
            networks: in evaluation mode, on one device; several make an ensemble.
            tokenizer: that of all networks.
            settings: how to search.
            notify: receives what a user should know, such as that a segment was split.
            n_best: candidates of each translation, at most the beam size.
            pool: searches batches in parallel; by default `decoding_pool`.

        Raises:
            NmtError: if the device lacks the precision, or the settings do not fit a model.
            UsageError: unless 1 <= n_best <= beam size.
        """
        device = networks[0].device
        check_precision(settings, device)
        if not 1 <= n_best <= settings.beam_size:
            raise UsageError(
                f"n-best is {n_best} but must be from 1 to the beam size, {settings.beam_size}"
            )
        limits = [segment_limit(settings, each.settings) for each in networks]
        self.tokenizer = tokenizer
        self.settings = settings
        self.n_best = n_best
        self.encoder = SegmentEncoder(
            tokenizer.source, min(limits, key=lambda limit: limit.tokens), notify
        )
        self.scheduler = BatchScheduler(
            self._search_batch, settings.batch_tokens, pool or decoding_pool(device)
        )
        self._device = device
        self._special = special_ids(tokenizer)
        decoders = [IncrementalDecoder(each, settings.precision) for each in networks]
        self._model: SearchModel[Any] = decoders[0] if len(decoders) == 1 else Ensemble(decoders)

    @classmethod
    def of(
        cls,
        model: TrainedModel,
        settings: DecodeSettings,
        notify: Notify,
        n_best: int = 1,
        *,
        pool: Pool | None = None,
    ) -> "Translator":
        """Return a translator for a loaded model and the other models of its ensemble."""
        networks = [each.network for each in (model, *model.ensemble)]
        return cls(networks, model.tokenizer, settings, notify, n_best=n_best, pool=pool)

    def translate(self, segments: Iterable[str]) -> Iterator[Translation]:
        """Translate segments, in order; the translation of a blank segment is blank.

        Raises NmtError if a model's outputs are not numbers.
        """
        for chunk in self.chunks(chunks_of(Source(segments), CHUNK_SEGMENTS)):
            yield from chunk

    def chunks(self, chunks: Iterable[Sequence[str]]) -> Iterator[list[Translation]]:
        """Translate chunks of segments lazily, each as soon as it has arrived."""
        first_line = 1
        for chunk in chunks:
            encoded = self.encoder.encode(chunk, first_line)
            found = self.scheduler.search(encoded.parts)
            yield [
                assemble([found[index] for index in parts], self.tokenizer.target)
                for parts in encoded.segments
            ]
            first_line += len(chunk)

    def _search_batch(self, sources: Sequence[list[int]]) -> list[list[Hypothesis]]:
        found = beam_search(
            self._model,
            source_batch(sources).to(self._device),
            [output_limit(len(ids), self.settings) for ids in sources],
            self._special,
            beam_size=self.settings.beam_size,
            alpha=self.settings.length_penalty,
            n_best=self.n_best,
            stopping=self.settings.stopping,
        )
        if not all(found):
            raise NmtError(self._divergence_message())
        return found

    def _divergence_message(self) -> str:
        if isinstance(self._model, Ensemble):
            return (
                "the outputs of a model of the ensemble are not numbers: try each model alone, and"
                " leave out the one that diverged or train it again"
            )
        return (
            "the model's outputs are not numbers: its training diverged; train it again with a"
            " lower train.learning_rate_scale"
        )


def check_precision(settings: DecodeSettings, device: torch.device) -> None:
    """Raise NmtError if the device cannot compute in `decode.precision`."""
    if settings.precision == "int8" and not has_int8(device):
        on_cpu = "" if device.type == "cpu" else ", or add --device cpu"
        raise NmtError(f"decode.precision=int8 is for x86 CPUs; set it to float32 or bf16{on_cpu}")


def special_ids(tokenizer: Tokenizer) -> SpecialIds:
    """Return the ids that the search treats specially.

    With two vocabularies, V is the size of the larger one. If that is the source's, the ids beyond
    the target's have no meaning and are never an output.
    """
    meaningless = range(len(tokenizer.target), len(tokenizer))
    return SpecialIds(BOS, EOS, never=(PAD, UNK, BOS, *meaningless))


def translate_texts(
    network: Transformer,
    tokenizer: Tokenizer,
    settings: DecodeSettings,
    segments: Sequence[str],
    notify: Notify,
    pool: Pool | None = None,
) -> list[str]:
    """Return the best translation of each segment, with the network as it is now.

    The network's mode is restored. Arguments are those of `Translator`.
    """
    with network.evaluating():
        translator = Translator([network], tokenizer, settings, notify, pool=pool)
        return [each.text for each in translator.translate(segments)]
