"""Segments in, translations out: one for one, in order, however they are batched."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import InitVar, dataclass
from typing import Any, Protocol, TypeVar

import torch

from nmt.artifacts.model_file import TrainedModel
from nmt.config import DecodeSettings
from nmt.decoding.beam import SearchModel, SpecialIds, beam_search
from nmt.decoding.ensemble import Ensemble
from nmt.decoding.hypothesis import Hypothesis
from nmt.decoding.incremental import IncrementalDecoder
from nmt.decoding.segments import segment_limit, split_long
from nmt.decoding.stream import CHUNK_SEGMENTS, Source, chunks_of
from nmt.errors import NmtError
from nmt.kernels.int8 import has_int8
from nmt.model.transformer import Transformer
from nmt.system.processes import ForkedMap
from nmt.system.threads import bound_kernel_caches
from nmt.text.batches import source_batch
from nmt.text.plan import batches_for_processes
from nmt.text.tokenizer import BOS, EOS, PAD, UNK, Tokenizer

Item = TypeVar("Item")
Result = TypeVar("Result")


class Map(Protocol):
    """What calls a function on many items: the built-in `map`, or one that shares the work out."""

    def __call__(
        self, function: Callable[[Item], Result], items: Iterable[Item], /
    ) -> Iterable[Result]: ...


@dataclass(frozen=True)
class Candidate:
    """One translation of a segment."""

    text: str
    score: float
    log_prob: float


@dataclass(frozen=True)
class Translation:
    """A segment's translations, best first; at least one."""

    candidates: tuple[Candidate, ...]

    @property
    def text(self) -> str:
        """The best one."""
        return self.candidates[0].text


BLANK = Translation((Candidate("", 0.0, 0.0),))


