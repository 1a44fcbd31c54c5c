"""Make a trained model, or an ensemble, ready to decode: in NumPy or in PyTorch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nmt.config import ModelSettings
from nmt.decoding.models.alignment import aligning_attention, usual_attention
from nmt.decoding.models.arrays import ArrayDecoder
from nmt.decoding.search.search_model import SearchModel
from nmt.decoding.translator.engine import EngineModel
from nmt.runs.model_file import AligningAttention, Weights
from nmt.runs.trained_model import TrainedModel
from nmt.text.tokenizer import PAD

if TYPE_CHECKING:
    from nmt.decoding.models.pytorch import IncrementalDecoder
    from nmt.model.transformer import Transformer


@dataclass(frozen=True)
class Models:
    """One model, or several that translate together, before a form that decodes is made."""

    device: str  # its name, such as "cuda:1"
    settings: tuple[ModelSettings, ...]  # of each model
    # Returns the networks in evaluation mode, on the device.
    networks: Callable[[], "Sequence[Transformer]"]
    attentions: tuple[AligningAttention, ...]  # that align, in each model
    weights: Weights | None = None  # of a single model; None: only its network has them
    loaded: EngineModel | None = None  # by another program, which then searches

    @classmethod
    def of(cls, model: TrainedModel) -> "Models":
        """Return a trained model and the others of its ensemble."""
        every = (model, *model.ensemble)
        loaded = model if isinstance(model, EngineModel) else None
        return cls(
            model.device,
            tuple(each.recipe.model for each in every),
            lambda: [each.network for each in every],
            tuple(map(aligning_attention, every)),
            None if model.ensemble or loaded else model.weights,
            loaded,
        )

    @classmethod
    def of_networks(cls, networks: "Sequence[Transformer]") -> "Models":
        """Return models that are networks in evaluation mode, on one device."""
        settings = tuple(each.settings for each in networks)
        attentions = tuple(map(usual_attention, settings))
        return cls(str(networks[0].device), settings, lambda: networks, attentions)


class ModelForms:
    """Holds the form that a search decodes with, and the form in PyTorch once it is needed."""

    def __init__(self, models: Models, precision: str, *, uses_arrays: bool) -> None:
        """Make the form that searches.

        precision: `decode.precision`. uses_arrays: the search decodes with arrays; only for a
        single model with weights.
        """
        self._models: Models | None = models
        self._precision = precision
        self.count = len(models.settings)
        self.search_model: SearchModel[Any] | ArrayDecoder  # the latter takes no tensors
        if uses_arrays:
            assert models.weights is not None  # noqa: S101 (for the type checker)
            self.search_model = ArrayDecoder(models.settings[0], models.weights, PAD)
        elif self.count == 1:
            self.search_model = self.decoders[0]
        else:
            from nmt.decoding.models.pytorch import Ensemble

            self.search_model = Ensemble(self.decoders)

    @property
    def are_arrays(self) -> bool:
        """True if the search decodes with arrays."""
        return isinstance(self.search_model, ArrayDecoder)

    def use_pytorch(self) -> None:
        """Decode with PyTorch from now on; the form in arrays is dropped."""
        (self.search_model,) = self.decoders

    @cached_property
    def decoders(self) -> "list[IncrementalDecoder]":
        """The decoders in PyTorch, one for each model, made at the first use."""
        from nmt.decoding.models.pytorch import IncrementalDecoder

        assert self._models is not None  # noqa: S101 (for the type checker)
        made = [IncrementalDecoder(each, self._precision) for each in self._models.networks()]
        self._models = None  # the decoders are packed copies: nothing is kept twice
        return made
