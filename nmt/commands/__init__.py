"""The command line: one file for each subcommand, imported when it is called."""

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn

import click

from nmt import __version__
from nmt.errors import NmtError, UsageError, is_out_of_memory
from nmt.recipe import suggestion

# The subcommands and their short help; the module `nmt.commands.NAME` defines each.
COMMANDS = {
    "prepare": "Learn a tokenizer and encode a corpus.",
    "train": "Train a model, or resume a training.",
    "translate": "Translate a file or stdin.",
    "evaluate": "Compute BLEU, chrF and TER; write evaluation cards.",
    "average": "Average checkpoints of a run into one model.",
    "fetch": "Download the corpora of a recipe.",
    "inspect": "Show layers, cost and deviations from the paper.",
    "explain": "Write a page that shows how a sentence is translated.",
    "report": "Write a page with the curves and samples of a run.",
    "ablate": "Train variants of a recipe and compare them.",
}
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
        command = importlib.import_module(f"nmt.commands.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101 (for the type checker)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand and flush its output."""
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
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with `nmt train`, then `nmt translate FILE` and `nmt evaluate`; no options are"
    " needed. `nmt COMMAND --help` shows examples.",
)
@click.version_option(__version__, prog_name="nmt")
def cli() -> None:
    """Neural machine translation as in "Attention Is All You Need".

    Train a Transformer on parallel text, translate with it and compute its BLEU score.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit.

    Exit codes: 0 success, 1 bad input or failure, 2 usage error, 130 SIGINT, 143 SIGTERM.
    """
    signal.signal(signal.SIGTERM, exit_on_sigterm)
    try:
        given = [*(sys.argv[1:] if arguments is None else arguments)]
        cli.main(given, prog_name="nmt", standalone_mode=False, obj=given)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except NmtError as error:
        click.echo(f"nmt: {error}", err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        exit_by_signal(128 + signal.SIGINT)
    except SystemExit as end:
        if end.code in (128 + signal.SIGINT, 128 + signal.SIGTERM):
            exit_by_signal(int(end.code))
        raise
    except OSError as error:
        discard_stdout()
        place = f"{error.filename}: " if error.filename else "cannot read or write: "
        click.echo(f"nmt: {place}{error.strerror or error}", err=True)
        sys.exit(1)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        click.echo(f"nmt: {OUT_OF_MEMORY}", err=True)
        sys.exit(1)
    sys.exit(0)


def exit_by_signal(code: int) -> NoReturn:
    """Exit after a signal without waiting for running threads; cleanup has already been done."""
    for stream in (sys.stdout, sys.stderr):
        # The stream may be closed by its reader, or from the start.
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    exit_now(code)
    sys.exit(code)


def discard_stdout() -> None:
    """Discard what is still buffered for stdout, so that Python exits without a message."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def exit_on_sigterm(number: int, frame: FrameType | None) -> NoReturn:
    """Raise SystemExit, so that temporary files are removed."""
    sys.exit(128 + number)
