"""The Python interface: load models and translate, train recipes, evaluate.

`import nmt` makes everything here available and imports PyTorch only when it is needed.
"""

import re
import signal
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import wraps
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from nmt.config import DecodeSettings, Recipe
from nmt.config.decode import SCORE_SETTINGS
from nmt.errors import NmtError, UsageError
from nmt.recipe.rules import check_decode, check_recipe, check_used
from nmt.recipe.settings import get_setting, with_settings
from nmt.runs.outputs import check_run_folder
from nmt.runs.run_folder import find_run, run_folder
from nmt.runs.runs import find_recipe_and_run
from nmt.system.arguments import AnyPath, check_type
from nmt.system.devices import AUTO, pick_device
from nmt.system.log import Notify, note
from nmt.text.reading.corpus import DataFolder

if TYPE_CHECKING:
    from nmt.decoding.files.score import PairScore, Scorer
    from nmt.decoding.terms.glossary import Term
    from nmt.decoding.translator.translation import OutputOptions, Translation
    from nmt.decoding.translator.translator import Translator
    from nmt.documents.translate import TranslatedSegment
    from nmt.evaluation.results import Evaluation
    from nmt.runs.trained_model import TrainedModel
    from nmt.training.files.progress import TrainingOutcome

Settings = Mapping[str, Any]
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

OPTION = re.compile(r"`[^`]*`|--([a-z]+(?:-[a-z]+)*)")  # outside the commands in a message
OTHER_NAMES = {
    "prefix": "prefixes",
    "format": "format_name",
    "set": "settings",
    "sample": "method=sample in settings",
}


