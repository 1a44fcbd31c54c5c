"""What is evaluated: a model, or a file of translations."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nmt.errors import NmtError, UsageError
from nmt.evaluation.test_sets import TestSet
from nmt.system.digest import sha256_of
from nmt.text.corpus import read_segments

if TYPE_CHECKING:
    from nmt.artifacts.model_file import TrainedModel
    from nmt.config import DecodeSettings


class System(Protocol):
    """What gives a translation for each segment of a test set."""

    def check(self, test: TestSet) -> None:
        """Raise NmtError now if it can give none."""
        ...

    def outputs(self, test: TestSet) -> list[str]:
        """Its translations, in order."""
        ...

    def describe(self) -> dict[str, Any]:
        """What it is, as plain data that tells it from any other."""
        ...


@dataclass(frozen=True)
class Translations:
    """A file of translations, one a line."""

    path: Path

    def check(self, test: TestSet) -> None:
        """Raise NmtError unless there is a line for each segment."""
        self.outputs(test)

    def outputs(self, test: TestSet) -> list[str]:
        """The lines; raises NmtError unless there is one for each of the test set."""
        lines = list(read_segments(self.path))
        if len(lines) != test.line_count:
            raise NmtError(
                f"{self.path} has {len(lines)} lines but {test.name} has {test.line_count};"
                " parallel files must align line by line"
            )
        return [lines[line] for line in test.lines]

    def describe(self) -> dict[str, Any]:
        """The file and the SHA-256 of its bytes."""
        return {"hypotheses": str(self.path), "sha256": sha256_of(self.path)}


@dataclass(frozen=True)
class Model:
    """A model, or an ensemble, and how it translates."""

    trained: "TrainedModel"
    settings: "DecodeSettings"

    def check(self, test: TestSet) -> None:
        """Raise UsageError if the test set has no sources."""
        if not test.sources:
            raise UsageError(
                f"{self.trained.path} needs sources to translate: name a --test-set, or compare"
                " files of translations"
            )

    def outputs(self, test: TestSet) -> list[str]:
        """The best translations."""
        from nmt.decoding.translator import Translator
        from nmt.system.log import note

        translator = Translator.of(self.trained, self.settings, note)
        return [each.text for each in translator.translate(test.sources)]

    def describe(self) -> dict[str, Any]:
        """The file, its SHA-256, those of an ensemble's others, and how it translates."""
        others = self.trained.ensemble
        files = [
            {"model": str(each.path), "sha256": sha256_of(each.path), "recipe": each.recipe.name}
            for each in others
        ]
        return {
            "model": str(self.trained.path),
            "sha256": sha256_of(self.trained.path),
            **({"ensemble_with": files} if files else {}),
            "device": str(self.trained.network.embedding.device),
            "decode": asdict(self.settings),
        }
