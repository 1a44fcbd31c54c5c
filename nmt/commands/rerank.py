"""`nmt rerank`: rerank n-best lists by other models, and tune the weights of the models."""

from pathlib import Path

import click

from nmt.commands import options
from nmt.commands.options import FILE, PATH
from nmt.config.decode import RERANK_SETTINGS
from nmt.errors import UsageError
from nmt.runs.outputs import check_output, check_uncompressed
from nmt.runs.runs import check_named_once
from nmt.system.files import check_file
from nmt.system.log import note
from nmt.text.reading.languages import language_in_name
from nmt.text.reading.lines import check_texts

METRICS = ("bleu", "chrf")
SEED = 1


@click.command("rerank")
@click.argument("nbest", default="-", type=FILE)
@click.option(
    "--source", required=True, type=FILE, help="File of the segments that were translated."
)
@options.models("--model", "Model that scores the candidates. May be repeated.")
@options.models("--reverse-model", "Model of the other direction. May be repeated.")
@click.option("--weights", type=PATH, help="File of weights: read, or with --tune written.")
@options.repeated(
    "--tune", "references", "Tune the weights by these references.", "REFERENCE", FILE
)
@click.option(
    "--metric",
    type=click.Choice(METRICS),
    help=f"With --tune: the score to raise.  [default: {METRICS[0]}]",
)
@options.number(
    "--seed", click.IntRange(0, 2**31 - 1), f"With --tune: seed of the search.  [default: {SEED}]"
)
@options.output
@options.number("--n-best", click.IntRange(1), "Write the N best translations, as JSON.")
@options.device
@options.decode_flags("to")
@options.set_decode(*RERANK_SETTINGS)
def command(
    nbest: Path,
    source: Path,
    models: tuple[Path, ...],
    reverse_models: tuple[Path, ...],
    weights: Path | None,
    references: tuple[Path, ...],
    metric: str | None,
    seed: int | None,
    output: Path | None,
    n_best: int | None,
    device: str,
    overrides: tuple[str, ...],
) -> None:
    """Choose a translation from each n-best list by the scores of several models.

    NBEST holds a list for each line of the source, as `nmt translate --n-best N` writes it, as JSON
    or in Moses's format. If it is - or missing, stdin is read. The command writes one line for each
    list, in the same order.

    A candidate's features are its score in the list, a score of each further model, and its length
    in characters. The candidate with the greatest weighted sum of features is chosen. A model may
    have another vocabulary than the one that translated.

    With --tune, nothing is reranked. The weights are tuned, so that the choice has the best score
    on these lists. Tune on a dev set, never on the test set.

    \b
    Examples:
      nmt rerank lists.jsonl --source in.en --model runs/right_to_left
      nmt translate in.en --n-best 4 | nmt rerank --source in.en --model runs/two
      nmt rerank dev.jsonl --source dev.en --model runs/other --tune dev.de \\
        --weights weights.json
      nmt rerank lists.jsonl --source in.en --model runs/other \\
        --weights weights.json
    """
    if not models and not reverse_models:
        raise UsageError("nothing to rerank with: name a --model or a --reverse-model")
    check_named_once({"--model": models, "--reverse-model": reverse_models})
    if references:
        if weights is None:
            raise UsageError("--tune needs --weights: the file to write them to")
        if output is not None or n_best is not None:
            raise UsageError("--tune writes weights only; leave out --output and --n-best")
    elif metric is not None or seed is not None:
        raise UsageError("--metric and --seed need --tune")
    inputs = [nbest, source, *references]
    check_texts(inputs)
    if weights is not None and not references:
        check_file(weights, "the weights file", "`nmt rerank --tune` makes it")
        inputs.append(weights)
    written, option = (weights, "--weights") if references else (output, "--output")
    if written is not None:
        check_output(written, inputs, option)
        check_uncompressed(written, option)

    from nmt.evaluation.rerank import load_judges, rerank_file, write_weights

    text = language_in_name(source), language_in_name(references[0]) if references else ""
    judges = load_judges(models, reverse_models, device, note, overrides, text)
    if references and weights is not None:
        from nmt.evaluation.tune import report, tune_file

        chosen = metric or METRICS[0], SEED if seed is None else seed
        tuned = tune_file(nbest, source, references, judges, *chosen)
        write_weights(weights, tuned)
        click.echo(report(tuned), nl=False)
    else:
        rerank_file(nbest, source, judges, weights, output, n_best)