def names_arguments(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let the errors of a function name arguments where they name options of the command line."""

    @wraps(function)
    def call(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
        try:
            return function(*arguments, **named)
        except NmtError as error:
            error.args = (with_arguments(str(error)),)
            raise

    return call


def with_arguments(message: str) -> str:
    """Return a message with the names of arguments for those of options: n_best for --n-best."""

    def argument(found: re.Match[str]) -> str:
        name = found[1]
        return OTHER_NAMES.get(name, name.replace("-", "_")) if name else found[0]

    return OPTION.sub(argument, message)


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
        """Return the recipe that the model was trained by; that of an ensemble's first model."""
        return self._trained.recipe

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return the paths of the model files."""
        return tuple(member.path for member in self._trained.members)

    @names_arguments
    def translate(
        self,
        segments: Iterable[str],
        *,
        n_best: int = 1,
        token_scores: bool = False,
        alignments: bool = False,
        prefixes: Iterable[str] | None = None,
        to: str | Iterable[str] | None = None,
        glossary: Mapping[str, str | Iterable[str]] | AnyPath | None = None,
        settings: Settings | None = None,
    ) -> "list[Translation]":
        """Translate segments.

        Args:
            segments: the source segments; all are read before the first is translated. A blank one
                has a blank translation, and ends a document if the model translates in context.
            n_best: candidates of each translation, best first; at most the beam size, unless they
                are samples.
            token_scores: set `tokens` of the candidates.
            alignments: set `links` of the translations. The model then reads odd segments as they
                are: nothing is copied (decode.odd_input).
            prefixes: a text for each segment that its translation begins with; "" asks for nothing.
                It may end inside a word, unless a space is at its end.
            to: the code of the language to write, or a list with one for each segment.
            glossary: a dict from each source term to its target term, or to a list of alternative
                target terms; or the path of a glossary file.
            settings: [decode] settings that replace those of the recipe, such as {"beam_size": 8}.

        Returns:
            One translation for each segment, in order.

        Raises:
            TypeError: for an argument of a wrong type, such as a single text as `segments`.
            UsageError: for an unknown setting, a value out of range, half of a surrogate pair, a
                prefix that no translation can begin with, another number of prefixes, or a
                language that the model does not write.
            NmtError: for a glossary that cannot be read, a term that the vocabulary cannot write,
                or if the model's outputs are not numbers.
        """
        lists = {"prefixes": prefixes, "to": None if isinstance(to, str) else to}
        lists = {name: texts for name, texts in lists.items() if texts is not None}
        given = check_segments("translate", segments=segments, **lists)
        check_type("n_best", n_best, int)
        check_type("token_scores", token_scores, bool)
        check_type("alignments", alignments, bool)

        from nmt.decoding.terms.glossary import read_glossary
        from nmt.decoding.translator.translation import OutputOptions

        options = OutputOptions(n_best, token_scores, alignments)
        chosen = self.decode_settings(settings)
        translator = self._get_translator(chosen, options, read_glossary(glossary))
        languages = repeat(to) if isinstance(to, str) else given.get("to")
        return list(translator.translate(given["segments"], given.get("prefixes"), languages))

    @names_arguments
    def translate_file(
        self,
        source: AnyPath,
        output: AnyPath,
        *,
        format_name: str | None = None,
        columns: Iterable[str] = (),
        translates_all: bool = False,
        to: str | None = None,
        glossary: Mapping[str, str | Iterable[str]] | AnyPath | None = None,
        settings: Settings | None = None,
    ) -> "list[TranslatedSegment]":
        """Translate a file by its format, as `nmt translate FILE --output OUTPUT` does.

        Args:
            source: a page, a document, subtitles, a catalogue of messages, or prose.
            output: the file to write, whole or not at all.
            format_name: the name of the format, such as "html"; by default by the suffix.
            columns: columns of a table to translate: names, or numbers from "1".
            translates_all: also translate messages that are translated already.
            to: the code of the language to write; by default the one that the file
                states, or the only one that the model learned from the file's language.
            glossary, settings: as in `translate`.

        Returns:
            The translation of each segment of the file, with its place and its flags.

        Raises:
            TypeError: for an argument of a wrong type.
            UsageError: if no format is known, for a bad setting, or an output that must not be
                replaced, such as a model.
            NmtError: if the file cannot be read or is not of its format, or as in `translate`.
        """
        check_type("format_name", format_name, str, type(None))
        check_type("translates_all", translates_all, bool)
        names = check_segments("translate_file", columns=columns)["columns"]
        paths = check_path("source", source), check_path("output", output)

        from nmt.decoding.terms.glossary import read_glossary
        from nmt.documents.document import Options
        from nmt.documents.translate import document_translator
        from nmt.documents.translate_files import make_job, translate_job, with_languages

        chosen = self.decode_settings(settings, to=to)
        is_chosen = to is not None or chosen.target_language != self.recipe.decode.target_language
        options = Options(columns=tuple(names), translates_all=translates_all)
        job = make_job(*paths, format_name, options.columns)
        options = with_languages(options, job, self._trained, chosen, is_chosen=is_chosen)
        terms = read_glossary(glossary)
        translator = document_translator(self._trained, chosen, options, glossary=terms)
        results = translate_job(job, translator)
        translator.notes.tell(self._notify)
        return results

    @names_arguments
    def score(
        self,
        sources: Iterable[str],
        targets: Iterable[str],
        *,
        token_scores: bool = False,
        pieces: bool = False,
        to: str | None = None,
        settings: Settings | None = None,
    ) -> "list[PairScore]":
        """Score targets as translations of sources.

        Args:
            sources: the source segments.
            targets: a target segment for each source.
            token_scores: set `tokens` of the scores.
            pieces: the targets are tokens of the vocabulary with spaces between them, not texts.
            to: the code of the targets' language.
            settings: as in `translate`, but only those that matter when translations are given,
                such as `length_penalty`, `precision` and `batch_tokens`.

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

        from nmt.decoding.files.score import TextPair

        chosen = self.decode_settings(settings, used=SCORE_SETTINGS, to=to)
        scorer = self._get_scorer(chosen, token_scores, pieces)
        return list(scorer.score(map(TextPair, *given.values())))

    def decode_settings(
        self,
        settings: Settings | None = None,
        *,
        used: Container[str] | None = None,
        to: str | None = None,
    ) -> DecodeSettings:
        """Return the recipe's [decode] settings with some replaced.

        used: those that have an effect, such as "decode.precision"; by default all. to: the code of
        the language to write. Raises UsageError for a bad value, for one without effect, and for a
        contradiction.
        """
        check_type("to", to, str, type(None))
        if to is not None:
            settings = {**(settings or {}), "target_language": to}
        if settings is None:
            return self.recipe.decode
        check_type("settings", settings, Mapping)
        named = {f"decode.{str(key).removeprefix('decode.')}": settings[key] for key in settings}
        if len(named) < len(settings):
            raise UsageError("settings names a setting twice, with and without 'decode.'")
        if used is not None:
            check_used(named, used)
        recipe = with_settings(self.recipe, named)
        # All settings may be given, such as those of another recipe; only new values are asked for.
        check_decode(
            recipe,
            [name for name in named if get_setting(recipe, name) != get_setting(self.recipe, name)],
        )
        return recipe.decode

    def _get_translator(
        self, settings: DecodeSettings, options: "OutputOptions", terms: "Sequence[Term]"
    ) -> "Translator":
        """Return a translator with these settings; the last one is kept for the next call."""
        from nmt.decoding.translator.translator import Translator

        kept = self._translator
        asked = settings, options, terms
        if kept is None or (kept.settings, kept.options, kept.glossary) != asked:
            kept = Translator(self._trained, settings, self._notify, options, glossary=terms)
            self._translator = kept
        return kept

    def _get_scorer(self, settings: DecodeSettings, token_scores: bool, pieces: bool) -> "Scorer":
        """Return a scorer with these settings; the last one is kept for the next call."""
        from nmt.decoding.files.score import Scorer

        kept = self._scorer
        asked = settings, token_scores, pieces
        if kept is None or (kept.settings, kept.token_scores, kept.pieces) != asked:
            kept = self._scorer = Scorer(
                self._trained, settings, self._notify, token_scores=token_scores, pieces=pieces
            )
        return kept


@names_arguments
def load(
    model: AnyPath | Sequence[AnyPath] | None = None,
    *,
    device: str = AUTO,
    notify: Notify = note,
    engine: str = "nmt",
) -> Model:
    """Load a model, or several as an ensemble.

    Args:
        model: a run folder or a .safetensors file, or a list of them: an ensemble. By default the
            newest model of a finished training under runs/, else the newest model, else "everyday",
            the model that comes with the program.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto": a CUDA GPU if there is one.
        notify: called with each note for the user; by default they are printed on stderr.
        engine: "nmt"; "ctranslate2" takes one model or folder of `nmt export`, and cannot score.

    Raises:
        NmtError: if a file is missing or damaged, or if the models do not fit each other.
        UsageError: if the device cannot be used.
    """
    from nmt.decoding.translator.load import load_models

    check_type("device", device, str)
    check_type("engine", engine, str)
    check_callable("notify", notify)
    paths = [] if model is None else check_paths("model", model)
    if model is not None and not paths:
        raise UsageError("model is an empty list; name a model, or leave it out for the newest one")

    def told(text: str) -> None:
        notify(with_arguments(text))

    trained, _ = load_models(paths, device, told, engine=engine)
    return Model(trained, told)


@names_arguments
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
    The signal then has its usual effect: after Ctrl-C, that is a KeyboardInterrupt.

    Args:
        recipe: a recipe, the name of a shipped one, the path of a file, or a run folder to resume
            with its own settings.
        run: the run folder; by default runs/RECIPE.
        data_dir: folder of the recipe's files; by default that of the run's training, or "data".
        device: as in `load`.
        on_end: called with the outcome before the report is written, also after a signal.

    Raises:
        TypeError: for an argument of a wrong type.
        NmtError: for a corpus or a run folder that cannot be used.
        DivergenceError: if the losses are not numbers any more; the message says what to change.
        UsageError: for an unknown recipe, a setting out of range, or a device that cannot be used.
    """
    check_type("recipe", recipe, Recipe, str, Path)
    check_type("device", device, str)
    if on_end is not None:
        check_callable("on_end", on_end)
    given = None if run is None else check_path("run", run)
    if isinstance(recipe, Recipe):
        check_recipe(recipe)
        folder = run_folder(recipe, given)
        check_run_folder(folder.path)
    else:
        recipe, folder = find_recipe_and_run(recipe, given, {})
    chosen_data = None if data_dir is None else check_path("data_dir", data_dir)

    from nmt.documents.registry import bilingual_reader
    from nmt.studio.diagnosis.live import live_diagnosis
    from nmt.studio.report import try_write_report
    from nmt.training.parallel.workers import join_workers, local_device
    from nmt.training.trainer import train as train_with

    data = DataFolder(folder.data_dir(chosen_data), bilingual_reader)
    chosen = pick_device(local_device(device))
    with join_workers(chosen) as workers:
        outcome = train_with(recipe, data, folder, chosen, workers, live_diagnosis)
    if on_end is not None:
        on_end(outcome)
    if outcome.stopped_by is not None:
        signal.raise_signal(outcome.stopped_by)
    elif workers.is_first:
        try_write_report(folder)
    return outcome


@names_arguments
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
    from nmt.documents.registry import bilingual_reader
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
        DataFolder(find_run(model.paths[0]).data_dir(given), bilingual_reader),
        model._notify,
        files=files,
    )


def check_segments(method: str, **named: object) -> dict[str, list[str]]:
    """Return texts that belong together, such as sources and targets, as lists by name.

    Raises TypeError, which names the method, for anything else than texts, and UsageError if they
    differ in number.
    """
    lists: dict[str, list[str]] = {}
    for name, texts in named.items():
        if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
            raise TypeError(f"{method} takes a list of {name}; write [text]")
        lists[name] = list(texts)
        for text in lists[name]:
            check_type(f"each of {name}", text, str)
    if len({*map(len, lists.values())}) > 1:
        counts = [f"{len(texts)} {name}" for name, texts in lists.items()]
        raise UsageError(
            f"{method} takes as many {' as '.join(named)}, but there are {' and '.join(counts)}"
        )
    return lists


def check_callable(name: str, value: object) -> None:
    """Raise TypeError, which names the argument, unless its value can be called."""
    if not callable(value):
        raise TypeError(f"{name} must be a function, not {value!r:.80}")


def check_paths(name: str, paths: object) -> list[Path]:
    """Return one path or several as a list; errors are those of `check_path`."""
    if isinstance(paths, AnyPath):
        return [check_path(name, paths)]
    if isinstance(paths, bytes) or not isinstance(paths, Iterable):
        raise TypeError(f"{name} must be a path or a list of paths, not {paths!r:.80}")
    given = list(paths)
    return [check_path(f"each of {name}", path) for path in given]


def check_path(name: str, path: object) -> Path:
    """Return a path; raises TypeError unless it is a str or a Path, UsageError if it is empty."""
    check_type(name, path, str, Path)
    if not str(path):
        raise UsageError(f"{name} is an empty path; name a file or a folder")
    return Path(str(path))
