"""Models that are loaded to translate and to score."""

from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.api.arguments import (
    check_callable,
    check_path,
    check_paths,
    check_segments,
    names_arguments,
    with_arguments,
)
from nmt.config import DecodeSettings, Recipe
from nmt.config.decode import SCORE_SETTINGS
from nmt.errors import UsageError
from nmt.recipe.rules import check_decode, check_used
from nmt.recipe.settings import get_setting, with_settings
from nmt.system.arguments import AnyPath, check_type
from nmt.system.devices import AUTO
from nmt.system.log import Notify, note

if TYPE_CHECKING:
    from nmt.decoding.glossary import Entry
    from nmt.decoding.pair_scores import PairScore
    from nmt.decoding.scorer import Scorer
    from nmt.decoding.translation import Translation
    from nmt.decoding.translator import Translator
    from nmt.decoding.wanted import Wanted
    from nmt.formats.translate import TranslatedSegment
    from nmt.runs.trained_model import TrainedModel

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

    @names_arguments
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
            segments: the source segments; all are read before the first is translated. A blank one
                has a blank translation.
            n_best: candidates of each translation, best first; at most the beam size, unless they
                are samples.
            token_scores: set `tokens` of the candidates.
            alignments: set `links` of the translations. The model then reads odd segments as they
                are: nothing is copied (decode.odd_input).
            prefixes: a text for each segment that its translation begins with; "" asks for nothing.
                It may end inside a word, unless a space is at its end.
            glossary: a dict from each source term to its target term, or to a list of alternative
                target terms; or the path of a glossary file.
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

    @names_arguments
    def translate_file(
        self,
        source: AnyPath,
        output: AnyPath,
        *,
        format_name: str | None = None,
        columns: Iterable[str] = (),
        translates_all: bool = False,
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
        names = check_segments("translate_file", columns=columns)[0]
        paths = check_path("source", source), check_path("output", output)

        from nmt.decoding.glossary import glossary_of
        from nmt.formats.document import Options
        from nmt.formats.of_model import document_translator
        from nmt.formats.translate_files import translate_one

        data = self.recipe.data
        options = Options(data.source_language, data.target_language, tuple(names), translates_all)
        chosen = self.decode_settings(settings)
        terms = glossary_of(glossary)
        translator = document_translator(self._trained, chosen, options, glossary=terms)
        return translate_one(*paths, format_name, translator)

    @names_arguments
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

        from nmt.decoding.pairs import TextPair

        chosen = self.decode_settings(settings, used=SCORE_SETTINGS)
        scorer = self._scorer_for(chosen, token_scores, pieces)
        return list(scorer.score(map(TextPair, *given)))

    def decode_settings(
        self, settings: Settings | None = None, *, used: Container[str] | None = None
    ) -> DecodeSettings:
        """Return the recipe's [decode] settings with some replaced.

        used: those that have an effect, such as "decode.precision"; by default all. Raises
        UsageError for a bad value, for one without effect, and for a contradiction.
        """
        if settings is None:
            return self.recipe.decode
        check_type("settings", settings, Mapping)
        named = {f"decode.{str(key).removeprefix('decode.')}": settings[key] for key in settings}
        if len(named) < len(settings):
            raise UsageError("settings names a setting twice, with and without 'decode.'")
        if used is not None:
            check_used(named, used)
        recipe = with_settings(self.recipe, named)
        # All settings may be given, such as those of another recipe; only new values are a wish.
        check_decode(
            recipe,
            [each for each in named if get_setting(recipe, each) != get_setting(self.recipe, each)],
        )
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
            newest model of a finished training under runs/, else the newest model.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto": a CUDA GPU if there is one.
        notify: called with each note for the user; by default they are printed on stderr.
        engine: "nmt"; "ctranslate2" takes one model or folder of `nmt export`, and cannot score.

    Raises:
        NmtError: if a file is missing or damaged, or if the models do not fit each other.
        UsageError: if the device cannot be used.
    """
    from nmt.interop.engines import load_for

    check_type("device", device, str)
    check_type("engine", engine, str)
    check_callable("notify", notify)
    paths = [] if model is None else check_paths("model", model)
    if model is not None and not paths:
        raise UsageError("model is an empty list; name a model, or leave it out for the newest one")

    def told(text: str) -> None:
        notify(with_arguments(text))

    trained, _ = load_for(engine, paths, device, told)
    return Model(trained, told)
