"""Search batches of sub-segments with a model, in NumPy or PyTorch, or with an engine.

`Searcher` is what a translator needs of a search. `ModelSearcher` is that of this program. An
engine is another program, such as CTranslate2: `nmt.interop` makes models that bring theirs.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from nmt.config import DecodeSettings
from nmt.decoding.models.alignment import align_tokens, aligning_attention
from nmt.decoding.models.arrays import ArrayDecoder, has_array_backend
from nmt.decoding.search.beam import BeamSearch
from nmt.decoding.search.hypothesis import Hypothesis
from nmt.decoding.search.mbr import make_chooser
from nmt.decoding.search.rules import make_constraints, special_ids
from nmt.decoding.search.search import SearchModel, Strategy, search
from nmt.decoding.terms.placement import TermPlacer
from nmt.decoding.translator.load import check_precision, device_settings, written_language
from nmt.decoding.translator.repetition import is_degenerate, limited
from nmt.decoding.translator.segments import SubSegment, output_limit
from nmt.decoding.translator.translation import OutputOptions
from nmt.errors import NmtError
from nmt.recipe.size import count_parameters
from nmt.runs.trained_model import TrainedModel
from nmt.system.devices import run_or_halve
from nmt.system.pools import Pool, ProcessPool
from nmt.system.threads import core_count, limit_kernel_caches, one_blas_thread
from nmt.text.plan import batches_for_workers, source_rows
from nmt.text.subwords.tokenizer import PAD

if TYPE_CHECKING:  # a search over arrays runs without PyTorch
    from nmt.decoding.models.forced import TokenLogProbs
    from nmt.decoding.models.pytorch import Decoder
    from nmt.model.encoder_decoder import EncoderDecoder

Found = list[list[Hypothesis]]  # of each part, best first
Item = TypeVar("Item", bound=Sized)  # a part of a segment, or a pair; its length in tokens
Result = TypeVar("Result")


class Searcher(ABC):
    """Searches batches of parts of segments."""

    settings: DecodeSettings  # for the device

    def search(self, parts: Sequence[SubSegment]) -> Found:
        """Return the hypotheses of each part of a batch, best first.

        If the best one is degenerate, its part is searched again with limits that an ordinary
        output does not reach. Samples stay as they were drawn. Raises NmtError if a model's outputs
        are not numbers.
        """
        found = self.find_all(parts, self.settings)
        is_as_is = self.settings.odd_input == "as_is" and not self.settings.search_again
        if self.settings.method == "sample" or is_as_is:
            return found
        again = [
            index
            for index, (part, (best, *_)) in enumerate(zip(parts, found, strict=True))
            # The limits of the second search may leave no room for a prefix.
            if not part.prefix and is_degenerate(part.ids, best.ids)
        ]
        if again:
            others = self.find_all([parts[index] for index in again], limited(self.settings))
            for index, hypotheses in zip(again, others, strict=True):
                found[index] = hypotheses
        return found

    @abstractmethod
    def make_pool(self) -> Pool:
        """Return a pool that calls `search` for several batches, as many as are useful."""

    @abstractmethod
    def find_all(self, parts: Sequence[SubSegment], settings: DecodeSettings) -> Found:
        """Return the hypotheses of each part of a batch, with all that is asked for."""

    @abstractmethod
    def align(
        self, parts: Sequence[SubSegment], outputs: Sequence[Sequence[int]]
    ) -> list[list[int]]:
        """Return the positions of the source tokens that tokens are aligned to.

        outputs: the ids of one of each part.
        """

    def changes_backend(self, parts: Sequence[SubSegment]) -> bool:
        """Count the next parts; return True if processes that search must be copied again."""
        return False

    def keep_one_backend(self) -> None:  # noqa: B027 (others have one backend)
        """Keep one backend from the start: a job that is continued repeats each last digit."""

    def keep_first_backend(self) -> None:  # noqa: B027 (others have one backend)
        """Never change the backend: a server's batches are small, however much work there is."""


