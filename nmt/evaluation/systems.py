"""Systems to evaluate: a model, an ensemble, or a file of translations."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nmt.config import DecodeSettings
from nmt.errors import NmtError, UsageError
from nmt.evaluation.results import EnsembleMember, SystemDescription
from nmt.evaluation.test_sets import TestSet
from nmt.system.files import check_file, sha256_of
from nmt.system.log import Notify, progress_bar, show_progress
from nmt.text.lines import TextFile, read_text_file
from nmt.text.opening import STDIN, TEXT, check_stdin

if TYPE_CHECKING:  # files of translations are scored without PyTorch
    from nmt.runs.trained_model import TrainedModel

    Loaded = tuple[TrainedModel, DecodeSettings]


class System(Protocol):
    """A source of translations for the segments of a test set."""

    def check(self, test: TestSet) -> None:
        """Raise NmtError if the system cannot translate the test set."""
        ...

    def outputs(self, test: TestSet) -> list[str]:
        """Return a translation for each segment, in order."""
        ...

    def describe(self) -> SystemDescription:
        """Return the facts that identify the system."""
        ...


@dataclass(frozen=True)
class Translations:
    """A file of translations, one a line; a pipe, or stdin for `-`. It is read once."""

    path: Path

    @cached_property
    def file(self) -> TextFile:
        """Return the lines and the SHA-256 of the file."""
        return read_text_file(self.path)

    def check(self, test: TestSet) -> None:
        """Raise NmtError unless the file has as many lines as the test set."""
        self.outputs(test)

    def outputs(self, test: TestSet) -> list[str]:
        """Return the line of each segment; raises NmtError unless the files align."""
        lines = self.file.segments
        if len(lines) != test.line_count:
            has = f"has {len(lines):,} lines" if lines else "is empty"
            where = ": look for a missing or an added line, for example with `paste`"
            raise NmtError(
                f"{self.file.name} {has} but {test.name} has {test.line_count:,} lines; each line"
                f" needs one translation{where if lines else ''}"
            )
        return [lines[line] for line in test.lines]

    def describe(self) -> SystemDescription:
        """Return the path and the SHA-256 of the file."""
        return SystemDescription(self.file.name, self.file.sha256)


@dataclass(frozen=True)
class Model:
    """A model or an ensemble, with its search settings."""

    trained: "TrainedModel"
    settings: DecodeSettings
    notify: Notify  # receives notes such as that a long segment is split

    def check(self, test: TestSet) -> None:
        """Raise UsageError if the test set has no sources."""
        if not test.sources:
            raise UsageError(
                f"{self.trained.path} needs sources to translate, but {test.name} has none: give"
                " sources or a test set of sacreBLEU, or compare files of translations"
            )

    def outputs(self, test: TestSet) -> list[str]:
        """Return the best translation of each segment."""
        from nmt.decoding.translator.translator import Translator

        translator = Translator(self.trained, self.settings, self.notify)
        total, parts = len(test.sources), Counter[str]()
        with progress_bar(total=total, unit="segment", desc=f"translate {test.name}") as bar:

            def advance(count: int) -> None:
                parts["done"] += count  # more than segments if long ones are split
                show_progress(bar, parts["done"], total)

            translator.scheduler.on_batch = advance
            return [found.text for found in translator.translate(test.sources)]

    def describe(self) -> SystemDescription:
        """Return the model files, their SHA-256, the device and the search settings."""
        members = tuple(
            EnsembleMember(str(each.path), sha256_of(each.path), each.recipe.name)
            for each in self.trained.ensemble
        )
        from nmt.decoding.search.mbr import candidate_count
        from nmt.decoding.translator.load import device_settings

        device = self.trained.device
        engine = self.trained.engine
        decode = device_settings(self.settings, device, candidate_count(self.settings, 1))
        if engine:  # its "auto" is the precision of its own weights
            decode = replace(decode, precision=self.settings.precision)
        return SystemDescription(
            str(self.trained.path),
            sha256_of(self.trained.path),
            decode,
            device,
            members,
            engine,
        )


def load_systems(
    paths: Sequence[Path], load: "Callable[[Path], Loaded]", notify: Notify
) -> tuple[System, ...]:
    """Open models and files of translations to compare with.

    A path is a model if it is a folder or ends in .safetensors. load: loads a model. Raises
    NmtError if a model cannot be read.
    """
    return tuple(
        Translations(path) if is_text(path) else Model(*load(path), notify) for path in paths
    )


def is_text(path: Path) -> bool:
    """Return whether a system to compare with is a file of translations, not a model."""
    return not path.is_dir() and path.suffix != ".safetensors"


def check_texts(paths: Sequence[Path]) -> None:
    """Raise NmtError unless every text can be opened, UsageError if stdin is named twice."""
    check_stdin(paths)
    for path in paths:
        if path != STDIN:
            check_file(path, TEXT)
