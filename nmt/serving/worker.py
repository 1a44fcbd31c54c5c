"""Load models, and translate with them in processes of their own.

The server itself only divides texts into lines, the long ones in threads. These load no module and
hold no lock that a translating process needs, so that it can fork at any time. It answers while
others translate, and a process that is killed takes no request with it.
"""

import gc
import multiprocessing
import os
import re
import signal
import stat
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from nmt.config import DecodeSettings
from nmt.decoding.translator.load import OWN, load_models
from nmt.decoding.translator.marked import Marked
from nmt.decoding.translator.translation import OutputOptions, Request, Translation
from nmt.decoding.translator.translator import Translator
from nmt.documents.marks.checks import mark_problems
from nmt.documents.translate import translate_marked
from nmt.errors import NmtError, UsageError, is_out_of_memory, shown
from nmt.runs.trained_model import TrainedModel
from nmt.system.devices import choose_device
from nmt.system.files import is_present
from nmt.system.log import note
from nmt.system.pools import ProcessPool
from nmt.system.processes import deferred_interrupts, watch_parent
from nmt.text.reading.languages import SHORTER, is_language
from nmt.text.reading.lines import FirstSegment

PAIR = re.compile(r"([a-z]{2,3})-([a-z]{2,3})=(.*)", re.DOTALL)  # and a path
LIKE_A_PAIR = re.compile(r"[A-Za-z]{2,3}([-_:][A-Za-z]+)+=")  # meant as one, perhaps
Pair = tuple[str, str]  # codes of the source and the target language
Line = str | Marked  # to translate; with its marks if it has some
Result = list[Line] | NmtError  # of a line: its translations, best first, or why there are none
TOKEN_CHARACTERS = 4  # of a token, about
# An odd line and lines of two lengths: they make what is made at the first use.
FIRST_LINES = ("1", "\u2603 a b.", "a b")


def with_marks(line: Line) -> str:
    """Return a line as a text, with its marks."""
    return line if isinstance(line, str) else line.text


def lower_case(pair: Pair) -> Pair:
    """Return a pair in lower case: a code such as zh-Hans has capitals by convention only."""
    source, target = pair
    return source.lower(), target.lower()


@dataclass(frozen=True)
class ModelSource:
    """Name a model and how it translates; another process can load it too."""

    path: Path
    languages: Pair | None  # None: those of the model
    device: str
    overrides: tuple[str, ...]  # `decode.key=value`
    engine: str = OWN

    @property
    def can_share(self) -> bool:
        """Return whether forked copies of the process that loaded the model can translate.

        A GPU's libraries and the threads of an engine do not survive a fork, and on macOS forks are
        not safe.
        """
        is_own_on_cpu = self.engine == OWN and choose_device(self.device) == "cpu"
        return sys.platform == "linux" and is_own_on_cpu

    def load(self) -> "LineTranslator":
        """Load the model; raises NmtError or UsageError as `load_models` does."""
        model, settings = load_models(
            [self.path], self.device, note, self.overrides, engine=self.engine
        )
        if model.recipe.data.context:
            note(f"{self.path}: each line is translated alone; `nmt translate` reads context")
        is_forked = self.engine == OWN and model.device == "cpu"
        if is_forked and settings.odd_input == "repair":
            compute_in_one_thread()  # PyTorch finds the positions of symbols that are copied
        translator = LineTranslator(model, settings, self.languages)
        if is_forked and "torch" in sys.modules:
            compute_in_one_thread()
        return translator