@dataclass(frozen=True)
class EngineModel(TrainedModel, ABC):
    """A model that an engine has loaded; it has no weights here, and `engine` is not empty."""

    @cached_property
    def network(self) -> "EncoderDecoder":
        """Raise NmtError: only the engine has the network."""
        raise NmtError(
            f"{self.path} is loaded by {self.engine}, which only translates; leave out the"
            " engine and name a model file or a run folder (--model)"
        )

    @abstractmethod
    def searcher(
        self, settings: DecodeSettings, options: OutputOptions, candidates: int, *, has_terms: bool
    ) -> Searcher:
        """Return what searches.

        Args:
            settings: how to search, as the user asked.
            options: what a translation should have.
            candidates: outputs to find for each part.
            has_terms: parts may have terms of a glossary.

        Raises:
            UsageError: for what the program cannot do, by the name of the setting or the option.
        """


def uses_arrays(model: TrainedModel, settings: DecodeSettings) -> bool:
    """Return whether a search decodes with NumPy's arrays, without PyTorch.

    Beam search with one trained model on a CPU in float32 does. It does not matter whether PyTorch
    adds something afterwards, such as token scores: the hypotheses must stay the same.
    settings: those for the device.
    """
    return (
        model.device == "cpu"
        and bool(model.weights)
        and not model.ensemble
        and has_array_backend(model.recipe.model)
        and settings.precision == "float32"
        and settings.method == "beam"
    )


# Multiplying a large model's matrices takes PyTorch 0.87 of NumPy's time for 256 rows, and 1.5 to 2
# times as long for the 4 rows of one sentence. With a width of 128 they take equal times.
LARGE_WIDTH = 256
# Parameters times source tokens. With more, PyTorch saves the seconds that a change takes. The
# paper's base model reaches this after some 800 sentences.
MUCH_WORK = 5e11
FEWEST_PARTS = 64  # of a chunk; with fewer, no process gets a large batch


