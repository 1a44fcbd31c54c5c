"""The models of a server by language pair, and the names of languages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nmt.serving.batcher import Batcher
from nmt.serving.line_translator import Pair, lower
from nmt.serving.refusals import RefusedError, bad_request
from nmt.text.languages import english_name

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

        Raises RefusedError if there is none, and for "auto" if there are several sources.
        """
        names = {each["code"].lower(): each["name"] for each in self.languages()}
        for given in (target,) if source == AUTO else (source, target):
            if given.lower() not in names:
                raise bad_request(f"{given[:20]} is not supported")
        if source == AUTO:
            source = self._only_source(target)
        found = self._models.get(lower((source, target)))
        if found is None:
            source, target = (f"{names[each.lower()]} ({each})" for each in (source, target))
            raise bad_request(f"{target} is not available as a target language from {source}")
        return found

    def _only_source(self, target: str) -> str:
        """Return the only language that is translated into the target, else the only source.

        Raises RefusedError if there are several: languages are not detected.
        """
        into = [each for each in self.sources if lower((each, target)) in self._models]
        sources = into or self.sources
        if len(sources) > 1:
            raise cannot_detect(400, sources)
        return sources[0]

    def languages(self) -> list[dict[str, Any]]:
        """Return all languages as `GET /languages` does: code, name, and codes of the targets."""
        targets: dict[str, list[str]] = {}
        for source, target in (each.pair for each in self.models):
            targets.setdefault(source, []).append(target)
            targets.setdefault(target, [])
        return [
            {"code": each, "name": english_name(each), "targets": into}
            for each, into in sorted(targets.items())
        ]


def cannot_detect(status: int, sources: Sequence[str]) -> RefusedError:
    """Return the refusal to find out the language of a text."""
    message = "this server does not detect languages; name the source language (source)"
    return RefusedError(status, f"{message}: {' or '.join(sources)}")
