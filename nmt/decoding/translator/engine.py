"""Define what a translator needs of a search, by this program or by another one, an engine.

`search_method` has the search of this program. An engine has another: `nmt.interop` makes models
that bring theirs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from nmt.config import DecodeSettings
from nmt.decoding.search.hypothesis import Hypothesis
from nmt.decoding.translator.segments import Part
from nmt.decoding.translator.wanted import Wanted
from nmt.errors import NmtError
from nmt.runs.trained_model import TrainedModel
from nmt.system.pools import Pool

if TYPE_CHECKING:
    from nmt.model.transformer import Transformer

Found = list[list[Hypothesis]]  # of each part


class Searcher(Protocol):
    """Searches batches of parts of segments."""

    @property
    def settings(self) -> DecodeSettings:
        """The settings, with those that depend on the device replaced by its own."""
        ...

    @property
    def pool(self) -> Pool:
        """A pool that calls `search` for several batches."""
        ...

    def search(self, parts: Sequence[Part], /) -> Found:
        """Return the hypotheses of each part of a batch, best first.

        Raises NmtError if a model's outputs are not numbers.
        """
        ...

    def places(self, parts: Sequence[Part], outputs: Sequence[Sequence[int]], /) -> list[list[int]]:
        """Return the places of the source tokens that tokens are aligned to.

        outputs: the ids of one of each part.
        """
        ...

    def changes_form(self, parts: Sequence[Part], /) -> bool:
        """Count the next parts; return True if processes that search must be copied again."""
        ...

    def keep_one_form(self) -> None:
        """Search in one form from the start: a job that is continued repeats each last digit."""
        ...


class Engine(Protocol):
    """Another program, with a model that it has loaded."""

    @property
    def name(self) -> str:
        """Name of the program, for messages."""
        ...

    def searcher(
        self,
        model: "EngineModel",
        settings: DecodeSettings,
        wanted: Wanted,
        candidates: int,
        *,
        has_glossary: bool,
    ) -> Searcher:
        """Return what searches.

        Args:
            model: that of this engine.
            settings: how to search, as the user asked.
            wanted: what a translation should have.
            candidates: outputs to find for each part.
            has_glossary: parts may have terms.

        Raises:
            UsageError: for what the program cannot do, by the name of the setting or the option.
        """
        ...


@dataclass(frozen=True)
class EngineModel(TrainedModel):
    """A model that an engine has loaded; it has no weights here."""

    engine: Engine | None = None  # never None

    @cached_property
    def network(self) -> "Transformer":
        """Raise NmtError: only the engine has the network."""
        assert self.engine is not None  # noqa: S101 (for the type checker)
        raise NmtError(
            f"{self.path} is loaded by {self.engine.name}, which only translates; leave out the"
            " engine and name a model file or a run folder (--model)"
        )


def engine_of(model: TrainedModel) -> Engine | None:
    """Return the engine of a model; None if this program runs it."""
    return model.engine if isinstance(model, EngineModel) else None