class ModelSearcher(Searcher):
    """Searches with a model of this program, or an ensemble, in NumPy or in PyTorch."""

    def __init__(
        self, model: TrainedModel, settings: DecodeSettings, options: OutputOptions, candidates: int
    ) -> None:
        """Choose NumPy or PyTorch, and the method.

        Args:
            model: with the other models of its ensemble; all write in one order.
            settings: how to search.
            options: what a translation should have.
            candidates: outputs to find for each part.

        Raises:
            NmtError: if the device lacks the precision.
        """
        check_precision(settings, model.device)
        self.settings = device_settings(settings, model.device, candidates)
        self._members: tuple[TrainedModel, ...] = model.members  # until PyTorch has them
        self._count = len(model.members)
        self._attentions = tuple(map(aligning_attention, model.members))
        self._options, self._candidates = options, candidates
        self._device, self._is_gpu = model.device, model.device.startswith("cuda")
        shape, target = model.recipe.model, model.tokenizer.target
        self._is_right_to_left = shape.is_right_to_left
        self._may_need_pytorch = shape.d_model >= LARGE_WIDTH
        self._parameters = count_parameters(shape, len(model.tokenizer))
        self._work = 0.0  # so far
        self._aligns = False  # what aligns outputs is made
        self._subwords, self._special = target, special_ids(model.tokenizer)
        self._placer = TermPlacer(self, target, self.settings)
        language = written_language(settings, model.recipe)
        self._chooser = make_chooser(self.settings, target, language, options.n_best)
        self.search_model: SearchModel[Any] | ArrayDecoder  # the latter takes no tensors
        if uses_arrays(model, self.settings):
            self.search_model = ArrayDecoder(shape, model.weights, PAD)
        else:
            self._use_pytorch()
        if options.token_scores or options.alignments:
            _ = self.decoders  # made before processes are forked

    def make_pool(self) -> ProcessPool:
        """Return a new pool of processes, as many as are useful on the device."""
        return decoding_pool(self._device)

    @cached_property
    def decoders(self) -> "list[Decoder]":
        """Return the decoders in PyTorch, one for each model, made at the first use."""
        from nmt.decoding.models.pytorch import make_decoder

        precision = self.settings.precision
        made = [make_decoder(member.network_for(precision), precision) for member in self._members]
        self._members = ()  # the decoders are packed copies: nothing is kept twice
        return made

    def _use_pytorch(self) -> None:
        """Decode with PyTorch from now on."""
        if self._count == 1:
            (self.search_model,) = self.decoders
            return
        from nmt.decoding.models.pytorch import Ensemble

        self.search_model = Ensemble(self.decoders)

    @property
    def _may_change(self) -> bool:
        return self._may_need_pytorch and isinstance(self.search_model, ArrayDecoder)

    def changes_backend(self, parts: Sequence[SubSegment]) -> bool:
        """Count the next parts, and change to PyTorch if there is much work; return True if it did.

        A large model begins with arrays, because they start at once. Results are the same up to
        rounding. After a change, the caller must copy the processes that search again. The first
        terms of a glossary need PyTorch beside the arrays.
        """
        if not self._aligns and any(part.terms for part in parts):
            self._aligns = bool(self.decoders)
            return True
        if not self._may_change:
            return False
        self._work += self._parameters * sum(map(len, parts))
        if self._work < MUCH_WORK or len(parts) < FEWEST_PARTS:
            return False
        self._use_pytorch()
        return True

    def keep_one_backend(self) -> None:
        """Keep one backend from the start: a job that is continued repeats each last digit.

        A continued job does not know how much work was done before it.
        """
        if self._may_change:
            self._use_pytorch()

    def keep_first_backend(self) -> None:
        """Never change the backend."""
        self._may_need_pytorch = False

    def align(
        self, parts: Sequence[SubSegment], outputs: Sequence[Sequence[int]]
    ) -> list[list[int]]:
        """Return the positions of the source tokens that the tokens of outputs are aligned to.

        The attention of all heads aligns, or the one that was trained to, in PyTorch.
        """
        sources = [part.ids for part in parts]
        return align_tokens(self.decoders, self._attentions, sources, outputs, self._subwords)

    def forced(
        self, parts: Sequence[SubSegment], outputs: Sequence[Sequence[Sequence[int]]]
    ) -> "list[list[TokenLogProbs]]":
        """Return the log-probabilities of the tokens of each part's outputs, in PyTorch."""
        from nmt.decoding.models.forced import forced_log_probs

        sources = [part.source for part in parts]
        whole = [
            [[*part.target_context, *output] for output in own] if part.target_context else own
            for part, own in zip(parts, outputs, strict=True)
        ]
        found = forced_log_probs(self.decoders, sources, whole, self.settings.batch_tokens)
        return [
            [values[len(part.target_context) :] for values in own]
            for part, own in zip(parts, found, strict=True)
        ]

    def search(self, parts: Sequence[SubSegment]) -> Found:
        """Return the hypotheses of each part of a batch, best first; see `Searcher`."""
        if self._is_gpu:
            return run_or_halve(super().search, parts)
        with one_blas_thread():
            return super().search(parts)

    def find_all(self, parts: Sequence[SubSegment], settings: DecodeSettings) -> Found:
        """Return the hypotheses of each part of a batch, with all that is asked for."""
        found = self.find(parts, settings)
        if any(part.terms for part in parts):
            found = self._placer.place(parts, found)
        if self._chooser is not None:
            languages = [part.language for part in parts]
            found = [*map(self._chooser.choose, found, languages)]
        if self._options.token_scores:
            outputs = [[hypothesis.ids for hypothesis in hypotheses] for hypotheses in found]
            found = [
                [replace(one, token_log_probs=own) for one, own in zip(*pair, strict=True)]
                for pair in zip(found, self.forced(parts, outputs), strict=True)
            ]
        return with_positions(self, parts, found) if self._options.alignments else found

    def find(self, parts: Sequence[SubSegment], settings: DecodeSettings) -> Found:
        """Return the hypotheses of each part of a batch, best first, without regard to terms."""
        limits = [output_limit(len(part.ids), settings) for part in parts]
        prefixes = [part.prefix.after(part.target_context) for part in parts]
        contexts = [part.target_context for part in parts]
        constraints = make_constraints(prefixes, limits, settings, self._special.eos)
        source: Any = source_rows([part.source for part in parts])
        if self._is_gpu:
            import torch

            source = torch.from_numpy(source).to(self._device)
        model: Any = self.search_model
        alpha = settings.length_penalty
        strategy: Strategy
        if settings.method == "sample":
            from nmt.decoding.search.sampling import Filters, RandomNumbers, Sampling

            filters = Filters(settings.temperature, settings.top_k, settings.top_p)
            numbers = RandomNumbers(settings.seed, [part.ids for part in parts])
            strategy = Sampling(numbers, filters, alpha=alpha, n_best=self._candidates)
        else:
            strategy = BeamSearch(settings.beam_size, alpha, self._candidates, settings.stopping)
        if self._is_gpu and isinstance(strategy, BeamSearch) and not constraints:
            # Its hypotheses are back-pointers, in which a constraint cannot see their tokens.
            from nmt.decoding.search.device_beam import device_beam_search

            found = device_beam_search(model, source, limits, self._special, strategy)
        else:
            found = search(
                *(model, source, limits, self._special, strategy),
                contexts=contexts,
                constraints=constraints,
            )
        if not all(found):
            raise diverged(self._count)
        if self._is_right_to_left:
            found = [[output.backwards() for output in hypotheses] for hypotheses in found]
        return found


