"""Load a model to serve, and translate lines with it in one process."""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.decoding.translator.load import OWN, load_models
from nmt.decoding.translator.marked import Marked
from nmt.errors import UsageError, shown
from nmt.recipe.toml import toml_value
from nmt.serving.layout import Line
from nmt.system.files import is_present
from nmt.system.log import Notify
from nmt.system.pools import ProcessPool
from nmt.text.languages import is_language

if TYPE_CHECKING:
    from nmt.config import DecodeSettings
    from nmt.decoding.translator.translator import Translator
    from nmt.runs.trained_model import TrainedModel

# A pair, perhaps with the language token of a model that writes several languages, and a path.
PAIR = re.compile(r"([a-z]{2,3})-([a-z]{2,3})(?::([^=/]+))?=(.*)", re.DOTALL)
LIKE_A_PAIR = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z]+)+(:[^=/]*)?=")  # meant as one, perhaps
Pair = tuple[str, str]  # codes of the source and the target language
TOKEN_CHARACTERS = 4  # of a token, about
# An odd line and lines of two lengths: they make what is made at the first use.
FIRST_LINES = ("1", "\u2603 a b.", "a b")


@dataclass(frozen=True)
class ModelSource:
    """Name a model and how it translates; another process can load it too."""

    path: Path
    languages: tuple[str, str] | None  # None: those of the model
    device: str
    overrides: tuple[str, ...]  # `decode.key=value`
    engine: str = OWN

    @property
    def can_share(self) -> bool:
        """True if forked copies of the process that loaded the model can translate.

        A GPU's libraries and the threads of an engine do not survive a fork, and on macOS forks are
        not safe.
        """
        from nmt.system.devices import choose_device

        is_own_on_cpu = self.engine == OWN and choose_device(self.device) == "cpu"
        return sys.platform == "linux" and is_own_on_cpu

    def load(self, notify: Notify) -> "LineTranslator":
        """Load the model; raises NmtError or UsageError as `load_models` does."""
        model, settings = load_models(
            [self.path], self.device, notify, self.overrides, engine=self.engine
        )
        is_forked = self.engine == OWN and model.device == "cpu"
        if is_forked and settings.odd_input == "repair":
            compute_in_one_thread()  # PyTorch finds the places of symbols that are copied
        translator = LineTranslator(model, settings, self.languages)
        if is_forked and "torch" in sys.modules:
            compute_in_one_thread()
        return translator


def model_source(
    given: str, device: str, overrides: Sequence[str], engine: str = OWN
) -> ModelSource:
    """Return the source of a model that is given as PATH or as PAIR=PATH, such as en-de=runs/a.

    en-de:deu=PATH also sets `decode.target_token`. Raises UsageError for a code that is no
    language.
    """
    match = PAIR.fullmatch(given)
    if not given or given.endswith("="):
        raise UsageError(f"--model {shown(given)} names no path; add that of a run or a model")
    if match is None:
        if LIKE_A_PAIR.match(given) and not is_present(Path(given)):
            raise UsageError(
                f"--model {shown(given)}: there is no such file, and a pair before '=' has two"
                " codes of 2 or 3 small letters, such as en-de; without a pair, the codes are those"
                " of the model"
            )
        return ModelSource(Path(given), None, device, tuple(overrides), engine)
    source, target, token, path = match.groups()
    for code in (source, target):
        if not is_language(code):
            raise UsageError(f"--model {shown(given)}: {code} is no ISO 639 code of a language")
    changes = [*overrides, *([f"decode.target_token={toml_value(token)}"] if token else [])]
    return ModelSource(Path(path), (source, target), device, tuple(changes), engine)


@dataclass(frozen=True)
class Ready:
    """Tell the server that a process has loaded its model."""

    languages: tuple[str, str]
    most_candidates: int
    batch_characters: int  # that are translated about as fast together as they can be


class LineTranslator:
    """Translates lines in the process that calls it."""

    def __init__(
        self,
        model: "TrainedModel",
        settings: "DecodeSettings",
        languages: tuple[str, str] | None = None,
    ) -> None:
        """Take a loaded model; languages: those to serve it for, if not its recipe's."""
        data = model.recipe.data
        self._computes_in_one_thread = not model.engine and model.device == "cpu"
        is_beam = settings.method == "beam" and settings.mbr == "none"
        most = settings.beam_size if is_beam else 1
        self._best = one_process_translator(model, settings, 1)
        self._several = one_process_translator(model, settings, most) if most > 1 else self._best
        searcher = self._best.searcher
        batches = searcher.make_pool().count if model.engine else 1
        tokens = searcher.settings.batch_tokens * batches
        pair = languages or (data.source_language, data.target_language)
        self.ready = Ready(pair, most, TOKEN_CHARACTERS * tokens)

    def translate(self, lines: Sequence[Line], candidates: int) -> list[list[Line]]:
        """Return up to so many translations of each line, as `nmt translate` writes them.

        Those of a line with marks have these marks.
        """
        translator = self._best if candidates == 1 else self._several
        texts = [each for each in lines if isinstance(each, str)]
        plain: Iterator[list[Line]] = (
            [each.text for each in found.candidates[:candidates]]
            for found in translator.translate(texts)
        )
        marked = iter(
            self._translated_marked(
                [each for each in lines if isinstance(each, Marked)], candidates
            )
        )
        return [next(plain) if isinstance(each, str) else [*next(marked)] for each in lines]

    def _translated_marked(self, lines: Sequence[Marked], candidates: int) -> list[list[Marked]]:
        """Return up to so many translations of each line with marks."""
        if not lines:
            return []
        from nmt.serving.marked_lines import MarkedLines

        if self._computes_in_one_thread and any(each.marks for each in lines):
            compute_in_one_thread()  # PyTorch finds the places of marks
        return MarkedLines(self._several).translate(lines, candidates)


def one_process_translator(
    model: "TrainedModel", settings: "DecodeSettings", n_best: int
) -> "Translator":
    """Return a translator that works in the calling thread and prints no notes about lines.

    It has translated before, so that forked copies share what the first translation creates.
    """
    from nmt.decoding.translator.translation import OutputOptions
    from nmt.decoding.translator.translator import Translator

    # An engine has its own threads, and the server its own processes.
    pool = None if model.engine else ProcessPool(1)
    translator = Translator(model, settings, ignore, OutputOptions(n_best), pool=pool)
    # A server's batches are small: the form that starts at once is the faster one.
    translator.searcher.keep_first_backend()
    for _ in translator.translate(FIRST_LINES):
        pass
    return translator


def compute_in_one_thread() -> None:
    """Let PyTorch compute in the calling thread: each core has a process, and forks no threads.

    It is imported now, so that forks share it.
    """
    import torch

    torch.set_num_threads(1)


def ignore(message: str) -> None:
    """Drop a note: it may quote what a client sent."""


def lower(pair: Pair) -> Pair:
    """Return a pair in lower case: a code such as zh-Hans has capitals by convention only."""
    source, target = pair
    return source.lower(), target.lower()


def check_pairs(pairs: Sequence[Pair], names: Sequence[str]) -> None:
    """Raise UsageError if two models are for one pair of languages; names: those of the models."""
    seen: dict[Pair, str] = {}
    for each, name in zip(map(lower, pairs), names, strict=True):
        if each in seen:
            pair = "-".join(each)
            raise UsageError(
                f"{seen[each]} and {name} are both for {pair}; serve one of them, or name the"
                f" languages of the other, as in --model en-de={name}"
            )
        seen[each] = name
