"""The models of a server by language pair, and the names of languages."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nmt.serving.batcher import Batcher
from nmt.serving.line_translator import Pair, lower
from nmt.serving.refusals import bad_request
from nmt.text.language_names import name_of_language

AUTO = "auto"


@dataclass(frozen=True)
class Served:
    """A model that is served."""

    pair: Pair
    batcher: Batcher
    most_candidates: int

    @property
    def name(self) -> str:
        """The pair as a text such as en-de."""
        return "-".join(self.pair)


class Catalogue:
    """The models of a server."""

    def __init__(self, models: Iterable[Served]) -> None:
        """Take the models, one for each pair."""
        self._models = {lower(each.pair): each for each in models}

    @property
    def models(self) -> list[Served]:
        """All models."""
        return [*self._models.values()]

    @property
    def sources(self) -> list[str]:
        """The source languages, each once."""
        return [*dict.fromkeys(each.pair[0] for each in self.models)]

    def find(self, source: str, target: str) -> Served:
        """Return the model for a pair, in capitals or not; source may be "auto".

        Raises RefusedError that names the pairs there are.
        """
        if source == AUTO:
            source = self.only_source(target)
        found = self._models.get(lower((source, target)))
        if found is None:
            pairs = ", ".join(each.name for each in self.models)
            raise bad_request(
                f"no model translates from {code(source)} to {code(target)}; there are: {pairs}"
            )
        return found

    def only_source(self, target: str = "") -> str:
        """Return the only source language; languages are not detected.

        target: counts only the languages that are translated into it, if it is one. Raises
        RefusedError if there are several.
        """
        into = [each for each in self.sources if lower((each, target)) in self._models]
        sources = into or self.sources
        if len(sources) > 1:
            raise bad_request(
                "this server does not detect languages; name the source language, one of"
                f" {', '.join(sources)}"
            )
        return sources[0]

    def languages(self) -> list[dict[str, Any]]:
        """Return all languages as `GET /languages` does: code, name, and codes of the targets."""
        targets: dict[str, list[str]] = {}
        for source, target in (each.pair for each in self.models):
            targets.setdefault(source, []).append(target)
            targets.setdefault(target, [])
        return [
            {"code": each, "name": name_of_language(each), "targets": into}
            for each, into in sorted(targets.items())
        ]


def code(given: str) -> str:
    """Return a code as a message shows it: a client may send anything."""
    return repr(given[:20])
