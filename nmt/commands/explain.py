"""`nmt explain`: write an HTML page that shows how a model translates a sentence."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten

import click

from nmt.commands import options
from nmt.commands.completion import complete_model
from nmt.commands.options import FILE
from nmt.errors import NmtError, UsageError
from nmt.runs.outputs import check_output, check_uncompressed
from nmt.runs.runs import distinct_names
from nmt.system.atomic import write_text
from nmt.system.log import note
from nmt.text.reading.lines import STDIN

LONGEST_HINT = 200  # characters of the sentence in a message
LARGE_PAGE = 20_000_000  # characters


@click.command("explain")
@click.argument("words", nargs=-1, metavar="[TEXT]")
@options.models(
    "--model",
    f"Model: a run folder or a .safetensors file.{options.NEWEST_MODEL}",
)
@click.option(
    "--compare",
    "compared",
    nargs=2,
    type=FILE,
    metavar="MODEL MODEL",
    shell_complete=complete_model,
    help="Show two models, or two checkpoints of a run, side by side.",
)
@click.option(
    "-o",
    "--output",
    type=FILE,
    default=Path("explain.html"),
    show_default=True,
    help="HTML file to write.",
)
@options.opens
@click.option(
    "--live/--no-live",
    default=True,
    help="Put the model into the page, which then translates what is typed.  [default: live]",
)
@options.run_data_dir
@options.decode_flags("beam_size", "length_penalty", "to")
@options.device
@options.set_decode()
def command(
    words: tuple[str, ...],
    models: tuple[Path, ...],
    compared: tuple[Path, ...] | None,
    output: Path,
    opens: bool,
    live: bool,
    data_dir: Path | None,
    device: str,
    overrides: tuple[str, ...],
) -> None:
    """Translate TEXT, one sentence, and write an HTML page that shows each step.

    Without TEXT, the page shows a sentence of the model's dev set. If TEXT is -, it is read from
    stdin. The page shows the subwords, the embeddings, every attention head of every layer, the
    probabilities of each step, the beam search as a tree, and the whole model in space. The model
    computes all numbers. The page is one file that needs no network. It holds the model, if that
    has at most 10 million parameters and subwords that nmt learned: you can type other sentences
    there, and change how they are translated.

    \b
    Examples:
      nmt explain --open
      nmt explain "The boy sleeps." --output boy.html
      nmt explain --compare runs/pocket runs/other "The boy sleeps."
    """
    if compared and models:
        raise UsageError("--compare names both models; leave out --model")
    if len(models) > 1:
        raise UsageError(
            "explain shows one model; give one --model, or name two with --compare MODEL MODEL"
        )
    if output == Path("-"):
        raise UsageError("--output - is stdout, but the page goes to a file; name one")
    check_output(output, [*(compared or models), *(STDIN for word in words if word == "-")])
    check_uncompressed(output)
    text = read_sentence(words) if words else ""
    sources = [[path] for path in compared] if compared else [models]

    from nmt.decoding.translator.load import load_models
    from nmt.runs.model_file import find_model

    for path in compared or ():
        find_model(path, "--compare")
    loaded = [load_models(paths, device, note, overrides) for paths in sources]

    from nmt.studio.explain.examples import choose_texts
    from nmt.studio.explain.explanation import explain
    from nmt.studio.explain.page import render_explanation
    from nmt.studio.pages.page import show

    languages = [model.recipe.data.source_language for model, _ in loaded]
    if len({*languages}) > 1:
        note(f"the models read different languages: {' and '.join(languages)}")
    others: list[str] = []
    if live or not words:
        text, others = choose_texts(*loaded[0], text, data_dir, output)
    if not words:
        note(f"example of the dev set: {text}")
    explanations = [explain(model, text, settings) for model, settings in loaded]
    names = [name.removesuffix(".safetensors") for name in distinct_names(compared or ())]
    page = render_explanation(
        *explanations, names=names, examples=others, live=live, data_dir=data_dir
    )
    write_text(output, page)
    for explanation in explanations:
        note(f"translation: {explanation.translation}")
    if len(page) > LARGE_PAGE:
        note(
            f"the page has {len(page) // 10**6} MB; --no-live, or a shorter text, makes it smaller"
        )
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
    if text != "-" and os.path.exists(text):
        raise UsageError(
            f"explain takes a sentence, but {text} is a file or a folder; --model names a model,"
            " and `nmt explain -` reads a sentence from stdin"
        )
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
