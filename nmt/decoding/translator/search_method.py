"""Search batches: choose NumPy or PyTorch, and the search that gives what is asked for."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Union

from nmt.config import DecodeSettings
from nmt.decoding.models.alignment import aligned_places
from nmt.decoding.models.arrays import has_array_form
from nmt.decoding.search.beam import beam_search
from nmt.decoding.search.constraints import Constraint, constraints_of
from nmt.decoding.search.mbr import choosers_of
from nmt.decoding.search.rules import special_ids
from nmt.decoding.terms.placement import TermPlacer
from nmt.decoding.translator.device_settings import check_precision, settings_for
from nmt.decoding.translator.engine import Found, Searcher
from nmt.decoding.translator.model_forms import ModelForms, Models
from nmt.decoding.translator.repetition import limited
from nmt.decoding.translator.scheduler import decoding_pool
from nmt.decoding.translator.segments import Part, output_limit
from nmt.decoding.translator.wanted import Annotator, Wanted, make_annotators
from nmt.errors import NmtError
from nmt.system.devices import run_or_halve
from nmt.system.pools import ProcessPool
from nmt.system.threads import one_blas_thread
from nmt.text.plan import Integers, source_rows
from nmt.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from torch import Tensor

    from nmt.decoding.models.forced import TokenLogProbs


def uses_arrays(models: Models, settings: DecodeSettings) -> bool:
    """Return whether a search decodes with NumPy's arrays, without PyTorch.

    Beam search with one trained model on a CPU in float32 does. It does not matter whether PyTorch
    adds something afterwards, such as token scores: the hypotheses must stay the same.
    settings: those for the device.
    """
    return (
        models.device == "cpu"
        and models.weights is not None
        and has_array_form(models.settings[0])
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


class SearchMethod:
    """Searches batches of parts of segments."""

    def __init__(
        self,
        models: Models,
        tokenizer: Tokenizer,
        settings: DecodeSettings,
        wanted: Wanted,
        candidates: int,
        *,
        language: str = "",
    ) -> None:
        """Choose the form of the models and the method.

        Args:
            models: all write in one order.
            tokenizer: that of all models.
            settings: how to search.
            wanted: what a translation should have.
            candidates: outputs to find for each part.
            language: code of the target language, for `decode.mbr`.

        Raises:
            NmtError: if the device lacks the precision.
        """
        check_precision(settings, models.device)
        settings = settings_for(settings, models.device, candidates)
        self.settings = settings
        self.forms = ModelForms(
            models,
            settings.precision,
            uses_arrays=uses_arrays(models, settings),
        )
        self._candidates = candidates
        self._work = 0.0  # so far
        self._aligns = False  # the form that aligns outputs is made
        self._parameters = sum(each.size for each in (models.weights or {}).values())
        self._is_large = models.settings[0].d_model >= LARGE_WIDTH
        self._device = models.device
        self._is_gpu = models.device.startswith("cuda")
        self._is_right_to_left = models.settings[0].is_right_to_left
        self._attentions = models.attentions
        self._subwords = tokenizer.target
        self._special = special_ids(tokenizer)
        self._placer = TermPlacer(self, tokenizer.target, settings)
        self._annotators: list[Annotator] = [
            *choosers_of(settings, tokenizer.target, language, wanted.n_best),
            *make_annotators(wanted, lambda: self.forms.decoders, settings, tokenizer.target),
        ]

    @property
    def pool(self) -> ProcessPool:
        """A new pool of processes, as many as are useful on the device."""
        return decoding_pool(self._device)

    def changes_form(self, parts: Sequence[Part]) -> bool:
        """Count the next parts, and change to PyTorch if there is much work; return True if it did.

        A large model begins with arrays, because they start at once. Results are the same up to
        rounding. After a change, the caller must copy the processes that search again. The first
        terms of a glossary need PyTorch beside the arrays.
        """
        if not self._aligns and any(part.terms for part in parts):
            self._aligns = bool(self.forms.decoders)
            return True
        if not (self._is_large and self.forms.are_arrays):
            return False
        self._work += self._parameters * sum(map(len, parts))
        if self._work < MUCH_WORK or len(parts) < FEWEST_PARTS:
            return False
        self.forms.use_pytorch()
        return True

    def keep_one_form(self) -> None:
        """Search in one form from the start: a job that is continued repeats each last digit.

        A continued job does not know how much work was done before it.
        """
        if self._is_large and self.forms.are_arrays:
            self.forms.use_pytorch()

    def places(self, parts: Sequence[Part], outputs: Sequence[Sequence[int]]) -> list[list[int]]:
        """Return the places of the source tokens that the tokens of outputs are aligned to.

        The attention of all heads aligns, or the one that was trained to, in PyTorch.
        """
        sources = [part.ids for part in parts]
        return aligned_places(
            self.forms.decoders, self._attentions, sources, outputs, self._subwords
        )

    def keep_first_form(self) -> None:
        """Never change the form: the batches of a server are small, however much work there is."""
        self._is_large = False

    def search(self, parts: Sequence[Part]) -> Found:
        """Return the hypotheses of each part of a batch, best first.

        Raises NmtError if a model's outputs are not numbers.
        """
        if self._is_gpu:
            return run_or_halve(self._search, parts)
        with one_blas_thread():
            return self._search(parts)

    def _search(self, parts: Sequence[Part]) -> Found:
        found = self.find(parts)
        if any(part.terms for part in parts):
            found = self._placer.place(parts, found)
        for annotator in self._annotators:
            found = annotator.annotate(parts, found)
        return found

    def forced(
        self, parts: Sequence[Part], outputs: Sequence[Sequence[Sequence[int]]]
    ) -> "list[list[TokenLogProbs]]":
        """Return the log-probabilities of the tokens of each part's outputs, in PyTorch."""
        from nmt.decoding.models.forced import forced_log_probs

        sources, batch_tokens = [part.ids for part in parts], self.settings.batch_tokens
        return forced_log_probs(self.forms.decoders, sources, outputs, batch_tokens)

    def find(self, parts: Sequence[Part]) -> Found:
        """Return the hypotheses of each part of a batch, best first, without regard to terms."""
        # All parts of a batch are searched again, or none is.
        settings = limited(self.settings) if parts[0].is_again else self.settings
        constraints = constraints_of(parts, settings, self._special.eos)
        found = self._method(parts, constraints)(
            self.forms.search_model,
            self._source(parts),
            [output_limit(len(part), settings) for part in parts],
            self._special,
            alpha=self.settings.length_penalty,
            n_best=self._candidates,
        )
        if not all(found):
            raise diverged(self.forms.count)
        if self._is_right_to_left:
            found = [[each.backwards() for each in hypotheses] for hypotheses in found]
        return found

    def _source(self, parts: Sequence[Part]) -> Union[Integers, "Tensor"]:
        """Return the source (B, S): a tensor on a GPU, elsewhere an array."""
        rows = source_rows([part.ids for part in parts])
        if not self._is_gpu:
            return rows

        import torch

        return torch.from_numpy(rows).to(self._device)

    def _method(
        self, parts: Sequence[Part], constraints: Sequence[Constraint]
    ) -> Callable[..., Found]:
        settings = self.settings
        if settings.method == "sample":
            from nmt.decoding.search.sampling import Filters, RandomNumbers, sample

            numbers = RandomNumbers(settings.seed, [part.ids for part in parts])
            filters = Filters.of(settings)
            return partial(sample, numbers=numbers, filters=filters, constraints=constraints)
        search: Callable[..., Found] = partial(beam_search, constraints=constraints)
        if self._is_gpu and not constraints:
            # Its hypotheses are back-pointers, in which a constraint cannot see their tokens.
            from nmt.decoding.search.device_beam import device_beam_search

            search = device_beam_search
        return partial(search, beam_size=settings.beam_size, stopping=settings.stopping)


def method_of(
    models: Models,
    tokenizer: Tokenizer,
    settings: DecodeSettings,
    wanted: Wanted,
    candidates: int,
    *,
    has_glossary: bool = False,
    language: str = "",
) -> Searcher:
    """Return what searches with models: `SearchMethod`, whose arguments these are, or an engine's.

    Raises NmtError as `SearchMethod` does, UsageError for what an engine cannot do.
    """
    loaded = models.loaded
    if loaded is None or loaded.engine is None:
        return SearchMethod(models, tokenizer, settings, wanted, candidates, language=language)
    return loaded.engine.searcher(loaded, settings, wanted, candidates, has_glossary=has_glossary)


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
