"""The Python interface: load models and translate, train recipes, evaluate.

`import nmt` makes everything here available and imports PyTorch only when it is needed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.artifacts.outputs import check_run_folder
from nmt.artifacts.run_folder import run_folder, run_of
from nmt.artifacts.runs import find_recipe_and_run
from nmt.config import DecodeSettings, Recipe
from nmt.errors import UsageError
from nmt.recipe import check_decode, check_recipe, with_settings
from nmt.system.arguments import AnyPath, check_path, check_paths, check_segments, check_type
from nmt.system.devices import AUTO, pick_device
from nmt.system.log import Notify, note
from nmt.text.corpus import DataFolder

if TYPE_CHECKING:
    from nmt.artifacts.trained_model import TrainedModel
    from nmt.decoding.glossary import Entry
    from nmt.decoding.pair_scores import PairScore
    from nmt.decoding.scorer import Scorer
    from nmt.decoding.translation import Translation
    from nmt.decoding.translator import Translator
    from nmt.decoding.wanted import Wanted
    from nmt.evaluation.results import Evaluation
    from nmt.training.outcome import TrainingOutcome

Settings = Mapping[str, Any]


class Model:
    """A trained model, or an ensemble of them, that translates and scores; `nmt.load` makes one."""

    def __init__(self, trained: "TrainedModel", notify: Notify = note) -> None:
        """Wrap a loaded model; `notify` receives notes, such as that a segment was split."""
        self._trained = trained
        self._notify = notify
        self._translator: Translator | None = None
        self._scorer: Scorer | None = None

    @property
    def recipe(self) -> Recipe:
        """Recipe that the model was trained by; that of an ensemble's first model."""
        return self._trained.recipe

    @property
    def paths(self) -> tuple[Path, ...]:
        """Paths of the model files."""
        return tuple(each.path for each in (self._trained, *self._trained.ensemble))

    def translate(
        self,
        segments: Iterable[str],
        *,
        n_best: int = 1,
        token_scores: bool = False,
        alignments: bool = False,
        prefixes: Iterable[str] | None = None,
        glossary: Mapping[str, str | Iterable[str]] | AnyPath | None = None,
        settings: Settings | None = None,
    ) -> "list[Translation]":
        """Translate segments.

        Args:
            segments: the source segments. A blank one has a blank translation.
            n_best: candidates of each translation, best first; at most the beam size, unless they
                are samples.
            token_scores: set `tokens` of the candidates.
            alignments: set `links` of the translations. Odd segments are then translated as they
                are (decode.odd_input).
            prefixes: a text for each segment that its translation begins with; "" asks for nothing.
            glossary: a dict with the target term of each source term, or a list of alternatives, or
                the path of a glossary file. The terms of a segment are translated by it.
            settings: [decode] settings that replace those of the recipe, such as {"beam_size": 8}.

        Returns:
            One translation for each segment, in order.

        Raises:
            TypeError: for an argument of a wrong type, such as a single text as `segments`.
            UsageError: for an unknown setting, a value out of range, half of a surrogate pair, a
                prefix that no translation can begin with, or another number of prefixes.
            NmtError: for a glossary that cannot be read, a term that the vocabulary cannot write,
                or if the model's outputs are not numbers.
        """
        asked = {"segments": segments} | ({} if prefixes is None else {"prefixes": prefixes})
        given = check_segments("translate", **asked)
        check_type("n_best", n_best, int)
        check_type("token_scores", token_scores, bool)
        check_type("alignments", alignments, bool)

        from nmt.decoding.glossary import glossary_of
        from nmt.decoding.requests import plain, with_prefixes
        from nmt.decoding.wanted import wanted_of

        wanted = wanted_of(self._trained, n_best, token_scores=token_scores, is_aligned=alignments)
        chosen = self.decode_settings(settings)
        translator = self._translator_for(chosen, wanted, glossary_of(glossary))
        requests_of = plain if prefixes is None else with_prefixes(given[1])
        return list(translator.translate(given[0], requests_of))

    def score(
        self,
        sources: Iterable[str],
        targets: Iterable[str],
        *,
        token_scores: bool = False,
        pieces: bool = False,
        settings: Settings | None = None,
    ) -> "list[PairScore]":
        """Score targets as translations of sources.

        Args:
            sources: the source segments.
            targets: a target segment for each source.
            token_scores: set `tokens` of the scores.
            pieces: the targets are tokens of the vocabulary with spaces between them, not texts.
            settings: as in `translate`; `length_penalty`, `precision` and `batch_tokens` matter.

        Returns:
            One score for each pair, in order.

        Raises:
            TypeError: as in `translate`.
            UsageError: if there are more or fewer targets than sources, or as in `translate`.
            NmtError: for a pair that learned positions cannot hold, or as in `translate`.
        """
        given = check_segments("score", sources=sources, targets=targets)
        check_type("token_scores", token_scores, bool)
        check_type("pieces", pieces, bool)

        from nmt.decoding.pairs import TextPair

        scorer = self._scorer_for(self.decode_settings(settings), token_scores, pieces)
        return list(scorer.score(map(TextPair, *given)))

    def decode_settings(self, settings: Settings | None = None) -> DecodeSettings:
        """Return the recipe's [decode] settings with some replaced.

        Raises UsageError for a bad value, NmtError for settings that contradict each other.
        """
        if settings is None:
            return self.recipe.decode
        check_type("settings", settings, Mapping)
        named = {f"decode.{str(key).removeprefix('decode.')}": settings[key] for key in settings}
        recipe = with_settings(self.recipe, named)
        check_decode(recipe)
        return recipe.decode

    def _translator_for(
        self, settings: DecodeSettings, wanted: "Wanted", terms: "Sequence[Entry]"
    ) -> "Translator":
        """Return a translator with these settings; the last one is kept for the next call."""
        from nmt.decoding.translator import Translator

        kept = self._translator
        asked = settings, wanted, terms
        if kept is None or (kept.settings, kept.wanted, kept.glossary) != asked:
            kept = Translator.of(self._trained, settings, self._notify, wanted, glossary=terms)
            self._translator = kept
        return kept

    def _scorer_for(self, settings: DecodeSettings, token_scores: bool, pieces: bool) -> "Scorer":
        """Return a scorer with these settings; the last one is kept for the next call."""
        from nmt.decoding.scorer import Scorer

        kept = self._scorer
        asked = settings, token_scores, pieces
        if kept is None or (kept.settings, kept.token_scores, kept.pieces) != asked:
            kept = self._scorer = Scorer(
                self._trained, settings, self._notify, token_scores=token_scores, pieces=pieces
            )
        return kept