def model_source(
    given: str, device: str, overrides: Sequence[str], engine: str = OWN
) -> ModelSource:
    """Return the source of a model that is given as PATH or as PAIR=PATH, such as en-de=runs/a.

    Raises UsageError for a code that is no language.
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
    source, target, path = match.groups()
    for code in (source, target):
        if not is_language(code):
            raise UsageError(f"--model {shown(given)}: {code} is no ISO 639 code of a language")
    return ModelSource(Path(path), (source, target), device, tuple(overrides), engine)


def check_pairs(served: Iterable[tuple[str, Sequence[Pair]]]) -> None:
    """Raise UsageError if two models are for one direction; served: names of models, and theirs."""
    seen: dict[Pair, str] = {}
    for name, pair in ((name, lower_case(pair)) for name, pairs in served for pair in pairs):
        if pair in seen:
            raise UsageError(
                f"{seen[pair]} and {name} are both for {'-'.join(pair)}; serve one of them, or name"
                f" the languages of the other, as in --model en-de={name}"
            )
        seen[pair] = name


class Ready(NamedTuple):
    """Tell the server that a process has loaded its model."""

    directions: tuple[Pair, ...]
    most_candidates: int
    batch_characters: int  # of a batch: a larger one is not translated faster


class LineTranslator:
    """Translates lines in the process that calls it."""

    def __init__(
        self, model: TrainedModel, settings: DecodeSettings, languages: Pair | None = None
    ) -> None:
        """Take a loaded model; languages: those to serve it for, if not its recipe's."""
        directions = (languages,) if languages else find_directions(model)
        first, self._has_tokens = directions[0], bool(model.tokenizer.source.language_tokens)
        if self._has_tokens:  # for the first translations
            settings = replace(settings, target_language=first[1])
        self._computes_in_one_thread = not model.engine and model.device == "cpu"
        is_beam = settings.method == "beam" and settings.mbr == "none"
        most = settings.beam_size if is_beam else 1
        self._best = one_process_translator(model, settings, 1)
        self._several = one_process_translator(model, settings, most) if most > 1 else self._best
        searcher = self._best.searcher
        batches = searcher.make_pool().count if model.engine else 1
        characters = TOKEN_CHARACTERS * searcher.settings.batch_tokens * batches
        self.ready = Ready(directions, most, characters)

    def translate(
        self, lines: Sequence[Line], candidates: int, languages: Sequence[str] = ()
    ) -> list[list[Line]]:
        """Return up to so many translations of each line, as `nmt translate` writes them.

        Those of a line with marks have these marks. languages: the one to write for each line; they
        matter if the model writes several.
        """
        translator = self._best if candidates == 1 else self._several
        chosen = languages if languages and self._has_tokens else [""] * len(lines)
        asked = [*zip(lines, chosen, strict=True)]
        # Lines of several clients are translated together, each alone.
        texts = [
            Request(FirstSegment(line), language=to) for line, to in asked if isinstance(line, str)
        ]
        plain = (found for chunk in translator.chunks([texts]) for found in chunk)
        others = [(line, to) for line, to in asked if isinstance(line, Marked)]
        marked = iter(self._translate_marked(others))
        return [
            [found.text for found in next(plain).candidates[:candidates]]
            if isinstance(line, str)
            else [*next(marked)[:candidates]]
            for line in lines
        ]

    def _translate_marked(self, asked: Sequence[tuple[Marked, str]]) -> list[list[Marked]]:
        """Return the chosen translation of each line, then the candidates that keep its marks.

        asked: lines and their languages.
        """
        lines, languages = [line for line, _ in asked], [language for _, language in asked]

        def translate(requests: Sequence[Request]) -> list[Translation]:
            return [found for chunk in self._several.chunks([requests]) for found in chunk]

        if self._computes_in_one_thread and any(line.marks for line in lines):
            compute_in_one_thread()  # PyTorch finds the positions of marks
        ways = []
        for line, placed in zip(lines, translate_marked(lines, translate, languages), strict=True):
            others = (Marked(found.text, found.marks) for found in placed.candidates)
            kept = (other for other in others if not mark_problems(line, other))
            ways.append([*dict.fromkeys([placed.text, *kept])])
        return ways


def find_directions(model: TrainedModel) -> tuple[Pair, ...]:
    """Return the directions of a model's corpora; of an imported model, one for each token."""
    data, tokens = model.recipe.data, model.tokenizer.source.language_tokens
    if data.directions or not tokens:
        return data.known_directions
    codes = [token[2:-2] for token in tokens]
    return tuple((data.source_language, SHORTER.get(code, code)) for code in codes)


