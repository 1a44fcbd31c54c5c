"""`nmt explain`: a page that shows how a model translates a sentence."""

import sys
from pathlib import Path

import click

from nmt.commands.options import (
    FILE,
    beam_options,
    device_option,
    flags_as_overrides,
    load_models,
    models_option,
    set_option,
)
from nmt.errors import NmtError, UsageError


@click.command("explain")
@click.argument("text")
@models_option
@click.option(
    "--output",
    type=FILE,
    default=Path("explain.html"),
    show_default=True,
    help="HTML file to write; a file that is no page is not written over.",
)
@click.option("--open", "opens", is_flag=True, help="Open the page in the browser.")
@beam_options
@device_option
@set_option
def command(
    text: str,
    models: tuple[Path, ...],
    output: Path,
    opens: bool,
    beam_size: int | None,
    length_penalty: float | None,
    device: str,
    overrides: tuple[str, ...],
) -> None:
    """Translate TEXT, one sentence, and write a page that shows each step of it; - reads stdin.

    Pieces, embeddings, every head of every layer, the probabilities of each step and the beam as a
    tree: all numbers are the model's own. The page is one HTML file that needs no network.

    \b
    Examples:
      nmt explain "A dog runs."
      nmt explain "A dog runs." --model runs/multi30k_en_de --output dog.html --open
    """
    flags = flags_as_overrides("decode", beam_size=beam_size, length_penalty=length_penalty)
    if len(models) > 1:
        raise UsageError("explain shows one model at a time; give one --model")
    sentence = one_line(read_stdin() if text == "-" else text)
    trained, settings = load_models(models, device, [*overrides, *flags])

    from nmt.studio.explain.page import page_of
    from nmt.studio.explain.story import tell
    from nmt.studio.pages.shell import show, write_page
    from nmt.system.log import note

    story = tell(trained, sentence, settings, note)
    write_page(output, page_of(story))
    note(f"translation: {story.translation}")
    click.echo(output)
    if opens and not show(output):
        note(f"no browser was found to open {output} with")


def read_stdin() -> str:
    """All of stdin as UTF-8 text."""
    if sys.stdin is None:
        raise NmtError("stdin is closed; give the sentence as an argument")
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NmtError(f"stdin is not UTF-8 text (byte {error.start + 1})") from error


def one_line(text: str) -> str:
    """The only line of a text that is not blank; raises NmtError if there are none or more."""
    try:
        text.encode()
    except UnicodeEncodeError as error:  # bytes of a shell that are no UTF-8
        raise NmtError("the text is not UTF-8") from error
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if len(lines) != 1:
        found = f"{len(lines)} lines" if lines else "nothing"
        raise NmtError(f"explain takes one sentence, but the text holds {found}")
    return lines[0]