def with_positions(searcher: Searcher, parts: Sequence[SubSegment], found: Found) -> Found:
    """Return hypotheses, of which the best of each part has `aligned_positions`."""
    positions = searcher.align(parts, [best.ids for best, *_ in found])
    return [
        [replace(best, aligned_positions=tuple(own)), *others]
        for (best, *others), own in zip(found, positions, strict=True)
    ]


def diverged(models: int) -> NmtError:
    """Return the error for outputs that are not numbers, of one model or of an ensemble."""
    if models > 1:
        return NmtError(
            "the outputs of a model of the ensemble are not numbers: try each model alone, and"
            " leave out the one that diverged or train it again"
        )
    return NmtError(
        "the model's outputs are not numbers: its training diverged, or its file is damaged; train"
        " it again with a lower train.learning_rate_scale, or name another model"
    )


class BatchScheduler(Generic[Item, Result]):
    """Distributes parts of segments, or pairs, to batches, and batches to processes."""

    def __init__(
        self, function: Callable[[Sequence[Item]], list[Result]], batch_tokens: int, pool: Pool
    ) -> None:
        """Take the function of one batch and the pool that runs it for many.

        function: returns the result of each item of a batch, such as its n best hypotheses.
        batch_tokens: tokens of a batch, padding included.
        """
        self._function = function
        self._batch_tokens = batch_tokens
        self._pool = pool
        self.on_batch: Callable[[int], object] = lambda count: None  # receives what is done

    def map(self, items: Sequence[Item]) -> list[Result]:
        """Return the result of each item, in order."""
        lengths = [len(item) + 1 for item in items]
        batches = batches_for_workers(lengths, self._batch_tokens, self._pool.count)
        results = self._pool.map(self._function, [[items[i] for i in batch] for batch in batches])
        found = dict[int, Result]()
        for batch, own in zip(batches, results, strict=True):
            found.update(zip(batch, own, strict=True))
            self.on_batch(len(batch))
        return [found[index] for index in range(len(items))]

    def copy_again(self) -> None:
        """Let new copies of this process work from now on, because the function has changed."""
        if isinstance(self._pool, ProcessPool):
            self._pool.close()


def decoding_pool(device: str) -> ProcessPool:
    """Return a pool of one process for each core on Linux's CPUs, and of none elsewhere.

    device: a name, such as "cpu". A GPU takes one batch at a time, and on macOS forks are not safe.
    """
    limit_kernel_caches()
    is_parallel = device == "cpu" and sys.platform == "linux"
    return ProcessPool(core_count() if is_parallel else 1)