def one_process_translator(
    model: TrainedModel, settings: DecodeSettings, n_best: int
) -> Translator:
    """Return a translator that works in the calling thread and prints no notes about lines.

    It has translated before, so that forked copies share what the first translation creates.
    """
    # An engine has its own threads, and the server its own processes.
    pool = None if model.engine else ProcessPool(1)
    # A note may quote what a client sent.
    translator = Translator(model, settings, lambda _: None, OutputOptions(n_best), pool=pool)
    # A server's batches are small: the backend that starts at once is the faster one.
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


class Process:
    """A process of the server's, and the server's end of the connection to it."""

    def __init__(self, method: str, work: Callable[..., None], given: Any) -> None:
        """Start it; work: receives its end of the connection, and what is given."""
        self._method, self._work, self._given = method, work, given
        self.start()

    def start(self) -> None:
        """Start the process, also in place of one that has ended."""
        context: Any = multiprocessing.get_context(self._method)  # there is a type for each way
        connection, other = context.Pipe()
        process = context.Process(target=self._work, args=(other, self._given), daemon=True)
        with deferred_interrupts():  # the server ends its processes
            process.start()
        other.close()
        self.connection: Connection = connection
        self._process = process

    @property
    def process_id(self) -> int:
        """Return the number of the process."""
        return int(self._process.pid)

    def end(self) -> None:
        """End the process at once: nobody waits for what it does."""
        self._process.kill()
        self._process.join()
        self.connection.close()


def start_workers(source: ModelSource, count: int, stack: ExitStack) -> tuple[list[Process], Ready]:
    """Load a model and start the processes that translate with it; the stack ends them.

    They share the model, or one loads it. Raises NmtError if it cannot be loaded, or UsageError.
    """
    translator = source.load() if source.can_share else None
    gc.collect()
    gc.freeze()  # so that the forks' collections do not write into shared memory
    workers: list[Process] = []
    for _ in range(count if translator else 1):
        method, given = ("fork", translator) if translator else ("spawn", source)
        workers.append(Process(method, work, given))
        stack.callback(workers[-1].end)
    for worker in workers:
        try:
            said = worker.connection.recv()
        except (EOFError, OSError) as error:
            raise NmtError(
                f"the process that loads {source.path} ended without a message; perhaps memory ran"
                " out"
            ) from error
        if isinstance(said, NmtError):
            raise said
    return workers, said


def leave_server(connection: Connection) -> None:
    """Let this process keep nothing of the server's, and end when it ends.

    Clients must see when the server closes its sockets, which a fork has too.
    """
    signal.set_wakeup_fd(-1)
    watch_parent()
    for name in os.listdir("/proc/self/fd") if sys.platform == "linux" else ():
        number = int(name)
        if number in (0, 1, 2, connection.fileno()):
            continue
        with suppress(OSError):  # the folder's own
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                os.close(number)


def work(connection: Connection, given: LineTranslator | ModelSource) -> None:
    """Translate batches until the server ends; the body of a process."""
    leave_server(connection)
    try:
        translator = given.load() if isinstance(given, ModelSource) else given
    except NmtError as error:
        connection.send(error)
        return
    with suppress(EOFError, OSError):  # the server has ended
        connection.send(translator.ready)
        while True:
            connection.send(translate_batch(translator, *connection.recv()))


def translate_batch(
    translator: LineTranslator, lines: Sequence[Line], candidates: int, languages: Sequence[str]
) -> list[Result]:
    """Return the result of each line; if the batch fails, lines are tried one by one."""
    try:
        return [*translator.translate(lines, candidates, languages)]
    except Exception as error:
        if len(lines) == 1:
            return [NmtError(tell_failure(error))]
        alone = (
            translate_batch(translator, [line], candidates, [language])
            for line, language in zip(lines, languages, strict=True)
        )
        return [result for results in alone for result in results]


def tell_failure(error: Exception) -> str:
    """Return why a line was not translated; never the line."""
    if is_out_of_memory(error):
        return "out of memory; lower decode.batch_tokens (--set)"
    return str(error) if isinstance(error, NmtError) else f"a bug: {type(error).__name__}"