def load(
    model: AnyPath | Sequence[AnyPath] = (),
    *,
    device: str = AUTO,
    notify: Notify = note,
    engine: str = "nmt",
) -> Model:
    """Load a model, or several as an ensemble.

    Args:
        model: a run folder or a .safetensors file, or a list of them: an ensemble. By default the
            newest model of a finished training under runs/, else the newest model.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto": a CUDA GPU if there is one.
        notify: receives notes for the user; by default they are printed on stderr.
        engine: "nmt"; "ctranslate2" takes one model or folder of `nmt export`, and cannot score.

    Raises:
        NmtError: if a file is missing or damaged, or if the models do not fit each other.
        UsageError: if the device cannot be used.
    """
    from nmt.interop.engines import load_for

    check_type("device", device, str)
    check_type("engine", engine, str)
    trained, _ = load_for(engine, check_paths("model", model), device, notify)
    return Model(trained, notify)


def train(
    recipe: Recipe | AnyPath,
    *,
    run: AnyPath | None = None,
    data_dir: AnyPath | None = None,
    device: str = AUTO,
    on_end: "Callable[[TrainingOutcome], None] | None" = None,
) -> "TrainingOutcome":
    """Train a recipe, as `nmt train` does; the same call resumes a training that was stopped.

    It prepares the corpus if needed and leaves the models, the metrics and the report in the run
    folder. Progress is printed on stderr. Started by torchrun, several processes train together.
    In the main thread, a signal (Ctrl-C, SIGTERM) stops it with a checkpoint at an update's end.

    Args:
        recipe: a recipe, the name of a shipped one, the path of a file, or a run folder to resume
            with its own settings.
        run: the run folder; by default runs/RECIPE.
        data_dir: folder of the recipe's files; by default that of the run's training, or "data".
        device: as in `load`.
        on_end: called with the outcome before the report is written.

    Raises:
        TypeError: for an argument of a wrong type.
        NmtError: for a corpus or a run folder that cannot be used.
        UsageError: for an unknown recipe, a setting out of range, or a device that cannot be used.
    """
    check_type("recipe", recipe, Recipe, str, Path)
    check_type("device", device, str)
    given = None if run is None else check_path("run", run)
    if isinstance(recipe, Recipe):
        check_recipe(recipe)
        folder = run_folder(recipe, given)
    else:
        recipe, folder = find_recipe_and_run(recipe, given, {})
    check_run_folder(folder.path)
    chosen_data = None if data_dir is None else check_path("data_dir", data_dir)
    data = DataFolder(folder.data_dir(chosen_data))

    from nmt.studio.report.page import try_write_report
    from nmt.training.process_group import join_workers, local_device
    from nmt.training.train import train as train_with

    chosen = pick_device(local_device(device))
    with join_workers(chosen) as workers:
        outcome = train_with(recipe, data, folder, chosen, workers)
    if on_end is not None:
        on_end(outcome)
    if outcome.stopped_by is None and workers.is_first:
        try_write_report(folder)
    return outcome


def evaluate(
    model: Model,
    source: AnyPath | None = None,
    references: AnyPath | Sequence[AnyPath] = (),
    *,
    settings: Settings | None = None,
    data_dir: AnyPath | None = None,
) -> "Evaluation":
    """Translate and score test sets: by BLEU, chrF and TER, or by error rates.

    Args:
        model: its recipe gives the language, the metric and the test sets.
        source: a file of source segments to use instead of the test sets.
        references: the file of references for `source`, or a list of such files.
        settings, data_dir: as in `Model.translate` and in `train`.

    Returns:
        The scores; `test_sets[0].systems[0].scores[0]` is the main score of the first test set.

    Raises:
        TypeError: for an argument of a wrong type.
        NmtError: if a test set is missing or does not fit.
        UsageError: for an unknown setting, or if `source` has no references.
    """
    from nmt.evaluation.evaluate import evaluate_model

    check_type("model", model, Model)
    files = check_paths("references", references)
    if (source is None) != (not files):
        raise UsageError("evaluate takes a source and its references, or neither of them")
    if source is not None:
        files.insert(0, check_path("source", source))
    given = None if data_dir is None else check_path("data_dir", data_dir)
    return evaluate_model(
        model._trained,
        model.decode_settings(settings),
        DataFolder(run_of(model.paths[0]).data_dir(given)),
        model._notify,
        files=files,
    )
