"""The command line: one file for each subcommand, imported when it is called."""

import errno
import importlib
import io
import keyword
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from nmt import __version__
from nmt.errors import NmtError, UsageError, is_out_of_memory, printable, suggestion
from nmt.system.arguments import ensure_utf8, write_any_path
from nmt.system.atomic import remove_unfinished
from nmt.system.processes import STOP_SIGNALS, after_imports, left, on_stop_signals, stop_at_once
from nmt.system.threads import limit_spinning

# The subcommands in groups, with their short help; the module `nmt.commands.NAME` defines each, or
# `nmt.commands.NAME_` if Python has a keyword of this name.
GROUPS = {
    "Text to BLEU": {
        "fetch": "Download the corpora of a recipe, or a model.",
        "prepare": "Learn a tokenizer and encode a corpus.",
        "train": "Train a model, or resume a training.",
        "average": "Average checkpoints of a run into one model.",
        "translate": "Translate a file or stdin.",
        "score": "Score given translations with a model.",
        "rerank": "Rerank n-best lists by other models.",
        "evaluate": "Compute BLEU, chrF and TER; write evaluation cards.",
        "settings": "List the settings of recipes.",
    },
    "Your corpus": {
        "init": "Write a recipe for two files of your own.",
        "check": "Report what is wrong with a corpus.",
        "clean": "Repair a corpus and remove its bad pairs.",
        "split": "Divide a corpus into training, dev and test text.",
        "augment": "Make training pairs with models.",
    },
    "Look inside": {
        "inspect": "Show layers, cost and deviations from the paper.",
        "explain": "Write a page in which you see a model translate.",
        "runs": "List runs with score, updates, size and age.",
        "report": "Write a page with the curves and samples of a run.",
        "ablate": "Train variants of a recipe and compare them.",
        "scale": "Train sizes of a recipe and predict a larger one.",
    },
    "Other programs and servers": {
        "serve": "Translate over HTTP, like LibreTranslate.",
        "import": "Read a model of another program.",
        "export": "Write a model in the format of another program.",
    },
}
COMMANDS = {name: about for group in GROUPS.values() for name, about in group.items()}
WHOLE = ("check", "clean", "evaluate", "explain")  # write all that they make at the end
received: list[int] = []  # signals that ask the command to stop
exit_now = os._exit  # tests replace it, because they run commands in their own process
OUT_OF_MEMORY = (
    "out of memory; lower train.micro_batch_tokens (training), decode.batch_tokens (translation) or"
    " the size of the model"
)