@dataclass
class Translator:
    """Translates with one model or an ensemble; `report` is told what a user should know."""

    networks: InitVar[Sequence[Transformer]]  # not kept: the weights are laid out anew
    tokenizer: Tokenizer
    settings: DecodeSettings
    report: Callable[[str], None]
    n_best: int = 1
    map_batches: Map | None = None  # by default processes, on a CPU

    def __post_init__(self, networks: Sequence[Transformer]) -> None:
        self._device = networks[0].embedding.device
        if self.settings.precision == "int8" and not has_int8(self._device):
            or_there = "" if self._device.type == "cpu" else ", or add --device cpu"
            raise NmtError(
                f"decode.precision=int8 is for x86 CPUs; set it to float32 or bf16{or_there}"
            )
        decoders = [IncrementalDecoder(each, self.settings.precision) for each in networks]
        alone = len(decoders) == 1
        self._search_model: SearchModel[Any] = decoders[0] if alone else Ensemble(decoders)
        self._special = special_ids(self.tokenizer)
        limits = [segment_limit(self.settings, each.settings) for each in networks]
        self._longest = min(limits)
        self._positions = networks[limits.index(self._longest)].settings.max_positions
        self._workers = workers_for(self._device)
        self._map = self.map_batches or self._workers.map

    @classmethod
    def of(
        cls,
        model: TrainedModel,
        settings: DecodeSettings,
        report: Callable[[str], None],
        n_best: int = 1,
    ) -> "Translator":
        """A translator with a loaded model, and with those of its ensemble."""
        networks = [each.network for each in (model, *model.ensemble)]
        return cls(networks, model.tokenizer, settings, report, n_best)

    def translate(self, segments: Iterable[str]) -> Iterator[Translation]:
        """A translation a segment, in order; blank stays blank."""
        for chunk in self.chunks(chunks_of(Source(segments), CHUNK_SEGMENTS)):
            yield from chunk

    def chunks(self, chunks: Iterable[Sequence[str]]) -> Iterator[list[Translation]]:
        """The same of segments that come in chunks, each as soon as it is done."""
        first_line = 1
        for chunk in chunks:
            yield self._translate_chunk(chunk, first_line)
            first_line += len(chunk)

    def _translate_chunk(self, segments: Sequence[str], first_line: int) -> list[Translation]:
        encoded = self.tokenizer.source.encode(segments)
        pieces: list[list[int]] = []
        owners: list[range] = []  # of each segment, its places in `pieces`
        for line, ids in enumerate(encoded, first_line):
            parts = split_long(ids, self._longest, self.tokenizer.source) if ids else []
            if len(parts) > 1:
                self.report(
                    f"line {line}: {len(ids):,} tokens are more than {self._limit_in_words()};"
                    f" translated in {len(parts)} pieces"
                )
            owners.append(range(len(pieces), len(pieces) + len(parts)))
            pieces += parts
        unknown = sum(UNK in ids for ids in encoded)
        if unknown:
            self.report(
                f"{unknown:,} segments hold characters that the vocabulary lacks; the model reads"
                " them as unknown"
            )
        found = self._search(pieces)
        return [self._assemble([found[place] for place in owner]) for owner in owners]

    def _limit_in_words(self) -> str:
        """The setting that says how long a piece may be."""
        if self._longest == self.settings.max_segment_tokens:
            return f"decode.max_segment_tokens={self._longest}"
        return f"the {self._longest} that {self._positions} learned positions hold, output included"

    def _search(self, sources: Sequence[list[int]]) -> list[list[Hypothesis]]:
        """The n best of each encoded source, searched in batches of similar length."""
        found: list[list[Hypothesis]] = [[] for _ in sources]
        lengths = [len(ids) + 1 for ids in sources]
        batches = batches_for_processes(lengths, self.settings.batch_tokens, self._workers.count)
        searched = self._map(self._search_batch, [[sources[i] for i in b] for b in batches])
        for batch, results in zip(batches, searched, strict=True):
            for index, result in zip(batch, results, strict=True):
                if not result:
                    raise NmtError(self._diverged())
                found[index] = result
        return found

    def _diverged(self) -> str:
        """What to say of a model that gives no numbers."""
        if isinstance(self._search_model, Ensemble):
            return (
                "the outputs of a model of the ensemble are not numbers: try each of them alone,"
                " and leave out the one that diverged or train it anew"
            )
        return (
            "the model's outputs are not numbers: its training diverged; train it anew with a lower"
            " train.learning_rate_scale"
        )

    def _search_batch(self, sources: Sequence[list[int]]) -> list[list[Hypothesis]]:
        return beam_search(
            self._search_model,
            source_batch(sources).to(self._device),
            [len(ids) + self.settings.max_extra_tokens for ids in sources],
            self._special,
            beam_size=self.settings.beam_size,
            alpha=self.settings.length_penalty,
            n_best=self.n_best,
            stopping=self.settings.stopping,
        )

    def _assemble(self, pieces: Sequence[list[Hypothesis]]) -> Translation:
        """The pieces of one segment rejoined: the best of each, then the next best of each."""
        if not pieces:
            return BLANK
        ranks = zip(*pieces, strict=False)  # as many as the piece with the fewest has
        return Translation(tuple(self._candidate(hypotheses) for hypotheses in ranks))

    def _candidate(self, hypotheses: Sequence[Hypothesis]) -> Candidate:
        texts = [self.tokenizer.target.decode(each.ids) for each in hypotheses]
        return Candidate(
            " ".join(text for text in texts if text),
            sum(each.score for each in hypotheses),
            sum(each.log_prob for each in hypotheses),
        )


def special_ids(tokenizer: Tokenizer) -> SpecialIds:
    """How the search treats a tokenizer's ids.

    Of two vocabularies the model's V is that of the larger: where that is the source's, the ids
    beyond the target's stand for nothing and are never an output.
    """
    nothing = range(len(tokenizer.target), len(tokenizer))
    return SpecialIds(BOS, EOS, never=(PAD, UNK, BOS, *nothing))


def workers_for(device: torch.device) -> ForkedMap:
    """A process a core on a CPU; elsewhere this one, and where forks are not safe (macOS)."""
    bound_kernel_caches()
    alone = device.type != "cpu" or sys.platform != "linux"
    return ForkedMap(1 if alone else torch.get_num_threads())


def translate_texts(
    network: Transformer,
    tokenizer: Tokenizer,
    settings: DecodeSettings,
    segments: Sequence[str],
    report: Callable[[str], None],
    map_batches: Map | None = None,
) -> list[str]:
    """The best translations of a whole set, for validation and evaluation alike."""
    was_training = network.training
    network.eval()
    try:
        translator = Translator([network], tokenizer, settings, report, map_batches=map_batches)
        with torch.inference_mode():
            return [each.text for each in translator.translate(segments)]
    finally:
        network.train(was_training)
