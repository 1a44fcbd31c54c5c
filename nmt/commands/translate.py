"""`nmt translate`: translate a file or stdin."""

from pathlib import Path

import click

from nmt.commands.options import (
    FILE,
    decoding_options,
    device_option,
    flags_as_overrides,
    models_option,
    set_decode_option,
    settings_help,
)


@click.command("translate", epilog=settings_help("decode"))
@click.argument("file", default="-", type=FILE)
@models_option
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="File to write the translations to.  [default: stdout]",
)
@decoding_options
@click.option(
    "--n-best",
    type=int,
    help="Write the N best translations of each line, with scores, as JSON."
    "  [default: the best translation, as text]",
)
@device_option
@set_decode_option
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
    """Translate FILE, or stdin if FILE is - or missing.

    The command writes one line for each line it reads, in the same order. A blank line stays blank.
    Lines from a pipe or a terminal are translated as they arrive.

    With --n-best N each output line is a JSON object: {"translations": [{"text", "score",
    "log_prob"}, ...]}, best first. log_prob is the natural logarithm of the model's probability.
    score is log_prob divided by the length penalty. If a line was too long and was split, both are
    summed over its parts.

    With several --model options the models translate as an ensemble: each step uses the mean of
    their probabilities, and log_prob refers to that mean. The models need the same vocabulary. The
    first model's recipe gives the search settings.

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

    from nmt.decoding.text_files import check_text_files

    check_text_files(file, output)

    from nmt.decoding.models import load_models
    from nmt.system.log import note

    model, settings = load_models(models, device, note, [*overrides, *flags])

    from nmt.decoding.translate_file import best_line, json_line, translate_file
    from nmt.decoding.translator import Translator

    translator = Translator.of(model, settings, note, 1 if n_best is None else n_best)
    del model  # frees its weights: the translator keeps packed copies
    translate_file(translator, file, output, best_line if n_best is None else json_line)