class LazyGroup(click.Group):
    """A group that imports a subcommand when it is called, so that `nmt --help` is fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command = importlib.import_module(f"nmt.commands.{module}").command
        assert isinstance(command, click.Command)  # noqa: S101 (for the type checker)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand and flush its output."""
        if not {"-h", "--help"} & {*(ctx.obj or ())}:
            try:
                Path.cwd()
            except OSError as error:  # it was removed: libraries fail in it with other words
                raise NmtError(
                    f"the current folder cannot be used ({error.strerror}); change to another one"
                ) from error
        try:
            result = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError:
            # The reader of stdout has closed the pipe (`| head`): end without a message.
            discard_stdout()
            sys.exit(128 + signal.SIGPIPE)
        return result

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand; for an unknown one, suggest the nearest name."""
        if not ctx.resilient_parsing and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise UsageError(f"no command '{args[0]}'{suggestion(args[0], COMMANDS)}")
        if args[0] in WHOLE:
            left.append(lambda: "nothing was written")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))  # one column for all groups
        for title, commands in GROUPS.items():
            rows = [(name.ljust(width), about) for name, about in commands.items()]
            with formatter.section(title):
                formatter.write_dl(rows)


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with `nmt train`, then `nmt translate FILE` and `nmt evaluate`; no options are"
    " needed. `nmt train SOURCE TARGET` trains on text of your own. `nmt COMMAND --help` shows"
    " examples.",
)
@click.version_option(__version__, prog_name="nmt")
def cli() -> None:
    """Neural machine translation as in "Attention Is All You Need".

    Train a Transformer on parallel text, translate with it and compute its BLEU score.
    """


def buffer_stdout() -> None:
    """Give stdout a buffer if Python was started without (-u, PYTHONUNBUFFERED).

    Without a buffer, Python loses the rest of a text that a full disk takes in part only.
    """
    raw = getattr(sys.stdout, "buffer", None)
    if isinstance(raw, io.RawIOBase):
        buffered = io.BufferedWriter(raw)
        encoding, errors = sys.stdout.encoding, sys.stdout.errors
        sys.stdout = io.TextIOWrapper(buffered, encoding, errors, line_buffering=True)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    Exit codes: 0 success, 1 bad input or failure, 2 usage error; after a signal 128 and its number:
    129 SIGHUP, 130 SIGINT, 143 SIGTERM.
    """
    if arguments is None:
        ensure_utf8()
        write_any_path()
        buffer_stdout()
    limit_blas_threads()
    limit_spinning()
    handle_signals()
    if "_NMT_COMPLETE" in os.environ:
        importlib.import_module("nmt.commands.completion")
    try:
        given = [*(sys.argv[1:] if arguments is None else arguments)]
        with signals_first():
            code = cli.main(given, prog_name="nmt", standalone_mode=False, obj=given)
        if code:  # of `Context.exit`; commands return None
            sys.exit(code)
    except click.ClickException as error:
        text = io.StringIO()
        error.show(text)
        with suppress(OSError):
            lines = text.getvalue().replace("\n\t", "\n  ").split("\n")  # click indents choices
            click.echo("\n".join(map(printable, lines)), err=True, nl=False)
        sys.exit(error.exit_code)
    except NmtError as error:
        complain(str(error))
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        exit_by_signal(128 + signal.SIGINT)
    except SystemExit as end:
        if end.code in [128 + number for number in STOP_SIGNALS]:
            exit_by_signal(int(end.code))
        raise
    except OSError as error:
        discard_stdout()
        # Files are written by functions that name them.
        is_stdout = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        unnamed = "cannot write to stdout" if is_stdout else "cannot read or write"
        complain(f"{error.filename or unnamed}: {error.strerror or error}")
        sys.exit(1)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        complain(OUT_OF_MEMORY)
        sys.exit(1)
    if arguments is None:
        stop_at_once()
    sys.exit(0)


def limit_blas_threads() -> None:
    """Let NumPy's products take one thread, unless the environment sets another number.

    A command computes in one process per core. OpenBLAS starts its threads when NumPy is imported:
    one per core in each process, which would wait for each other. The Python interface leaves the
    environment as it is.
    """
    if "numpy" not in sys.modules:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def complain(message: str) -> None:
    """Print an error on stderr, unless its terminal is closed."""
    with suppress(OSError):
        click.echo(f"nmt: {printable(message)}", err=True)


def exit_by_signal(code: int) -> NoReturn:
    """Say what the command leaves, and exit after a signal without waiting for running threads.

    The exception that the signal raised has ended the blocks that clean up, but for one that the
    signal may have kept from beginning.
    """
    remove_unfinished()
    if left:
        complain(f"stopped; {left[-1]()}")
    for stream in (sys.stdout, sys.stderr):
        # The stream may be closed by its reader, or from the start.
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    exit_now(code)
    sys.exit(code)


def discard_stdout() -> None:
    """Discard what is still buffered for stdout, so that Python exits without a message."""
    from nmt.system.log import discard

    if sys.stdout is not None:
        discard(sys.stdout.fileno())


def handle_signals() -> None:
    """Let stop signals raise an exception; a SIGINT that is ignored stays ignored."""
    received.clear()
    left.clear()
    on_stop_signals(after_imports(exit_on_signal), interrupts=False)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, after_imports(exit_on_signal))


def exit_on_signal(number: int, frame: FrameType | None) -> NoReturn:
    """Raise KeyboardInterrupt or SystemExit, so that temporary files are removed."""
    received.append(number)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + number)


@contextmanager
def signals_first() -> Iterator[None]:
    """Exit by a signal even if a library turned what its handler raised into another error."""
    try:
        yield
    except Exception:
        if received:
            exit_by_signal(128 + received[-1])
        raise
