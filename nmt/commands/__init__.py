"""The command line: one thin file a subcommand, imported only when it is called."""

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

# In the order of the work; `nmt.commands.NAME` holds each.
COMMANDS = {
    "prepare": "Learn the tokenizer and encode a recipe's corpus.",
    "train": "Train a recipe; the same command resumes.",
    "translate": "Translate a file or stdin.",
    "evaluate": "Score with BLEU, chrF and TER; write cards.",
    "average": "Average checkpoints of a run into one model.",
    "fetch": "Download the corpora that a recipe names.",
    "inspect": "Show layers, cost and every deviation from the paper.",
    "explain": "Show how a model translates a sentence, on a page.",
    "report": "Show a run's curves, samples and figures on a page.",
    "ablate": "Train variants of a recipe, and set them side by side.",
}
leave = os._exit  # tests, which are one process, take another
MEMORY_MEND = (
    "lower train.micro_batch_tokens to train, decode.batch_tokens to translate, or the model's size"
)


class LazyGroup(click.Group):
    """Imports a subcommand when it is called, so that `nmt --help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"nmt.commands.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101 (for the type checker)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand and see its output out."""
        try:
            result = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError:
            # The reader of our output is gone (`| head`): nothing is left to say, to anyone.
            drop_stdout()
            sys.exit(128 + signal.SIGPIPE)
        return result

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown command is answered with the nearest known one."""
        if not ctx.resilient_parsing and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise UsageError(f"no command '{args[0]}'{suggestion(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Begin with `nmt train`, then `nmt translate FILE` and `nmt evaluate`: none needs a"
    " flag. `nmt COMMAND --help` shows an example of each.",
)
@click.version_option(__version__, prog_name="nmt")
def cli() -> None:
    """Neural machine translation as in "Attention Is All You Need".

    From parallel text to a trained Transformer, translations and a BLEU score.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 well, 1 bad input, 2 usage, 130 and 143 by a signal."""
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
        stop(128 + signal.SIGINT)
    except SystemExit as end:
        if end.code in (128 + signal.SIGINT, 128 + signal.SIGTERM):
            stop(int(end.code))
        raise
    except OSError as error:
        drop_stdout()
        place = f"{error.filename}: " if error.filename else "cannot read or write: "
        click.echo(f"nmt: {place}{error.strerror or error}", err=True)
        sys.exit(1)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        click.echo(f"nmt: out of memory; {MEMORY_MEND}", err=True)
        sys.exit(1)
    sys.exit(0)


def stop(code: int) -> NoReturn:
    """Exit by a signal, all being unwound: without waiting for threads that are at work."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(
            OSError, ValueError, AttributeError
        ):  # closed by the reader, or from the start
            stream.flush()
    leave(code)
    sys.exit(code)


def drop_stdout() -> None:
    """Let what is still buffered for stdout go nowhere, so that Python's exit is quiet."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def exit_on_sigterm(number: int, frame: FrameType | None) -> NoReturn:
    """Unwind, so that temporary files are removed."""
    sys.exit(128 + number)
