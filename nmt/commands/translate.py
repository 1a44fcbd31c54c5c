"""`nmt translate`: beam search over a file or stdin."""

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from nmt.commands.options import (
    FILE,
    decoding_options,
    device_option,
    flags_as_overrides,
    load_models,
    models_option,
    set_option,
    settings_help,
)
from nmt.errors import NmtError, UsageError
from nmt.system.atomic import atomic_path

if TYPE_CHECKING:
    from nmt.decoding.stream import Source
    from nmt.decoding.translator import Translation

UNPACKED = (".gz", ".xz", ".sgm")  # a pipe of such a name is unpacked as a file is


@click.command("translate", epilog=settings_help("decode"))
@click.argument("file", default="-", type=FILE)
@models_option
@click.option("--output", type=click.Path(path_type=Path), help="File to write instead of stdout.")
@decoding_options
@click.option("--n-best", type=int, help="Write this many translations with scores, as JSON lines.")
@device_option
@set_option
def command(
    file: Path,
    models: tuple[Path, ...],
    output: Path | None,
    beam_size: int | None,
    length_penalty: float | None,
    batch_tokens: int | None,
    n_best: int | None,
    device: str,
    overrides: tuple[str, ...],
) -> None:
    """Translate FILE, or stdin: one line out for each line in, in order; blank lines stay blank.

    What comes through a pipe or is typed is translated as it comes, line by line if need be.

    With --n-best N each line out is a JSON object: {"translations": [{"text", "score",
    "log_prob"}, ...]}, best first; log_prob is the model's, natural, and score is log_prob over the
    length penalty. Of a segment translated in pieces they are the pieces' sums.

    Several --model translate as an ensemble, by the mean of their probabilities at each step, which
    is then what log_prob is of; they need one vocabulary, and the first one's recipe says how to
    search.

    \b
    Examples:
      nmt translate data/sample.en
      echo "The old woman reads a letter." | nmt translate
      nmt translate in.en --model runs/multi30k_en_de --output out.de --beam-size 8
      nmt translate in.en --model runs/one --model runs/other
    """
    flags = flags_as_overrides(
        "decode", beam_size=beam_size, length_penalty=length_penalty, batch_tokens=batch_tokens
    )
    check_paths(file, output)
    trained, settings = load_models(models, device, [*overrides, *flags])

    from nmt.decoding.stream import chunks_of
    from nmt.decoding.translator import Translator
    from nmt.system.log import note, progress_bar

    if n_best is not None and not 1 <= n_best <= settings.beam_size:
        raise UsageError(f"--n-best {n_best} must be from 1 to the beam size, {settings.beam_size}")
    translator = Translator.of(trained, settings, note, n_best or 1)
    del trained  # whose weights the translator has laid out anew: once in memory is enough
    shares_screen = output is None and sys.stdout is not None and sys.stdout.isatty()
    with (
        open_source(file) as source,
        open_output(output) as stream,
        progress_bar(quiet=shares_screen, unit="segment", desc="translate") as bar,
    ):
        for chunk in translator.chunks(chunks_of(source)):
            for translation in chunk:
                stream.write(as_json(translation) if n_best else translation.text)
                stream.write("\n")
            stream.flush()  # a reader of the pipe sees what is done
            bar.update(len(chunk))


def check_paths(file: Path, output: Path | None) -> None:
    """Refuse a missing input, and an output that is its own input, before anything is loaded."""
    if str(file) != "-" and (not file.exists() or file.is_dir()):
        raise NmtError(f"{file} does not exist or is not a file; name a text file, or - for stdin")
    if output is None or not output.is_file():
        return
    if str(file) == "-" and sys.stdin is None:
        return  # told when it is read
    given = os.fstat(sys.stdin.fileno()) if str(file) == "-" else file.stat()
    if os.path.samestat(given, output.stat()):
        raise UsageError(f"--output {output} is the input itself; name another file")


@contextmanager
def open_source(file: Path) -> Iterator["Source"]:
    """The lines of a file; of stdin, or of a pipe that has a name, as they come."""
    from nmt.decoding.stream import ArrivingLines, Source
    from nmt.text.corpus import decode_lines, read_segments

    if str(file) != "-" and (file.is_file() or file.suffix in UNPACKED):
        yield Source(read_segments(file))
        return
    if str(file) == "-" and sys.stdin is None:
        raise NmtError("stdin is closed; name a text file")
    name = "stdin" if str(file) == "-" else str(file)
    with nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb") as stream:
        lines = ArrivingLines(stream.fileno(), name)
        yield Source(decode_lines(lines, name), lines.is_there)


@contextmanager
def open_output(output: Path | None) -> Iterator[IO[str]]:
    """Stdout, or a file that appears when all is written; UTF-8 and plain line feeds always."""
    if output is None:
        if sys.stdout is None:
            raise NmtError("stdout is closed; name a file with --output")
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")
        yield sys.stdout
        return
    with (
        atomic_path(output) as partial,
        partial.open("w", encoding="utf-8", newline="\n") as stream,
    ):
        yield stream


def as_json(translation: "Translation") -> str:
    """A segment's candidates as one JSON line."""
    candidates = [
        {"text": each.text, "score": each.score, "log_prob": each.log_prob}
        for each in translation.candidates
    ]
    return json.dumps({"translations": candidates}, ensure_ascii=False)
