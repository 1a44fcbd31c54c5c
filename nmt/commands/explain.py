"""`nmt explain`: write an HTML page that shows how a model translates a sentence."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten

import click

from nmt.commands import options
from nmt.commands.options import FILE
from nmt.errors import NmtError, UsageError
from nmt.runs.outputs import check_output
from nmt.system.atomic import write_text
from nmt.system.log import note

LONGEST_HINT = 200  # characters of the sentence in a message


@click.command("explain")
@click.argument("words", nargs=-1, required=True, metavar="TEXT")
@options.models(
    "--model", "Model: a run folder or a .safetensors file.  [default: the newest finished run]"
)
@click.option(
    "--output",
    type=FILE,
    default=Path("explain.html"),
    show_default=True,
    help="HTML file to write.",
)
@options.opens
@options.decode_flags("beam_size", "length_penalty", "target_token")
@options.device
@options.set_decode()
def command(
    words: tuple[str, ...],
    models: tuple[Path, ...],
    output: Path,
    opens: bool,
    device: str,
    overrides: tuple[str, ...],
) -> None:
    """Translate TEXT, one sentence, and write an HTML page that shows each step.

    If TEXT is -, the sentence is read from stdin. The page shows the subwords, the embeddings,
    every attention head of every layer, the probabilities of each step, and the beam search as a
    tree. All numbers are computed by the model. The page is one file that needs no network.

    \b
    Examples:
      nmt explain "The boy sleeps."
      nmt explain "A dog runs on grass." --output dog.html --open
      nmt explain "A dog runs on grass." --model runs/multi30k_en_de
    """
    if len(models) > 1:
        raise UsageError("explain shows one model at a time; give one --model")
    if output == Path("-"):
        raise UsageError("--output - is stdout, but the page goes to a file; name one")
    check_output(output, models)
    sentence = read_sentence(words)

    from nmt.decoding.translator.load import load_models

    model, settings = load_models(models, device, note, overrides)

    from nmt.studio.explain.explanation import explain
    from nmt.studio.explain.page import render_explanation
    from nmt.studio.pages.page import show

    explanation = explain(model, sentence, settings, note)
    write_text(output, render_explanation(explanation))
    note(f"translation: {explanation.translation}")
    click.echo(output)
    if opens:
        show(output)


def read_sentence(words: Sequence[str]) -> str:
    """Return the sentence of the arguments, or of stdin for "-".

    Raises UsageError for several arguments, as if quotes were forgotten, and NmtError unless there
    is one line of UTF-8 text.
    """
    if len(words) > 1:
        quoted = shorten(" ".join(words), LONGEST_HINT, placeholder=" ...")
        quoted = shlex.quote(quoted) if {*quoted} & {*'"$`\\!'} else f'"{quoted}"'
        raise UsageError(f"put the sentence in quotes: write nmt explain {quoted}")
    text = words[0]
    try:
        text.encode()
        if text == "-":
            if sys.stdin is None:
                raise NmtError("stdin is closed; give the sentence as an argument")
            text = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NmtError(f"stdin is not UTF-8 text (byte {error.start + 1})") from error
    except UnicodeEncodeError as error:  # an argument with bytes that are not UTF-8
        raise NmtError("the text is not UTF-8") from error
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if len(lines) != 1:
        found = f"{len(lines)} lines" if lines else "nothing"
        raise NmtError(f"explain takes one sentence, but the text holds {found}")
    return lines[0]
