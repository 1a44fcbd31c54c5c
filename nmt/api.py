"""The Python interface: load models and translate, train recipes, evaluate.

`import nmt` makes everything here available and imports PyTorch only when it is needed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.artifacts.run_folder import run_folder
from nmt.config import DecodeSettings, Recipe
from nmt.recipe import check_recipe, read_recipe, with_settings
from nmt.system.devices import AUTO, pick_device
from nmt.system.log import Notify, note
from nmt.text.corpus import DataFolder

if TYPE_CHECKING:
    from nmt.artifacts.model_file import TrainedModel
    from nmt.decoding.translation import Translation
    from nmt.decoding.translator import Translator
    from nmt.evaluation.results import Evaluation
    from nmt.training.trainer import TrainingOutcome

Settings = Mapping[str, Any]
NO_SETTINGS: Settings = {}


class Model:
    """A trained model, or an ensemble of them, that translates; `nmt.load` makes one."""

    def __init__(self, trained: "TrainedModel", notify: Notify = note) -> None:
        """Wrap a loaded model; `notify` receives notes, such as that a segment was split."""
        self._trained = trained
        self._notify = notify
        self._translator: Translator | None = None

    @property
    def recipe(self) -> Recipe:
        """Recipe that the model was trained by; that of an ensemble's first model."""
        return self._trained.recipe

    @property
    def paths(self) -> tuple[Path, ...]:
        """Paths of the model files."""
        return tuple(each.path for each in (self._trained, *self._trained.ensemble))

    def translate(
        self, segments: Iterable[str], *, n_best: int = 1, settings: Settings = NO_SETTINGS
    ) -> "list[Translation]":
        """Translate segments.

        Args:
            segments: the source segments. A blank one has a blank translation.
            n_best: candidates of each translation, best first; at most the beam size.
            settings: [decode] settings by name that replace those of the recipe, such as
                {"beam_size": 8}.

        Returns:
            One translation for each segment, in order.

        Raises:
            TypeError: if `segments` is a single text, or a segment is not a text.
            UsageError: for an unknown setting or a value out of range.
            NmtError: if the model's outputs are not numbers.
        """
        if isinstance(segments, str | bytes):
            raise TypeError("translate takes a list of segments; write translate([text])")
        given = list(segments)
        for segment in given:
            if not isinstance(segment, str):
                raise TypeError(f"a segment must be a str, not {segment!r}")
        translator = self._translator_for(self.decode_settings(settings), n_best)
        return list(translator.translate(given))

    def decode_settings(self, settings: Settings = NO_SETTINGS) -> DecodeSettings:
        """Return the recipe's [decode] settings with some replaced; raises UsageError."""
        named = {
            f"decode.{name.removeprefix('decode.')}": value for name, value in settings.items()
        }
        return with_settings(self.recipe, named).decode

    def _translator_for(self, settings: DecodeSettings, n_best: int) -> "Translator":
        """Return a translator with these settings; the last one is kept for the next call."""
        from nmt.decoding.translator import Translator

        kept = self._translator
        if kept is None or (kept.settings, kept.n_best) != (settings, n_best):
            kept = self._translator = Translator.of(self._trained, settings, self._notify, n_best)
        return kept


def load(
    model: str | Path | Sequence[str | Path] = (), *, device: str = AUTO, notify: Notify = note
) -> Model:
    """Load a model, or several as an ensemble.

    Args:
        model: a run folder or a .safetensors file. A list of them makes an ensemble, which
            translates by the mean of the models' probabilities. By default the newest model under
            runs/.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto": a CUDA GPU if there is one.
        notify: receives notes for the user; by default they are printed on stderr.

    Raises:
        NmtError: if a file is missing or damaged, or if the models do not fit each other.
        UsageError: if the device cannot be used.
    """
    from nmt.decoding.models import load_models

    paths = [model] if isinstance(model, str | Path) else model
    trained, _ = load_models([Path(path) for path in paths], device, notify)
    return Model(trained, notify)


def train(
    recipe: Recipe | str | Path,
    *,
    run: str | Path | None = None,
    data_dir: str | Path = "data",
    device: str = AUTO,
    on_end: "Callable[[TrainingOutcome], None] | None" = None,
) -> "TrainingOutcome":
    """Train a recipe, as `nmt train` does; the same call resumes a training that was stopped.

    It prepares the corpus if needed and leaves the models, the metrics and the report in the run
    folder. Progress is printed on stderr. Started by torchrun, several processes train together.

    A signal (Ctrl-C, SIGTERM) stops it at the end of an update with a checkpoint saved, if it runs
    in the main thread.

    Args:
        recipe: a recipe, the name of a shipped one, or the path of a file.
        run: the run folder; by default runs/RECIPE.
        data_dir: folder of the recipe's files.
        device: as in `load`.
        on_end: called with the outcome before the report is written.

    Raises:
        NmtError: for a corpus or a run folder that cannot be used.
        UsageError: for an unknown recipe, a setting out of range, or a device that cannot be used.
    """
    from nmt.studio.report.page import try_write_report
    from nmt.training.process_group import join_workers, local_device
    from nmt.training.train import train as train_with

    if not isinstance(recipe, Recipe):
        recipe = read_recipe(recipe)
    check_recipe(recipe)
    folder = run_folder(recipe, None if run is None else Path(run))
    chosen = local_device(pick_device(device))
    with join_workers(chosen) as workers:
        outcome = train_with(recipe, DataFolder(Path(data_dir)), folder, chosen, workers)
    if on_end is not None:
        on_end(outcome)
    if outcome.stopped_by is None and workers.is_first:
        try_write_report(folder)
    return outcome


def evaluate(
    model: Model,
    source: str | Path | None = None,
    references: str | Path | Sequence[str | Path] = (),
    *,
    settings: Settings = NO_SETTINGS,
    data_dir: str | Path = "data",
) -> "Evaluation":
    """Translate and score test sets: by BLEU, chrF and TER, or by error rates.

    Args:
        model: the model; its recipe gives the language and the metric.
        source: a file of source segments; by default the test sets of the model's recipe are used.
        references: the file of references for `source`, or a list of such files.
        settings: as in `Model.translate`.
        data_dir: folder of the recipe's test sets.

    Returns:
        The scores; `test_sets[0].systems[0].scores[0]` is the main score of the first test set.

    Raises:
        NmtError: if a test set is missing or does not fit.
        UsageError: for an unknown setting, or if `source` has no references.
    """
    from nmt.errors import UsageError
    from nmt.evaluation.evaluate import evaluate_model

    if isinstance(references, str | Path):
        references = [references]
    if (source is None) != (not references):
        raise UsageError("evaluate takes a source and its references, or neither of them")
    files = [] if source is None else [Path(source), *map(Path, references)]
    return evaluate_model(
        model._trained,
        model.decode_settings(settings),
        DataFolder(Path(data_dir)),
        model._notify,
        files=files,
    )
